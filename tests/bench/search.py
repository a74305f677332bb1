"""Search: what it finds of real questions, and how fast among 100,000 vectors.

The questions are of banking77 and clinc150 (relevant is what has the same intent) and of
medical-question-pairs (relevant is the other wording of the same question, and a look-alike that
asks something else stands beside it). They are read from the folder that POSTIL_DATA names.

The constants of the fusion were chosen on banking77; the others had no say in these, and there
search by both has to be as good as the better of its two rankings. Questions that name one thing by
a number, a code or a single word have to find it first. `SEARCH_ONLY=quality` leaves the times out.

Beside it stand hand-written SQL and Chroma, embedded, with the same vectors and filters in the same
run. `SEARCH_ROWS` and `SEARCH_TEXTS` make it smaller, to try it.
"""

from __future__ import annotations

import csv
import json
import math
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import chroma
from tests.bench.server import services

if TYPE_CHECKING:
    from feedback.models import Project

NUM_ROWS = int(os.environ.get("SEARCH_ROWS", "100_000"))
NUM_QUERIES = 400
# Texts and questions of banking77 that are used: all would take the encoder minutes.
NUM_TEXTS, NUM_ASKED = int(os.environ.get("SEARCH_TEXTS", "3_000")), 600
NUM_NAMED = 60
TOP = 10
# What the sets that had no say may fall short of the better ranking by: a third of the standard
# error of a mean nDCG of 600 questions.
MARGIN = 0.005
MIN_RECALL = 0.98


@dataclass(frozen=True)
class Quality:
    """Mean over questions: what of the possible is among the first ten, and nDCG of these."""

    recall: float
    ndcg: float


def run() -> tuple[str, bool]:
    data = os.environ.get("POSTIL_DATA")
    if not data:
        return "POSTIL_DATA names no folder", False
    is_whole = os.environ.get("SEARCH_ONLY") != "quality"
    if is_whole and find_spec("chromadb") is None:
        return "Chroma is not installed: pip install -e '.[bench]'", False
    with services():
        import django

        django.setup()
        found = _quality(Path(data))
        worst = speed(NUM_ROWS) if is_whole else 1.0
    figure = (
        f"nDCG@10 hybrid less the better single, at least {found.gain:+.4f}, bar {-MARGIN}; "
        f"named first {found.named:.3f}, bar 1"
    )
    if is_whole:
        figure += f"; {NUM_ROWS:,} vectors, worst recall of exact {worst:.3f}, bar {MIN_RECALL}"
    return figure, found.gain >= -MARGIN and found.named == 1 and worst >= MIN_RECALL


@dataclass(frozen=True)
class Found:
    """By how much search by both beats the better ranking on the sets that had no say, at least.

    `named` is the share of questions by a name whose thing comes first.
    """

    gain: float
    named: float


def _quality(data: Path) -> Found:
    """Print recall and nDCG of each set and ranking."""
    print(f"{'':<28}{'recall@10':>12}{'nDCG@10':>10}")
    _measured("banking77", *banking(data))
    others = [
        _measured("clinc150", *_clinc(data)),
        _measured("medical pairs", *_medical(data)),
    ]
    _look_alikes(_pairs(data))
    gains = [one["hybrid"].ndcg - max(one["words"].ndcg, one["meaning"].ndcg) for one in others]
    return Found(min(gains), _named(data))


