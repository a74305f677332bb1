"""Takes out of product issues what only came from what is erased, and what quotes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from curation.models import Issue, IssueChange
from feedback import erasure
from feedback.erasure import ERASED, Part
from feedback.models import Feedback, Output, Project, Session
from review.models import Handover

# Characters from which on the same words are a quotation, and not by chance the same.
SHORTEST_QUOTE = 20


def erase(part: Part) -> None:
    """Forget roles and model versions, counted as evidence, that nobody else had; and quotations.

    What was counted stays, as what spoke for the issue when it was opened. What the watch holds
    against what is there now is counted anew. Examples and decisions go with their feedback and
    reviews. Expects the transaction that deletes the part afterwards.
    """
    _forget_names(part)
    _forget_quotes(part)
    # Complaints that are gone on one side alone would look like a change.
    Issue.objects.watched().filter(project=part.project).update(baseline=None)


def rename(*, project: Project, renamed: Mapping[str, str]) -> None:
    """Give issues that are called as a theme was the name that it has now."""
    for issue in Issue.objects.filter(project=project, title__in=list(renamed)):
        _call(issue, renamed[issue.title])


def _forget_names(part: Part) -> None:
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


def _forget_quotes(part: Part) -> None:
    """Take out what somebody copied into an issue as it stood, or a tracker sent back."""
    quotes = _quotes(part)
    for issue in Issue.objects.filter(project=part.project).defer("evidence"):
        title = _unquoted(issue.title, quotes, part.ids)
        description = _unquoted(issue.description, quotes, part.ids)
        if description != issue.description:
            Issue.objects.filter(pk=issue.pk).update(description=description)
        if title != issue.title:
            _call(issue, title)
    for change in IssueChange.objects.filter(issue__project=part.project).exclude(comment=""):
        comment = _unquoted(change.comment, quotes, part.ids)
        if comment != change.comment:
            IssueChange.objects.filter(pk=change.pk).update(comment=comment)


def _call(issue: Issue, title: str) -> None:
    """Give an issue another title, also where decisions say that they led to it."""
    Issue.objects.filter(pk=issue.pk).update(title=title)
    Handover.objects.filter(issue_source__issue=issue, is_promoted=True).update(
        comment=f"P-{issue.number} {title}"
    )


def _quotes(part: Part) -> list[str]:
    """What was asked, answered and said, as it may have been copied; the longest first."""
    said = Feedback.objects.filter(pk__in=part.feedback).values_list("comment", "correction")
    made = Output.objects.filter(pk__in=part.outputs).values_list("query", "text")
    texts = {text.replace("\r\n", "\n").strip() for row in (*said, *made) for text in row}
    texts |= {" ".join(text.split()) for text in texts}
    return sorted((one for one in texts if len(one) >= SHORTEST_QUOTE), key=len, reverse=True)


def _unquoted(text: str, quotes: Iterable[str], ids: frozenset[str]) -> str:
    for quote in quotes:
        text = text.replace(quote, ERASED)
    return erasure.reworded(text, ids)


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
