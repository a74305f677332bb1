"""Connects projects to trackers and webhooks, and sends issues there."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from curation import outgoing, sealing
from curation.adapters import ADAPTERS
from curation.models import Delivery, Issue, IssueChange, Ticket, Tracker
from feedback.models import Project, User
from review.models import Event

LONGEST_NAME = 120
LONGEST_TOKEN = 2_000
MOST_TRACKERS = 20


class TrackerError(ValueError):
    """What cannot be; `field` names where it was entered, or is empty."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@transaction.atomic
def add(
    *,
    project: Project,
    kind: str,
    name: str,
    url: str,
    allowed: Collection[str],
    by: User,
    now: datetime,
    target: str = "",
    account: str = "",
    token: str = "",
    with_examples: bool = True,
    is_default: bool = False,
) -> tuple[Tracker, str]:
    """Connect a tracker, and return it with its signing secret, which is never shown again.

    `allowed` are hosts that may be private, as curation.outgoing has them. Raises TrackerError
    naming the field.
    """
    fields = {
        "kind": kind,
        "name": _line(name, LONGEST_NAME, "name"),
        "url": _address(url, allowed),
        **_way_in(kind, target=target, account=account, token=token),
    }
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    kept = Tracker.objects.kept().filter(project=project)
    if kept.count() >= MOST_TRACKERS:
        raise TrackerError(f"There are {MOST_TRACKERS} already. Remove one first.")
    secret = secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            tracker = Tracker.objects.create(
                project=project,
                **fields,
                sealed_token=sealing.seal(token.strip()),
                sealed_secret=sealing.seal(secret),
                with_examples=with_examples,
                is_default=is_default,
                created_by=by,
                created_at=now,
            )
    except IntegrityError as error:
        raise TrackerError("There is one of that name.", "name") from error
    _log(tracker, "tracker_added", by, now)
    return tracker, secret


@transaction.atomic
def renew_secret(*, tracker: Tracker, by: User, now: datetime) -> str:
    """Give a tracker another signing secret; the former one is worth nothing at once."""
    secret = secrets.token_urlsafe(32)
    kept = Tracker.objects.kept().filter(pk=tracker.pk)
    if not kept.update(sealed_secret=sealing.seal(secret)):
        raise TrackerError("It is removed.")
    _log(tracker, "tracker_secret_renewed", by, now)
    return secret


@transaction.atomic
def renew_token(*, tracker: Tracker, token: str, by: User, now: datetime) -> None:
    """Enter what signs in anew. Raises TrackerError."""
    _token(token)
    kept = Tracker.objects.kept().filter(pk=tracker.pk).exclude(kind=Tracker.Kind.WEBHOOK)
    if not kept.update(sealed_token=sealing.seal(token.strip())):
        raise TrackerError("It takes no token, or is removed.")
    _log(tracker, "tracker_token_renewed", by, now)


@transaction.atomic
def remove(*, tracker: Tracker, by: User, now: datetime) -> None:
    """Send nothing there any more and forget the secrets; its tickets stay as they were seen."""
    kept = Tracker.objects.kept().filter(pk=tracker.pk)
    if kept.update(removed_at=now, sealed_token="", sealed_secret="", is_default=False):
        Delivery.objects.waiting().filter(ticket__tracker=tracker).update(
            status=Delivery.Status.FAILED, finished_at=now
        )
        _log(tracker, "tracker_removed", by, now)


@transaction.atomic
def hand_over(*, issue: Issue, trackers: Sequence[Tracker], by: User, now: datetime) -> int:
    """Send an open issue to trackers, each once; return how many are new. A worker does it.

    Raises TrackerError for another project's tracker, and when the issue is closed: its tickets
    would be open.
    """
    # Whoever closes it waits, and tells the new tickets too.
    issue = Issue.objects.select_for_update(of=("self",)).get(pk=issue.pk)
    if issue.status == Issue.Status.CLOSED:
        raise TrackerError(f"P-{issue.number} is closed. Open it again first.")
    opening = issue.changes.filter(kind=IssueChange.Kind.OPENED).order_by("pk")[0]
    num = 0
    for tracker in trackers:
        if tracker.project_id != issue.project_id or tracker.removed_at is not None:
            raise TrackerError(f"“{tracker.name}” is not one of this project's.")
        with suppress(IntegrityError), transaction.atomic():
            ticket = Ticket.objects.create(
                issue=issue, tracker=tracker, read_after=now, created_at=now
            )
            Delivery.objects.create(ticket=ticket, change=opening, next_at=now, created_at=now)
            num += 1
    if num:
        Event.objects.create(
            project_id=issue.project_id,
            actor=by,
            verb="issue_handed_over",
            target_type="issue",
            target_id=issue.pk,
            data={"trackers": [tracker.pk for tracker in trackers]},
            at=now,
        )
    return num


@transaction.atomic
def send_again(*, delivery: Delivery, by: User, now: datetime) -> None:
    """Try a delivery anew that was given up. Raises TrackerError.

    One that comes after what was delivered later would undo that, and so may one beside it.
    """
    # A worker holds it while it takes what is next of the ticket.
    Ticket.objects.select_for_update(no_key=True).get(pk=delivery.ticket_id)
    failed = Delivery.objects.to_send_again(at=now).filter(pk=delivery.pk)
    if not failed.update(status=Delivery.Status.WAITING, finished_at=None, next_at=now):
        raise TrackerError(
            "It is not given up, its tracker is removed, or something later was delivered or is "
            "being sent."
        )
    Event.objects.create(
        project_id=delivery.ticket.issue.project_id,
        actor=by,
        verb="delivery_sent_again",
        target_type="delivery",
        target_id=delivery.pk,
        at=now,
    )


def _way_in(kind: str, *, target: str, account: str, token: str) -> dict[str, Any]:
    """What names the project there and signs in. Raises TrackerError naming the field."""
    if kind not in Tracker.Kind.values:
        raise TrackerError("There is no such kind of tracker.", "kind")
    if kind == Tracker.Kind.WEBHOOK:
        for field, value in (("target", target), ("account", account), ("token", token)):
            if value.strip():
                raise TrackerError("A webhook has none: it is told by its signature.", field)
        return {"target": "", "account": ""}
    target = target.strip()
    if fault := ADAPTERS[kind].fault(target):
        raise TrackerError(fault, "target")
    _token(token)
    account = account.strip()
    if account and kind != Tracker.Kind.JIRA:
        raise TrackerError("Only Jira takes one.", "account")
    return {"target": target, "account": _line(account, 200, "account") if account else ""}


def _token(token: str) -> None:
    token = token.strip()
    if not token or len(token) > LONGEST_TOKEN or not token.isascii() or not token.isprintable():
        raise TrackerError("Give the token that signs in there.", "token")


def _address(url: str, allowed: Collection[str]) -> str:
    url = url.strip()
    try:
        outgoing.target_of(url, allowed=allowed)
    except outgoing.AddressError as error:
        raise TrackerError(str(error), "url") from error
    return url


def _line(value: str, longest: int, field: str) -> str:
    line = " ".join(value.split())
    if not line or len(line) > longest or not line.isprintable():
        raise TrackerError(f"Give at most {longest} printable characters.", field)
    return line


def _log(tracker: Tracker, verb: str, by: User, now: datetime) -> None:
    Event.objects.create(
        project_id=tracker.project_id,
        actor=by,
        verb=verb,
        target_type="tracker",
        target_id=tracker.pk,
        at=now,
    )
