"""Serving published entries to a prompt, and remembering which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from pgvector.django import CosineDistance

from curation import prompts, selection, tokens
from curation.models import ContextEntry, ContextLibrary, EntryKind, Exposure, LibraryVersion
from curation.prompts import Entry, Message
from feedback.embedding import Encoder
from feedback.models import Project

DEFAULT_K = 4
DEFAULT_TOKEN_BUDGET = 1500
# Below this cosine similarity two questions of one product are as good as unrelated: a bad
# example is worse than none. An instruction may hold for any question.
FLOORS = {EntryKind.EXAMPLE.value: 0.3, EntryKind.CLARIFICATION.value: 0.3}
# An embedding model reads a few hundred words, but would split all that it is given.
LONGEST_QUESTION = 8_000


class LibraryUnknownError(Exception):
    """The project has no such library."""


class NothingPublishedError(Exception):
    """The library has no version that can be served; the message says why."""


@dataclass(frozen=True)
class Audience:
    """Who asks: an entry meant for certain roles, environments or models serves only them."""

    role: str = ""
    environment: str = ""
    model: str = ""

    def condition(self) -> Q:
        """The condition on entries, draft or published, that serve this audience."""
        return (
            (Q(roles=[]) | Q(roles__contains=[self.role]))
            & (Q(environments=[]) | Q(environments__contains=[self.environment]))
            & (Q(for_models=[]) | Q(for_models__contains=[self.model]))
        )


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
class Served:
    """One answer to a product. `exposure` is what the output's context carries back."""

    version: LibraryVersion
    prompt: Prompt
    held_out: bool
    exposure: UUID


@dataclass(frozen=True)
class Source:
    """Where an entry comes from: the sender's ids of session, output and feedback, the review."""

    session: str | None
    output: str | None
    review: int | None
    feedback: list[str]


def live_version(library: ContextLibrary) -> LibraryVersion | None:
    """Return the version that is served: the last one published."""
    return library.versions.order_by("-number").first()


def preview_version(
    *,
    version: LibraryVersion,
    messages: Sequence[Message],
    encoder: Encoder,
    audience: Audience,
    k: int = DEFAULT_K,
    token_budget: int = DEFAULT_TOKEN_BUDGET,
) -> Prompt:
    """Return the prompt that a version gives, without counting it as served.

    Raises NothingPublishedError for a version whose vectors are another embedding model's.
    """
    query = encoder.encode([question(messages)])[0]
    rows = list(
        version.entries.filter(audience.condition(), model=encoder.model_id)
        .annotate(distance=CosineDistance("vector", query))
        .order_by("distance", "entry_id")[: selection.POOL]
    )
    if not rows and version.entries.exclude(model=encoder.model_id).exists():
        raise NothingPublishedError(
            f"Version {version.number} was published with another embedding model. Publish again."
        )
    return _assemble(
        entries=[Entry(row.entry_id, row.kind, row.query, row.answer, row.why) for row in rows],
        vectors=[row.vector for row in rows],
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
    k: int = DEFAULT_K,
    token_budget: int = DEFAULT_TOKEN_BUDGET,
) -> Prompt:
    """Return the prompt that the draft would give if it were published now. Writes nothing."""
    rows = list(library.entries.kept().filter(audience.condition()).order_by("pk"))
    stale = [row for row in rows if row.embedded_with != encoder.model_id]
    asked, *fresh = encoder.encode(
        [question(messages), *(row.query or row.answer for row in stale)]
    )
    for row, vector in zip(stale, fresh, strict=True):
        row.vector = vector
    return _assemble(
        entries=[Entry(row.pk, row.kind, row.query, row.answer, row.why) for row in rows],
        vectors=[row.vector for row in rows],
        query=asked,
        messages=messages,
        k=k,
        token_budget=token_budget,
    )


def serve_context(
    *,
    project: Project,
    library_slug: str,
    messages: Sequence[Message],
    encoder: Encoder,
    session: str = "",
    k: int = DEFAULT_K,
    token_budget: int = DEFAULT_TOKEN_BUDGET,
    audience: Audience = Audience(),
    now: datetime,
) -> Served:
    """Return the prompt of the live version for these messages, and remember what was served.

    `messages` hold at least one user message with text; the last one is the question. Raises
    LibraryUnknownError and NothingPublishedError.
    """
    version = (
        LibraryVersion.objects.filter(library__project=project, library__slug=library_slug)
        .order_by("-number")
        .first()
    )
    if version is None:
        if not project.context_libraries.filter(slug=library_slug).exists():
            raise LibraryUnknownError(f"There is no library “{library_slug}”.")
        raise NothingPublishedError(f"Nothing is published in the library “{library_slug}” yet.")
    prompt = preview_version(
        version=version,
        messages=messages,
        encoder=encoder,
        audience=audience,
        k=k,
        token_budget=token_budget,
    )
    exposure = Exposure.objects.create(
        project=project,
        version=version,
        session_external_id=session,
        entry_ids=[pick.entry.id for pick in prompt.picks],
        num_tokens=prompt.num_tokens,
        served_at=now,
    )
    return Served(
        version=version,
        prompt=prompt,
        held_out=exposure.is_held_out,
        exposure=exposure.token,
    )


def sources(entry_ids: Sequence[int]) -> dict[int, Source]:
    """Return where each of these draft entries comes from, by its id."""
    entries = (
        ContextEntry.objects.filter(pk__in=entry_ids)
        .select_related("output__session")
        .prefetch_related("feedback")
        .defer("vector")
    )
    return {
        entry.pk: Source(
            session=entry.output.session.external_id if entry.output else None,
            output=entry.output.external_id if entry.output else None,
            review=entry.review_id,
            feedback=sorted(feedback.external_id for feedback in entry.feedback.all()),
        )
        for entry in entries
    }


def question(messages: Sequence[Message]) -> str:
    """Return the last words of a user, up to LONGEST_QUESTION; "" when there are none."""
    said = (message["content"] for message in reversed(messages) if message["role"] == "user")
    return next((text for text in said if text.strip()), "")[:LONGEST_QUESTION]


def _assemble(
    *,
    entries: Sequence[Entry],
    vectors: Sequence[Sequence[float]],
    query: Sequence[float],
    messages: Sequence[Message],
    k: int,
    token_budget: int,
) -> Prompt:
    num_tokens = {entry.id: prompts.tokens_of(entry, count=tokens.count) for entry in entries}
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
