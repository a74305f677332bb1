"""How a library's draft differs from what is live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Exists, OuterRef, Q, Value

from curation import diffs
from curation.diffs import Piece
from curation.models import ContextEntry, ContextLibrary, LibraryVersion, PublishedEntry
from curation.models.context import PublishedEntryQuerySet

_TEXTS = (("query", "Question"), ("answer", "Text"))
_NAMES = (
    ("kind", "Kind"),
    ("why", "Why"),
    ("roles", "Only for roles"),
    ("environments", "Only in environments"),
    ("for_models", "Only for models"),
    ("expires_on", "Served until"),
)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many entries the next version adds, changes, removes and leaves as they are."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0

    @property
    def num_kept(self) -> int:
        """How many entries the next version has."""
        return self.added + self.changed + self.unchanged

    @property
    def num_changes(self) -> int:
        """How many entries differ from what is live."""
        return self.added + self.changed + self.removed


@dataclass(frozen=True, kw_only=True)
class TextChange:
    """A text before and after, in pieces; one side is empty when there was or is none."""

    label: str
    before: list[Piece]
    after: list[Piece]


@dataclass(frozen=True, kw_only=True)
class NameChange:
    """Something short, before and after."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An entry, and what it says otherwise than in the version it was compared to.

    Both lists are empty for an entry that is not in the version, or says the same there.
    """

    entry: ContextEntry | PublishedEntry
    texts: list[TextChange] = field(default_factory=list)
    names: list[NameChange] = field(default_factory=list)


def count(*, library: ContextLibrary, version: LibraryVersion | None) -> Counts:
    """Count the entries of a draft by what the next version does to them."""
    counted = library.entries.compared_to(version).aggregate(
        **{state: Count("pk", filter=Q(state=state)) for state in ContextEntry.State.values}
    )
    return Counts(**counted)


def compare(*, entries: Sequence[ContextEntry], version: LibraryVersion | None) -> list[Comparison]:
    """Compare each entry with what it says in a version: one query for any number of entries."""
    live: dict[int, PublishedEntry] = {}
    if version is not None:
        rows = version.entries.filter(entry__in=entries).defer("vector")
        live = {row.entry_id: row for row in rows}
    return [_comparison(entry, live.get(entry.pk)) for entry in entries]


def count_between(*, former: LibraryVersion | None, version: LibraryVersion) -> Counts:
    """Count the entries of a version by what it did to those of a former one."""
    states = ContextEntry.State
    counted = version.entries.compared_to(former).aggregate(
        **{
            state: Count("pk", filter=Q(state=state))
            for state in (states.ADDED, states.CHANGED, states.UNCHANGED)
        }
    )
    return Counts(**counted, removed=gone(former=former, version=version).count())


def compare_between(
    *, entries: Sequence[PublishedEntry], former: LibraryVersion | None
) -> list[Comparison]:
    """Compare each entry of a version with what it said in a former one: one query for all."""
    before: dict[int, PublishedEntry] = {}
    if former is not None:
        rows = former.entries.filter(entry__in=[one.entry_id for one in entries]).defer("vector")
        before = {row.entry_id: row for row in rows}
    return [_comparison(entry, before.get(entry.entry_id)) for entry in entries]


def gone(*, former: LibraryVersion | None, version: LibraryVersion) -> PublishedEntryQuerySet:
    """The entries of a former version that a version does not have, without their vectors.

    Each has its `state`, as those that it does have.
    """
    kept = version.entries.filter(entry=OuterRef("entry"))
    before = PublishedEntry.objects.filter(~Exists(kept), version=former)
    removed = before.annotate(state=Value(ContextEntry.State.REMOVED))
    return removed.defer("vector").order_by("position")


def _comparison(entry: ContextEntry | PublishedEntry, live: PublishedEntry | None) -> Comparison:
    if live is None:
        return Comparison(entry=entry)
    texts = []
    for name, label in _TEXTS:
        before, after = getattr(live, name), getattr(entry, name)
        if before != after:
            left, right = diffs.compare(before, after)
            texts.append(TextChange(label=label, before=left, after=right))
    names = [
        NameChange(label=label, before=before, after=after)
        for name, label in _NAMES
        if (before := _told(live, name)) != (after := _told(entry, name))
    ]
    return Comparison(entry=entry, texts=texts, names=names)


def _told(row: ContextEntry | PublishedEntry, name: str) -> str:
    value = getattr(row, name)
    return ", ".join(value) if isinstance(value, list) else str(value or "")
