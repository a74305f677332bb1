"""Context libraries: drafting entries, and publishing them as immutable versions."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from curation.formats import canonical
from curation.models import (
    ContextEntry,
    ContextLibrary,
    EntryKind,
    LibraryVersion,
    PublishedEntry,
)
from curation.promotion import withdrawn
from feedback.embedding import Encoder
from feedback.models import Project, User
from review.models import Event, Review


class LibraryError(Exception):
    """The library stays as it was; the message says why."""


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
    by: User,
    now: datetime,
) -> None:
    """Change a draft entry; what is published stays. Raises LibraryError when it is unsound."""
    if kind not in EntryKind.values:
        raise LibraryError(f"“{kind}” is not a kind of entry.")
    if not answer.strip():
        raise LibraryError("An entry needs an answer.")
    if kind == EntryKind.EXAMPLE and not query.strip():
        raise LibraryError("An example needs a question.")
    changed = ContextEntry.objects.kept().filter(pk=entry.pk)
    if not changed.update(
        kind=kind,
        query=query,
        answer=answer,
        why=why,
        roles=roles,
        environments=environments,
        for_models=models,
        vector=None,
        embedded_with="",
    ):
        raise LibraryError("The entry has been removed in the meantime.")
    _record(entry.library, verb="edited_entry", by=by, now=now, entry=entry.pk)


@transaction.atomic
def remove_entry(*, entry: ContextEntry, by: User, now: datetime) -> None:
    """Take an entry out of the next version; a second removal changes nothing.

    The review that it came from waits to be promoted again, unless another library has it.
    """
    if ContextEntry.objects.kept().filter(pk=entry.pk).update(removed_at=now):
        _record(entry.library, verb="removed_entry", by=by, now=now, entry=entry.pk)
        withdrawn(review=entry.review, route=Review.Route.LIBRARY, by=by, now=now)


def embed_entries(*, library: ContextLibrary, encoder: Encoder) -> None:
    """Give every kept entry a vector of that encoder: of its question, or else of its text."""
    pending = list(
        library.entries.kept()
        .unembedded(model=encoder.model_id)
        .only("pk", "query", "answer")
        .order_by("pk")
    )
    if not pending:
        return
    vectors = encoder.encode([entry.query or entry.answer for entry in pending])
    for entry, vector in zip(pending, vectors, strict=True):
        # An entry edited while it was encoded keeps waiting.
        ContextEntry.objects.filter(pk=entry.pk, query=entry.query, answer=entry.answer).update(
            vector=vector, embedded_with=encoder.model_id
        )


def publish(
    *, library: ContextLibrary, encoder: Encoder, by: User, now: datetime, note: str = ""
) -> LibraryVersion:
    """Freeze the kept entries as the next version, which is served from then on.

    Its hash covers every entry's content and the embedding model. Raises LibraryError when there
    is nothing to publish, nothing new, or an entry is being edited.
    """
    embed_entries(library=library, encoder=encoder)
    with transaction.atomic():
        ContextLibrary.objects.select_for_update(no_key=True).get(pk=library.pk)
        entries = list(library.entries.kept().order_by("pk"))
        if not entries:
            raise LibraryError("The library has no entries. Promote a review into it first.")
        if any(entry.embedded_with != encoder.model_id for entry in entries):
            raise LibraryError("An entry has just been edited. Publish again.")
        digest = content_hash(entries, model=encoder.model_id)
        last = library.versions.order_by("-number").first()
        if last is not None and last.content_hash == digest:
            raise LibraryError(f"Nothing has changed since version {last.number}.")
        version = LibraryVersion.objects.create(
            library=library,
            number=last.number + 1 if last else 1,
            content_hash=digest,
            published_by=by,
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
                model=entry.embedded_with,
                vector=entry.vector,
            )
            for position, entry in enumerate(entries, start=1)
        )
        _record(library, verb="published", by=by, now=now, version=version.number)
    return version


def content_hash(entries: list[ContextEntry], *, model: str) -> str:
    """Return the SHA-256, in hex, of what entries say and of the model their vectors are from."""
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
        }
        for entry in entries
    ]
    return hashlib.sha256(canonical({"model": model, "entries": content})).hexdigest()


def _record(library: ContextLibrary, *, verb: str, by: User, now: datetime, **data: int) -> None:
    Event.objects.create(
        project_id=library.project_id,
        actor=by,
        verb=verb,
        target_type="context_library",
        target_id=library.pk,
        data=data,
        at=now,
    )
