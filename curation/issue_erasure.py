"""Takes out of product issues what only came from what is erased."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curation.models import Issue, IssueChange
from feedback.erasure import Part
from feedback.models import Output, Project, Session


def erase(part: Part) -> None:
    """Forget roles and model versions, counted as evidence, that nobody else had.

    Examples and decisions go with their feedback and reviews. Expects the transaction that deletes
    the part afterwards.
    """
    theirs = Session.objects.filter(pk__in=part.sessions)
    others = Session.objects.filter(project=part.project).exclude(pk__in=part.sessions)
    made = Output.objects.filter(pk__in=part.outputs)
    made_else = Output.objects.filter(project=part.project).exclude(pk__in=part.outputs)
    alone = {
        "roles": _alone(theirs, others, "user_role"),
        "models": _alone(made, made_else, "model_version"),
    }
    if not any(alone.values()):
        return
    for issue in Issue.objects.filter(project=part.project):
        Issue.objects.filter(pk=issue.pk).update(evidence=_without(issue.evidence, alone))
    for change in IssueChange.objects.filter(issue__project=part.project):
        told = _without(change.evidence, alone)
        if told != change.evidence:
            IssueChange.objects.filter(pk=change.pk).update(evidence=told)


def rename(*, project: Project, renamed: Mapping[str, str]) -> None:
    """Give issues that are called as a theme was the name that it has now."""
    for old, new in renamed.items():
        Issue.objects.filter(project=project, title=old).update(title=new)


def _alone(theirs: Any, others: Any, field: str) -> set[str]:
    names = set(theirs.exclude(**{field: ""}).values_list(field, flat=True).distinct())
    if not names:
        return names
    kept = others.filter(**{f"{field}__in": names}).values_list(field, flat=True).distinct()
    return names - set(kept)


def _without(evidence: dict[str, Any], names: Mapping[str, set[str]]) -> dict[str, Any]:
    return {
        kind: [one for one in told if one[0] not in names[kind]] if kind in names else told
        for kind, told in evidence.items()
    }
