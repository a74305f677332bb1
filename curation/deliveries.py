"""Sends what is to be sent to trackers: a work list, with attempts, waits and an end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse

from curation import issue_evidence, issue_words, outgoing, sealing, signing
from curation.adapters import ADAPTERS, AdapterError, Place
from curation.issue_words import Told
from curation.models import Attempt, Delivery, IssueChange, Ticket, Tracker
from curation.outgoing import Answer, Call, OutgoingError
from feedback.models import Erasure, Project

# Seconds to wait after each failed attempt; after the last of them it is given up.
WAITS = (30, 120, 600, 1_800, 7_200, 21_600, 43_200)
MOST_ATTEMPTS = len(WAITS) + 1
# A tracker may ask to wait, but not longer than this.
LONGEST_WAIT = 86_400
# So long an attempt may take before another worker takes over: four calls with their deadlines,
# and to look for a ticket more of them, as long as they are quick.
LEASE = timedelta(seconds=90)
LAST_CALL = LEASE - timedelta(seconds=2 * outgoing.DEADLINE_SECONDS)
LONGEST_FAULT = 200

Send = Callable[[Call], Answer]


def send(call: Call) -> Answer:
    """Send a request to where the settings let it go."""
    return outgoing.send(call, allowed=settings.OUTGOING_HOSTS)


def work_off(*, clock: Callable[[], datetime], most: int, send: Send = send) -> int:
    """Attempt what is due, at most so many; return how many attempts were made."""
    for number in range(most):
        attempt = _begin(clock())
        if attempt is None:
            return number
        _attempt(attempt, send, clock)
    return most


def are_under_way(*, project: Project, now: datetime) -> bool:
    """Whether something of the project's is being sent, as it was read before."""
    open_ones = Attempt.objects.filter(ended_at=None, began_at__gt=now - LEASE)
    return open_ones.filter(delivery__ticket__issue__project=project).exists()


@transaction.atomic
def _begin(now: datetime) -> Attempt | None:
    """Take what is due the longest, and note the attempt before it is made.

    Of one ticket they go in turn: what comes later builds on what came before. Where an erasure
    goes on they wait, since what it is to take could go out.
    """
    waiting = Delivery.objects.waiting()
    earlier = waiting.filter(ticket=OuterRef("ticket"), pk__lt=OuterRef("pk"))
    taking = Erasure.objects.taking().filter(project=OuterRef("ticket__issue__project"))
    due = waiting.filter(~Exists(earlier), ~Exists(taking), next_at__lte=now)
    held = due.select_related("ticket").select_for_update(
        skip_locked=True, of=("self", "ticket"), no_key=True
    )
    found = held.order_by("next_at", "pk").first()
    # An earlier one may have been sent again before the ticket was held.
    if found is None or waiting.filter(ticket=found.ticket_id, pk__lt=found.pk).exists():
        return None
    found.num_attempts += 1
    found.next_at = now + LEASE
    found.save(update_fields=["num_attempts", "next_at"])
    return Attempt.objects.create(delivery=found, number=found.num_attempts, began_at=now)


def _attempt(attempt: Attempt, send: Send, clock: Callable[[], datetime]) -> None:
    """Send it, outside of any transaction, and note what came of it."""
    delivery = Delivery.objects.select_related(
        "change__issue__project", "change__issue__theme", "ticket__tracker"
    ).get(pk=attempt.delivery_id)
    statuses: list[int] = []

    def seen(call: Call) -> Answer:
        # What outlasts its lease would be made twice: by it, and by whoever takes over.
        if clock() - attempt.began_at > LAST_CALL:
            raise AdapterError("The tracker takes too long.")
        answer = send(call)
        statuses.append(answer.status)
        return answer

    fault, wait = "", None
    try:
        _deliver(delivery, seen, clock())
    except AdapterError as error:
        fault, wait = str(error), error.retry_after
    except (OutgoingError, sealing.SealError) as error:
        fault = str(error)
    except Exception as error:
        # One that always raises here is given up like one that is refused there.
        _end(attempt, None, f"An error in Postil: {type(error).__name__}.", None, clock())
        raise
    _end(attempt, statuses[-1] if statuses else None, fault, wait, clock())


@transaction.atomic
def _end(attempt: Attempt, status: int | None, fault: str, wait: int | None, now: datetime) -> None:
    """Note how an attempt ended. One that took too long and was overtaken changes no more."""
    Attempt.objects.filter(pk=attempt.pk).update(
        ended_at=now, status_code=status, fault=fault[:LONGEST_FAULT]
    )
    own = Delivery.objects.waiting().filter(pk=attempt.delivery_id, num_attempts=attempt.number)
    if not fault:
        own.update(status=Delivery.Status.DONE, finished_at=now)
    elif _place_of(attempt) >= MOST_ATTEMPTS:
        own.update(status=Delivery.Status.FAILED, finished_at=now)
    else:
        seconds = max(WAITS[_place_of(attempt) - 1], min(wait or 0, LONGEST_WAIT))
        own.update(next_at=now + timedelta(seconds=seconds))


