"""Context libraries: drafting entries, and publishing them as immutable versions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from curation import experiments, tokens
from curation.experiments import Trial
from curation.formats import canonical
from curation.models import (
    ContextEntry,
    ContextLibrary,
    EntryKind,
    LibraryVersion,
    Probe,
    PublishedEntry,
)
from curation.models.context import ENTRY_CONTENT, ContextEntryQuerySet
from curation.promotion import withdrawn
from curation.prompts import Entry, tokens_of
from feedback.embedding import Encoder
from feedback.models import Project, User
from review.models import Event, Review
from review.staleness import is_stale

# What a worker encodes at once: some seconds, after which it is stored.
EMBEDDED_AT_ONCE = 200


class LibraryError(Exception):
    """The library stays as it was; the message says why."""


class StaleEntryError(LibraryError):
    """An entry says something else by now than what was changed."""

    def __init__(self) -> None:
        super().__init__(
            "Somebody has changed this entry meanwhile. Save again to put yours in its place."
        )


def create_library(
    *, project: Project, name: str, description: str, by: User, now: datetime
) -> ContextLibrary:
    """Make an empty library whose slug comes from its name; raises LibraryError for a taken one."""
    slug = slugify(name)[:60].strip("-")
    if not slug:
        raise LibraryError("The name needs a letter or a digit from A to Z, 0 to 9.")
    try:
        with transaction.atomic():
            library = ContextLibrary.objects.create(
                project=project, slug=slug, name=name, description=description
            )
            _record(library, verb="created", by=by, now=now)
    except IntegrityError as error:
        raise LibraryError(f"There is a library “{slug}” already.") from error
    return library


@transaction.atomic
def edit_entry(
    *,
    entry: ContextEntry,
    kind: str,
    query: str,
    answer: str,
    why: str,
    roles: list[str],
    environments: list[str],
    models: list[str],
    expires_on: date | None = None,
    owner: User | None = None,
    by: User,
    now: datetime,
    seen: str | None = None,
) -> None:
    """Change a draft entry; what is published stays. Raises LibraryError when it is unsound.

    With `seen`, the mark of what this was written over, that has to be there still, or it raises
    StaleEntryError: what somebody changed meanwhile is not undone unseen.
    """
    if kind not in EntryKind.values:
        raise LibraryError(f"“{kind}” is not a kind of entry.")
    if not answer.strip():
        raise LibraryError("An entry needs an answer.")
    if kind == EntryKind.EXAMPLE and not query.strip():
        raise LibraryError("An example needs a question.")
    kept = ContextEntry.objects.kept().select_for_update(no_key=True).defer("vector")
    held = kept.filter(pk=entry.pk).first()
    if held is None:
        raise LibraryError("The entry has been removed in the meantime.")
    said = {
        "kind": kind,
        "query": query,
        "answer": answer,
        "why": why,
        "roles": roles,
        "environments": environments,
        "for_models": models,
        "expires_on": expires_on,
        "owner": owner,
    }
    if is_stale(seen=seen, there=told(held), wanted=told(ContextEntry(**said))):
        raise StaleEntryError
    ContextEntry.objects.filter(pk=entry.pk).update(**said, vector=None, embedded_with="")
    _record(entry.library, verb="edited_entry", by=by, now=now, entry=entry.pk)


def told(entry: ContextEntry) -> list[str]:
    """What a form of a draft entry shows of it: what it says, and whose it is."""
    return [str(getattr(entry, name)) for name in (*ENTRY_CONTENT, "owner_id")]


@transaction.atomic
def remove_entry(*, entry: ContextEntry, by: User, now: datetime) -> None:
    """Take an entry out of the next version; a second removal changes nothing.

    The review that it came from waits to be promoted again, unless another library has it.
    """
    if ContextEntry.objects.kept().filter(pk=entry.pk).update(removed_at=now):
        _record(entry.library, verb="removed_entry", by=by, now=now, entry=entry.pk)
        withdrawn(review=entry.review, route=Review.Route.LIBRARY, by=by, now=now)


@transaction.atomic
def keep_probe(
    *,
    library: ContextLibrary,
    query: str,
    role: str,
    expected: Sequence[ContextEntry],
    by: User,
    now: datetime,
) -> Probe:
    """Keep a question with the entries that have to be served to it; a former one is replaced.

    Raises LibraryError when there is no question or no entry, or one is not in the draft.
    """
    if not query.strip():
        raise LibraryError("A test question needs words.")
    kept = library.entries.kept().filter(pk__in=[one.pk for one in expected])
    if not expected or kept.count() != len({one.pk for one in expected}):
        raise LibraryError("A test question expects entries of this draft.")
    probe, _ = Probe.objects.update_or_create(
        library=library,
        query=query,
        role=role,
        defaults={"created_by": by, "created_at": now},
    )
    probe.expected.set(expected)
    _record(library, verb="kept_probe", by=by, now=now, probe=probe.pk)
    return probe


@transaction.atomic
def drop_probe(*, probe: Probe, by: User, now: datetime) -> None:
    """Forget a test question."""
    _record(probe.library, verb="dropped_probe", by=by, now=now, probe=probe.pk)
    probe.delete()


def embed_entries(*, library: ContextLibrary, encoder: Encoder) -> None:
    """Give every kept entry a vector of that encoder: of its question, or else of its text."""
    _embed(library.entries.kept().unembedded(model=encoder.model_id).order_by("pk"), encoder)


def embed_drafts(*, encoder: Encoder, limit: int = EMBEDDED_AT_ONCE) -> int:
    """Embed up to `limit` kept entries of whatever library that publishing would wait for.

    The newest come first. Returns how many there were.
    """
    waiting = ContextEntry.objects.kept().unembedded(model=encoder.model_id)
    return _embed(waiting.order_by("-pk")[:limit], encoder)


def _embed(entries: ContextEntryQuerySet, encoder: Encoder) -> int:
    pending = list(entries.only("pk", "query", "answer"))
    if not pending:
        return 0
    vectors = encoder.encode([entry.query or entry.answer for entry in pending])
    for entry, vector in zip(pending, vectors, strict=True):
        # An entry edited while it was encoded keeps waiting.
        ContextEntry.objects.filter(pk=entry.pk, query=entry.query, answer=entry.answer).update(
            vector=vector, embedded_with=encoder.model_id
        )
    return len(pending)


def publish(
    *,
    library: ContextLibrary,
    encoder: Encoder,
    by: User,
    now: datetime,
    note: str = "",
    approved_by: User | None = None,
    trial: Trial | None = None,
    expected: str = "",
) -> LibraryVersion:
    """Freeze the kept entries as the next version, which is served from then on.

    Its hash covers every entry's content and the embedding model. With a `trial` it is served as
    an experiment. Raises LibraryError when there is nothing to publish, nothing new, an entry is
    being edited, or the hash is not the one `expected`.
    """
    embed_entries(library=library, encoder=encoder)
    with transaction.atomic():
        held = ContextLibrary.objects.select_for_update(no_key=True).get(pk=library.pk)
        entries = list(library.entries.kept().order_by("pk"))
        if any(entry.embedded_with != encoder.model_id for entry in entries):
            raise LibraryError("An entry has just been edited. Publish again.")
        digest = content_hash(entries, model=encoder.model_id)
        if expected and digest != expected:
            raise LibraryError("The draft has changed since it was proposed. Propose it again.")
        refuse_needless(library=held, digest=digest)
        version = LibraryVersion.objects.create(
            library=library,
            number=next_number(library),
            content_hash=digest,
            published_by=by,
            approved_by=approved_by,
            published_at=now,
            note=note,
        )
        PublishedEntry.objects.bulk_create(
            PublishedEntry(
                version=version,
                entry=entry,
                position=position,
                kind=entry.kind,
                query=entry.query,
                answer=entry.answer,
                why=entry.why,
                roles=entry.roles,
                environments=entry.environments,
                for_models=entry.for_models,
                expires_on=entry.expires_on,
                num_tokens=_num_tokens(entry),
                model=entry.embedded_with,
                vector=entry.vector,
            )
            for position, entry in enumerate(entries, start=1)
        )
        experiments.succeed(
            former=held.live,
            version=version,
            model=encoder.model_id,
            trial=trial,
            by=by,
            now=now,
        )
        library.live = version
        library.save(update_fields=["live"])
        alone = {} if approved_by else {"alone": 1}
        _record(library, verb="published", by=by, now=now, version=version.number, **alone)
    return version


def refuse_needless(*, library: ContextLibrary, digest: str) -> None:
    """Raise LibraryError when the draft of this hash is empty, or says what is live.

    Expects that the library is held.
    """
    if not library.entries.kept().exists():
        raise LibraryError("The library has no entries. Promote a review into it first.")
    if library.live is not None and library.live.content_hash == digest:
        raise LibraryError(f"Nothing has changed since version {library.live.number}.")


@transaction.atomic
def roll_back(
    *,
    library: ContextLibrary,
    version: LibraryVersion,
    model: str,
    reason: str,
    by: User,
    now: datetime,
) -> None:
    """Serve a version to all sessions from now on; the draft and all versions stay as they are.

    Raises LibraryError when it is another library's, its vectors are not those of `model`, with
    which questions are embedded, or it is live already.
    """
    held = ContextLibrary.objects.select_for_update(no_key=True).get(pk=library.pk)
    if version.library_id != held.pk:
        raise LibraryError("The version belongs to another library.")
    if not version.can_be_served_with(model):
        raise LibraryError(
            f"Version {version.number} was published with another embedding model and cannot be "
            "served. Publish the draft instead."
        )
    is_released = experiments.release(version=version, by=by)
    if held.live_id == version.pk and not is_released:
        raise LibraryError(f"Version {version.number} is live already.")
    experiments.succeed(former=held.live, version=version, model=model, trial=None, by=by, now=now)
    library.live = version
    library.save(update_fields=["live"])
    _record(library, verb="rolled_back", by=by, now=now, version=version.number, reason=reason)


def next_number(library: ContextLibrary) -> int:
    """Return the number that the next version of a library gets."""
    last = library.versions.order_by("-number").first()
    return last.number + 1 if last else 1


def draft_hash(*, library: ContextLibrary, model: str) -> str:
    """Return the hash that a version of the present draft would have."""
    # Of thousands of entries, making an object of each takes most of the time.
    rows = library.entries.kept().order_by("pk").values_list("pk", *ENTRY_CONTENT, named=True)
    return content_hash(rows, model=model)


def content_hash(entries: Iterable[ContextEntry], *, model: str) -> str:
    """Return the SHA-256, in hex, of what entries say and of the model their vectors are from.

    Rows that have an entry's `pk` and ENTRY_CONTENT will do.
    """
    content = [
        {
            "entry": entry.pk,
            "kind": entry.kind,
            "query": entry.query,
            "answer": entry.answer,
            "why": entry.why,
            "roles": entry.roles,
            "environments": entry.environments,
            "models": entry.for_models,
            **({"expires_on": entry.expires_on.isoformat()} if entry.expires_on else {}),
        }
        for entry in entries
    ]
    return hashlib.sha256(canonical({"model": model, "entries": content})).hexdigest()


def _num_tokens(entry: ContextEntry) -> int:
    said = Entry(entry.pk, entry.kind, entry.query, entry.answer, entry.why)
    return tokens_of(said, count=tokens.count)


def _record(
    library: ContextLibrary, *, verb: str, by: User, now: datetime, **data: int | str
) -> None:
    Event.objects.create(
        project_id=library.project_id,
        actor=by,
        verb=verb,
        target_type="context_library",
        target_id=library.pk,
        data=data,
        at=now,
    )
