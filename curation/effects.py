"""Tells whether what was published helped: by version, and by theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from curation import complaints, rates, readings, sequential
from curation.complaints import Counts
from curation.models import LibraryVersion
from curation.rates import Arm, Change
from curation.readings import Reading
from curation.sequential import Looked
from feedback.timeouts import TooSlowError, time_limit
from review.models import Theme, ThemeMembership

TIME_LIMIT_MS = 5_000
# At most so many days before are compared with as many after: longer ago, much else was different.
MOST_DAYS = 28
# Versions that a theme's page tells of, the newest.
MOST_VERSIONS = 5
TOO_SLOW = "There are too many outputs to count at the moment."


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Sessions that got the version beside those that by lot got nothing in the same days.

    What else changes, changes for both. `change` holds for one look, `looked.change` for daily
    ones.
    """

    served: Arm
    held_out: Arm
    change: Change | None
    looked: Looked
    reading: Reading


@dataclass(frozen=True, kw_only=True)
class BeforeAfter:
    """As many days after the version was published as before, without held-out sessions.

    Something else may have changed in the same days. `expected` is the rate after if it had gone
    as all other complaints went, `change` what the rate after is more than that.
    """

    before: Arm
    after: Arm
    plain: Change | None
    expected: Change | None
    change: Change | None
    reading: Reading


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a version did to the complaints of a theme, or to all for None."""

    version: LibraryVersion
    theme: Theme | None
    held_out: HeldOut
    before_after: BeforeAfter
    since: datetime
    until: datetime

    @property
    def reading(self) -> Reading:
        """What it comes to: by what was held out, where anything was."""
        if self.held_out.reading.kind != "unknown":
            return self.held_out.reading
        return self.before_after.reading


@dataclass(frozen=True, kw_only=True)
class VersionEffect:
    """All that is known of a version: its effects, on all complaints first; `why` if on none.

    `reviewed` is what reviewers found by lot in served and held-out sessions, None for nothing.
    """

    version: LibraryVersion
    effects: Sequence[Effect] = ()
    reviewed: HeldOut | None = None
    why: str = ""


def of_version(*, version: LibraryVersion, now: datetime) -> VersionEffect:
    """What the version did to all complaints and to those of the themes it was published against.

    Six queries, for however many themes.
    """
    try:
        with time_limit(TIME_LIMIT_MS):
            targets = list(targets_of(version).order_by("-size", "pk"))
            effects = _effects(version, [None, *targets], now)
            by_review = complaints.reviewed(version=version)
    except TooSlowError:
        return VersionEffect(version=version, why=TOO_SLOW)
    reviewed = _held_out(by_review, theme=None, usual=None)
    has_both = reviewed.served.outputs and reviewed.held_out.outputs
    return VersionEffect(version=version, effects=effects, reviewed=reviewed if has_both else None)


def of_theme(*, theme: Theme, now: datetime) -> list[Effect]:
    """What the newest versions published against the theme did to it, the newest first.

    Raises TooSlowError.
    """
    versions = versions_against(theme).select_related("library")
    with time_limit(TIME_LIMIT_MS):
        return [
            effect
            for version in versions.order_by("-published_at", "-pk")[:MOST_VERSIONS]
            for effect in _effects(version, [theme], now)
        ]


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


def _effects(
    version: LibraryVersion, themes: Sequence[Theme | None], now: datetime
) -> list[Effect]:
    since, until = _days(version, now)
    by_time = complaints.by_time(
        project=version.library.project,
        since=since,
        middle=version.published_at,
        until=until,
    )
    by_exposure = complaints.by_exposure(version=version)
    effects = []
    for theme in themes:
        pk = theme.pk if theme else None
        before_after = _before_after(by_time, theme=pk)
        effects.append(
            Effect(
                version=version,
                theme=theme,
                held_out=_held_out(by_exposure, theme=pk, usual=before_after.before.rate),
                before_after=before_after,
                since=since,
                until=until,
            )
        )
    return effects


def _days(version: LibraryVersion, now: datetime) -> tuple[datetime, datetime]:
    """As long before the version as after it, until the next one or for MOST_DAYS."""
    following = (
        version.library.versions.filter(number__gt=version.number)
        .order_by("number")
        .values_list("published_at", flat=True)
        .first()
    )
    ends = [now, version.published_at + timedelta(days=MOST_DAYS)]
    until = min([*ends, following] if following else ends)
    until = max(until, version.published_at)
    return version.published_at - (until - version.published_at), until


def _held_out(counts: Counts, *, theme: int | None, usual: float | None) -> HeldOut:
    served, held_out = counts.beside(theme=theme)
    looked = sequential.look(served, held_out, usual=usual)
    return HeldOut(
        served=served,
        held_out=held_out,
        change=rates.difference(served, held_out),
        looked=looked,
        reading=readings.of_held_out(
            looked, num_served=served.sessions, num_held_out=held_out.sessions
        ),
    )


def _before_after(counts: Counts, *, theme: int | None) -> BeforeAfter:
    before, after = counts.arm("before", theme=theme), counts.arm("after", theme=theme)
    plain, change = rates.difference(after, before), rates.drift_corrected(before, after)
    return BeforeAfter(
        before=before,
        after=after,
        plain=plain,
        expected=rates.expected(before, after),
        change=change,
        reading=readings.of_before_and_after(
            plain, change, daily=rates.drift_corrected(before, after, z=rates.Z_DAILY)
        ),
    )
