"""Triage: how many faulty answers reviewers find in the first fifth of their work, by order.

Simulated reviewers give the verdict that real annotators gave. Each order works the whole list
off; the learned one knows only the verdicts given so far, by the functions that the app uses. The
texts are read from the folder that POSTIL_DATA names.
"""

from __future__ import annotations

import json
import math
import os
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from review import learned, priority, yields
from review.learned import Example
from review.priority import Evidence
from tests.bench.server import services

NUM_SEEDS = 20
# Verdicts between two trainings, and of each kind before the first.
BATCH, FEWEST_EACH = 20, 3
# The share of reviews that goes to an answer by lot, so that the learned order sees all there is.
EXPLORED = 0.1
BAR = 1.5
# Where it has to be met: what is learned from as many verdicts, on answers by lot, allows it there.
# By name, so that what learns worse does not take a set out.
ALLOWING = {"halueval-general"}
NUM_HALUEVAL = 1_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """A set of answers: what is known of each, and whether people found a fault.

    `confidences` are the model's own or stand for it, lower for worse; None when there are none.
    """

    name: str
    examples: Sequence[Example]
    evidence: Sequence[Evidence]
    faulty: Sequence[bool]
    confidences: Sequence[float] | None = None

    @property
    def base(self) -> float:
        """The share of answers that are faulty."""
        return sum(self.faulty) / len(self.faulty)

    @property
    def most(self) -> float:
        """How many times as many as by chance a perfect order finds."""
        return min(1 / self.base, 1 / yields.WORKED)


@dataclass(frozen=True, kw_only=True)
class Text:
    """One answer of a data set, before its texts have vectors."""

    asked: str
    answered: str
    is_faulty: bool
    group: str
    seen: frozenset[str] = frozenset()
    scores: dict[str, float] = field(default_factory=dict)
    confidence: float | None = None


def run() -> tuple[str, bool]:
    data = os.environ.get("POSTIL_DATA")
    if not data:
        return "POSTIL_DATA names no folder", False
    with services():
        import django

        django.setup()
        cases = [_case(name, texts) for name, texts in _sets(Path(data)).items()]
    print(
        f"Faulty answers in the first {yields.WORKED:.0%} of reviews, times as many as by chance; "
        f"means of {NUM_SEEDS} runs with 95 % intervals.\n"
        "best: a perfect order. all others: learned from the verdicts on all other answers. as\n"
        "many: from as many verdicts as are given early, on answers by lot, tried on the rest."
    )
    print(
        f"{'':<26}{'n':>5}{'faulty':>8}{'best':>6}  {'first come':<11}{'by lot':<19}"
        f"{'unsure first':<14}{'rules':<19}{'learned':<19}{'all others':<12}{'as many':<8}"
    )
    lows, is_met = [], True
    for case in cases:
        found = measure(case)
        all_others = yields.gain(case.faulty, learned.held_out(case.examples, case.faulty))
        own, as_many = found["learned"], statistics.mean(by_lot(case))
        print(
            f"{case.name:<26}{len(case.faulty):>5}{case.base:>8.0%}{case.most:>6.2f}"
            f"  {found['fifo'][0]:<11.2f}{_told(found['random']):<19}"
            f"{_told(found['confidence']) if case.confidences else '–':<14}"
            f"{_told(found['rules']):<19}{_told(own):<19}{all_others:<12.2f}{as_many:<8.2f}",
            flush=True,
        )
        # An order that learns on the way never has more than so many verdicts to learn from.
        if case.name in ALLOWING or min(case.most, as_many) >= BAR:
            lows.append((statistics.mean(own), case.name))
            is_met &= statistics.mean(own) >= BAR
        is_met &= _interval(own)[1] >= 1
    worst, name = min(lows)
    return f"learned {worst:.2f} times chance where the data allow it ({name}), bar {BAR}", is_met


