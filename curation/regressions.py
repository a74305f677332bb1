"""Watches what was closed as fixed, and opens it again when its complaints come back."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from curation import issue_evidence, issues, progress
from curation.models import Issue
from feedback.timeouts import TooSlowError


def watch(*, now: datetime) -> int:
    """Look at every issue that was closed as fixed; return how many were opened again.

    Asking again changes nothing. What cannot be counted in time is looked at the next time.
    """
    reopened = 0
    for issue in Issue.objects.watched().select_related("theme", "theme__project").order_by("pk"):
        with suppress(TooSlowError, issues.IssueError):
            reopened += look(issue=issue, now=now)
    return reopened


def look(*, issue: Issue, now: datetime) -> bool:
    """Open the issue again if its theme is certainly back; whether it was.

    Held against each other are the weeks before it was closed, and the last days since then. Raises
    TooSlowError, and IssueError when its theme has another issue open.
    """
    if issue.theme is None or issue.closed_at is None:
        return False
    if issue.baseline is None:
        issue.baseline = issue_evidence.rate_of(issue_evidence.baseline(issue=issue))
        Issue.objects.filter(pk=issue.pk, closed_at=issue.closed_at).update(baseline=issue.baseline)
    since = max(issue.closed_at, now - timedelta(days=progress.RECENT_DAYS))
    recent = issue_evidence.arm_of(theme=issue.theme, since=since, until=now)
    if not progress.has_returned(recent, usual=issue.baseline["rate"]):
        return False
    issues.reopen(
        issue=issue,
        now=now,
        evidence={
            "before": issue.baseline,
            "recent": issue_evidence.rate_of(recent),
            "since": since.isoformat(),
            "until": now.isoformat(),
        },
    )
    return True
