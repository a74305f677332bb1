"""Finds outputs and feedback by words and by meaning."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import orjson

from feedback.embedding import Encoder
from feedback.filter_syntax import MAX_TOKENS, Word
from feedback.filters import OutputFilter
from feedback.fusion import fused, identifiers
from feedback.lexical import lexemes, ranked, with_phrase
from feedback.models import Feedback, FeedbackWords, Output, OutputWords, Project
from feedback.models.words import Words
from feedback.nearest import KINDS, Kind, nearest
from feedback.paging import CursorError
from feedback.scope import Scope
from feedback.timeouts import time_limit

MAX_LIMIT = 100
# How many rows of each kind are ranked by words, and as many by meaning.
DEPTH = 100
# A word that is asked for alone is the name of something when no more than so many have it.
FEW = 10
# A statement of a search is given up after so long.
TIME_LIMIT_MS = 5_000

Mode = Literal["hybrid", "words", "meaning"]
MODES: tuple[Mode, ...] = ("hybrid", "words", "meaning")
# What is listed: everything found, the best of each session, or one kind.
Listing = Literal["all", "session", "output", "feedback"]
LISTINGS: tuple[Listing, ...] = ("all", "session", "output", "feedback")

TABLES: Mapping[Kind, type[OutputWords] | type[FeedbackWords]] = {
    "output": OutputWords,
    "feedback": FeedbackWords,
}


@dataclass(frozen=True, order=True)
class Key:
    """Names an output or a feedback."""

    kind: Kind
    pk: int


@dataclass(frozen=True)
class Hit:
    """One output or feedback, and the part of it that was found.

    `words` is the share of the question's weight whose words it has, `meaning` its cosine
    similarity; None when it was not found that way. `part` is "" when words alone found it.
    """

    target: Output | Feedback
    part: str
    words: float | None
    meaning: float | None

    @property
    def score(self) -> float:
        """The cosine similarity, else the share of words."""
        return round((self.words or 0) if self.meaning is None else self.meaning, 6)

    @property
    def texts(self) -> dict[str, str]:
        """What there is to read, by its part: the one that was found, or all there are."""
        if isinstance(self.target, Output):
            parts = {"query": self.target.query, "answer": self.target.text}
        else:
            parts = {"comment": self.target.comment, "correction": self.target.correction}
        return {self.part: parts[self.part]} if self.part else parts


@dataclass(frozen=True)
class Page:
    """Hits, the best first, and the cursor of the next page, if there is one.

    `counts` says how many there are in each listing, `num_words` how many of all share a word
    with the question, `num_meaning` how many are among the nearest.
    """

    hits: list[Hit]
    next_cursor: str | None
    counts: Mapping[Listing, int]
    num_words: int
    num_meaning: int


@dataclass(frozen=True)
class _Ranks:
    """What was found, by its key: the shares of words, the nearest parts, the fused sums."""

    words: dict[Key, float]
    meaning: dict[Key, tuple[str, float]]
    sums: dict[Key, float]


def search(
    *,
    project: Project,
    query: str,
    encoder: Encoder,
    wanted: OutputFilter | None = None,
    mode: Mode = "hybrid",
    listing: Listing = "all",
    newest_first: bool = False,
    limit: int = 20,
    cursor: str | None = None,
) -> Page:
    """Return what of a project shares words with the query, or is near in meaning, or both.

    Looked at are outputs that match the filter, and the feedback on them. By words alone every
    word of the query has to be there. Each thing comes once, by the nearest of its parts; the two
    rankings are `fused`. What has an identifier of the query comes first, and so does what has its
    only word when few have. `limit` is 1 to MAX_LIMIT. Raises CursorError, and
    TooSlowError.
    """
    vector = None if mode == "words" else encoder.encode([query])[0]
    return _search(
        project=project,
        query="" if mode == "meaning" else query,
        vector=vector,
        model=encoder.model_id,
        wanted=_required(wanted or OutputFilter(), query if mode == "words" else ""),
        listing=listing,
        newest_first=newest_first,
        limit=limit,
        cursor=cursor,
    )


def more_like(
    *,
    output: Output,
    encoder: Encoder,
    wanted: OutputFilter | None = None,
    listing: Listing = "all",
    newest_first: bool = False,
    limit: int = 20,
    cursor: str | None = None,
) -> Page:
    """Return what is nearest in meaning to an output's question and answer, less itself.

    As `search` does otherwise.
    """
    vectors = list(
        output.embeddings.filter(model=encoder.model_id).values_list("vector", flat=True)
    ) or encoder.encode([output.query, output.text])
    middle = [sum(numbers) for numbers in zip(*vectors, strict=True)]
    length = math.sqrt(sum(number * number for number in middle)) or 1
    return _search(
        project=output.project,
        query="",
        vector=[number / length for number in middle],
        model=encoder.model_id,
        wanted=wanted or OutputFilter(),
        listing=listing,
        newest_first=newest_first,
        limit=limit,
        cursor=cursor,
        but=Key("output", output.pk),
    )


def _required(wanted: OutputFilter, query: str) -> OutputFilter:
    words = tuple(Word(word) for word in query.split()[:MAX_TOKENS])
    return replace(wanted, words=(*wanted.words, *words))


def _search(
    *,
    project: Project,
    query: str,
    vector: Sequence[float] | None,
    model: str,
    wanted: OutputFilter,
    listing: Listing,
    newest_first: bool,
    limit: int,
    cursor: str | None,
    but: Key | None = None,
) -> Page:
    after = _read_cursor(cursor) if cursor else None
    scope = Scope(project=project, wanted=wanted)
    with time_limit(TIME_LIMIT_MS):
        found = _rank(scope, query, vector, model, but)
        lists = _lists(found.sums, newest_first=newest_first)
        order = lists[listing]
        rest = [one for one in order if after is None or _place(one) > _place(after)]
        hits = _hits(found, [key for _, key in rest[:limit]])
    keys = {key for _, key in lists["all"]}
    return Page(
        hits,
        next_cursor=_write_cursor(rest[limit - 1]) if len(rest) > limit else None,
        counts={name: len(one) for name, one in lists.items()},
        num_words=len(keys & found.words.keys()),
        num_meaning=len(keys & found.meaning.keys()),
    )


def _rank(
    scope: Scope, query: str, vector: Sequence[float] | None, model: str, but: Key | None
) -> _Ranks:
    looked_for = lexemes(query) if query else None
    words: dict[Key, float] = {}
    meaning: dict[Key, tuple[str, float]] = {}
    for kind in KINDS:
        if looked_for:
            table = TABLES[kind]
            among = None if scope.is_everything else scope.rows(table)
            sharing = ranked(
                project=scope.project, table=table, among=among, wanted=looked_for, limit=DEPTH
            )
            words |= {Key(kind, pk): share for pk, share in sharing}
        if vector is not None:
            near = nearest(scope=scope, kind=kind, vector=vector, model=model, limit=DEPTH)
            meaning |= {Key(kind, one.pk): (one.part, one.similarity) for one in near}
    if but is not None:
        meaning.pop(but, None)
    first = {
        Key(kind, pk)
        for kind, table in TABLES.items()
        for pk in named(
            table=table,
            query=query,
            words={key.pk: share for key, share in words.items() if key.kind == kind},
        )
    }
    sums = fused(
        words=dict(sorted(words.items(), key=lambda item: -item[1])),
        meaning={key: similarity for key, (_, similarity) in meaning.items()},
        first=first,
    )
    return _Ranks(words, meaning, sums)


def named(*, table: type[Words], query: str, words: Mapping[int, float]) -> set[int]:
    """Those of the rows that share words with the query that it names: they come first.

    They have one of its identifiers, or its only word, when few have.
    """
    if len(query.split()) == 1 and len(words) <= FEW:
        return {pk for pk, share in words.items() if share == 1}
    return with_phrase(table=table, pks=words.keys(), phrases=identifiers(query))


def _lists(sums: dict[Key, float], *, newest_first: bool) -> dict[Listing, list[tuple[float, Key]]]:
    """What is still there, in order, each with the number that it is ordered by."""
    facts: dict[Key, tuple[float, int]] = {}
    outputs = Output.objects.filter(pk__in=[key.pk for key in sums if key.kind == "output"])
    for pk, at, session in outputs.values_list("pk", "at", "session"):
        facts[Key("output", pk)] = (at.timestamp(), session)
    said = Feedback.objects.filter(pk__in=[key.pk for key in sums if key.kind == "feedback"])
    for pk, at, session in said.values_list("pk", "at", "session"):
        facts[Key("feedback", pk)] = (at.timestamp(), session)
    everything = sorted(
        ((facts[key][0] if newest_first else sums[key], key) for key in sums if key in facts),
        key=_place,
    )
    first: dict[int, tuple[float, Key]] = {}
    for one in everything:
        first.setdefault(facts[one[1]][1], one)
    return {
        "all": everything,
        "session": list(first.values()),
        "output": [one for one in everything if one[1].kind == "output"],
        "feedback": [one for one in everything if one[1].kind == "feedback"],
    }


def _place(one: tuple[float, Key]) -> tuple[float, str, int]:
    value, key = one
    return -value, key.kind, -key.pk


def _hits(found: _Ranks, keys: Sequence[Key]) -> list[Hit]:
    outputs = Output.objects.select_related("session").defer(
        "documents", "messages", "tools", "metadata"
    )
    feedback = Feedback.objects.select_related("session", "output").prefetch_related("reasons")
    rows: dict[Key, Output | Feedback] = {}
    for row in outputs.filter(pk__in=[key.pk for key in keys if key.kind == "output"]):
        rows[Key("output", row.pk)] = row
    for said in feedback.filter(pk__in=[key.pk for key in keys if key.kind == "feedback"]):
        rows[Key("feedback", said.pk)] = said
    return [
        Hit(
            target=rows[key],
            part=found.meaning[key][0] if key in found.meaning else "",
            words=found.words.get(key),
            meaning=found.meaning[key][1] if key in found.meaning else None,
        )
        for key in keys
        if key in rows
    ]


def _write_cursor(last: tuple[float, Key]) -> str:
    value, key = last
    return base64.urlsafe_b64encode(orjson.dumps([value, key.kind, key.pk])).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[float, Key]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        value, kind, pk = orjson.loads(base64.urlsafe_b64decode(padded.encode()))
        value, pk = float(value), int(pk)
    except (ValueError, TypeError, binascii.Error, OverflowError):
        raise CursorError("This is no cursor that a search gave.") from None
    if kind not in KINDS or not math.isfinite(value):
        raise CursorError("This is no cursor that a search gave.")
    return value, Key(kind, pk)