def by_lot(case: Case, *, seeds: int = NUM_SEEDS) -> Iterator[float]:
    """What the verdicts on a fifth of the answers, drawn by lot, tell of the others, run by run."""
    size = round(yields.WORKED * len(case.faulty))
    for seed in range(seeds):
        rows = random.Random(seed).sample(range(len(case.faulty)), len(case.faulty))  # noqa: S311
        known, rest = rows[:size], rows[size:]
        groups = {case.examples[row].group for row in known}
        rest = [row for row in rest if case.examples[row].group not in groups]
        model = learned.fit(
            [case.examples[row] for row in known], [case.faulty[row] for row in known]
        )
        told = learned.probabilities(model, [case.examples[row] for row in rest])
        yield yields.gain([case.faulty[row] for row in rest], told.tolist())


def measure(case: Case, *, seeds: int = NUM_SEEDS) -> dict[str, list[float]]:
    """How many times as many faulty answers as by chance each order finds early, run by run."""
    size = max(round(yields.WORKED * len(case.faulty)), 1)
    found: dict[str, list[float]] = {}
    for name, order in ORDERS.items():
        if name == "confidence" and case.confidences is None:
            continue
        runs = range(1 if name == "fifo" else seeds)
        found[name] = [
            sum(case.faulty[row] for row in order(case, random.Random(seed), size))  # noqa: S311
            / size
            / case.base
            for seed in runs
        ]
    return found


def _fifo(case: Case, chance: random.Random, size: int) -> list[int]:
    return list(range(size))


def _random(case: Case, chance: random.Random, size: int) -> list[int]:
    return chance.sample(range(len(case.faulty)), size)


def _confidence(case: Case, chance: random.Random, size: int) -> list[int]:
    told = case.confidences or []
    return sorted(range(len(told)), key=lambda row: (told[row], chance.random()))[:size]


def _rules(case: Case, chance: random.Random, size: int) -> list[int]:
    points = [priority.total(priority.parts(one)) for one in case.evidence]
    return sorted(range(len(points)), key=lambda row: (-points[row], chance.random()))[:size]


def _learned(case: Case, chance: random.Random, size: int) -> list[int]:
    """By the rules at first, then by what the verdicts so far tell, now and then by lot."""
    waiting = _rules(case, chance, len(case.faulty))
    done: list[int] = []
    while len(done) < size:
        is_by_lot = chance.random() < EXPLORED
        done.append(waiting.pop(chance.randrange(len(waiting)) if is_by_lot else 0))
        verdicts = [case.faulty[row] for row in done]
        kinds = min(sum(verdicts), len(verdicts) - sum(verdicts))
        if len(done) % BATCH == 0 and kinds >= FEWEST_EACH:
            model = learned.fit([case.examples[row] for row in done], verdicts)
            told = learned.probabilities(model, [case.examples[row] for row in waiting])
            ranked = sorted(zip(-told, waiting, strict=True))
            waiting = [row for _, row in ranked]
    return done


ORDERS: dict[str, Callable[[Case, random.Random, int], list[int]]] = {
    "fifo": _fifo,
    "random": _random,
    "confidence": _confidence,
    "rules": _rules,
    "learned": _learned,
}


