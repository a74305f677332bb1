"""Serving published entries to a prompt, and remembering which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from curation import arms, exposures, prompts, selection, tokens
from curation.arms import Arm
from curation.models import (
    ContextEntry,
    ContextLibrary,
    EntryKind,
    Experiment,
    Exposure,
    LibraryVersion,
    PublishedEntry,
)
from curation.prompts import Entry, Message
from curation.shelves import Audience, shelf_of
from feedback import erasure
from feedback.embedding import Encoder
from feedback.models import Feedback, Project
from review.models import Annotation

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DEFAULT_K = 4
DEFAULT_TOKEN_BUDGET = 1500
# Below this cosine similarity two questions of one product are as good as unrelated: a bad
# example is worse than none. An instruction may hold for any question.
FLOORS = {EntryKind.EXAMPLE.value: 0.3, EntryKind.CLARIFICATION.value: 0.3}
# An embedding model reads a few hundred words, but would split all that it is given.
LONGEST_QUESTION = 8_000
# Part of every exposure's token: another number whenever the same version is laid out otherwise.
LAYOUT = 1


class LibraryUnknownError(Exception):
    """The project has no such library."""


class NothingPublishedError(Exception):
    """The library has no version that can be served; the message says why."""


@dataclass(frozen=True)
class Pick:
    """An entry in a prompt, its cosine similarity to the question, and the tokens it takes."""

    entry: Entry
    score: float
    num_tokens: int


@dataclass(frozen=True)
class Prompt:
    """Entries in the order they stand in, the messages, and the tokens the entries add to them."""

    picks: list[Pick]
    messages: list[Message]
    num_tokens: int


@dataclass(frozen=True)
class Asked:
    """A request for context: the same one always gets the same.

    `messages` hold at least one user message with text; the last one is the question.
    """

    messages: Sequence[Message]
    session: str = ""
    k: int = DEFAULT_K
    token_budget: int = DEFAULT_TOKEN_BUDGET
    audience: Audience = field(default_factory=Audience)


@dataclass(frozen=True)
class Served:
    """One answer to a product. `exposure` is what the output's context carries back.

    It names what was answered too: with the same exposure come the same messages. `prompt` is
    missing when the caller has that answer already.
    """

    version: LibraryVersion
    prompt: Prompt | None
    held_out: bool
    exposure: UUID


@dataclass(frozen=True)
class Source:
    """Where an entry comes from: the sender's ids but for the review and the annotations."""

    session: str | None
    output: str | None
    review: int | None
    feedback: list[str]
    annotations: list[int]


def live_version(library: ContextLibrary) -> LibraryVersion | None:
    """Return the version that is served: the last one published, unless it was rolled back."""
    return library.live


def preview_version(
    *,
    version: LibraryVersion,
    messages: Sequence[Message],
    encoder: Encoder,
    audience: Audience,
    today: date,
    k: int = DEFAULT_K,
    token_budget: int = DEFAULT_TOKEN_BUDGET,
) -> Prompt:
    """Return the prompt that a version gives, without counting it as served.

    Raises NothingPublishedError for a version whose vectors are another embedding model's.
    """
    shelf = shelf_of(version)
    if shelf.models - {encoder.model_id}:
        raise NothingPublishedError(
            f"Version {version.number} was published with another embedding model. Publish again."
        )
    query = encoder.encode([question(messages)])[0]
    near = shelf.nearest(query, audience=audience, today=today, limit=selection.POOL)
    rows = {row.entry_id: row for row in version.entries.filter(entry_id__in=near).defer("vector")}
    ids = [one for one in near if one in rows]
    return _assemble(
        entries=[_entry(one, rows[one]) for one in ids],
        vectors=shelf.vectors_of(ids),
        num_tokens={one: tokens for one in ids if (tokens := rows[one].num_tokens) is not None},
        query=query,
        messages=messages,
        k=k,
        token_budget=token_budget,
    )