def _named(data: Path) -> float:
    """Plant codes, order numbers and names into texts; how often asking by them finds them first.

    Beside each stands the next number, or another name. Asked is by the name alone, and by codes
    and numbers also with another text's words.
    """
    from feedback.embedding import get_encoder
    from feedback.search import search

    source = random.Random(3)  # noqa: S311
    texts, _ = banking(data)
    texts = texts[: 10 * NUM_NAMED]
    asked: list[tuple[str, int]] = []
    for place in range(0, 2 * NUM_NAMED, 2):
        number = 10_000 + 7 * place
        kind = (place // 2) % 3
        names = (
            [f"E-{number}", f"E-{number + 1}"],
            [f"{number}{place:03}", f"{number}{place + 1:03}"],
            [_invented(source) for _ in range(2)],
        )[kind]
        for offset, name in enumerate(names):
            texts[place + offset] += f" It is about {name}."
        asked.append((names[0], place))
        if kind < 2:
            asked.append((f"{texts[-1 - place]} {names[0]}", place))
    project, places = stored(texts)
    right = []
    for text, place in asked:
        page = search(project=project, query=text, encoder=get_encoder(), limit=1)
        right.append([places[hit.target.pk] for hit in page.hits] == [place])
    print(f"named things found first: {_mean(right):.3f} of {len(right)}", flush=True)
    return _mean(right)


def _invented(source: random.Random) -> str:
    return "".join(source.choice("bdfgklmnprtvz") + source.choice("aeiou") for _ in range(4))


Texts = list[str]
Asked = list[tuple[str, set[int]]]


def banking(data: Path) -> tuple[Texts, Asked]:
    def rows(name: str, number: int) -> list[tuple[str, str]]:
        with (data / "banking77" / name).open(encoding="utf-8", newline="") as file:
            found = [(row["text"], row["category"]) for row in csv.DictReader(file)]
        random.Random(1).shuffle(found)  # noqa: S311
        return found[:number]

    texts = rows("train.csv", NUM_TEXTS)
    of_intent: dict[str, set[int]] = defaultdict(set)
    for place, (_, intent) in enumerate(texts):
        of_intent[intent].add(place)
    asked = [(text, of_intent[intent]) for text, intent in rows("test.csv", NUM_ASKED)]
    return [text for text, _ in texts], [one for one in asked if one[1]]


def _clinc(data: Path) -> tuple[Texts, Asked]:
    whole = json.loads((data / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    source = random.Random(1)  # noqa: S311
    texts, others = whole["train"], whole["val"]
    source.shuffle(texts)
    source.shuffle(others)
    of_intent: dict[str, set[int]] = defaultdict(set)
    for place, (_, intent) in enumerate(texts[:NUM_TEXTS]):
        of_intent[intent].add(place)
    asked = [(text, of_intent[intent]) for text, intent in others[:NUM_ASKED]]
    return [text for text, _ in texts[:NUM_TEXTS]], [one for one in asked if one[1]]


def _pairs(data: Path) -> list[tuple[str, str, bool]]:
    with (data / "medical-question-pairs" / "mqp.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return [(one, other, label == "1") for _, one, other, label in rows if label in {"0", "1"}]


def _medical(data: Path) -> tuple[Texts, Asked]:
    pairs = _pairs(data)
    texts = [other for _, other, _ in pairs[:NUM_TEXTS]]
    same = [(one, {place}) for place, (one, _, is_same) in enumerate(pairs[:NUM_TEXTS]) if is_same]
    return texts, same[:NUM_ASKED]


def _measured(name: str, texts: Texts, asked: Asked) -> dict[str, Quality]:
    """Judge the two rankings, and the search that fuses them."""
    from feedback.embedding import get_encoder
    from feedback.filters import OutputFilter
    from feedback.lexical import lexemes, ranked
    from feedback.models import OutputWords
    from feedback.nearest import nearest
    from feedback.scope import Scope
    from feedback.search import search

    project, places = stored(texts)
    scope = Scope(project=project, wanted=OutputFilter())
    encoder = get_encoder()

    def words(text: str) -> list[int]:
        found = ranked(
            project=project, table=OutputWords, among=None, wanted=lexemes(text), limit=TOP
        )
        return [pk for pk, _ in found]

    def meaning(text: str) -> list[int]:
        [vector] = encoder.encode([text])
        found = nearest(
            scope=scope, kind="output", vector=vector, model=encoder.model_id, limit=TOP
        )
        return [one.pk for one in found]

    def hybrid(text: str) -> list[int]:
        page = search(project=project, query=text, encoder=encoder, limit=TOP)
        return [hit.target.pk for hit in page.hits]

    measured = {}
    for ranking in (words, meaning, hybrid):
        judged = [_judge([places[pk] for pk in ranking(text)], wanted) for text, wanted in asked]
        one = Quality(_mean(each.recall for each in judged), _mean(each.ndcg for each in judged))
        measured[ranking.__name__] = one
        print(
            f"{f'{name}, {ranking.__name__}':<28}{one.recall:>12.3f}{one.ndcg:>10.3f}", flush=True
        )
    return measured


def stored(texts: Texts) -> tuple[Project, dict[int, int]]:
    """A project of outputs with these questions, embedded, and the place of each by its id."""
    from feedback.embedding import embed_pending, get_encoder
    from feedback.models import Output
    from tests.factories import NOW, make_project, make_session

    project = make_project()
    session = make_session(project)
    rows = Output.objects.bulk_create(
        Output(project=project, session=session, external_id=str(place), at=NOW, query=text)
        for place, text in enumerate(texts)
    )
    while embed_pending(encoder=get_encoder(), limit=1_000):
        pass
    _analyse()
    return project, {row.pk: place for place, row in enumerate(rows)}


def _judge(found: Sequence[int], relevant: set[int]) -> Quality:
    """Binary relevance; nDCG after Jaervelin and Kekaelaeinen 2002."""
    best = min(TOP, len(relevant))
    hits = [place in relevant for place in found[:TOP]]
    gain = sum(1 / math.log2(rank + 2) for rank, hit in enumerate(hits) if hit)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(best))
    return Quality(recall=sum(hits) / best, ndcg=gain / ideal)


def _mean(numbers: Iterable[float]) -> float:
    found = list(numbers)
    return sum(found) / len(found)


def _look_alikes(pairs: list[tuple[str, str, bool]]) -> None:
    """Print how often the other wording of a question comes before its look-alike."""
    from feedback.embedding import get_encoder

    of_question: dict[str, dict[bool, str]] = defaultdict(dict)
    for question, other, is_same in pairs:
        of_question[question][is_same] = other
    both = [(q, one[True], one[False]) for q, one in of_question.items() if len(one) == 2]
    both = both[:NUM_ASKED]
    vectors = get_encoder().encode([text for three in both for text in three])
    right = 0
    for place in range(0, len(vectors), 3):
        asked, same, look_alike = vectors[place : place + 3]
        right += _dot(asked, same) > _dot(asked, look_alike)
    print(f"look-alikes told apart by meaning: {right / len(both):.3f} of {len(both)}", flush=True)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class Timed:
    """Recall against comparing all, and milliseconds: the median and the 95th percentile."""

    recall: float
    p50: float
    p95: float


MODEL = "bench"
# What of an output tells whether a filter lets it through, for each selectivity.
FILTERS = {
    "everything": "",
    "50 %": "model:half",
    "5 %": "model_version:twentieth",
    "0.5 %": "prompt_version:few",
    "0.05 %": "model_version:rare",
}


def speed(num_rows: int, *, num_compared: int = NUM_QUERIES, with_chroma: bool = True) -> float:
    """Print recall and times beside bare SQL and Chroma; return the worst recall of the search.

    By comparing all in SQL `num_compared` of the questions are asked, for the time it takes.
    """
    from feedback.nearest import ensure_indexes

    project, queries = _spread(num_rows, NUM_QUERIES)
    started = time.monotonic()
    built = ensure_indexes(model=MODEL)
    print(
        f"  index over {num_rows:,} vectors: "
        f"{f'{time.monotonic() - started:.0f} s' if built else 'none, so few are compared'}",
        flush=True,
    )
    _analyse()
    worst = 1.0
    print(f"{'':<12}{'nearest':>22}{'bare exact SQL':>18}{'bare HNSW SQL':>24}{'whole search':>18}"
          f"{'Chroma':>24}")  # fmt: skip
    print(f"{'filter':<12}{'recall   p50   p95 ms':>22}{'p50   p95 ms':>18}"
          f"{'recall   p50   p95 ms':>24}{'p50   p95 ms':>18}"
          f"{'recall   p50   p95 ms':>24}")  # fmt: skip
    with chroma.filled(project, MODEL, is_wanted=with_chroma) as collection:
        for name, written in FILTERS.items():
            timed = _timed(project, written, queries, collection, num_compared)
            worst = min(worst, timed.own.recall)
            beside = timed.chroma
            print(
                f"{name:<12}{timed.own.recall:>9.3f}{timed.own.p50:>6.0f}{timed.own.p95:>7.0f}"
                f"{timed.exact.p50:>12.0f}{timed.exact.p95:>6.0f}"
                f"{timed.index.recall:>11.3f}{timed.index.p50:>6.0f}{timed.index.p95:>7.0f}"
                f"{timed.whole.p50:>12.0f}{timed.whole.p95:>6.0f}"
                + (
                    f"{beside.recall:>11.3f}{beside.p50:>6.0f}{beside.p95:>7.0f}"
                    if beside
                    else f"{'not here':>24}"
                ),
                flush=True,
            )
    return worst


def _spread(num_rows: int, num_queries: int) -> tuple[Project, list[tuple[str, list[float]]]]:
    """Outputs with unit vectors around those of real questions, and questions to ask."""
    from django.db import connection

    from feedback.models import Embedding
    from tests.factories import make_project, make_session

    real = list(Embedding.objects.order_by("pk").values_list("output__query", "vector")[:NUM_TEXTS])
    project = make_project()
    session = make_session(project)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(
            """
            CREATE TEMP TABLE known AS SELECT row_number() OVER (ORDER BY e.id) - 1 AS place,
                o.query, e.vector FROM feedback_embedding e
                JOIN feedback_output o ON o.id = e.output_id ORDER BY e.id LIMIT %(texts)s;
            INSERT INTO feedback_output (project_id, session_id, external_id, at, query, text,
                system, documents, messages, tools, version, usage, metadata, trace_id, span_id,
                received_at, embedded_with, model, model_version, prompt_version)
            SELECT %(project)s, %(session)s, 'spread-' || n, now(), known.query, '', '', '[]', '[]',
                '[]', 1, '{}', '{}', '', '', now(), %(model)s,
                CASE WHEN random() < 0.5 THEN 'half' ELSE 'other' END,
                CASE WHEN n %% 2000 = 7 THEN 'rare'
                    WHEN random() < 0.05 THEN 'twentieth' ELSE '' END,
                CASE WHEN random() < 0.005 THEN 'few' ELSE '' END
            FROM generate_series(1, %(rows)s) n JOIN known ON known.place = n %% %(texts)s;
            INSERT INTO feedback_embedding (project_id, output_id, part, model, text_sha256,
                created_at, vector)
            SELECT o.project_id, o.id, 'query', %(model)s, '', now(), l2_normalize(known.vector + (
                SELECT array_agg((random() - 0.5) * 0.1)::halfvec
                FROM generate_series(1, 384 + 0 * o.id)
            )) FROM feedback_output o
            JOIN known ON known.place = substr(o.external_id, 8)::int %% %(texts)s
            WHERE o.project_id = %(project)s;
            """,
            {
                "texts": len(real),
                "project": project.pk,
                "session": session.pk,
                "rows": num_rows,
                "model": MODEL,
            },
        )
    source = random.Random(2)  # noqa: S311
    asked = source.sample(real, min(num_queries, len(real)))
    return project, [(text, _nudged(vector, source)) for text, vector in asked]


def _nudged(vector: Sequence[float], source: random.Random) -> list[float]:
    moved = [number + (source.random() - 0.5) * 0.1 for number in vector]
    length = math.sqrt(_dot(moved, moved))
    return [number / length for number in moved]


class Known:
    """An encoder that knows the vector already: the model's own time is no part of the search."""

    model_id = MODEL
    dimensions = 384

    def __init__(self, vector: list[float]) -> None:
        self.vector = vector

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        return [self.vector for _ in texts]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """One filter's figures: the search's own, and what stands beside it."""

    own: Timed
    exact: Timed
    index: Timed
    whole: Timed
    chroma: Timed | None


def _timed(
    project: Project,
    written: str,
    queries: list[tuple[str, list[float]]],
    collection: chroma.Collection | None,
    num_compared: int,
) -> Beside:
    from feedback.filters import OutputFilter
    from feedback.nearest import nearest
    from feedback.scope import Scope
    from feedback.search import search
    from feedback.timeouts import time_limit

    wanted = OutputFilter.parse(written)
    scope = Scope(project=project, wanted=wanted)

    def own(_: str, vector: list[float]) -> list[int]:
        with time_limit(10_000):
            found = nearest(scope=scope, kind="output", vector=vector, model=MODEL, limit=TOP)
        return [one.pk for one in found]

    def whole(text: str, vector: list[float]) -> list[int]:
        page = search(project=project, query=text, encoder=Known(vector), wanted=wanted, limit=TOP)
        return [hit.target.pk for hit in page.hits]

    def bare(vector_sql: str) -> Callable[[str, list[float]], list[int]]:
        return lambda _, vector: _bare(project, written, vector, vector_sql)

    truth = _truth(project, written, queries)
    return Beside(
        own=_run(own, queries, truth),
        exact=_run(bare("vector"), queries[:num_compared], truth),
        index=_run(bare("vector::halfvec(384)"), queries, truth),
        whole=_run(whole, queries, None),
        chroma=_run(collection.nearest(written, TOP), queries, truth) if collection else None,
    )


def _truth(
    project: Project, written: str, queries: list[tuple[str, list[float]]]
) -> list[set[int]]:
    """The outputs nearest to each question, by comparing all in one pass for all questions."""
    import numpy as np
    from django.db import connection

    column, _, value = written.partition(":")
    condition = f"AND o.{column} = %s" if column else ""
    asked = np.array([vector for _, vector in queries], dtype=np.float32)
    best = np.empty((len(queries), 0), dtype=np.float32)
    ids = np.empty((len(queries), 0), dtype=np.int64)
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT e.id, e.output_id, halfvec_send(e.vector) FROM feedback_embedding e "
                "JOIN feedback_output o ON o.id = e.output_id "
                f"WHERE e.id > %s AND e.project_id = %s AND e.model = '{MODEL}' {condition} "
                "ORDER BY e.id LIMIT 50000",
                [after, project.pk, *([value] if column else [])],
            )
            rows = cursor.fetchall()
        if not rows:
            return [set(found) for found in ids.tolist()]
        after = rows[-1][0]
        # Four bytes say the dimensions.
        vectors = np.array([np.frombuffer(row[2], dtype=">f2", offset=4) for row in rows])
        near = asked @ vectors.astype(np.float32).T
        known = np.broadcast_to(np.array([row[1] for row in rows]), near.shape)
        best, ids = np.hstack([best, near]), np.hstack([ids, known])
        first = np.argsort(-best, axis=1)[:, :TOP]
        best = np.take_along_axis(best, first, axis=1)
        ids = np.take_along_axis(ids, first, axis=1)


def _bare(project: Project, written: str, vector: list[float], vector_sql: str) -> list[int]:
    """What one would write by hand."""
    from django.db import connection

    column, _, value = written.partition(":")
    condition = f"AND o.{column} = %s" if column else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.output_id FROM feedback_embedding e "
            "JOIN feedback_output o ON o.id = e.output_id "
            f"WHERE e.project_id = %s AND e.model = '{MODEL}' AND e.output_id IS NOT NULL "
            f"{condition} ORDER BY e.{vector_sql} <=> %s::halfvec LIMIT %s",
            [project.pk, *([value] if column else []), str(vector), TOP],
        )
        return [pk for (pk,) in cursor.fetchall()]


def _run(
    find: Callable[[str, list[float]], list[int]],
    queries: list[tuple[str, list[float]]],
    truth: list[set[int]] | None,
) -> Timed:
    """Time a way to find, and compare what it finds with the truth."""
    times, found = [], []
    for text, vector in queries[:5]:
        find(text, vector)
    for text, vector in queries:
        started = time.monotonic()
        found.append(set(find(text, vector)))
        times.append((time.monotonic() - started) * 1_000)
    times.sort()
    pairs = zip(found, truth or found, strict=False)
    recall = _mean(len(one & other) / len(other) for one, other in pairs if other)
    return Timed(recall, times[len(times) // 2], times[int(len(times) * 0.95)])


def _analyse() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
