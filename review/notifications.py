"""Tells people of what concerns them, and keeps what they have read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Case, F, Value, When

from feedback.models import Membership, User
from review.models import Annotation, Notification, Queue, QueueItem


def notify(
    *, annotation: Annotation, kind: Notification.Kind, to: Iterable[int], by: User, now: datetime
) -> None:
    """Tell members of the project, by their ids, that something happened in a thread.

    Whoever did it is not told. While a line is unread, more in its thread only counts up, and a
    mention stays one. Needs a transaction.
    """
    wanted = set(to) - {by.pk}
    if not wanted:
        return
    members = Membership.objects.filter(project=annotation.project_id, user__in=wanted)
    told = sorted(members.values_list("user", flat=True))
    Notification.objects.bulk_create(
        (
            Notification(
                user_id=user,
                project_id=annotation.project_id,
                output_id=annotation.output_id,
                annotation=annotation,
                kind=kind,
                happened_at=now,
            )
            for user in told
        ),
        ignore_conflicts=True,
    )
    Notification.objects.filter(annotation=annotation, user__in=told).update(
        kind=Case(
            When(read_at=None, kind=Notification.Kind.MENTION, then=F("kind")),
            default=Value(kind.value),
        ),
        num=Case(When(read_at=None, then=F("num") + 1), default=Value(1)),
        actor=by,
        happened_at=now,
        read_at=None,
    )


def notify_taken(*, item: QueueItem, queue: Queue, to: int, by: User, now: datetime) -> None:
    """Tell who held an item that somebody took it over. Needs a transaction."""
    if not Membership.objects.filter(project=queue.project_id, user=to).exists():
        return
    Notification.objects.update_or_create(
        user_id=to,
        item=item,
        defaults={
            "project_id": queue.project_id,
            "output_id": item.output_id,
            "kind": Notification.Kind.TAKEN,
            "actor": by,
            "num": 1,
            "happened_at": now,
            "read_at": None,
        },
    )


def read(*, notification: Notification, by: User, now: datetime) -> None:
    """Mark one line as read; one that is stays so."""
    Notification.objects.unread().filter(pk=notification.pk, user=by).update(read_at=now)


def read_all(*, by: User, until: datetime, now: datetime) -> int:
    """Mark all that the person saw on a page drawn at `until` as read; returns how many."""
    seen = Notification.objects.unread().seen_by(by).filter(happened_at__lte=until)
    return Notification.objects.filter(pk__in=seen.values("pk")).update(read_at=now)