def preview_draft(
    *,
    library: ContextLibrary,
    messages: Sequence[Message],
    encoder: Encoder,
    audience: Audience,
    today: date,
    k: int = DEFAULT_K,
    token_budget: int = DEFAULT_TOKEN_BUDGET,
    entries: Sequence[ContextEntry] | None = None,
) -> Prompt:
    """Return the prompt that the draft would give if it were published now. Writes nothing.

    `entries` are those of embedded_draft, where they are read already.
    """
    if entries is None:
        entries = embedded_draft(library=library, encoder=encoder)
    asked = encoder.encode([question(messages)])[0]
    rows = [
        row
        for row in entries
        if (row.expires_on is None or row.expires_on >= today)
        and audience.may_have((tuple(row.roles), tuple(row.environments), tuple(row.for_models)))
    ]
    return _assemble(
        entries=[_entry(row.pk, row) for row in rows],
        vectors=[row.vector for row in rows],
        num_tokens={},
        query=asked,
        messages=messages,
        k=k,
        token_budget=token_budget,
    )


def embedded_draft(*, library: ContextLibrary, encoder: Encoder) -> list[ContextEntry]:
    """Return the kept entries, each with a vector of the encoder. Writes nothing."""
    rows = list(library.entries.kept().order_by("pk"))
    stale = [row for row in rows if row.embedded_with != encoder.model_id]
    fresh = encoder.encode([row.query or row.answer for row in stale]) if stale else []
    for row, vector in zip(stale, fresh, strict=True):
        row.vector = vector
    return rows


def serve_context(
    *,
    project: Project,
    library_slug: str,
    asked: Asked,
    encoder: Encoder,
    now: datetime,
    known: frozenset[UUID] = frozenset(),
) -> Served:
    """Return the prompt of the live version for these messages, and remember what was served.

    While an experiment goes on, the session's lot decides which version it is, or that its entries
    are held out. Of a session that was erased no id is kept. `known` are the exposures whose
    answers the caller has: such a one is counted and comes without its prompt. Raises
    LibraryUnknownError and NothingPublishedError.
    """
    library = (
        ContextLibrary.objects.filter(project=project, slug=library_slug)
        .select_related("live__experiment__baseline")
        .first()
    )
    if library is None:
        raise LibraryUnknownError(f"There is no library “{library_slug}”.")
    if library.live is None:
        raise NothingPublishedError(f"Nothing is published in the library “{library_slug}” yet.")
    version, held_out = _drawn(library.live, asked)
    # Whoever gets nothing because the version was stopped is not held out from a trial.
    compared = "" if _is_stopped(library.live) else asked.session
    if compared and erasure.is_erased(project=project, session=compared):
        compared = ""
    token = _token(project, version, asked, held_out=held_out, today=now.date())
    if token in known and exposures.count_again(token, now=now):
        return Served(version=version, prompt=None, held_out=held_out, exposure=token)
    prompt = (
        Prompt(picks=[], messages=list(asked.messages), num_tokens=0)
        if held_out
        else preview_version(
            version=version,
            messages=asked.messages,
            encoder=encoder,
            audience=asked.audience,
            today=now.date(),
            k=asked.k,
            token_budget=asked.token_budget,
        )
    )
    exposures.remember(
        Exposure(
            token=token,
            project=project,
            version=version,
            session_external_id=compared,
            entry_ids=[pick.entry.id for pick in prompt.picks],
            is_held_out=held_out,
            num_tokens=prompt.num_tokens,
            served_at=now,
            last_served_at=now,
        )
    )
    return Served(version=version, prompt=prompt, held_out=held_out, exposure=token)


def sources(entry_ids: Sequence[int]) -> dict[int, Source]:
    """Return where each of these draft entries comes from, by its id. One query, and no texts."""
    said = Feedback.objects.filter(context_entries=OuterRef("pk")).values("external_id")
    noted = Annotation.objects.filter(context_entries=OuterRef("pk")).values("pk")
    rows = ContextEntry.objects.filter(pk__in=entry_ids).values_list(
        "pk",
        "output__session__external_id",
        "output__external_id",
        "review_id",
        ArraySubquery(said),
        ArraySubquery(noted),
    )
    return {
        pk: Source(
            session=session,
            output=output,
            review=review,
            feedback=sorted(feedback),
            annotations=sorted(annotations),
        )
        for pk, session, output, review, feedback, annotations in rows
    }


