"""Tells which entries of a version help and which harm.

An entry is chosen by the question, so that outputs it was served to are no sample of all. What it
does is told from outputs to whose questions it is among the nearest, in sessions that were served
and in sessions that were held out: whether a question is near to it knows nothing of the lot.
Sessions that it could never have been served to, by their role, environment, model or day, do not
count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from curation import complaints, rates, readings, sequential, strata
from curation.complaints import Exposed
from curation.models import LibraryVersion, PublishedEntry
from curation.rates import Arm
from curation.readings import Reading
from curation.sequential import Looked
from curation.serving import DEFAULT_K, FLOORS
from curation.shelves import Audience
from feedback.models import Embedding
from feedback.timeouts import TooSlowError, time_limit

if TYPE_CHECKING:
    import numpy as np

    Vectors = np.ndarray[Any, np.dtype[np.float32]]

TIME_LIMIT_MS = 5_000
# Of each arm, so many of the newest outputs; and entries that a version may have.
MOST_OUTPUTS, MOST_ENTRIES = 4_000, 5_000
# Questions that are held against all entries at once.
BATCH = 500
SHOWN = 50
# The likeness of an entry that is not for who asked.
NEVER = -9.0


@dataclass(frozen=True, kw_only=True)
class EntryEffect:
    """What was complained of where the entry fits, served and held out.

    `is_told` says that it is no chance find among all entries of the version.
    """

    entry: PublishedEntry
    served: Arm
    held_out: Arm
    looked: Looked
    is_told: bool
    reading: Reading


@dataclass(frozen=True, kw_only=True)
class EntryEffects:
    """The entries of a version that most is known of; `why` if nothing is."""

    effects: Sequence[EntryEffect] = ()
    num_entries: int = 0
    why: str = ""


def of_entries(*, version: LibraryVersion, only: int | None = None) -> EntryEffects:
    """What each entry of the version does: the surest first, at most SHOWN. Four queries.

    With `only`, the id of an entry, all are compared and that one alone is told of.
    """
    try:
        with time_limit(TIME_LIMIT_MS):
            exposed = complaints.exposed(version=version, most=MOST_OUTPUTS)
            num = Counter(one.arm for one in exposed)
            if why := readings.nothing_to_compare(
                num_served=num["served"], num_held_out=num["held out"]
            ):
                return EntryEffects(why=why)
            entries = list(version.entries.order_by("entry_id")[: MOST_ENTRIES + 1])
            if len(entries) > MOST_ENTRIES:
                return EntryEffects(why=f"The version has more than {MOST_ENTRIES:,} entries.")
            near = _near(exposed, entries)
    except TooSlowError:
        return EntryEffects(why="There are too many outputs to compare at the moment.")
    arms = {place: _beside(rows) for place, rows in near.items()}
    told = sequential.discoveries(
        {
            place: sequential.evidence(*arms[place]) if place in arms else 1.0
            for place in range(len(entries))
        }
    )
    shown = [place for place in arms if only in {None, entries[place].entry_id}]
    surest = sorted(shown, key=lambda place: (-sequential.evidence(*arms[place]), place))
    return EntryEffects(
        effects=[
            _effect(entries[place], *arms[place], is_told=place in told) for place in surest[:SHOWN]
        ],
        num_entries=len(entries),
    )


def _near(
    exposed: Sequence[Exposed], entries: Sequence[PublishedEntry]
) -> dict[int, list[Exposed]]:
    """For the place of each entry, the outputs to whose questions it is among the nearest."""
    if not entries:
        return {}
    model = entries[0].model
    questions = dict(
        Embedding.objects.filter(
            output__in=[one.output for one in exposed], part=Embedding.Part.QUERY, model=model
        ).values_list("output", "vector")
    )
    known = [one for one in exposed if one.output in questions]
    found: dict[int, list[Exposed]] = defaultdict(list)
    for one, places in zip(known, _nearest(known, questions, entries), strict=True):
        for place in places:
            found[place].append(one)
    return found


def _nearest(
    known: Sequence[Exposed],
    questions: Mapping[int, Sequence[float]],
    entries: Sequence[PublishedEntry],
) -> Iterator[list[int]]:
    """For each output the places of the entries nearest to its question, as they are served.

    Of those that are near enough and meant for who asked, on that day.
    """
    import numpy as np

    model = entries[0].model
    vectors: Vectors = np.array([entry.vector for entry in entries], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    floors = np.array(
        [2.0 if entry.model != model else FLOORS.get(entry.kind, -1.0) for entry in entries]
    )
    open_to = _Open(entries)
    for first in range(0, len(known), BATCH):
        batch = known[first : first + BATCH]
        asked: Vectors = np.array([questions[one.output] for one in batch], dtype=np.float32)
        asked /= np.linalg.norm(asked, axis=1, keepdims=True)
        near = asked @ vectors.T
        near[~np.array([open_to(one) for one in batch])] = NEVER
        best = np.argsort(-near, axis=1, kind="stable")[:, :DEFAULT_K]
        for row, places in enumerate(best):
            yield [
                int(place)
                for place in places
                if near[row, place] > NEVER and near[row, place] >= floors[place]
            ]


class _Open:
    """Which entries may be served to whom, on which day: a flag for each, kept for all alike."""

    def __init__(self, entries: Sequence[PublishedEntry]) -> None:
        self._scopes = [
            (tuple(one.roles), tuple(one.environments), tuple(one.for_models)) for one in entries
        ]
        self._last_days = [one.expires_on or date.max for one in entries]
        self._known: dict[tuple[Audience, date], list[bool]] = {}

    def __call__(self, one: Exposed) -> list[bool]:
        audience = Audience(role=one.role, environment=one.environment, model=one.model)
        key = audience, one.day
        if key not in self._known:
            self._known[key] = [
                one.day <= last and audience.may_have(scope)
                for scope, last in zip(self._scopes, self._last_days, strict=True)
            ]
        return self._known[key]


def _beside(rows: Sequence[Exposed]) -> tuple[Arm, Arm]:
    """Those served, and those held out as they would be if they came on the same days."""
    sessions: dict[date, tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
    for one in rows:
        sessions[one.day][one.arm != "served"].add(one.session)
    days = sorted(sessions)
    counted = [(len(sessions[day][0]), len(sessions[day][1])) for day in days]
    weights = dict(zip(days, strata.weights(counted), strict=True))
    return _arm(rows, "served", defaultdict(lambda: 1.0)), _arm(rows, "held out", weights)


def _arm(rows: Sequence[Exposed], name: str, weights: Mapping[date, float]) -> Arm:
    sessions: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for one in rows:
        if one.arm == name:
            sessions[one.session][0] += weights[one.day]
            sessions[one.session][1] += weights[one.day] * one.is_complained_of
    return rates.arm((n, y, 0) for n, y in sessions.values())


def _effect(entry: PublishedEntry, served: Arm, held_out: Arm, *, is_told: bool) -> EntryEffect:
    looked = sequential.look(served, held_out)
    return EntryEffect(
        entry=entry,
        served=served,
        held_out=held_out,
        looked=looked,
        is_told=is_told,
        reading=readings.of_entry(looked, is_told=is_told),
    )
