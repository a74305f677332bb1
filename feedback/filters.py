"""The one filter over outputs: pages, queues, bulk acts, exports and the API all use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any, Self

from django.db.models import Exists, OuterRef, Q

from feedback.models import Feedback, FeedbackReason, SessionTag
from feedback.models.output import OutputQuerySet

SCORES = ("negative", "positive")


class FilterError(ValueError):
    """A filter that means nothing; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True, kw_only=True)
class OutputFilter:
    """Which outputs are meant. An empty field does not narrow; several narrow together.

    `reason` is a slug some feedback on the output gives, `signal` a kind of implicit feedback,
    `score` the sign of some explicit feedback's score; `since` and `until` are days, inclusive.
    """

    words: str = ""
    model: str = ""
    model_version: str = ""
    prompt_version: str = ""
    environment: str = ""
    role: str = ""
    tag: str = ""
    reason: str = ""
    signal: str = ""
    score: str = ""
    min_confidence: float | None = None
    max_confidence: float | None = None
    since: date | None = None
    until: date | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """Read a filter from JSON or a query string's values; blanks mean absent.

        Raises FilterError naming the field for an unknown one or a value of the wrong kind.
        """
        known = {field.name for field in fields(cls)}
        for name in data:
            if name not in known:
                raise FilterError(name, "There is no such filter.")
        given = {name: value for name, value in data.items() if value not in ("", None)}
        return cls(**{name: _parsed(name, value) for name, value in given.items()})

    def to_json(self) -> dict[str, object]:
        """The fields that narrow, as from_json reads them."""
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in asdict(self).items()
            if value not in ("", None)
        }

    def apply(self, outputs: OutputQuerySet) -> OutputQuerySet:
        """Narrow the outputs."""
        plain = {
            "model": self.model,
            "model_version": self.model_version,
            "prompt_version": self.prompt_version,
            "session__environment": self.environment,
            "session__user_role": self.role,
            "confidence__gte": self.min_confidence,
            "confidence__lte": self.max_confidence,
            "at__date__gte": self.since,
            "at__date__lte": self.until,
        }
        outputs = outputs.filter(**{k: v for k, v in plain.items() if v not in ("", None)})
        if self.words:
            outputs = outputs.filter(Q(query__icontains=self.words) | Q(text__icontains=self.words))
        return self._with_feedback(outputs)

    def _with_feedback(self, outputs: OutputQuerySet) -> OutputQuerySet:
        on_it = Feedback.objects.filter(output=OuterRef("pk"))
        if self.tag:
            tags = SessionTag.objects.filter(session=OuterRef("session"), tag__name=self.tag)
            outputs = outputs.filter(Exists(tags))
        if self.reason:
            given = FeedbackReason.objects.filter(
                feedback__output=OuterRef("pk"), reason__slug=self.reason
            )
            outputs = outputs.filter(Exists(given))
        if self.signal:
            outputs = outputs.filter(Exists(on_it.signals().filter(name=self.signal)))
        if self.score == "negative":
            outputs = outputs.filter(Exists(on_it.explicit().filter(score__lt=0)))
        if self.score == "positive":
            outputs = outputs.filter(Exists(on_it.explicit().filter(score__gt=0)))
        return outputs


def _parsed(name: str, value: object) -> Any:
    if name in {"min_confidence", "max_confidence"}:
        return _confidence(name, value)
    if name in {"since", "until"}:
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            raise FilterError(name, "Give a day as YYYY-MM-DD.") from None
    if not isinstance(value, str):
        raise FilterError(name, "Give a text.")
    if "\x00" in value or len(value) > 200:
        raise FilterError(name, "Give at most 200 printable characters.")
    if name == "score" and value not in SCORES:
        raise FilterError(name, "Give negative or positive.")
    if name == "signal" and value not in Feedback.Signal.values:
        raise FilterError(name, f"Give one of {', '.join(Feedback.Signal.values)}.")
    return value


def _confidence(name: str, value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise FilterError(name, "Give a number from 0 to 1.")
    return number