def question(messages: Sequence[Message]) -> str:
    """Return the last words of a user, up to LONGEST_QUESTION; "" when there are none."""
    said = (message["content"] for message in reversed(messages) if message["role"] == "user")
    return next((text for text in said if text.strip()), "")[:LONGEST_QUESTION]


def _drawn(live: LibraryVersion, asked: Asked) -> tuple[LibraryVersion, bool]:
    """The version that the session gets, and whether its entries are held out.

    A request without a session cannot be compared with anything later: nothing is held out from
    it, and its question is drawn by instead, so that a new version still reaches few at first.
    """
    experiment: Experiment | None = getattr(live, "experiment", None)
    if experiment is None or experiment.status == Experiment.Status.ENDED:
        return live, False
    if _is_stopped(live):
        # With a proven version, that one is live again; without, nothing is served.
        return live, True
    if not asked.session and (experiment.is_at_last_stage or experiment.baseline is None):
        return live, False
    arm = arms.draw(
        salt=experiment.salt,
        session=asked.session or question(asked.messages),
        served=experiment.served / 100,
        held_out=experiment.held_out / 100 if asked.session else 0.0,
    )
    if arm == Arm.BEFORE:
        if experiment.baseline is not None:
            return experiment.baseline, False
        return live, True
    return live, arm == Arm.HELD_OUT


def _is_stopped(version: LibraryVersion) -> bool:
    experiment: Experiment | None = getattr(version, "experiment", None)
    return experiment is not None and experiment.status == Experiment.Status.STOPPED


def _token(
    project: Project, version: LibraryVersion, asked: Asked, *, held_out: bool, today: date
) -> UUID:
    """What all of the answer follows from, as one number."""
    audience = asked.audience
    told = {
        "layout": LAYOUT,
        "project": project.pk,
        "version": version.pk,
        "content": version.content_hash,
        # What a client keeps of a version does not hold any more once some of it was erased.
        **({"erased": version.num_erased} if version.num_erased else {}),
        "held_out": held_out,
        "expired": 0 if held_out else shelf_of(version).num_expired(today),
        "messages": list(asked.messages),
        "session": asked.session,
        "k": asked.k,
        "token_budget": asked.token_budget,
        "audience": [audience.role, audience.environment, audience.model],
    }
    return exposures.token_of(told)


def _entry(pk: int, row: ContextEntry | PublishedEntry) -> Entry:
    return Entry(pk, row.kind, row.query, row.answer, row.why)


def _assemble(
    *,
    entries: Sequence[Entry],
    vectors: Sequence[Sequence[float] | npt.NDArray[np.float32]],
    num_tokens: Mapping[int, int],
    query: Sequence[float],
    messages: Sequence[Message],
    k: int,
    token_budget: int,
) -> Prompt:
    """Choose among entries and lay them out; `num_tokens` are those known, by the entry's id."""
    num_tokens = {
        entry.id: num_tokens[entry.id]
        if entry.id in num_tokens
        else prompts.tokens_of(entry, count=tokens.count)
        for entry in entries
    }
    group_tokens = prompts.group_tokens(count=tokens.count)
    chosen = selection.select(
        query=query,
        candidates=[
            selection.Candidate(entry.id, vector, num_tokens[entry.id], entry.kind)
            for entry, vector in zip(entries, vectors, strict=True)
        ],
        k=k,
        token_budget=token_budget,
        group_tokens=group_tokens,
        floors=FLOORS,
    )
    by_id = {entry.id: entry for entry in entries}
    # The nearest stands last, next to the question.
    picks = [
        Pick(by_id[one.id], one.relevance, num_tokens[one.id])
        for one in sorted(chosen, key=lambda one: (one.relevance, -one.id))
    ]
    picks.sort(key=lambda pick: prompts.ORDER.index(pick.entry.kind))
    kinds = {pick.entry.kind for pick in picks}
    return Prompt(
        picks=picks,
        messages=prompts.compose(entries=[pick.entry for pick in picks], messages=messages),
        num_tokens=sum(pick.num_tokens for pick in picks)
        + sum(group_tokens[kind] for kind in kinds),
    )
