"""Issues that are sent, and the clock they are sent by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from curation import deliveries
from curation.models import Issue
from feedback.models import Project
from review.models import Theme
from tests.curation.exposed import answer as outputs_answered
from tests.curation.exposed import complain, put_in
from tests.factories import NOW, make_output, make_theme

DAY = timedelta(days=1)
HOSTILE = "@everyone see #1 ![x](https://evil.test/?q=) ```\n<img src=x> ~~~ [a](javascript:b)"


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: datetime = field(default_factory=lambda: NOW + timedelta(hours=1))

    def __call__(self) -> datetime:
        return self.now


def complained_theme(project: Project) -> Theme:
    """A theme of 16 complaints, one of them in hostile words."""
    theme = make_theme(project, name="left out: date")
    outputs_answered(project, 100, at=NOW - DAY, bad=15, theme=theme)
    put_in(theme, complain([make_output(project, at=NOW - DAY)], comment=HOSTILE))
    return theme


def work(clock: Clock) -> int:
    """Send what is due; how many attempts that took."""
    return deliveries.work_off(clock=clock, most=10)


def fresh(issue: Issue) -> Issue:
    return Issue.objects.get(pk=issue.pk)
