"""Tells what was done about themes, and when: published, released to train on, closed as fixed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import OuterRef, Q, QuerySet, Subquery

from curation.models import (
    Example,
    Issue,
    IssueChange,
    LibraryVersion,
    Release,
    ReleasedExample,
    TrainingSet,
)
from feedback.models import Project
from review.models import Theme, ThemeMembership

Kind = Literal["version", "release", "issue"]


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that was done: of version, release and issue it has one.

    `until` is when the next version or release of the same came, or the issue came back; None
    while neither has.
    """

    at: datetime
    until: datetime | None
    project: Project
    version: LibraryVersion | None = None
    release: Release | None = None
    issue: Issue | None = None

    @property
    def kind(self) -> Kind:
        """Which of the three it is."""
        if self.version is not None:
            return "version"
        return "release" if self.release is not None else "issue"


def published(versions: QuerySet[LibraryVersion]) -> list[Act]:
    """These versions, in their order. One query."""
    later = LibraryVersion.objects.filter(
        library=OuterRef("library"), number__gt=OuterRef("number")
    )
    until = later.order_by("number").values("published_at")[:1]
    found = versions.select_related("library__project").annotate(ends=Subquery(until))
    return [
        Act(at=one.published_at, until=one.ends, project=one.library.project, version=one)
        for one in found
    ]


def released(releases: QuerySet[Release]) -> list[Act]:
    """These releases, in their order. One query.

    They count from when they were begun: an erasure writes a release anew, long after that.
    """
    later = Release.objects.done().filter(
        training_set=OuterRef("training_set"), number__gt=OuterRef("number")
    )
    until = later.order_by("number").values("released_at")[:1]
    found = releases.select_related("training_set__project").annotate(ends=Subquery(until))
    return [
        Act(at=one.released_at, until=one.ends, project=one.training_set.project, release=one)
        for one in found
    ]


def closed(issues: QuerySet[Issue]) -> list[Act]:
    """Each time that one of these issues was closed as fixed, the newest first. One query."""
    reopened = IssueChange.objects.filter(
        issue=OuterRef("issue"), kind=IssueChange.Kind.REOPENED, pk__gt=OuterRef("pk")
    )
    until = reopened.order_by("pk").values("at")[:1]
    closings = IssueChange.objects.filter(
        issue__in=issues.order_by(), kind=IssueChange.Kind.CLOSED, resolution="fixed"
    )
    found = closings.select_related("issue__project").annotate(ends=Subquery(until))
    return [
        Act(at=one.at, until=one.ends, project=one.issue.project, issue=one.issue)
        for one in found.order_by("-at", "-pk")
    ]


def against(theme: Theme, *, most: int) -> list[Act]:
    """What was done about a theme, the newest first, at most so many. Three queries."""
    versions = versions_against(theme).order_by("-published_at", "-pk")[:most]
    releases = releases_against(theme).order_by("-released_at", "-pk")[:most]
    found = [*published(versions), *released(releases), *closed(theme.issues.all())]
    return sorted(found, key=lambda act: act.at, reverse=True)[:most]


def targets_of(version: LibraryVersion) -> QuerySet[Theme]:
    """The themes that the version's entries come from: by their feedback, or their outputs'."""
    of_feedback = Q(feedback__context_entries__published__version=version)
    of_output = Q(feedback__output__context_entries__published__version=version)
    found = ThemeMembership.objects.filter(of_feedback | of_output).values("theme")
    return Theme.objects.filter(project=version.library.project_id, pk__in=found).defer("centroid")


def versions_against(theme: Theme) -> QuerySet[LibraryVersion]:
    """The versions with an entry that comes from the theme."""
    of_feedback = Q(entries__entry__feedback__theme_membership__theme=theme)
    of_output = Q(entries__entry__output__feedback__theme_membership__theme=theme)
    found = LibraryVersion.objects.filter(of_feedback | of_output).values("pk")
    return LibraryVersion.objects.filter(pk__in=found)


def releases_against(theme: Theme) -> QuerySet[Release]:
    """The releases that teach an example which comes from the theme."""
    of_feedback = Q(feedback__theme_membership__theme=theme)
    of_output = Q(output__feedback__theme_membership__theme=theme)
    return teaching(Example.objects.filter(of_feedback | of_output).values_list("pk", flat=True))


def teaching(examples: Iterable[int | None]) -> QuerySet[Release]:
    """The whole releases with one of these examples to train on: not to validate or test by."""
    rows = ReleasedExample.objects.there().filter(
        example__in=examples, split=ReleasedExample.Split.TRAIN
    )
    return Release.objects.done().filter(
        pk__in=rows.values("release"), training_set__purpose=TrainingSet.Purpose.TRAINING
    )
