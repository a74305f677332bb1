"""Learns from verdicts which answers are faulty.

A logistic regression on what is known of an answer and on the vectors of its question and answer.
Its margins become probabilities by Platt's scaling ("Probabilistic Outputs for Support Vector
Machines", 1999) of margins that were fitted without the answer in question. The same examples
give the same model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

# How strongly weights are held back: small, since there are more weights than verdicts.
INVERSE_PENALTY = 0.03
# What a unit vector is multiplied with, so that its parts weigh something beside the signals.
VECTOR_SCALE = 3.0
# A signal seen in fewer examples says nothing yet.
FEWEST_SEEN = 3
NUM_FOLDS = 5
# Below so many verdicts, of each kind, nothing is learned.
FEWEST_VERDICTS, FEWEST_EACH = 60, 15
# Contributions to the log-odds below this are not worth naming.
WORTH_NAMING = 0.05
MOST_NAMED = 3

ASKED, ANSWERED = "what is asked", "what is answered"


@dataclass(frozen=True, kw_only=True)
class Example:
    """What is known of one answer; the names are the words in which it is told.

    `seen` names what holds for it; `measured` has numbers by name, a missing one is unknown. The
    vectors are unit vectors, None while there are none. Examples of one `group` are never divided
    between what is learned from and what it is tried on.
    """

    seen: frozenset[str] = frozenset()
    measured: Mapping[str, float] = field(default_factory=dict)
    asked: Sequence[float] | None = None
    answered: Sequence[float] | None = None
    group: Hashable = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """What was learned; lists of numbers only, so that it is stored as JSON.

    `middles`, `spreads` and `weights` are of the `seen` names, then of the `measured` ones;
    `asked` and `answered` hold a middle and weights each, empty when no example had vectors.
    `slope` and `offset` make a probability's log-odds of a margin.
    """

    seen: list[str]
    measured: list[str]
    middles: list[float]
    spreads: list[float]
    weights: list[float]
    asked: list[list[float]]
    answered: list[list[float]]
    intercept: float
    slope: float = 1.0
    offset: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The model as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Model:
        """The model that `to_json` wrote."""
        return cls(**data)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The probability that an answer is faulty, and what speaks most for its being so or not."""

    probability: float
    because: list[str]

    @property
    def words(self) -> str:
        """The judgement in words."""
        told = f"Learned: {self.probability:.2f}"
        return f"{told}, mostly because {', '.join(self.because)}" if self.because else told


def can_learn(faulty: Sequence[bool], groups: Sequence[Hashable]) -> bool:
    """Whether there are enough verdicts of both kinds, from enough groups."""
    each = Counter(faulty)
    return (
        len(faulty) >= FEWEST_VERDICTS
        and min(each[True], each[False]) >= FEWEST_EACH
        and len(set(groups)) >= NUM_FOLDS
    )


def fit(examples: Sequence[Example], faulty: Sequence[bool]) -> Model:
    """Learn from examples and whether each is faulty; both kinds have to be among them."""
    plain, margins, labels = _fit(examples, faulty), [], []
    for inside, outside in _folds(examples, faulty):
        held = [examples[row] for row in outside]
        part = _fit([examples[row] for row in inside], [faulty[row] for row in inside])
        margins += _margins(part, held).tolist()
        labels += [faulty[row] for row in outside]
    slope, offset = _platt(margins, labels)
    return Model(**{**plain.to_json(), "slope": slope, "offset": offset})


def judge(model: Model, examples: Sequence[Example]) -> list[Judged]:
    """The probability of each example, with what it follows from."""
    import numpy as np

    if not examples:
        return []
    values = _values(model, examples)
    signals = values * np.array(model.weights) * model.slope
    asked = _block(model.asked, [one.asked for one in examples]) * model.slope
    answered = _block(model.answered, [one.answered for one in examples]) * model.slope
    odds = signals.sum(axis=1) + asked + answered + model.slope * model.intercept + model.offset
    probabilities = 1 / (1 + np.exp(-odds))
    return [
        Judged(
            probability=float(probabilities[row]),
            because=_because(
                model,
                one,
                signals[row],
                float(asked[row]),
                float(answered[row]),
                sign=1 if odds[row] >= 0 else -1,
            ),
        )
        for row, one in enumerate(examples)
    ]


def probabilities(model: Model, examples: Sequence[Example]) -> Numbers:
    """The probability of each example alone."""
    import numpy as np

    odds: Numbers = model.slope * _margins(model, examples) + model.offset
    return 1 / (1 + np.exp(-odds))


def held_out(examples: Sequence[Example], faulty: Sequence[bool]) -> list[float]:
    """The probability of each example by a model that has seen nothing of its group."""
    found = [0.0] * len(examples)
    for inside, outside in _folds(examples, faulty):
        model = fit([examples[row] for row in inside], [faulty[row] for row in inside])
        told = probabilities(model, [examples[row] for row in outside])
        for row, probability in zip(outside, told, strict=True):
            found[row] = float(probability)
    return found


