"""Ranks that members gave by comparing answers, hidden like what else they think of an answer."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from feedback.models import Feedback, Output, User
from review.models.queue import QueueItem

# How their keys begin; those of what is sent begin otherwise.
_GIVEN_HERE = "r:"


def rank_key(output: Output, by: User) -> str:
    """The key of a member's rank of an answer."""
    return f"{_GIVEN_HERE}{by.pk}:{output.pk}"


def of_peers(person: int | None) -> Q:
    """Which feedback is a rank that a member gave, other than the person of that id."""
    given = Q(name=Feedback.RANK, key__startswith=_GIVEN_HERE)
    return given & ~Q(key__startswith=f"{_GIVEN_HERE}{person}:") if person else given


def without_peers(feedback: QuerySet[Feedback], *, to: User | None) -> QuerySet[Feedback]:
    """Leave out what a person, or None for everybody, may not know yet of how others ranked.

    One answer's place tells something of the places of the others to its question. So the ranks
    of a session are hidden, but one's own, while any of its answers is still to be judged unaware.
    """
    items = QueueItem.objects.blind_to(to) if to else QueueItem.objects.blind()
    is_judged = Exists(items.filter(output__session=OuterRef("session")))
    return feedback.exclude(of_peers(to.pk if to else None), is_judged)
