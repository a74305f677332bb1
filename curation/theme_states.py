"""Keeps where each theme stands, as it follows from what is measured."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from django.db import transaction
from django.db.models import Q

from curation import complaints, effects, progress, rates, sequential
from curation.acts import targets_of
from curation.complaints import Counts
from curation.models import Issue, LibraryVersion, PublishedEntry
from curation.progress import Standing, State
from feedback.models import Project
from review.models import Event, Theme

# Of the versions published against a theme, so many of the newest are looked at.
MOST_VERSIONS = 3


@dataclass
class _Measured:
    """What was counted in a project, each once for all its themes.

    `acted` has what was before and what is now, by when something was first done.
    """

    recent: Counts
    acted: dict[datetime, Counts] = field(default_factory=dict)
    exposed: dict[int, Counts] = field(default_factory=dict)


@dataclass
class _Acts:
    """What was done about a theme, the oldest first."""

    versions: list[LibraryVersion] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    @property
    def first_at(self) -> datetime | None:
        times = [one.published_at for one in self.versions[:1]]
        return min([*times, *(one.opened_at for one in self.issues[:1])], default=None)

    def renewed_since(self, at: datetime | None) -> bool:
        """Whether somebody published something, or an issue was closed, after that time."""
        times = [one.published_at for one in self.versions if not one.follows_erasure]
        times += [one.closed_at for one in self.issues if one.closed_at]
        return at is not None and any(one > at for one in times)

    def reopened_since(self, at: datetime | None) -> bool:
        """Whether an issue was opened again after that time, and still is open."""
        times = [one.changed_at for one in self.issues if one.status == Issue.Status.REOPENED]
        return any(at is None or one > at for one in times)


def follow_all(*, now: datetime) -> int:
    """Bring the themes of all projects up to date; return how many changed their state."""
    acted_on = PublishedEntry.objects.values("version__library__project")
    asked = Issue.objects.exclude(theme=None).values("project")
    moved = Theme.objects.exclude(state=Theme.State.OPEN).values("project")
    projects = Project.objects.filter(Q(pk__in=acted_on) | Q(pk__in=asked) | Q(pk__in=moved))
    return sum(follow(project=project, now=now) for project in projects.distinct().order_by("pk"))


@transaction.atomic
def follow(*, project: Project, now: datetime) -> int:
    """Bring the project's themes up to date; return how many changed their state.

    Asking again changes nothing. Each change is an event, with what it rests on.
    """
    acts = _acts_by_theme(project)
    themes = Theme.objects.filter(project=project, pk__in=acts) | Theme.objects.filter(
        project=project
    ).exclude(state=Theme.State.OPEN)
    measured = _Measured(
        recent=complaints.by_time(
            project=project,
            since=now - timedelta(days=progress.RECENT_DAYS),
            middle=now - timedelta(days=progress.RECENT_DAYS),
            until=now,
        )
    )
    return sum(
        _move(theme, _standing(theme, acts[theme.pk], measured, now), now)
        for theme in themes.distinct().defer("centroid").order_by("pk")
    )


def _acts_by_theme(project: Project) -> dict[int, _Acts]:
    """For each theme what was done about it: versions published, and issues not dropped."""
    found: dict[int, _Acts] = defaultdict(_Acts)
    versions = LibraryVersion.objects.filter(library__project=project).select_related("library")
    for version in versions.order_by("published_at", "pk"):
        for theme in targets_of(version).values_list("pk", flat=True):
            found[theme].versions.append(version)
    asked = project.issues.exclude(theme=None).exclude(resolution=Issue.Resolution.DROPPED)
    for issue in asked.order_by("opened_at", "pk"):
        if issue.theme_id is not None:
            found[issue.theme_id].issues.append(issue)
    return found


def _standing(theme: Theme, acts: _Acts, measured: _Measured, now: datetime) -> Standing:
    if acts.first_at is None:
        return Standing(is_acted_on=False)
    if acts.first_at not in measured.acted:
        measured.acted[acts.first_at] = complaints.by_time(
            project=theme.project,
            since=acts.first_at - timedelta(days=effects.MOST_DAYS),
            middle=acts.first_at,
            resumed=max(acts.first_at, now - timedelta(days=progress.RECENT_DAYS)),
            until=now,
        )
    acted = measured.acted[acts.first_at]
    before, after = (acted.arm(name, theme=theme.pk) for name in ("before", "after"))
    recent = measured.recent.arm("after", theme=theme.pk)
    helped = [_helped(theme, one, before.rate, measured) for one in acts.versions[-MOST_VERSIONS:]]
    told = [one for one in helped if one is not None]
    both = acted.both(theme=theme.pk)
    change = rates.drift_corrected(before, after, both=both, z=rates.Z_DAILY)
    return Standing(
        is_acted_on=True,
        is_better=any(told) if told else change is not None and change.high < 0,
        is_renewed=acts.renewed_since(theme.state_since),
        has_reopened=acts.reopened_since(theme.state_since),
        usual=before.rate,
        recent=recent,
    )


def _helped(
    theme: Theme, version: LibraryVersion, usual: float, measured: _Measured
) -> bool | None:
    """Whether the version helped for certain; None where nothing was held out to tell it."""
    if version.pk not in measured.exposed:
        measured.exposed[version.pk] = complaints.by_exposure(version=version)
    counts = measured.exposed[version.pk]
    served, held_out = counts.beside(theme=theme.pk)
    if not served.outputs or not held_out.outputs:
        return None
    return sequential.look(served, held_out, usual=usual).is_better


def _move(theme: Theme, standing: Standing, now: datetime) -> bool:
    """Write the theme's new state with its event; whether there is one."""
    state = progress.following(cast("State", theme.state), standing)
    if state == theme.state:
        return False
    moved = Theme.objects.filter(pk=theme.pk, state=theme.state)
    if not moved.update(state=state, state_since=now):
        return False
    Event.objects.create(
        project_id=theme.project_id,
        verb=f"theme_{state}",
        target_type="theme",
        target_id=theme.pk,
        data={
            "from": theme.state,
            "usual": round(standing.usual, 6),
            "recent_outputs": int(standing.recent.outputs),
            "recent_complaints": int(standing.recent.complaints),
        },
        at=now,
    )
    return True
