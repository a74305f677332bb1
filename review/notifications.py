"""Tells people of what concerns them, and keeps what they have read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db.models import Case, F, Value, When
from django.db.models.functions import Left

from feedback.models import Membership, Project, User
from feedback.paging import Page, page
from review.models import Annotation, BulkJob, Notification, Queue, QueueItem, Review

# Code points of a question that a line shows.
QUESTION = 240


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
        mail=None,
    )


def notify_taken(*, item: QueueItem, queue: Queue, to: int, by: User, now: datetime) -> None:
    """Tell who held an item that somebody took it over. Needs a transaction."""
    _tell_of_item(item, queue.project_id, Notification.Kind.TAKEN, {to}, by, now)


def notify_moderators(
    *, item: QueueItem, kind: Notification.Kind, by: User | None, now: datetime
) -> None:
    """Tell those who may decide on an item that it waits for them. Needs a transaction.

    Moderators and above, less those who have reviewed it.
    """
    queue = Queue.objects.get(pk=item.queue_id)
    able = Membership.objects.filter(
        project=queue.project_id, role__in=Membership.reaching(Membership.Role.MODERATOR)
    )
    reviewed = Review.objects.filter(item=item).values("reviewer")
    to = set(able.exclude(user__in=reviewed).values_list("user", flat=True))
    _tell_of_item(item, queue.project_id, kind, to - {by.pk if by else None}, by, now)


def notify_settled(*, item: QueueItem, to: int, by: User, now: datetime) -> None:
    """Tell who escalated an item that it is settled. Needs a transaction."""
    if to != by.pk:
        queue = Queue.objects.get(pk=item.queue_id)
        _tell_of_item(item, queue.project_id, Notification.Kind.SETTLED, {to}, by, now)


def notify_done(*, job: BulkJob, now: datetime) -> None:
    """Tell who started a bulk act that it is through, or has failed. Needs a transaction."""
    if job.created_by_id is None:
        return
    Notification.objects.update_or_create(
        user_id=job.created_by_id,
        job=job,
        defaults={
            "project_id": job.project_id,
            "kind": Notification.Kind.BULK,
            "num": 1,
            "happened_at": now,
            "read_at": None,
            "mail": None,
        },
    )


def notify_of(
    *,
    project: Project,
    kind: Notification.Kind,
    subject: str,
    title: str,
    path: str,
    to: Iterable[int],
    by: User | None,
    now: datetime,
) -> None:
    """Tell members of the project, by their ids, of something that is no item, thread or job.

    `subject` is a name of its own for it, of which each person has one line; `title` is what it is
    called, and `path` leads there. Whoever did it is not told. Needs a transaction.
    """
    wanted = set(to) - {by.pk if by else None}
    members = Membership.objects.filter(project=project, user__in=wanted)
    for user in sorted(members.values_list("user", flat=True)):
        Notification.objects.update_or_create(
            user_id=user,
            kind=kind,
            subject=subject,
            defaults={
                "project": project,
                "title": title,
                "path": path,
                "actor": by,
                "num": 1,
                "happened_at": now,
                "read_at": None,
                "mail": None,
            },
        )


def take_back_of(*, kind: Notification.Kind, subject: str, to: Iterable[int]) -> None:
    """Tell these users of it no more, by their ids: it does not concern them."""
    Notification.objects.filter(kind=kind, subject=subject, user__in=to).delete()


def settle_subject(*, kind: Notification.Kind, subject: str, now: datetime) -> None:
    """Nobody has to decide on it any more: what asked for it is no news."""
    Notification.objects.unread().filter(kind=kind, subject=subject).update(read_at=now)


def settle_item(*, item: int, now: datetime) -> None:
    """Nobody has to decide on the item any more: what asked for it is no news."""
    Notification.objects.unread().filter(item=item, kind__in=_ASKING).update(read_at=now)


_ASKING = (Notification.Kind.DISPUTED, Notification.Kind.ESCALATED)


def _tell_of_item(
    item: QueueItem,
    project: int,
    kind: Notification.Kind,
    to: Collection[int | None],
    by: User | None,
    now: datetime,
) -> None:
    members = Membership.objects.filter(project=project, user__in=to)
    Notification.objects.bulk_create(
        (
            Notification(
                user_id=user,
                project_id=project,
                output_id=item.output_id,
                item=item,
                kind=kind,
                actor=by,
                num=1,
                happened_at=now,
            )
            for user in sorted(members.values_list("user", flat=True))
        ),
        update_conflicts=True,
        unique_fields=["user", "item", "kind"],
        update_fields=["actor", "num", "happened_at", "read_at", "mail"],
    )


def listed(
    *,
    to: User,
    size: int,
    cursor: str = "",
    project: Project | None = None,
    is_unread: bool = False,
) -> Page[Notification]:
    """A page of what the person is told of, the last first: in one project or all, new or all.

    Rows have the beginning of the `question` and the `external_id` of their output. Raises
    CursorError. One query.
    """
    found = Notification.objects.seen_by(to)
    if is_unread:
        found = found.unread()
    if project is not None:
        found = found.filter(project=project)
    found = found.select_related("actor", "project", "job__queue", "job__reason").annotate(
        question=Left("output__query", QUESTION), external_id=F("output__external_id")
    )
    return page(found, order=["-happened_at", "-id"], size=size, cursor=cursor)


def read(*, notification: Notification, by: User, now: datetime) -> None:
    """Mark one line as read; one that is stays so."""
    Notification.objects.unread().filter(pk=notification.pk, user=by).update(read_at=now)


def read_all(*, by: User, until: datetime, now: datetime, project: Project | None = None) -> int:
    """Mark all that the person saw on a page drawn at `until` as read; returns how many.

    Of one project, or of all.
    """
    seen = Notification.objects.unread().seen_by(by).filter(happened_at__lte=until)
    if project is not None:
        seen = seen.filter(project=project)
    return Notification.objects.filter(pk__in=seen.values("pk")).update(read_at=now)