def _fit(examples: Sequence[Example], faulty: Sequence[bool]) -> Model:
    """The regression without its calibration; constant when only one kind is there."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    counts = Counter(name for one in examples for name in one.seen)
    known = Counter(name for one in examples for name in one.measured)
    seen = sorted(name for name, number in counts.items() if number >= FEWEST_SEEN)
    measured = sorted(name for name, number in known.items() if number >= FEWEST_SEEN)
    raw = _raw(seen, measured, examples)
    middles = np.nan_to_num(np.array([np.nanmean(column) for column in raw.T]))
    spreads = np.array([np.nanstd(column) or 1.0 for column in raw.T])
    asked = _middle([one.asked for one in examples])
    answered = _middle([one.answered for one in examples])
    blank = Model(
        seen=seen,
        measured=measured,
        middles=middles.tolist(),
        spreads=spreads.tolist(),
        weights=[0.0] * len(middles),
        asked=asked,
        answered=answered,
        intercept=0.0,
    )
    if len(set(faulty)) < 2:
        return blank
    table = np.hstack(
        [
            _values(blank, examples),
            _scaled(asked, [one.asked for one in examples]),
            _scaled(answered, [one.answered for one in examples]),
        ]
    )
    regression = LogisticRegression(C=INVERSE_PENALTY, max_iter=1_000)
    regression.fit(table, np.asarray(faulty))
    weights = regression.coef_[0]
    ends = np.cumsum([len(middles), len(asked[0]) if asked else 0])
    parts = np.split(weights, ends)
    return Model(
        seen=seen,
        measured=measured,
        middles=blank.middles,
        spreads=blank.spreads,
        weights=parts[0].tolist(),
        asked=[asked[0], (parts[1] * VECTOR_SCALE).tolist()] if asked else [],
        answered=[answered[0], (parts[2] * VECTOR_SCALE).tolist()] if answered else [],
        intercept=float(regression.intercept_[0]),
    )


def _raw(seen: Sequence[str], measured: Sequence[str], examples: Sequence[Example]) -> Numbers:
    import numpy as np

    nan = float("nan")
    rows = [
        [float(name in one.seen) for name in seen]
        + [one.measured.get(name, nan) for name in measured]
        for one in examples
    ]
    return np.array(rows, dtype=float).reshape(len(examples), len(seen) + len(measured))


def _values(model: Model, examples: Sequence[Example]) -> Numbers:
    """The signals in units of their spread; what is unknown lies in the middle."""
    import numpy as np

    raw = _raw(model.seen, model.measured, examples)
    found: Numbers = np.nan_to_num((raw - np.array(model.middles)) / np.array(model.spreads))
    return found


def _middle(vectors: Sequence[Sequence[float] | None]) -> list[list[float]]:
    """The mean of the vectors that are there, as a block without weights."""
    import numpy as np

    there = [vector for vector in vectors if vector is not None]
    return [np.mean(np.array(there, dtype=float), axis=0).tolist()] if there else []


def _centred(block: list[list[float]], vectors: Sequence[Sequence[float] | None]) -> Numbers:
    import numpy as np

    if not block:
        return np.zeros((len(vectors), 0))
    middle = np.array(block[0])
    there = [row for row, vector in enumerate(vectors) if vector is not None]
    found = np.zeros((len(vectors), len(middle)))
    if there:
        found[there] = np.array([vectors[row] for row in there], dtype=float) - middle
    return found


def _scaled(block: list[list[float]], vectors: Sequence[Sequence[float] | None]) -> Numbers:
    return _centred(block, vectors) * VECTOR_SCALE


def _block(block: list[list[float]], vectors: Sequence[Sequence[float] | None]) -> Numbers:
    """What a block of the vectors adds to each margin."""
    import numpy as np

    if len(block) < 2:
        return np.zeros(len(vectors))
    found: Numbers = _centred(block, vectors) @ np.array(block[1])
    return found


def _margins(model: Model, examples: Sequence[Example]) -> Numbers:
    import numpy as np

    found: Numbers = (
        _values(model, examples) @ np.array(model.weights)
        + _block(model.asked, [one.asked for one in examples])
        + _block(model.answered, [one.answered for one in examples])
        + model.intercept
    )
    return found


def _folds(
    examples: Sequence[Example], faulty: Sequence[bool]
) -> list[tuple[list[int], list[int]]]:
    """Rows to learn from and rows to try on, five times, groups undivided."""
    from sklearn.model_selection import StratifiedGroupKFold

    numbers: dict[Hashable, int] = {}
    groups = [numbers.setdefault(one.group, len(numbers)) for one in examples]
    folds = min(NUM_FOLDS, len(numbers))
    if folds < 2:
        return []
    split = StratifiedGroupKFold(n_splits=folds).split([0] * len(groups), list(faulty), groups)
    return [(inside.tolist(), outside.tolist()) for inside, outside in split if len(outside)]


def _platt(margins: Sequence[float], faulty: Sequence[bool]) -> tuple[float, float]:
    """Slope and offset that make log-odds of margins; a slope is never below nothing."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    if len(set(faulty)) < 2:
        return 1.0, 0.0
    regression = LogisticRegression(C=1.0).fit(np.array(margins)[:, None], np.asarray(faulty))
    return max(float(regression.coef_[0, 0]), 1e-3), float(regression.intercept_[0])


def _because(
    model: Model, one: Example, signals: Numbers, asked: float, answered: float, *, sign: int
) -> list[str]:
    """What adds most to the log-odds in the direction that the judgement took."""
    middles = model.middles[len(model.seen) :]
    names = [
        *(name if name in one.seen else f"not {name}" for name in model.seen),
        *(
            f"{'high' if one.measured.get(name, middle) > middle else 'low'} {name}"
            for name, middle in zip(model.measured, middles, strict=True)
        ),
        ASKED,
        ANSWERED,
    ]
    added = [sign * value for value in [*signals.tolist(), asked, answered]]
    ranked = sorted(zip(added, names, strict=True), key=lambda pair: (-pair[0], pair[1]))
    return [name for value, name in ranked[:MOST_NAMED] if value >= WORTH_NAMING]
