"""Hears from trackers: reads tickets in turn and takes reports, which close and open issues."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curation import deliveries, issues, sealing, signing
from curation.adapters import ADAPTERS, AdapterError, Seen
from curation.deliveries import Send
from curation.models import Issue, TakenReport, Ticket, Tracker
from curation.outgoing import OutgoingError

EVERY = timedelta(minutes=5)
# After a fault it is tried less often, and what is closed is read less often too.
SELDOM = timedelta(minutes=30)
# While one worker reads a ticket, others leave it alone for so long.
LEASE = timedelta(seconds=90)
LONGEST_FAULT = 200
# As long as a timestamp is near enough, before it and after, with the second that is cut off.
REMEMBERED = timedelta(seconds=2 * signing.TOLERANCE + 1)


class ReportError(ValueError):
    """A report that cannot be read, or is about no issue of its tracker."""


class SignatureError(Exception):
    """A report that is not signed as its tracker signs."""


class Report(BaseModel):
    """What a webhook's receiver reports: where an issue stands there."""

    model_config = ConfigDict(strict=True, extra="forbid")

    issue: int = Field(ge=1, le=2**31 - 1)
    state: Literal["open", "closed"]
    resolution: Literal["fixed", "dropped"] = "fixed"
    comment: str = Field(default="", max_length=issues.LONGEST_COMMENT, pattern=r"^[^\x00]*$")


def poll(*, clock: Callable[[], datetime], most: int, send: Send = deliveries.send) -> int:
    """Read tickets whose turn it is, at most so many; return how many issues changed."""
    changed = 0
    for _ in range(most):
        ticket = _next(clock())
        if ticket is None:
            break
        changed += _read(ticket, send, clock)
    return changed


def report(*, tracker: Tracker, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Take what a tracker reports, if it is signed; whether an issue changed by it.

    From a webhook's receiver the report is believed, once: the same again changes nothing. From
    others it says that something happened, and the tickets are read at once. Raises SignatureError,
    ReportError.
    """
    if not _is_signed(tracker, headers, body, now):
        raise SignatureError
    if not tracker.is_webhook:
        Ticket.objects.to_read().filter(tracker=tracker).update(read_after=now)
        return False
    try:
        said = Report.model_validate_json(body)
    except (ValidationError, json.JSONDecodeError) as error:
        raise ReportError("A report has issue, state, and maybe resolution and comment.") from error
    ticket = Ticket.objects.filter(tracker=tracker, issue__number=said.issue)
    found = ticket.select_related("issue", "tracker").first()
    if found is None:
        raise ReportError("That issue was not sent there.")
    seen = Seen(is_closed=said.state == "closed", is_dropped=said.resolution == "dropped")
    with transaction.atomic():
        is_new = _remember(tracker, headers["Postil-Signature"], now)
        return is_new and _take_over(found, seen, comment=said.comment, now=now)


def _remember(tracker: Tracker, signature: str, now: datetime) -> bool:
    """Note that a report was taken; whether it is the first time. Needs a transaction."""
    TakenReport.objects.filter(taken_at__lt=now - REMEMBERED).delete()
    _, is_new = TakenReport.objects.get_or_create(
        tracker=tracker, signature=signature, defaults={"taken_at": now}
    )
    return is_new


def _is_signed(tracker: Tracker, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    try:
        secret = sealing.unseal(tracker.sealed_secret)
    except sealing.SealError:
        return False
    if not secret:
        return False
    if tracker.kind == Tracker.Kind.GITLAB:
        return signing.is_same(secret, headers.get("X-Gitlab-Token", ""))
    if tracker.kind in {Tracker.Kind.GITHUB, Tracker.Kind.JIRA}:
        names = ("X-Hub-Signature-256", "X-Hub-Signature")
        given = next((headers[name] for name in names if name in headers), "")
        return signing.is_hub_signed(secret=secret, signature=given, body=body)
    return signing.is_signed(
        secret=secret,
        timestamp=headers.get("Postil-Timestamp", ""),
        signature=headers.get("Postil-Signature", ""),
        body=body,
        now=int(now.timestamp()),
    )


@transaction.atomic
def _next(now: datetime) -> Ticket | None:
    """Take the ticket that waits the longest to be read."""
    due = Ticket.objects.to_read().filter(read_after__lte=now)
    found = due.select_for_update(skip_locked=True, of=("self",)).order_by("read_after", "pk")
    ticket = found.select_related("tracker", "issue").first()
    if ticket is not None:
        Ticket.objects.filter(pk=ticket.pk).update(read_after=now + LEASE)
    return ticket


def _read(ticket: Ticket, send: Send, clock: Callable[[], datetime]) -> bool:
    """Ask where a ticket stands, and let its issue follow; whether it changed."""
    fault, seen = "", None
    try:
        place = deliveries.place_of(ticket.tracker)
        seen = ADAPTERS[ticket.tracker.kind].read(place, ticket.external_id, send)
    except (AdapterError, OutgoingError, sealing.SealError) as error:
        fault = str(error)[:LONGEST_FAULT]
    now = clock()
    is_calm = fault or ticket.issue.status == Issue.Status.CLOSED
    Ticket.objects.filter(pk=ticket.pk).update(
        read_at=now, read_after=now + (SELDOM if is_calm else EVERY), fault=fault
    )
    return _take_over(ticket, seen, comment="", now=now) if seen else False


@transaction.atomic
def _take_over(ticket: Ticket, seen: Seen, *, comment: str, now: datetime) -> bool:
    """Let the issue follow what changed in its ticket; whether it did.

    Only a change counts: a ticket that stays closed does not close an issue that came back.
    """
    moved = Ticket.objects.filter(pk=ticket.pk).exclude(is_closed=seen.is_closed)
    if not ticket.tracker.is_webhook:
        # What is still to be sent there is newer than what was read.
        moved = moved.exclude(deliveries__status="waiting")
    if not Ticket.objects.filter(pk__in=moved.values("pk")).update(is_closed=seen.is_closed):
        return False
    with suppress(issues.IssueError), transaction.atomic():
        if seen.is_closed:
            resolution = Issue.Resolution.DROPPED if seen.is_dropped else Issue.Resolution.FIXED
            issues.close(
                issue=ticket.issue,
                resolution=resolution,
                comment=comment,
                through=ticket,
                now=now,
            )
        else:
            issues.reopen(issue=ticket.issue, comment=comment, through=ticket, now=now)
        return True
    closed = Issue.objects.filter(pk=ticket.issue_id, status=Issue.Status.CLOSED)
    if closed.exists() != seen.is_closed:
        # While its theme has another open issue, this one stays closed. It is tried again later.
        Ticket.objects.filter(pk=ticket.pk).update(is_closed=not seen.is_closed)
    return False
