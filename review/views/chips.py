"""What is known of an answer, and where its like is."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from feedback.models import Output


@dataclass(frozen=True, kw_only=True)
class Chip:
    """Something known of an answer; `url` leads to the items of a queue that share it."""

    icon: str
    title: str
    value: str
    label: str = ""
    url: str = ""


def chips(output: Output, *, at: str) -> list[Chip]:
    """A chip for whatever is known of an output; `at` is the address of a page that filters.

    Expects the output's session to be at hand. Without an address the chips lead nowhere.
    """
    session = output.session
    day = output.at.date().isoformat()
    known = [
        ("user-round", "User role", "", session.user_role, {"role": session.user_role}),
        ("server", "Environment", "", session.environment, {"environment": session.environment}),
        ("cpu", "Model", "", output.model, {"model": output.model}),
        (
            "cpu",
            "Model version",
            "",
            output.model_version,
            {"model_version": output.model_version},
        ),
        (
            "terminal",
            "Prompt version",
            "",
            output.prompt_version,
            {"prompt_version": output.prompt_version},
        ),
        ("clock", "Answered, UTC", "", f"{output.at:%-d %b %H:%M}", {"since": day, "until": day}),
    ]
    if output.confidence is not None:
        share = f"{output.confidence:.2f}"
        most = {"max_confidence": str(output.confidence)}
        known.append(("gauge", "Model confidence", "Confidence", share, most))
    return [
        Chip(
            icon=icon,
            title=title,
            label=label,
            value=value,
            url=f"{at}?{urlencode(narrowed)}" if at else "",
        )
        for icon, title, label, value, narrowed in known
        if value
    ]