def _interval(runs: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean over runs."""
    half = 1.96 * statistics.stdev(runs) / math.sqrt(len(runs)) if len(runs) > 1 else 0.0
    return statistics.mean(runs) - half, statistics.mean(runs) + half


def _told(runs: Sequence[float]) -> str:
    low, high = _interval(runs)
    mean = f"{statistics.mean(runs):.2f}"
    return mean if high - low < 0.005 else f"{mean} ({low:.2f}–{high:.2f})"


def _case(name: str, texts: Sequence[Text]) -> Case:
    import numpy as np

    from feedback.embedding import get_encoder

    encoder = get_encoder()
    asked = np.array(encoder.encode([one.asked for one in texts]))
    answered = np.array(encoder.encode([one.answered for one in texts]))
    has_confidence = all(one.confidence is not None for one in texts)
    return Case(
        name=name,
        examples=[
            Example(
                seen=one.seen,
                measured={
                    "question length": math.log2(1 + len(one.asked)),
                    "answer length": math.log2(1 + len(one.answered)),
                    **({} if one.confidence is None else {"model confidence": one.confidence}),
                    **one.scores,
                },
                asked=asked[row],
                answered=answered[row],
                group=one.group,
            )
            for row, one in enumerate(texts)
        ],
        evidence=[Evidence(confidence=one.confidence) for one in texts],
        faulty=[one.is_faulty for one in texts],
        confidences=[one.confidence or 0 for one in texts] if has_confidence else None,
    )


def _sets(data: Path) -> dict[str, list[Text]]:
    return {
        "faithbench, any span": list(_faithbench(data, {"Unwanted", "Questionable", "Benign"})),
        "faithbench, unwanted": list(_faithbench(data, {"Unwanted"})),
        "qa-feedback, any span": list(_qa_feedback(data, None)),
        "qa-feedback, wrong fact": list(_qa_feedback(data, {"Wrong-Grounding", "Unverifiable"})),
        "mu-shroom val, any span": list(_mu_shroom(data, 0)),
        "mu-shroom val, 30 % of it": list(_mu_shroom(data, 0.3)),
        "halueval-general": list(_halueval(data)),
    }


# The detector whose score stands for a confidence: FaithBench has none of the models' own.
HHEM = "hhem-2.1-english"
DETECTORS = (
    "hhemv1",
    "hhem-2.1",
    HHEM,
    "trueteacher",
    "true_nli",
    "gpt-3.5-turbo",
    "gpt-4-turbo",
    "gpt_4o",
)


def _faithbench(data: Path, labels: set[str]) -> Iterator[Text]:
    for row in _lines(data / "faithbench" / "faithbench.jsonl"):
        about = row["metadata"]
        yield Text(
            asked=row["source"],
            answered=row["summary"],
            is_faulty=any(labels & set(one["label"]) for one in row["annotations"]),
            group=row["source"],
            seen=frozenset({f"answered by {about['summarizer']}"}),
            scores={f"score {name}": float(about[name]) for name in DETECTORS},
            confidence=float(about[HHEM]),
        )


def _qa_feedback(data: Path, kinds: set[str] | None) -> Iterator[Text]:
    path = data / "qa-feedback-finegrained" / "dev_feedback.json"
    for row in json.loads(path.read_text(encoding="utf-8")):
        found = {one["error type"] for one in row["feedback"]["errors"]}
        yield Text(
            asked=row["question"],
            answered=row["prediction 1"],
            is_faulty=bool(found if kinds is None else found & kinds),
            group=row["question"],
        )


def _mu_shroom(data: Path, share: float) -> Iterator[Text]:
    """The confidence is the place of an answer's mean logit among those of the same model."""
    rows = [
        row
        for path in sorted((data / "mu-shroom" / "val" / "v2").glob("*.jsonl"))
        for row in _lines(path)
    ]
    of_model: dict[str, list[float]] = {}
    for row in rows:
        of_model.setdefault(row["model_id"], []).append(statistics.mean(row["model_output_logits"]))
    for row in rows:
        own, beside = statistics.mean(row["model_output_logits"]), of_model[row["model_id"]]
        marked = sum(end - start for start, end in row["hard_labels"])
        yield Text(
            asked=row["model_input"],
            answered=row["model_output_text"],
            is_faulty=marked > 0 and marked >= share * len(row["model_output_text"]),
            group=row["id"],
            seen=frozenset({f"answered by {row['model_id']}"}),
            confidence=sum(other < own for other in beside) / len(beside),
        )


def _halueval(data: Path) -> Iterator[Text]:
    for row in _lines(data / "halueval-general" / "general_data.json")[:NUM_HALUEVAL]:
        yield Text(
            asked=row["user_query"],
            answered=row["chatgpt_response"],
            is_faulty=row["hallucination"] == "yes",
            group=row["ID"],
        )


def _lines(path: Path) -> list[dict[str, Any]]:
    # Not splitlines(): texts hold line separators of their own.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
