"""The demo project's recorded conversations, one after another."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from feedback.models import Output, Project, Session
from feedback.models.session import SessionQuerySet

# The slug of the demo project, which `curation.demo` loads.
SLUG = "almanac"
# A session of more outputs is told up to here.
MOST_TURNS = 50


@dataclass(frozen=True)
class Conversation:
    """One recorded session: its outputs in order, and the id of the session told after it."""

    session: Session
    turns: list[Output]
    following: str


def conversation(*, project: Project, session: str) -> Conversation | None:
    """The session of that external id, or the newest of several turns; None when there is none."""
    sessions = Session.objects.filter(project=project).order_by("-started_at", "-pk")
    told = (
        sessions.filter(external_id=session).first()
        if session and "\x00" not in session
        else _of_several_turns(sessions).first()
    )
    if told is None:
        return None
    older = Q(started_at__lt=told.started_at) | Q(started_at=told.started_at, pk__lt=told.pk)
    following = _of_several_turns(sessions.filter(older)).first()
    return Conversation(
        session=told,
        turns=list(told.outputs.order_by("at", "pk")[:MOST_TURNS]),
        following=following.external_id if following else "",
    )


def _of_several_turns(sessions: SessionQuerySet) -> SessionQuerySet:
    return sessions.annotate(num_outputs=Count("outputs")).filter(num_outputs__gt=1)
