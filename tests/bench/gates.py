"""Gates before a release: what they find of duplicates in real questions, and of what was planted.

The questions are those of medical-question-pairs (a pair either means the same or only sounds it),
banking77, airline-complaints and StackOverflow (with duplicates that anybody can count by leaving
out case, spaces and punctuation). They are read from the folder that POSTIL_DATA names.
`GATES_TEXTS` takes fewer of each for vectors, to try it.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curation import gates, splits, tokens
from curation.duplicates import CLOSE, LIKE, SAME, Asked, Near, band_keys, find
from curation.gates import Exact, Rules
from curation.wording import digest, likeness, shingles, told_apart
from tests.bench.server import services

if TYPE_CHECKING:
    from curation.duplicates import Vectors

NUM_TEXTS = int(os.environ.get("GATES_TEXTS", "5_000"))
# Of what is called a near duplicate, how many at least are. People wrote the medical pairs to sound
# the same and mean something else; the nearest of those has a cosine 0.003 below the one used.
MIN_PRECISION = 0.95
MIN_MEDICAL = 1.0
NUM_PLANTED = 200

_ADDRESSES = re.compile(r"https?://\S+|@\w+")
# Without what makes no difference in anybody's eyes; signs of currency and emoji do.
_PUNCTUATION = str.maketrans(dict.fromkeys(" \t\n.,;:!?\"“”'’()[]…-–—/", " "))


@dataclass(frozen=True)
class Labelled:
    """A question, and what its data set says it is about."""

    text: str
    label: str


def run() -> tuple[str, bool]:
    missed = planted()
    for one in missed:
        print(f"  MISSED: {one}")
    data = os.environ.get("POSTIL_DATA")
    if not data:
        return f"{len(missed)} planted missed; POSTIL_DATA names no folder", False
    with services():
        import django

        django.setup()
        return _measured(Path(data), missed)


def _measured(data: Path, missed: Sequence[str]) -> tuple[str, bool]:
    precision, recall = _medical(data)
    worst, num_known, num_found = 1.0, 0, 0
    for name, rows in _sets(data).items():
        with_vectors = name != "airline"
        near = _near(rows, with_vectors=with_vectors)
        known = _known(rows)
        found = {row for row in known if row in near.doubles}
        num_known, num_found = num_known + len(known), num_found + len(found)
        agreeing = _agreeing(rows, near)
        print(
            f"  {name:<22}{len(rows):>7,} rows  known duplicates {len(found)} of {len(known)}  "
            f"near {len(near.doubles):,}, {agreeing:.1%} of one label",
            flush=True,
        )
        if with_vectors:
            worst = min(worst, agreeing)
    figure = (
        f"{len(missed)} planted missed, known duplicates {num_found} of {num_known}, "
        f"medical pairs precision {precision:.3f}, bar {MIN_MEDICAL}, recall {recall:.3f}, "
        f"worst of the others {worst:.3f}, bar {MIN_PRECISION}"
    )
    is_precise = precision >= MIN_MEDICAL and worst >= MIN_PRECISION
    return figure, not missed and 0 < num_known == num_found and is_precise


def planted() -> list[str]:
    """Plant what each gate is there for among rows that are sound; return what is not found."""
    rng = random.Random(5)  # noqa: S311
    rows = [
        f"Question {rng.randbytes(6).hex()}: how does {rng.randbytes(5).hex()} work with "
        f"{rng.randbytes(5).hex()}?"
        for _ in range(5 * NUM_PLANTED)
    ]
    return [
        *_planted_duplicates(rows, rng),
        *_planted_leaks(rng),
        *_planted_long(rows),
        *_planted_personal(rows, rng),
    ]


def _planted_duplicates(rows: Sequence[str], rng: random.Random) -> list[str]:
    exact = Exact()
    for row, text in enumerate(rows):
        exact.check(row, digest(text, "The answer."))
    missed = []
    for copied, text in enumerate(rng.sample(rows, NUM_PLANTED)):
        spoilt = f"  {text.upper()} ".replace(" ", "\u00a0\n") + "!"
        if exact.check(len(rows) + copied, digest(spoilt, "the answer")) is None:
            missed.append(f"exact duplicate {spoilt!r}")
    return missed


def _planted_leaks(rng: random.Random) -> list[str]:
    """Rows put into the wrong split one by one, each beside one with which it shares one thing."""
    num = 20 * NUM_PLANTED
    mixed = {
        "session": [row // 4 for row in range(num)],
        "theme": [rng.randrange(10 * num) for _ in range(num)],
        "question": [row // 2 for row in range(num)],
    }
    missed = [f"leak {leak}" for leak in splits.leaks(_sides(mixed), _shared(mixed))]
    num = 10 * NUM_PLANTED
    for kind in mixed:
        has = {one: [row // 2 if one == kind else row for row in range(num)] for one in mixed}
        sides, shared = _sides(has), _shared(has)
        trained = [row for row in range(num) if sides[row] == splits.TRAIN]
        for row in rng.sample(trained, NUM_PLANTED):
            wrong = [*sides[:row], splits.VALIDATION, *sides[row + 1 :]]
            found = {(leak.row, leak.kind) for leak in splits.leaks(wrong, shared)}
            if found != {(row, kind)}:
                missed.append(f"leak of row {row} by its {kind}, but {found}")
    return missed


def _shared(has: Mapping[str, Sequence[int]]) -> list[tuple[str, int, int]]:
    """What each row has, by kind, as splits.leaks takes it."""
    return [(kind, row, what) for kind, own in has.items() for row, what in enumerate(own)]


def _sides(has: Mapping[str, Sequence[int]]) -> list[str]:
    """The split of each row, such that what shares something is in one."""
    num = len(has["session"])
    groups = splits.Groups(num)
    groups.join_alike([(kind, own[row]) for kind, own in has.items()] for row in range(num))
    names = [str(session) for session in has["session"]]
    assigned = splits.assign([groups.of(row) for row in range(num)], names, {})
    return [assigned[name] for name in names]


def _planted_long(rows: Sequence[str]) -> list[str]:
    rules = Rules(token_limit=512)
    missed = []
    for row, text in enumerate(rows[:20]):
        repeated = text
        while tokens.count(repeated) <= rules.token_limit:
            repeated += f" {repeated}"
        if gates.too_long(row, tokens.count(repeated), rules) is None:
            missed.append(f"long row {row}")
        if gates.too_long(row, tokens.count(text), rules) is not None:
            missed.append(f"short row {row}")
    return missed


def _planted_personal(rows: Sequence[str], rng: random.Random) -> list[str]:
    """Addresses and numbers as people write them, with the check digits they have."""
    rules = Rules()
    missed = [
        f"sound row {text!r}"
        for text in (f"{text} It is about order {rng.randrange(10**6)}." for text in rows[:50])
        if gates.personal(0, [text], rules) is not None
    ]
    for text in rows[:NUM_PLANTED]:
        for kind, said in written(rng):
            failed = gates.personal(0, [f"{text} Here: {said}, thanks."], rules)
            if failed is None or kind not in failed.key:
                missed.append(f"{kind} {said}")
    return missed


def written(rng: random.Random) -> list[tuple[str, str]]:
    """One of each kind of personal data, and its kind."""
    return [
        ("email", f"{rng.randbytes(3).hex()}.{rng.randbytes(2).hex()}@mail.example.com"),
        ("phone", _grouped(f"+49{rng.randrange(10**9, 10**10)}", rng)),
        ("iban", _grouped(_iban(rng), rng)),
        ("card", _grouped(_card(rng), rng)),
    ]


def _grouped(digits: str, rng: random.Random) -> str:
    """As it is, or in groups of four."""
    if rng.random() < 0.5:
        return digits
    return rng.choice(" -").join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _iban(rng: random.Random) -> str:
    """A German one: its check digits are 98 less the rest modulo 97 (ISO 13616)."""
    account = "".join(str(rng.randrange(10)) for _ in range(18))
    # D and E are 13 and 14.
    return f"DE{98 - int(f'{account}131400') % 97:02}{account}"


def _card(rng: random.Random) -> str:
    """A Visa number: the last digit makes the sum of Luhn a multiple of ten."""
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    total = sum(
        sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit
        for place, digit in enumerate(reversed(digits))
    )
    return "".join(map(str, digits)) + str(-total % 10)


def _medical(data: Path) -> tuple[float, float]:
    """Print precision and recall by cosine; return those at SAME, told apart by words too."""
    with (data / "medical-question-pairs" / "mqp.csv").open(encoding="utf-8", newline="") as file:
        pairs = [(one, other, label == "1") for _, one, other, label in csv.reader(file)]
    pairs = pairs[:NUM_TEXTS]
    vectors = _vectors([text for one, other, _ in pairs for text in (one, other)])
    cosines = (vectors[0::2] * vectors[1::2]).sum(axis=1)
    num_same = sum(is_same for *_, is_same in pairs)
    measured = {}
    for least in (SAME, 0.9, CLOSE, 0.8):
        called = [
            is_same
            for (one, other, is_same), cosine in zip(pairs, cosines, strict=True)
            if (cosine >= least or likeness(shingles(one), shingles(other)) >= LIKE)
            and not told_apart(one, other)
        ]
        measured[least] = sum(called) / (len(called) or 1), sum(called) / num_same
        print(
            f"  medical pairs, cosine {least:.2f}: {len(called):>4} of {len(pairs):,} called the "
            f"same, precision {measured[least][0]:.3f}, recall {measured[least][1]:.3f}",
            flush=True,
        )
    return measured[SAME]


def _sets(data: Path) -> dict[str, list[Labelled]]:
    def banking(name: str) -> list[Labelled]:
        with (data / "banking77" / name).open(encoding="utf-8", newline="") as file:
            return [Labelled(row["text"], row["category"]) for row in csv.DictReader(file)]

    def lines(path: Path) -> Iterable[str]:
        return path.read_text(encoding="utf-8").splitlines()

    tweets = [json.loads(line) for line in lines(data / "airline-complaints/airline_tweets.jsonl")]
    asked = [
        line.split("\t")[:2] for line in lines(data / "short-text-clustering" / "stackoverflow.tsv")
    ]
    return {
        "banking77": [*banking("train.csv"), *banking("test.csv")],
        "airline": [Labelled(one["text"], str(one["negativereason"])) for one in tweets],
        "stackoverflow": [Labelled(text.strip(), label) for label, text in asked],
    }


def _near(rows: Sequence[Labelled], *, with_vectors: bool) -> Near:
    import numpy as np

    asked = [Asked(row.text) for row in rows]
    keys = np.stack([band_keys(one) for one in asked])
    vectors: Vectors = np.zeros((len(rows), 384), dtype=np.float16)
    if with_vectors:
        some = [row.text for row in rows[:NUM_TEXTS]]
        vectors[: len(some)] = _vectors(some)
    return find(asked, keys, vectors)


def _known(rows: Sequence[Labelled]) -> set[int]:
    """Rows whose words are those of one before, in a way that has nothing of ours."""
    seen: set[str] = set()
    known = set()
    for row, one in enumerate(rows):
        words = " ".join(_ADDRESSES.sub(" ", one.text.lower()).translate(_PUNCTUATION).split())
        if words and words in seen:
            known.add(row)
        seen.add(words)
    return known


def _agreeing(rows: Sequence[Labelled], near: Near) -> float:
    """How many of the near duplicates are filed under what their double is filed under."""
    same = [rows[row].label == rows[other].label for row, other in near.doubles.items()]
    return sum(same) / (len(same) or 1)


def _vectors(texts: Sequence[str]) -> Vectors:
    import numpy as np

    from feedback.embedding import get_encoder

    found: list[list[float]] = []
    encoder = get_encoder()
    for start in range(0, len(texts), 1_000):
        found += encoder.encode(texts[start : start + 1_000])
    return np.array(found, dtype=np.float16)
