"""How much an output wants a review: named summands that add up to the priority, 0 to 100.

The points are a judgement, not a fit: what a person said weighs more than what was seen of their
behaviour, since implicit signals tell dissatisfaction only weakly (Sun et al., "Simulating User
Satisfaction for the Evaluation of Task-oriented Dialogue Systems", SIGIR 2021, reach a rank
correlation below 0.5 on most sets). The most that each summand gives adds up to 100.

Whoever changes a weight, a rule or the words gives VERSION the next number: what was ranked by the
former is then ranked anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

VERSION = "rules-2"

# The first down-rating says most; each further one adds a little.
RATED_DOWN, RATED_DOWN_AGAIN, RATED_DOWN_MOST = 18, 1, 20
CORRECTION = 8
DISAGREEMENT = 4
UNSURE_MOST = 8
WAITING_MOST = 5
GROWTH_MOST = 6
REGRESSION = 6
NOVELTY = 3

# What each reason costs the person who got the answer; a reason nobody has weighed gives 7.
REASONS = {
    "unsafe": 24,
    "factually-incorrect": 18,
    "unsupported": 14,
    "misread-intent": 11,
    "incomplete": 9,
    "too-vague": 7,
    "wrong-tone": 7,
    "formatting": 4,
}
REASON_UNKNOWN = 7
REASONS_MOST = 24

SIGNALS = {"rephrase": 7, "regenerate": 5, "abandon": 5, "edit": 4, "follow_up": 3}
SIGNAL_WORDS = {
    "rephrase": "asked again",
    "regenerate": "regenerated",
    "abandon": "left",
    "edit": "edited",
    "follow_up": "followed up",
}
SIGNALS_MOST = 12

# Whose complaint weighs more: people who know the matter, then people who answer for it.
ROLES = {"expert": 4, "professional": 4, "clinician": 4, "reviewer": 4, "agent": 3, "staff": 3}
ROLE_MOST = 4

# A theme grows when the last two weeks brought at least so many, and so many times the usual.
GROWS_FROM, GROWS_BY, GROWS_FULLY = 3, 1.5, 4.0


class Part(TypedDict):
    """One summand: a stable name, its points, and what it stands for in words."""

    name: str
    value: int
    words: str


@dataclass(frozen=True, kw_only=True)
class ThemeEvidence:
    """What is known of the theme that an output belongs to.

    `num_recent` counts its feedback of the last two weeks and `num_usual` what two of the weeks
    before brought on average; `num_decided` its decided outputs. `has_come_back` says that one of
    them was routed to be mended before this answer was given.
    """

    num_recent: int = 0
    num_usual: float = 0
    num_decided: int = 0
    has_come_back: bool = False


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one output.

    `reasons` maps the slugs given in its feedback to their names, `signals` are kinds of implicit
    feedback, `roles` those of the people who complained, `confidence` is the model's own from 0 to
    1, `days` the whole days since the answer. `num_verdicts` counts the different verdicts of its
    reviewers; `theme` is None when it belongs to none.
    """

    num_negative: int = 0
    num_positive: int = 0
    has_correction: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)
    signals: Sequence[str] = ()
    roles: Sequence[str] = ()
    confidence: float | None = None
    days: int = 0
    num_verdicts: int = 0
    theme: ThemeEvidence | None = None


def parts(evidence: Evidence) -> list[Part]:
    """The summands that apply, the largest first; each has at least one point."""
    found = [
        _rated_down(evidence.num_negative),
        _reasons(evidence.reasons),
        _correction(has_correction=evidence.has_correction),
        _signals(evidence.signals),
        _role(evidence.roles),
        _unsure(evidence.confidence),
        _growth(evidence.theme),
        _regression(evidence.theme),
        _disagreement(evidence),
        _novelty(evidence),
        _waiting(evidence.days),
    ]
    return sorted((part for part in found if part["value"] > 0), key=lambda part: -part["value"])


def total(summands: Sequence[Part]) -> int:
    """The priority that these summands add up to."""
    return sum(part["value"] for part in summands)


def ages(evidence: Evidence) -> bool:
    """Whether the passing of days changes the points."""
    return evidence.days < WAITING_MOST or evidence.theme is not None


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


def _role(roles: Sequence[str]) -> Part:
    known = sorted({role.lower() for role in roles} & set(ROLES), key=lambda one: -ROLES[one])
    if not known:
        return _part("role", 0, "")
    return _part("role", min(ROLES[known[0]], ROLE_MOST), f"Said by a person who is {known[0]}")


def _unsure(confidence: float | None) -> Part:
    """Nothing from 0.5 upwards, then evenly more down to 0."""
    if confidence is None:
        return _part("unsure", 0, "")
    value = round(UNSURE_MOST * max(0.0, 1 - 2 * confidence))
    return _part("unsure", value, f"Model unsure ({confidence:.2f})")


def _growth(theme: ThemeEvidence | None) -> Part:
    """Evenly more from GROWS_BY times the usual up to GROWS_FULLY times."""
    if theme is None or theme.num_recent < GROWS_FROM:
        return _part("growth", 0, "")
    times = theme.num_recent / max(theme.num_usual, 1)
    share = (times - GROWS_BY) / (GROWS_FULLY - GROWS_BY)
    words = f"Its theme grows, {theme.num_recent} in two weeks, usually {theme.num_usual:.0f}"
    return _part("growth", round(GROWTH_MOST * min(max(share, 0.0), 1.0)), words)


def _regression(theme: ThemeEvidence | None) -> Part:
    has_come_back = theme is not None and theme.has_come_back
    words = "Its theme was sent to be mended before, and still comes in"
    return _part("regression", REGRESSION if has_come_back else 0, words)


def _disagreement(evidence: Evidence) -> Part:
    words = f"Users disagree, {evidence.num_positive} up, {evidence.num_negative} down"
    disagree = bool(evidence.num_negative and evidence.num_positive)
    if evidence.num_verdicts > 1:
        words = f"{words}; so do reviewers" if disagree else "Reviewers disagree"
    return _part(
        "disagreement", DISAGREEMENT if disagree or evidence.num_verdicts > 1 else 0, words
    )


def _novelty(evidence: Evidence) -> Part:
    """What was complained about, and is like nothing that was decided."""
    complained = evidence.num_negative or evidence.reasons or evidence.has_correction
    is_new = complained and (evidence.theme is None or not evidence.theme.num_decided)
    return _part("novelty", NOVELTY if is_new else 0, "Nothing like it was decided yet")


def _waiting(days: int) -> Part:
    words = "Answered 1 day ago" if days == 1 else f"Answered {days} days ago"
    return _part("waiting", max(0, min(days, WAITING_MOST)), words)
