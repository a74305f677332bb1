"""Tells whether what was done helped: by version, by theme, and by what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Aggregate, Count, Q, Sum

from curation import acts, complaints, rates, readings, sequential
from curation.acts import Act
from curation.complaints import Counts
from curation.models import Experiment, LibraryVersion
from curation.rates import Arm, Change
from curation.readings import Reading
from curation.sequential import Looked
from feedback.timeouts import TooSlowError, time_limit
from review.models import Theme

TIME_LIMIT_MS = 5_000
# What is told of several acts asks several times; a page begins no more of it after that.
ALTOGETHER_MS = 10_000
# At most so many days before are compared with as many after: longer ago, much else was different.
MOST_DAYS = 28
# Things done that a theme's page tells of, the newest.
MOST_ACTS = 8
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
    """As many days after something was done as before, without held-out sessions.

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
    """What an act did to the complaints of a theme, or to all for None.

    Only a version has sessions held out from it.
    """

    act: Act
    theme: Theme | None
    held_out: HeldOut | None
    before_after: BeforeAfter
    since: datetime
    until: datetime

    @property
    def reading(self) -> Reading:
        """What it comes to: by what was held out, where anything was."""
        if self.held_out and self.held_out.reading.kind != "unknown":
            return self.held_out.reading
        return self.before_after.reading


@dataclass(frozen=True, kw_only=True)
class Served:
    """How often context was asked for, and in how many sessions that said which they are."""

    calls: int = 0
    sessions: int = 0


@dataclass(frozen=True, kw_only=True)
class VersionEffect:
    """All that is known of a version: its effects, on all complaints first; `why` if on none.

    Whoever asked was `served`, also where no entry was near, or `held_out` by lot. What was asked
    once the version was stopped is neither.

    `reviewed` is what reviewers found by lot in served and held-out sessions, None for nothing;
    `former` what all complain of beside sessions that got the version before meanwhile.
    """

    version: LibraryVersion
    served: Served = Served()
    held_out: Served = Served()
    effects: Sequence[Effect] = ()
    reviewed: HeldOut | None = None
    former: HeldOut | None = None
    why: str = ""


def of_version(*, version: LibraryVersion, now: datetime) -> VersionEffect:
    """What the version did to all complaints and to those of the themes it was published against.

    Nine queries, for however many themes, and two more where there was a version before.
    """
    try:
        with time_limit(TIME_LIMIT_MS, altogether=ALTOGETHER_MS):
            targets = list(acts.targets_of(version).order_by("-size", "pk"))
            [act] = acts.published(LibraryVersion.objects.filter(pk=version.pk))
            effects = of_act(act=act, themes=[None, *targets], now=now)
            by_review = complaints.reviewed(version=version)
            trial = Experiment.objects.filter(version=version).exclude(baseline=None)
            tried = trial.select_related("version__library", "baseline").first()
            by_version = complaints.by_version(experiment=tried) if tried else Counts()
            exposures = version.exposures.aggregate(
                **_served("served", Q(is_held_out=False)),
                # Without a session nothing is held out by lot.
                **_served("held_out", Q(is_held_out=True) & ~Q(session_external_id="")),
            )
    except TooSlowError:
        return VersionEffect(version=version, why=TOO_SLOW)
    return VersionEffect(
        version=version,
        served=_counted(exposures, "served"),
        held_out=_counted(exposures, "held_out"),
        effects=effects,
        reviewed=_of_both(by_review),
        former=_of_both(by_version, control="before"),
    )


def _served(name: str, which: Q) -> dict[str, Aggregate]:
    named = which & ~Q(session_external_id="")
    return {
        f"{name}_calls": Sum("num_calls", filter=which, default=0),
        f"{name}_sessions": Count("session_external_id", filter=named, distinct=True),
    }


def _counted(exposures: Mapping[str, int], name: str) -> Served:
    return Served(calls=exposures[f"{name}_calls"], sessions=exposures[f"{name}_sessions"])


def of_theme(*, theme: Theme, now: datetime) -> list[Effect]:
    """What was done about the theme and what that did to it, the newest first.

    Three queries, and one or, for a version, three for each act. Raises TooSlowError.
    """
    with time_limit(TIME_LIMIT_MS, altogether=ALTOGETHER_MS):
        return [
            effect
            for act in acts.against(theme, most=MOST_ACTS)
            for effect in of_act(act=act, themes=[theme], now=now)
        ]


def of_act(*, act: Act, themes: Sequence[Theme | None], now: datetime) -> list[Effect]:
    """What an act did to the complaints of each theme, or to all for None.

    One query, three for a version. The caller limits their time.
    """
    since, until = _days(act, now)
    by_time = complaints.by_time(project=act.project, since=since, middle=act.at, until=until)
    is_over = until < now
    by_exposure = complaints.by_exposure(version=act.version) if act.version else None
    effects = []
    for theme in themes:
        pk = theme.pk if theme else None
        before_after = _before_after(by_time, theme=pk, is_over=is_over)
        held_out = None
        if by_exposure is not None:
            held_out = _held_out(by_exposure, theme=pk, usual=before_after.before.rate)
        effects.append(
            Effect(
                act=act,
                theme=theme,
                held_out=held_out,
                before_after=before_after,
                since=since,
                until=until,
            )
        )
    return effects


def _days(act: Act, now: datetime) -> tuple[datetime, datetime]:
    """As long before the act as after it, until the next one or for MOST_DAYS."""
    ends = [now, act.at + timedelta(days=MOST_DAYS)]
    until = max(min([*ends, act.until] if act.until else ends), act.at)
    return act.at - (until - act.at), until


def _of_both(counts: Counts, *, control: str = "held out") -> HeldOut | None:
    """All complaints of the served beside those of `control`; None unless both have answers."""
    found = _held_out(counts, theme=None, usual=None, control=control)
    return found if found.served.outputs and found.held_out.outputs else None


def _held_out(
    counts: Counts, *, theme: int | None, usual: float | None, control: str = "held out"
) -> HeldOut:
    served, held_out = counts.beside(theme=theme, control=control)
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


def _before_after(counts: Counts, *, theme: int | None, is_over: bool) -> BeforeAfter:
    before, after = counts.arm("before", theme=theme), counts.arm("after", theme=theme)
    both = counts.both(theme=theme) if theme else rates.APART
    plain, change = rates.difference(after, before), rates.drift_corrected(before, after, both=both)
    expected = rates.expected(before, after, both=both)
    needed = None
    if change and expected:
        sessions = before.sessions + after.sessions
        needed = sequential.missing(change, usual=expected.value, sessions=sessions)
    return BeforeAfter(
        before=before,
        after=after,
        plain=plain,
        expected=expected,
        change=change,
        reading=readings.of_before_and_after(
            plain,
            change,
            daily=rates.drift_corrected(before, after, both=both, z=rates.Z_DAILY),
            needed=needed,
            is_over=is_over,
        ),
    )
