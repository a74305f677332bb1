"""/api/v1: what was measured of library versions and themes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Router
from ninja.errors import HttpError
from pydantic import BaseModel, Field

from curation import effects, entry_effects, issues, promoted
from curation.effects import BeforeAfter, Effect, HeldOut, Served
from curation.entry_effects import EntryEffect
from curation.models import (
    ContextLibrary,
    Issue,
    LibraryVersion,
    PromotionJob,
    TrainingSet,
)
from curation.promoted import Destination
from curation.rates import Arm, Change, interval
from curation.readings import Kind, Reading
from feedback.authentication import ApiKeyAuth, key_of
from feedback.choices import told_choices
from feedback.models import ApiKey
from feedback.problems import Problem
from feedback.timeouts import TooSlowError
from review.models import Review, Theme

router = Router(tags=["effects"])

ERRORS = frozenset({401, 403, 404, 422, 503})
Slug = Annotated[str, Path(max_length=60, description="Slug of the library.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]


class ArmReply(BaseModel):
    """Outputs of so many sessions; weighted ones stand for as many as they were drawn from."""

    sessions: int
    outputs: float
    complaints: float
    rate: Annotated[float, Field(description="Complaints a output, from 0 to 1.")]
    low: float
    high: float

    @classmethod
    def of(cls, arm: Arm) -> ArmReply:
        low, high = interval(arm)
        return cls(
            sessions=arm.sessions,
            outputs=arm.outputs,
            complaints=arm.complaints,
            rate=arm.rate,
            low=low,
            high=high,
        )


class ChangeReply(BaseModel):
    """A difference of two rates with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, change: Change | None) -> ChangeReply | None:
        return cls(value=change.value, low=change.low, high=change.high) if change else None


class ReadingReply(BaseModel):
    """What it shows: as a kind, in words, and what they rest on."""

    kind: Kind
    words: str
    why: str

    @classmethod
    def of(cls, reading: Reading) -> ReadingReply:
        return cls(kind=reading.kind, words=reading.words, why=reading.why)


class HeldOutReply(BaseModel):
    """Served beside held-out sessions.

    `change` holds for one look, `always` on all days at once. `evidence` is an e-value: 20 tells a
    difference at 5 %. `needed` is how many more sessions show a change by half four times of five.
    """

    served: ArmReply
    held_out: ArmReply
    change: ChangeReply | None
    always: ChangeReply | None
    evidence: float
    needed: int | None
    reading: ReadingReply

    @classmethod
    def of(cls, found: HeldOut) -> HeldOutReply:
        return cls(
            served=ArmReply.of(found.served),
            held_out=ArmReply.of(found.held_out),
            change=ChangeReply.of(found.change),
            always=ChangeReply.of(found.looked.change),
            evidence=found.looked.evidence,
            needed=found.looked.needed,
            reading=ReadingReply.of(found.reading),
        )


class BeforeAfterReply(BaseModel):
    """As many days after as before; something else may have changed.

    `expected` is the rate if it had gone as all other complaints went, `change` how much higher it
    is than that.
    """

    before: ArmReply
    after: ArmReply
    expected: ChangeReply | None
    change: ChangeReply | None
    reading: ReadingReply

    @classmethod
    def of(cls, found: BeforeAfter) -> BeforeAfterReply:
        return cls(
            before=ArmReply.of(found.before),
            after=ArmReply.of(found.after),
            expected=ChangeReply.of(found.expected),
            change=ChangeReply.of(found.change),
            reading=ReadingReply.of(found.reading),
        )


class EffectReply(BaseModel):
    """What was done, when, and what it did to the complaints of a theme, by its number; all for
    null.

    A `version` was published of a library, a `release` made of a training set, or an `issue`
    closed as fixed. Only a version has sessions `held_out`.
    """

    kind: Literal["version", "release", "issue"]
    library: str | None
    version: int | None
    training_set: str | None
    release: int | None
    issue: int | None
    at: datetime
    theme: int | None
    held_out: HeldOutReply | None
    before_after: BeforeAfterReply
    since: datetime
    until: datetime
    reading: ReadingReply

    @classmethod
    def of(cls, effect: Effect) -> EffectReply:
        act = effect.act
        return cls(
            kind=act.kind,
            library=act.version.library.slug if act.version else None,
            version=act.version.number if act.version else None,
            training_set=act.release.training_set.slug if act.release else None,
            release=act.release.number if act.release else None,
            issue=act.issue.number if act.issue else None,
            at=act.at,
            theme=effect.theme.number if effect.theme else None,
            held_out=HeldOutReply.of(effect.held_out) if effect.held_out else None,
            before_after=BeforeAfterReply.of(effect.before_after),
            since=effect.since,
            until=effect.until,
            reading=ReadingReply.of(effect.reading),
        )


class EntryReply(BaseModel):
    """What an entry does, told from questions that it is among the nearest to.

    `reading` says that it helps or harms only where it is no chance find among all entries.
    """

    id: int
    served: ArmReply
    held_out: ArmReply
    always: ChangeReply | None
    evidence: float
    reading: ReadingReply

    @classmethod
    def of(cls, effect: EntryEffect) -> EntryReply:
        return cls(
            id=effect.entry.entry_id,
            served=ArmReply.of(effect.served),
            held_out=ArmReply.of(effect.held_out),
            always=ChangeReply.of(effect.looked.change),
            evidence=effect.looked.evidence,
            reading=ReadingReply.of(effect.reading),
        )