def _place_of(attempt: Attempt) -> int:
    """The attempt's place since the delivery was begun, or begun again by hand."""
    return (attempt.number - 1) % MOST_ATTEMPTS + 1


def _deliver(delivery: Delivery, send: Send, now: datetime) -> None:
    ticket, change = delivery.ticket, delivery.change
    told = told_of(ticket=ticket, change=change, now=now)
    if ticket.tracker.is_webhook:
        _post(delivery, told, send, now)
        _stands(ticket, change)
        return
    place, adapter = place_of(ticket.tracker), ADAPTERS[ticket.tracker.kind]
    if ticket.external_id:
        if change.kind != IssueChange.Kind.OPENED:
            adapter.move(place, ticket.external_id, told, send)
            _stands(ticket, change)
        return
    if change.kind == IssueChange.Kind.CLOSED:
        return
    # A former attempt may have made it before it was cut off, also by a gateway on the way there.
    # So may one at another change, which was given up.
    former = Attempt.objects.filter(delivery__ticket=ticket).exclude(
        delivery=delivery, number=delivery.num_attempts
    )
    lost = former.exclude(status_code__range=(300, 499))
    made = adapter.find(place, told, send) if lost.exists() else None
    made = made or adapter.create(place, told, send)
    Ticket.objects.filter(pk=ticket.pk, external_id="").update(
        external_id=made.id, url=made.url, read_after=now
    )


def _stands(ticket: Ticket, change: IssueChange) -> None:
    """Note where the ticket stands now that it was told of the change."""
    is_closed = change.kind == IssueChange.Kind.CLOSED
    Ticket.objects.filter(pk=ticket.pk).update(is_closed=is_closed)


def _post(delivery: Delivery, told: Told, send: Send, now: datetime) -> None:
    """Send a webhook what happened, signed."""
    tracker, change = delivery.ticket.tracker, delivery.change
    body = json.dumps(
        {
            "id": str(delivery.key),
            "event": f"issue.{change.kind}",
            "at": change.at.isoformat(),
            "project": change.issue.project.slug,
            "issue": issue_words.as_json(told),
            "change": {
                "source": change.source,
                "resolution": change.resolution or None,
                "comment": change.comment,
                "evidence": change.evidence,
            },
        },
        ensure_ascii=False,
    ).encode()
    timestamp = int(now.timestamp())
    secret = sealing.unseal(tracker.sealed_secret)
    answer = send(
        Call(
            method="POST",
            url=tracker.url,
            headers={
                "Content-Type": "application/json",
                "Postil-Event": f"issue.{change.kind}",
                "Postil-Delivery": str(delivery.key),
                "Postil-Timestamp": str(timestamp),
                "Postil-Signature": signing.sign(secret=secret, timestamp=timestamp, body=body),
            },
            body=body,
        )
    )
    if not answer.is_fine:
        is_redirect = 300 <= answer.status < 400
        why = " Redirects are not followed." if is_redirect else ""
        raise AdapterError(
            f"The webhook answered {answer.status}.{why}", answer.status, answer.retry_after
        )


def place_of(tracker: Tracker) -> Place:
    """How a tracker is reached. Raises SealError."""
    return Place(
        url=tracker.url,
        target=tracker.target,
        account=tracker.account,
        token=sealing.unseal(tracker.sealed_token),
    )


def told_of(*, ticket: Ticket, change: IssueChange, now: datetime) -> Told:
    """What a tracker is told of an issue: as it is now, with what speaks for it now."""
    issue, tracker = change.issue, ticket.tracker
    outputs = list(issue.sources.values_list("handover__review__output", flat=True))
    examples: list[str] = []
    if tracker.with_examples:
        shown = issue.examples.select_related("feedback").order_by("position")
        examples = [one.feedback.comment or one.feedback.correction for one in shown]
    path = reverse("issue", args=[issue.project.slug, issue.number])
    return Told(
        number=issue.number,
        title=issue.title,
        description=issue.description,
        url=settings.SITE_URL.rstrip("/") + path,
        marker=f"{issue.pk}-{tracker.hook.hex}",
        handed_over_at=ticket.created_at,
        kind=change.kind,
        theme=(issue.theme.number, issue.theme.name) if issue.theme else None,
        status=issue.status,
        resolution=change.resolution,
        comment=change.comment,
        evidence=issue_evidence.gather(theme=issue.theme, outputs=outputs, now=now),
        change=change.evidence,
        examples=[one for one in examples if one],
    )
