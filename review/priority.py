"""How much an output wants a review: named summands that add up to the priority, 0 to 100.

The points are a judgement, not a fit: what a person said weighs more than what was seen of their
behaviour, since implicit signals tell dissatisfaction only weakly (Sun et al., "Simulating User
Satisfaction for the Evaluation of Task-oriented Dialogue Systems", SIGIR 2021, reach a rank
correlation below 0.5 on most sets). The most that each summand gives adds up to 100.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

# The first down-rating says most; each further one adds a little.
RATED_DOWN, RATED_DOWN_AGAIN, RATED_DOWN_MOST = 18, 3, 24
CORRECTION = 12
DISAGREEMENT = 4
UNSURE_MOST = 10
WAITING_MOST = 8

# What each reason costs the person who got the answer; a reason nobody has weighed gives 8.
REASONS = {
    "unsafe": 28,
    "factually-incorrect": 20,
    "unsupported": 16,
    "misread-intent": 12,
    "incomplete": 10,
    "too-vague": 8,
    "wrong-tone": 8,
    "formatting": 4,
}
REASON_UNKNOWN = 8
REASONS_MOST = 28

SIGNALS = {"rephrase": 8, "regenerate": 6, "abandon": 6, "edit": 4, "follow_up": 3}
SIGNAL_WORDS = {
    "rephrase": "asked again",
    "regenerate": "regenerated",
    "abandon": "left",
    "edit": "edited",
    "follow_up": "followed up",
}
SIGNALS_MOST = 14


class Part(TypedDict):
    """One summand: a stable name, its points, and what it stands for in words."""

    name: str
    value: int
    words: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one output.

    `reasons` maps the slugs given in its feedback to their names, `signals` are kinds of implicit
    feedback, `confidence` is the model's own from 0 to 1, `days` the whole days since the answer.
    """

    num_negative: int = 0
    num_positive: int = 0
    has_correction: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)
    signals: Sequence[str] = ()
    confidence: float | None = None
    days: int = 0


def parts(evidence: Evidence) -> list[Part]:
    """The summands that apply, the largest first; each has at least one point."""
    found = [
        _rated_down(evidence.num_negative),
        _reasons(evidence.reasons),
        _correction(has_correction=evidence.has_correction),
        _signals(evidence.signals),
        _unsure(evidence.confidence),
        _disagreement(evidence),
        _waiting(evidence.days),
    ]
    return sorted((part for part in found if part["value"] > 0), key=lambda part: -part["value"])


def total(summands: Sequence[Part]) -> int:
    """The priority that these summands add up to."""
    return sum(part["value"] for part in summands)


def _part(name: str, value: int, words: str) -> Part:
    return {"name": name, "value": value, "words": words}


def _rated_down(times: int) -> Part:
    value = 0
    if times:
        value = min(RATED_DOWN + RATED_DOWN_AGAIN * (times - 1), RATED_DOWN_MOST)
    return _part("rated_down", value, "Rated down" if times == 1 else f"Rated down {times} times")


def _reasons(reasons: Mapping[str, str]) -> Part:
    costs = {slug: REASONS.get(slug, REASON_UNKNOWN) for slug in reasons}
    names = [reasons[slug] for slug in sorted(costs, key=lambda slug: (-costs[slug], slug))]
    words = ", ".join([*names[:1], *(name[:1].lower() + name[1:] for name in names[1:])])
    return _part("reasons", min(sum(costs.values()), REASONS_MOST), words)


def _correction(*, has_correction: bool) -> Part:
    return _part("correction", CORRECTION if has_correction else 0, "A better answer was offered")


def _signals(signals: Sequence[str]) -> Part:
    known = sorted(set(signals) & set(SIGNALS), key=lambda kind: (-SIGNALS[kind], kind))
    words = ", ".join(SIGNAL_WORDS[kind] for kind in known)
    value = min(sum(SIGNALS[kind] for kind in known), SIGNALS_MOST)
    return _part("signals", value, words[:1].upper() + words[1:])


def _unsure(confidence: float | None) -> Part:
    """Nothing from 0.5 upwards, then evenly more down to 0."""
    if confidence is None:
        return _part("unsure", 0, "")
    value = round(UNSURE_MOST * max(0.0, 1 - 2 * confidence))
    return _part("unsure", value, f"Model unsure ({confidence:.2f})")


def _disagreement(evidence: Evidence) -> Part:
    disagree = evidence.num_negative and evidence.num_positive
    words = f"Users disagree, {evidence.num_positive} up, {evidence.num_negative} down"
    return _part("disagreement", DISAGREEMENT if disagree else 0, words)


def _waiting(days: int) -> Part:
    words = "Answered 1 day ago" if days == 1 else f"Answered {days} days ago"
    return _part("waiting", max(0, min(days, WAITING_MOST)), words)
