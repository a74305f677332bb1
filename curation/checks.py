"""What is noticed in a draft before it is published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Q

from curation import conflicts, pii, screening, serving
from curation.conflicts import Saying
from curation.models import ContextEntry, ContextLibrary, EntryKind, LibraryVersion
from curation.shelves import Audience
from feedback.embedding import Encoder

# One user may be behind so many entries of a library, or this share of them, before it is noticed:
# few records are enough to take over what is retrieved.
MOST_OF_ONE_USER, MOST_SHARE = 3, 0.05


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing noticed: of which sort, in which entry, and in words.

    What is stopped cannot be published; the rest has to be acknowledged. `other` is another entry
    that it is about.
    """

    check: str
    entry: int | None
    says: str
    words: str = ""
    other: int | None = None
    is_stopped: bool = False


def run(
    *, library: ContextLibrary, version: LibraryVersion | None, encoder: Encoder, today: date
) -> list[Finding]:
    """Check what a draft adds to a version or changes in it, and its probes. Writes nothing.

    What is stopped comes first.
    """
    entries = serving.embedded_draft(library=library, encoder=encoder)
    differing = set(
        library.entries.compared_to(version)
        .filter(~Q(state=ContextEntry.State.UNCHANGED))
        .values_list("pk", flat=True)
    )
    changed = [one for one in entries if one.pk in differing]
    found = [
        *(finding for entry in changed for finding in _of_text(entry)),
        *_pairs(changed, entries),
        *_shares(library),
        *_probes(library, entries, encoder, today),
        *_expired(changed, today),
    ]
    return sorted(found, key=lambda finding: not finding.is_stopped)


def _of_text(entry: ContextEntry) -> Iterator[Finding]:
    seen: set[str] = set()
    for text in (entry.query, entry.answer, entry.why):
        is_instruction = entry.kind == EntryKind.INSTRUCTION
        for noticed in screening.screen(text, is_instruction=is_instruction):
            if noticed.danger not in seen:
                seen.add(noticed.danger)
                yield Finding(
                    check=noticed.danger.value,
                    entry=entry.pk,
                    says=screening.LABELS[noticed.danger],
                    words=noticed.words,
                    is_stopped=noticed.is_stopped,
                )
        for personal in pii.find(text):
            if personal.kind not in seen:
                seen.add(personal.kind)
                yield Finding(
                    check=personal.kind.value,
                    entry=entry.pk,
                    says=f"has {pii.LABELS[personal.kind]}",
                    words=text[personal.start : personal.end],
                )


def _pairs(changed: Sequence[ContextEntry], entries: Sequence[ContextEntry]) -> Iterator[Finding]:
    sayings = {
        one.pk: Saying(
            id=one.pk,
            kind=one.kind,
            answer=one.answer,
            vector=one.vector,
            roles=frozenset(one.roles),
            environments=frozenset(one.environments),
            models=frozenset(one.for_models),
        )
        for one in entries
    }
    for pair in conflicts.pairs(
        changed=[sayings[one.pk] for one in changed], all_=list(sayings.values())
    ):
        is_conflict = pair.relation == conflicts.Relation.CONFLICT
        yield Finding(
            check=pair.relation.value,
            entry=pair.id,
            other=pair.other,
            says="may contradict" if is_conflict else "is nearly the same as",
            words=f"{pair.why} ({pair.similarity:.2f})",
        )


def _shares(library: ContextLibrary) -> Iterator[Finding]:
    """Users whose sessions more of the entries come from than one should have a say in."""
    kept = library.entries.kept()
    of_user: Counter[str] = Counter(
        kept.filter(~Q(output__session__user_external_id=""), output__isnull=False).values_list(
            "output__session__user_external_id", flat=True
        )
    )
    total = kept.count()
    for user, number in of_user.most_common(5):
        if number > max(MOST_OF_ONE_USER, MOST_SHARE * total):
            yield Finding(
                check="share",
                entry=None,
                says=f"{number} of {total} entries come from sessions of one user",
                words=user,
            )


def _probes(
    library: ContextLibrary, entries: list[ContextEntry], encoder: Encoder, today: date
) -> Iterator[Finding]:
    for probe in library.probes.prefetch_related("expected").order_by("pk"):
        prompt = serving.preview_draft(
            library=library,
            messages=[{"role": "user", "content": probe.query}],
            encoder=encoder,
            audience=Audience(role=probe.role),
            today=today,
            entries=entries,
        )
        served = {pick.entry.id for pick in prompt.picks}
        for missing in sorted({one.pk for one in probe.expected.all()} - served):
            yield Finding(
                check="probe",
                entry=missing,
                says="is not served to a test question that expects it",
                words=probe.query[:80],
            )


def _expired(changed: Sequence[ContextEntry], today: date) -> Iterator[Finding]:
    for entry in changed:
        if entry.expires_on is not None and entry.expires_on < today:
            yield Finding(
                check="expired",
                entry=entry.pk,
                says="has expired and is not served",
                words=entry.expires_on.isoformat(),
            )
