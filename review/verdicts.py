"""What a decision may say."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from feedback.models import Output, Reason
from review.models import Queue, Review

LONGEST_COMMENT = 20_000
LONGEST_CORRECTION = 200_000


class VerdictError(ValueError):
    """A decision that cannot stand; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


def check_grounds(review: Review, given: Sequence[Reason]) -> None:
    """Check that the verdict agrees with its correction, and says why. Raises VerdictError."""
    if review.verdict == Review.Verdict.ACCEPT:
        if review.edits:
            raise VerdictError("correction", "A good answer needs no correction. Choose Fix.")
    elif not given and not review.comment:
        raise VerdictError("reasons", "Give at least one reason, or a comment.")


def check_required(review: Review, given: Sequence[Reason], required: Sequence[str]) -> None:
    """Check that the decision says what its queue's form asks for; Good needs no fault named.

    Raises VerdictError.
    """
    if Queue.Required.CONFIDENCE in required and review.confidence is None:
        raise VerdictError("confidence", "This queue asks how sure you are.")
    if review.verdict == Review.Verdict.ACCEPT:
        return
    if Queue.Required.SEVERITY in required and not review.severity:
        raise VerdictError("severity", "This queue asks for a severity.")
    if Queue.Required.REASONS in required and not given:
        raise VerdictError("reasons", "This queue asks for at least one reason.")


def judged_answer(output: Output, version: int) -> str:
    """The answer in that version. Raises VerdictError when it has none."""
    if version == output.version:
        return output.text
    former = output.former_versions.filter(number=version).first()
    if former is None:
        raise VerdictError("version", f"The answer has no version {version}.")
    return former.text


def current_reasons(project_id: int, slugs: Sequence[str]) -> list[Reason]:
    """The reasons of the current taxonomy of these slugs. Raises VerdictError for another."""
    known = {
        reason.slug: reason
        for reason in Reason.objects.current().filter(taxonomy__project=project_id)
    }
    if set(slugs) - set(known):
        raise VerdictError("reasons", f"Give some of {', '.join(known)}.")
    return [known[slug] for slug in dict.fromkeys(slugs)]


def one_of(path: str, value: str, values: Sequence[str], missing: str = "") -> str:
    """The value, when it is one of these. Raises VerdictError, which says what is missing."""
    if value not in values:
        raise VerdictError(path, missing or f"Give one of {', '.join(values)}.")
    return value


def share(value: float | None) -> float | None:
    """How sure the reviewer is, from 0 to 1 or None. Raises VerdictError for another number."""
    if value is not None and (isnan(value) or not 0 <= value <= 1):
        raise VerdictError("confidence", "Give a number from 0 to 1.")
    return value


def better_answer(text: str, *, answer: str) -> str:
    """The corrected answer as it is kept, empty when it is the answer. Raises VerdictError."""
    text = kept_text("correction", text, LONGEST_CORRECTION)
    return "" if text.strip() == _lines(answer).strip() else text


def kept_text(path: str, text: str, longest: int) -> str:
    """The text as it is kept, empty when it is blank. Raises VerdictError naming the path."""
    if "\x00" in text or len(text) > longest:
        raise VerdictError(path, f"Give at most {longest:,} printable characters.")
    return _lines(text) if text.strip() else ""


def _lines(text: str) -> str:
    """Line ends as answers have them: browsers send a text field's as CR LF."""
    return text.replace("\r\n", "\n")
