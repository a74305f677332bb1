"""Who reviews a queue: everybody who may, or the people it names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.urls import reverse

from feedback.models import Membership, Project, User
from review.models import Event, Notification, Queue, QueueReviewer
from review.notifications import notify_of, take_back_of
from review.queues import QueueError, take_back, take_back_third

MOST_NAMED = 200


def able(*, project: Project) -> list[tuple[str, str]]:
    """Who may be named: what each is named by, and their user name. One query."""
    members = _members(project.pk)
    called = _addresses(members)
    return [
        (called[one.user_id], one.user.get_username())
        for one in members
        if one.may(Membership.Role.EXPERT)
    ]


def named(*, queue: Queue) -> tuple[str, ...] | None:
    """Whom the queue names, as `able` does; None where it is everybody's. Two queries at most."""
    if not queue.is_restricted:
        return None
    called = _addresses(_members(queue.project_id))
    there = set(queue.named.values_list("user", flat=True))
    return tuple(address for user, address in called.items() if user in there)


def name(*, queue: Queue, wanted: Sequence[str] | None, by: User | None, now: datetime) -> bool:
    """Have the queue reviewed by these members alone, or with None by everybody who may.

    Returns whether anything changed. Who is named anew is told. Who reviews it no more gives back
    what they hold of it; their drafts stay. Needs the queue locked, in a transaction. Raises
    QueueError that names the place in `reviewers`.
    """
    there = set(queue.named.values_list("user", flat=True))
    meant = _meant(queue, wanted or (), there)
    if queue.is_restricted == (wanted is not None) and meant == there:
        return False
    queue.is_restricted = wanted is not None
    queue.save(update_fields=["is_restricted"])
    queue.named.exclude(user__in=meant).delete()
    new = sorted(meant - there)
    QueueReviewer.objects.bulk_create(
        QueueReviewer(project_id=queue.project_id, queue=queue, user_id=user) for user in new
    )
    Event.objects.create(
        project_id=queue.project_id,
        actor=by,
        verb="named",
        target_type="queue",
        target_id=queue.pk,
        data={
            "is_restricted": queue.is_restricted,
            "named": new,
            "taken_off": sorted(there - meant),
        },
        at=now,
    )
    take_back(queue=queue, by=by, now=now)
    kind, subject = Notification.Kind.NAMED, f"{Notification.OF_QUEUE}{queue.pk}"
    take_back_of(kind=kind, subject=subject, to=there - meant)
    notify_of(
        project=queue.project,
        kind=kind,
        subject=subject,
        title=queue.name,
        path=reverse("queue", args=[queue.project.slug, queue.slug]),
        to=new,
        by=by,
        now=now,
    )
    return True


def take_back_all(*, now: datetime) -> None:
    """Give back what is held of queues of some people by those who do not see them any more.

    Their membership or role ended, or they were taken off while they claimed. So is what moderators
    held of any queue to decide as a third person, and who held it is none any more.
    """
    for queue in Queue.objects.filter(is_restricted=True).order_by("pk"):
        take_back(queue=queue, by=None, now=now)
    take_back_third(now=now)


def _meant(queue: Queue, wanted: Sequence[str], there: set[int]) -> set[int]:
    """The ids of the members that are named so. One whom the queue names already may stay."""
    if len(wanted) > MOST_NAMED:
        raise QueueError("reviewers", f"Name at most {MOST_NAMED} people.")
    if not wanted:
        return set()
    members = _members(queue.project_id)
    roles = {one.user_id: Membership.Role(one.role) for one in members}
    called = _called(members)
    found = set()
    for place, written in enumerate(wanted):
        users = called[written.strip().casefold()]
        if len(users) != 1:
            raise QueueError(
                f"reviewers.{place}",
                f"Several members are called {written}. Give what only one is called."
                if users
                else f"{written} is no member of this project.",
            )
        [user] = users
        if user not in there and roles[user] not in Membership.reaching(Membership.Role.EXPERT):
            raise QueueError(
                f"reviewers.{place}",
                f"{written} is {roles[user].label.lower()} here. Who reviews has to be an expert "
                "or above.",
            )
        found.add(user)
    return found


def _members(project: int) -> list[Membership]:
    found = Membership.objects.filter(project=project).select_related("user")
    return list(found.order_by("user__username"))


def _addresses(members: Sequence[Membership]) -> dict[int, str]:
    """What each is named by, by the user's id, in their order.

    Their e-mail address; where they have none, or another member is called so, their user name.
    """
    people = [one.user for one in members]
    called = _called(members)
    return {
        user.pk: user.email if len(called[user.email.casefold()]) == 1 else user.get_username()
        for user in people
    }


def _called(members: Iterable[Membership]) -> defaultdict[str, set[int]]:
    """The ids of those who are called so, by their address or user name, whatever its case.

    A user name may be the address of somebody else, who is not to be taken for its owner.
    """
    called = defaultdict[str, set[int]](set)
    for one in members:
        for name in (one.user.email, one.user.get_username()):
            if name:
                called[name.casefold()].add(one.user_id)
    return called
