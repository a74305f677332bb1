"""A session turn by turn, with what its user did and said at each answer."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db.models import BooleanField, Count, F, Func, Q, Value, Window
from django.db.models.functions import Left, RowNumber
from django.utils.safestring import SafeString

from feedback.models import Feedback, Output, Session
from feedback.models.output import OutputQuerySet
from feedback.paging import page
from review.anchoring import Mark
from review.models import Provisional
from review.passages import excerpt, hits, painted

# Turns shown around the one under review, and on each further page of them.
BEFORE, AFTER, PAGE = 3, 2, 20
# Turns in which words were found, on one page.
FOUND = 10
# Code points of a question and an answer that a closed turn shows.
HEAD = 200
# Signals of one turn, and feedback on the session as a whole, the first of each.
MOST_SIGNALS, MOST_ON_SESSION = 12, 5
# Tokens of served context that are followed.
MOST_EXPOSURES = 5
# Code points of system context and documents that come with the page; the rest when opened.
UP_FRONT = 12_000
LONGEST_WORDS = 200


@dataclass(frozen=True, kw_only=True)
class Happening:
    """Something a user did at an answer: a kind of signal, or "up" or "down" for a rating.

    `seconds` is how long after the answer; None when the two have no order. `value` is what the
    sender measured: the seconds of "dwell".
    """

    kind: str
    at: datetime
    seconds: float | None = None
    value: object = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """A place where searched words stand: `where` names the text, `html` shows the words in it."""

    where: str
    html: SafeString
    document: int | None = None


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One question and answer, their beginnings only, with what happened at it.

    `num_said` counts what says more than a score. `found` is where searched words stand. `carried`
    is the verdict that was carried over to it from answers like it, in words.
    """

    output: Output
    question: str
    answer: str
    happened: Sequence[Happening] = ()
    num_said: int = 0
    found: Sequence[Found] = ()
    carried: str = ""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A text behind an answer: the system context (`key` "system"), or a document by its number.

    `size` is its code points; `html` is None while it is not on the page. `num_marks` counts the
    evidence in it.
    """

    key: str
    title: str
    size: int
    html: SafeString | None = None
    score: float | None = None
    num_marks: int = 0
    is_open: bool = False

    @property
    def number(self) -> int | None:
        """The place among the documents."""
        return None if self.key == "system" else int(self.key)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """One turn with what its answer was made from."""

    turn: Turn
    system: Passage | None
    documents: Sequence[Passage]

    @property
    def is_open(self) -> bool:
        """Whether a document is to be shown at once."""
        return any(one.is_open for one in self.documents)


@dataclass(frozen=True, kw_only=True)
class Trail:
    """The turns around one output, or those in which `words` were found.

    `earlier` and `later` are the cursors of the turns beyond, empty where there are none;
    `is_earlier` when turns before a cursor were asked for.
    """

    session: Session
    current: Opened
    turns: Sequence[Turn]
    tags: Sequence[str] = ()
    on_session: Sequence[Feedback] = ()
    words: str = ""
    earlier: str = ""
    later: str = ""
    is_earlier: bool = False

    @property
    def num_found(self) -> int:
        """The turns here in which the words stand."""
        return sum(1 for turn in self.turns if turn.found)


def trail(
    *,
    output: Output,
    marks: Mapping[int, Sequence[Mark]] | None = None,
    opened: str = "",
    words: str = "",
    before: str = "",
    after: str = "",
) -> Trail:
    """The session around an output: BEFORE turns before it and AFTER after, or a page of those.

    `before` and `after` are cursors of a former trail. `words` keeps the turns in which they
    stand. `marks` are those of the output's documents, and `opened` is the key of the text to
    show, whatever its size. Seven queries. Raises feedback.paging.CursorError.
    """
    words = words.strip()[:LONGEST_WORDS].replace("\x00", "")
    rows, earlier, later = (
        _found(output, words, after) if words else _around(output, before=before, after=after)
    )
    shown = turns(outputs=rows, words=words)
    current = next((turn for turn in shown if turn.output.pk == output.pk), None)
    return Trail(
        session=output.session,
        current=open_turn(
            turn=current or _turn(output, words=words), marks=marks, opened=opened, words=words
        ),
        turns=shown,
        tags=tag_names(session=output.session),
        on_session=list(
            Feedback.objects.filter(session=output.session, output=None).order_by("at", "id")[
                :MOST_ON_SESSION
            ]
        ),
        words=words,
        earlier=earlier,
        later=later,
        is_earlier=bool(before),
    )


def beyond(found: Trail, output: Output) -> Trail:
    """The trail without the turns that the page of the output shows already."""
    if found.words:
        return found
    at = next(n for n, turn in enumerate(found.turns) if turn.output.pk == output.pk)
    if found.is_earlier:
        return replace(found, turns=found.turns[:at], later="")
    return replace(found, turns=found.turns[at + 1 :], earlier="")


def open_turn(
    *,
    turn: Turn,
    marks: Mapping[int, Sequence[Mark]] | None = None,
    opened: str = "",
    words: str = "",
) -> Opened:
    """A turn with its system context and documents, of which up to UP_FRONT code points are shown.

    Whatever is marked, `opened`, or holds the words, is shown whatever its size.
    """
    output = turn.output
    left = UP_FRONT
    passages = []
    for key, title, text, score in _texts(output):
        own = [] if key == "system" else list((marks or {}).get(int(key), ()))
        met = hits(text, words)
        left -= len(text)
        is_shown = left >= 0 or bool(own or met) or key == opened
        passages.append(
            Passage(
                key=key,
                title=title,
                size=len(text),
                score=score,
                num_marks=len(own),
                is_open=key == opened or bool(met),
                html=SafeString(painted(text, [*own, *met])) if is_shown else None,
            )
        )
    return Opened(
        turn=turn,
        system=next((one for one in passages if one.key == "system"), None),
        documents=[one for one in passages if one.key != "system"],
    )


def _texts(output: Output) -> list[tuple[str, str, str, float | None]]:
    """Key, title, text and score of each text behind an answer."""
    documents = [
        (str(number), one.get("title") or one["id"], str(one["text"]), one.get("score"))
        for number, one in enumerate(output.documents)
    ]
    return (
        [("system", "System context", output.system, None)] if output.system else []
    ) + documents


Rows = tuple[list[Output], str, str]


def _around(output: Output, *, before: str, after: str) -> Rows:
    """The rows of the turns in order, and the cursors before and after them."""
    outputs = _thin(Output.objects.filter(session=output.session_id).exclude(pk=output.pk))
    earlier = Q(at__lt=output.at) | Q(at=output.at, pk__lt=output.pk)
    former = page(
        outputs.filter(earlier),
        order=["-at", "-id"],
        size=PAGE if before else BEFORE,
        cursor=before,
    )
    latter = page(
        outputs.exclude(earlier), order=["at", "id"], size=PAGE if after else AFTER, cursor=after
    )
    return (
        [*reversed(former.rows), output, *latter.rows],
        former.next_cursor or "",
        latter.next_cursor or "",
    )


def _found(output: Output, words: str, after: str) -> Rows:
    found = page(
        _holding(Output.objects.filter(session=output.session_id), words),
        order=["at", "id"],
        size=FOUND,
        cursor=after,
    )
    rows = found.rows
    if not after and output.pk not in {row.pk for row in rows}:
        # The answer under review stays in sight, whatever is searched for.
        rows = sorted([*rows, output], key=lambda row: (row.at, row.pk))
    return rows, "", found.next_cursor or ""


def _thin(outputs: OutputQuerySet) -> OutputQuerySet:
    """What the line of a closed turn shows."""
    return outputs.annotate(question=Left("query", HEAD), answer=Left("text", HEAD)).only(
        "external_id", "at", "session"
    )


def _holding(outputs: OutputQuerySet, words: str) -> OutputQuerySet:
    """Outputs with the words in question, answer, system context or a document."""
    # A literal pattern in whichever case; JSON's escapes are those of a path's strings.
    path = f'$[*].* ? (@ like_regex {json.dumps(words, ensure_ascii=False)} flag "iq")'
    in_documents = Func(
        F("documents"), Value(path), function="jsonb_path_exists", output_field=BooleanField()
    )
    return outputs.alias(in_documents=in_documents).filter(
        Q(query__icontains=words)
        | Q(text__icontains=words)
        | Q(system__icontains=words)
        | Q(in_documents=True)
    )


def turns(*, outputs: Iterable[Output], words: str = "") -> list[Turn]:
    """A turn for each output, in order. Three queries."""
    rows = list(outputs)
    happened = _happenings(rows)
    said = dict(
        Feedback.objects.explicit()
        .filter(output__in=rows)
        .exclude(comment="", correction="", label="")
        .values_list("output")
        .annotate(Count("pk"))
    )
    some = Provisional.objects.filter(output__in=rows)
    revealed = some.revealed().only("output", "verdict") if some.exists() else ()
    carried = {one.output_id: one.get_verdict_display() for one in revealed}
    return [
        replace(
            _turn(row, happened=happened[row.pk], num_said=said.get(row.pk, 0), words=words),
            carried=carried.get(row.pk, ""),
        )
        for row in rows
    ]


def _turn(
    output: Output, *, happened: Sequence[Happening] = (), num_said: int = 0, words: str = ""
) -> Turn:
    question = getattr(output, "question", None)
    answer = getattr(output, "answer", None)
    return Turn(
        output=output,
        question=output.query[:HEAD] if question is None else question,
        answer=output.text[:HEAD] if answer is None else answer,
        happened=happened,
        num_said=num_said,
        found=_places(output, words) if words else (),
    )


def _places(output: Output, words: str) -> list[Found]:
    texts: list[tuple[str, int | None, str]] = [
        ("Question", None, output.query),
        ("Answer", None, output.text),
    ]
    texts += [
        (title, None if key == "system" else int(key), text)
        for key, title, text, _ in _texts(output)
    ]
    found = []
    for where, document, text in texts:
        if not hits(text, words):
            # Of a document the title may be what holds them.
            if document is None or not hits(where, words):
                continue
            text = where  # noqa: PLW2901
        around = excerpt(text, words)
        html = SafeString(painted(around, hits(around, words)))
        found.append(Found(where=where, html=html, document=document))
    return found


def _happenings(outputs: Sequence[Output]) -> dict[int, list[Happening]]:
    """What users did at each output, by its id: the first MOST_SIGNALS."""
    answered = {output.pk: output.at for output in outputs}
    seen = (
        Feedback.objects.filter(output__in=answered)
        .filter(Q(is_implicit=True) | Q(score__isnull=False) & ~Q(score=0))
        .annotate(place=Window(RowNumber(), partition_by=F("output"), order_by=[F("at"), F("id")]))
        .filter(place__lte=MOST_SIGNALS)
        .order_by("at", "id")
        .values_list("output", "is_implicit", "name", "score", "value", "at")
    )
    found: dict[int, list[Happening]] = defaultdict(list)
    for output, is_implicit, name, score, value, at in seen:
        seconds = (at - answered[output or 0]).total_seconds()
        found[output or 0].append(
            Happening(
                kind=name if is_implicit else "up" if (score or 0) > 0 else "down",
                at=at,
                seconds=seconds if seconds > 0 else None,
                value=value,
            )
        )
    return found


def tag_names(*, session: Session) -> list[str]:
    """The session's tags, by name."""
    return list(session.tags.order_by("name").values_list("name", flat=True))


def exposure_tokens(exposure: object) -> list[str]:
    """The first tokens of served context in what the sender gave as `context.exposure`."""
    given = exposure if isinstance(exposure, list) else [exposure]
    tokens = []
    for one in given:
        text = one.get("exposure") if isinstance(one, dict) else one
        try:
            tokens.append(str(UUID(str(text))))
        except ValueError:
            continue
    return list(dict.fromkeys(tokens))[:MOST_EXPOSURES]
