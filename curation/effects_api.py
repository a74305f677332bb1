"""/api/v1: what was measured of library versions and themes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Router
from ninja.errors import HttpError
from pydantic import BaseModel, Field

from curation import effects, entry_effects
from curation.effects import BeforeAfter, Effect, HeldOut
from curation.entry_effects import EntryEffect
from curation.models import LibraryVersion
from curation.rates import Arm, Change, interval
from curation.readings import Kind, Reading
from feedback.authentication import ApiKeyAuth, key_of
from feedback.choices import told_choices
from feedback.models import ApiKey
from feedback.problems import Problem
from feedback.timeouts import TooSlowError
from review.models import Theme

router = Router(tags=["effects"])

ERRORS = frozenset({401, 403, 404, 422, 503})
Slug = Annotated[str, Path(max_length=60, description="Slug of the library.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


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
    """What a version did to the complaints of a theme, by its number; to all for null."""

    library: str
    version: int
    published_at: datetime
    theme: int | None
    held_out: HeldOutReply
    before_after: BeforeAfterReply
    since: datetime
    until: datetime
    reading: ReadingReply

    @classmethod
    def of(cls, effect: Effect) -> EffectReply:
        return cls(
            library=effect.version.library.slug,
            version=effect.version.number,
            published_at=effect.version.published_at,
            theme=effect.theme.number if effect.theme else None,
            held_out=HeldOutReply.of(effect.held_out),
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


class VersionReply(BaseModel):
    """The effects of a version, on all complaints first; what reviewers found by lot; its entries,
    the surest first.
    """

    effects: list[EffectReply]
    reviewed: HeldOutReply | None
    entries: list[EntryReply]


class ThemeReply(BaseModel):
    """Where a theme stands, and what the newest versions published against it did."""

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

    503 when there are too many outputs to count at the moment.
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
    return VersionReply(
        effects=[EffectReply.of(effect) for effect in found.effects],
        reviewed=HeldOutReply.of(found.reviewed) if found.reviewed else None,
        entries=[
            EntryReply.of(effect) for effect in entry_effects.of_entries(version=version).effects
        ],
    )


@router.get(
    "/themes/{int:number}/effect",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    response={200: ThemeReply, ERRORS: Problem},
    summary="Read what was done about a theme",
)
def theme_effect(request: HttpRequest, number: Number) -> ThemeReply:
    """Return where a theme stands, and what was published against it did.

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
