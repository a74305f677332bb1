"""Tells what was done about themes, and when: published, released to train on, closed as fixed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Least

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
from review.models import Event, Theme, ThemeMembership

Kind = Literal["version", "release", "issue"]


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that was done: of version, release and issue it has one.

    `until` is when the next version or release of the same came, another version was served again,
    or the issue came back; None while nothing of that happened.
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
    # Whatever is taken back after one came and before the next one is that one.
    back = Event.objects.filter(
        target_type="context_library",
        target_id=OuterRef("library"),
        verb__in=["stopped_experiment", "rolled_back"],
        at__gt=OuterRef("published_at"),
    )
    until = Least(
        Subquery(later.order_by("number").values("published_at")[:1]),
        Subquery(back.order_by("at").values("at")[:1]),
    )
    found = versions.select_related("library__project").annotate(ends=until)
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


def closed(issues: QuerySet[Issue], *, most: int) -> list[Act]:
    """The last times that one of these issues was closed as fixed, the newest first. One query."""
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
        for one in found.order_by("-at", "-pk")[:most]
    ]


def against(theme: Theme, *, most: int) -> list[Act]:
    """What was done about a theme, the newest first, at most so many. Three queries."""
    versions = versions_against(theme).order_by("-published_at", "-pk")[:most]
    releases = releases_against(theme).order_by("-released_at", "-pk")[:most]
    found = [*published(versions), *released(releases), *closed(theme.issues.all(), most=most)]
    return sorted(found, key=lambda act: act.at, reverse=True)[:most]


def targets_of(version: LibraryVersion) -> QuerySet[Theme]:
    """The themes that the version's entries come from: by their feedback, or their outputs'."""
    # Each way by itself begins at the version; both in one would read what all projects published.
    members = ThemeMembership.objects.values("theme")
    of_feedback = members.filter(feedback__context_entries__published__version=version)
    of_output = members.filter(feedback__output__context_entries__published__version=version)
    found = Theme.objects.filter(Q(pk__in=of_feedback) | Q(pk__in=of_output))
    return found.filter(project=version.library.project_id).defer("centroid")


def versions_against(theme: Theme) -> QuerySet[LibraryVersion]:
    """The versions with an entry that comes from the theme."""
    versions = LibraryVersion.objects.values("pk")
    of_feedback = versions.filter(entries__entry__feedback__theme_membership__theme=theme)
    of_output = versions.filter(entries__entry__output__feedback__theme_membership__theme=theme)
    return LibraryVersion.objects.filter(Q(pk__in=of_feedback) | Q(pk__in=of_output))


def releases_against(theme: Theme) -> QuerySet[Release]:
    """The releases that teach an example which comes from the theme."""
    examples = Example.objects.values_list("pk", flat=True)
    of_feedback = examples.filter(feedback__theme_membership__theme=theme)
    of_output = examples.filter(output__feedback__theme_membership__theme=theme)
    return teaching(of_feedback.union(of_output))


def teaching(examples: Iterable[int | None]) -> QuerySet[Release]:
    """The whole releases with one of these examples to train on: not to validate or test by."""
    rows = ReleasedExample.objects.there().filter(
        example__in=examples, split=ReleasedExample.Split.TRAIN
    )
    return Release.objects.done().filter(
        pk__in=rows.values("release"), training_set__purpose=TrainingSet.Purpose.TRAINING
    )