class DestinationReply(BaseModel):
    """One place that something was promoted to, by its slug or number, and what that did.

    Without `effects`, `state` says why: not published, released or closed yet, or no theme.
    `entry` is what the entry alone does in its latest version.
    """

    library: str | None
    training_set: str | None
    issue: int | None
    effects: list[EffectReply]
    state: ReadingReply | None
    entry: EntryReply | None

    @classmethod
    def of(cls, found: Destination) -> DestinationReply:
        place = found.place
        return cls(
            library=place.slug if isinstance(place, ContextLibrary) else None,
            training_set=place.slug if isinstance(place, TrainingSet) else None,
            issue=place.number if isinstance(place, Issue) else None,
            effects=[EffectReply.of(effect) for effect in found.effects],
            state=ReadingReply.of(found.state) if found.state else None,
            entry=EntryReply.of(found.entry) if found.entry else None,
        )


class PromotedReply(BaseModel):
    """Where it was promoted to, and what that did."""

    destinations: list[DestinationReply]


class ServedReply(BaseModel):
    """How often context was asked for, and in how many sessions that said which they are."""

    calls: int
    sessions: int

    @classmethod
    def of(cls, served: Served) -> ServedReply:
        return cls(calls=served.calls, sessions=served.sessions)


class VersionReply(BaseModel):
    """How often a version was served and held out; its effects, on all complaints first; what
    reviewers found by lot; its entries, the surest first.

    Without `entries`, `why_no_entries` says why: nothing to compare, or too much at the moment; it
    is empty where no question was near one. `former` holds it against the version before, which
    stands for `held_out`, in the days in which both were served; null where there was none.
    """

    served: ServedReply
    held_out: ServedReply
    effects: list[EffectReply]
    reviewed: HeldOutReply | None
    former: HeldOutReply | None
    entries: list[EntryReply]
    why_no_entries: str


class ThemeReply(BaseModel):
    """Where a theme stands, what was done about it, the newest first, and what that did."""

    number: int
    name: str
    state: Annotated[Theme.State, told_choices(Theme.State)]
    state_since: datetime | None
    effects: list[EffectReply]


@router.get(
    "/libraries/{slug:library}/versions/{int:number}/effect",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    response={200: VersionReply, ERRORS: Problem},
    summary="Read what a version did",
)
def version_effect(request: HttpRequest, library: Slug, number: Number) -> VersionReply:
    """Return how complaints changed with a version of a library, and what its entries do.

    503 when there are too many outputs to count at the moment; where only its entries take too
    long, the reply says so.
    """
    version = (
        LibraryVersion.objects.filter(
            library__project=key_of(request).project, library__slug=library
        )
        .select_related("library__project")
        .filter(number=number)
        .first()
    )
    if version is None:
        raise Http404("There is no such library or version.")
    found = effects.of_version(version=version, now=timezone.now())
    if found.why:
        raise HttpError(503, found.why)
    by_entry = entry_effects.of_entries(version=version)
    return VersionReply(
        served=ServedReply.of(found.served),
        held_out=ServedReply.of(found.held_out),
        effects=[EffectReply.of(effect) for effect in found.effects],
        reviewed=HeldOutReply.of(found.reviewed) if found.reviewed else None,
        former=HeldOutReply.of(found.former) if found.former else None,
        entries=[EntryReply.of(effect) for effect in by_entry.effects],
        why_no_entries=by_entry.why,
    )


@router.get(
    "/themes/{int:number}/effect",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    response={200: ThemeReply, ERRORS: Problem},
    summary="Read what was done about a theme",
)
def theme_effect(request: HttpRequest, number: Number) -> ThemeReply:
    """Return where a theme stands, and what versions, releases and closed issues did to it.

    503 when there are too many outputs to count at the moment.
    """
    themes = Theme.objects.filter(project=key_of(request).project).defer("centroid")
    theme = themes.filter(number=number).first()
    if theme is None:
        raise Http404("There is no such theme.")
    try:
        found = effects.of_theme(theme=theme, now=timezone.now())
    except TooSlowError as error:
        raise HttpError(503, effects.TOO_SLOW) from error
    return ThemeReply(
        number=theme.number,
        name=theme.name,
        state=Theme.State(theme.state),
        state_since=theme.state_since,
        effects=[EffectReply.of(effect) for effect in found],
    )


@router.get(
    "/reviews/{int:review}/effect",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    response={200: PromotedReply, ERRORS: Problem},
    summary="Read what the promotion of a review did",
)
def review_effect(request: HttpRequest, review: Id) -> PromotedReply:
    """Return where a review was promoted to, and what that did to the theme of its answer.

    503 when there are too many outputs to count at the moment.
    """
    reviews = Review.objects.revealed().filter(project=key_of(request).project)
    found = reviews.filter(pk=review).first()
    if found is None:
        raise Http404("There is no such review.")
    theme = issues.theme_of(review=found)
    return _destinations(lambda now: promoted.of_review(review=found, theme=theme, now=now))


@router.get(
    "/promotions/{int:promotion}/effect",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    response={200: PromotedReply, ERRORS: Problem},
    summary="Read what a bulk promotion did",
)
def promotion_effect(request: HttpRequest, promotion: Id) -> PromotedReply:
    """Return where reviews were promoted to, and what that did to their most frequent themes.

    503 when there are too many outputs to count at the moment.
    """
    jobs = PromotionJob.objects.filter(project=key_of(request).project)
    found = jobs.filter(pk=promotion).first()
    if found is None:
        raise Http404("There is no such promotion.")
    return _destinations(lambda now: promoted.of_job(job=found, now=now))


def _destinations(told: Callable[[datetime], list[Destination]]) -> PromotedReply:
    try:
        found = told(timezone.now())
    except TooSlowError as error:
        raise HttpError(503, effects.TOO_SLOW) from error
    return PromotedReply(destinations=[DestinationReply.of(one) for one in found])
