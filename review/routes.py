"""Which rule speaks for a decision: the first whose condition holds."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import TypeVar

K = TypeVar("K")


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What a decision says; `severity` is empty and `reasons` are none where it does not say."""

    verdict: str
    severity: str = ""
    reasons: Iterable[str] = ()


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a decision must say, one of each; any will do where there are none."""

    verdicts: Iterable[str] = ()
    severities: Iterable[str] = ()
    reasons: Iterable[str] = ()

    def holds(self, decided: Decided) -> bool:
        """Whether the decision says what it must."""
        verdicts, severities, reasons = set(self.verdicts), set(self.severities), set(self.reasons)
        return (
            (not verdicts or decided.verdict in verdicts)
            and (not severities or decided.severity in severities)
            and (not reasons or not reasons.isdisjoint(decided.reasons))
        )


def speaking(
    rules: Iterable[tuple[K, Condition]], *, decided: Decided, matching: Container[K]
) -> K | None:
    """The first of the rules, in their order, that matches and whose condition holds.

    `matching` are those whose filter the output matches. None when no rule speaks.
    """
    return next(
        (key for key, condition in rules if key in matching and condition.holds(decided)), None
    )
