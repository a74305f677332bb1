"""What tags there are, and which would suit a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Prefetch
from django.db.models.functions import Lower

from feedback.filters import OutputFilter
from feedback.models import Embedding, Output, Project, Session, SessionTag, Tag
from feedback.models.session import TagQuerySet
from feedback.nearest import nearest
from feedback.scope import Scope
from feedback.tag_names import tidied
from review.resemblance import SIMILAR

MOST_HINTS, MOST_COMPLETIONS = 6, 20
# Questions of the session that others are compared with, the newest; answers looked at for each,
# for several are in one session; and sessions that count as its like.
MOST_OWN, MOST_SEEN, MOST_LIKE = 4, 100, 20


@dataclass(frozen=True, kw_only=True)
class Hint:
    """A tag that sessions like this one have, and how many of them."""

    name: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Hints:
    """The commonest tags of sessions similar to one, and how many of those were looked at."""

    session: Session
    tags: Sequence[Hint]
    num_sessions: int


@transaction.atomic
def hints(*, session: Session, model: str) -> Hints:
    """Tags of the sessions nearest to this one in meaning, by the vectors of that model.

    A session is as near as its nearest question or answer is to a question of this one. Tags that
    the session has are left out. A fixed number of queries.
    """
    own = Embedding.objects.filter(
        output__session=session, part=Embedding.Part.QUERY, model=model
    ).order_by("-output")
    scope = Scope(project=session.project, wanted=OutputFilter())
    best: dict[int, float] = {}
    for vector in own.values_list("vector", flat=True)[:MOST_OWN]:
        for near in nearest(
            scope=scope, kind="output", vector=vector, model=model, limit=MOST_SEEN
        ):
            best[near.pk] = max(near.similarity, best.get(near.pk, SIMILAR))
    like: dict[int, float] = {}
    near_outputs = Output.objects.filter(pk__in=[pk for pk in best if best[pk] > SIMILAR])
    for pk, other in near_outputs.exclude(session=session).values_list("pk", "session"):
        like[other] = max(best[pk], like.get(other, 0))
    nearest_ones = sorted(like, key=lambda pk: (-like[pk], pk))[:MOST_LIKE]
    counted = (
        SessionTag.objects.filter(session__in=nearest_ones)
        .exclude(tag__in=session.session_tags.values("tag"))
        .values_list("tag__name")
        .annotate(number=Count("pk"))
        .order_by("-number", "tag__name")
    )
    return Hints(
        session=session,
        tags=[Hint(name=name, number=number) for name, number in counted[:MOST_HINTS]],
        num_sessions=len(nearest_ones),
    )


def completions(*, project: Project, text: str) -> list[str]:
    """Names of tags that begin with the text, or whose former name does."""
    if not text.strip() or "\x00" in text:
        return []
    named = Tag.objects.filter(project=project, name__istartswith=text.strip())
    found = named.select_related("alias_of").order_by(Lower("name"))[:MOST_COMPLETIONS]
    return list(dict.fromkeys((tag.alias_of or tag).name for tag in found))


def listed(*, project: Project, containing: str = "") -> TagQuerySet:
    """The project's tags with this in their name, with `num_sessions` and `aliases` at hand."""
    wanted = tidied(containing.replace("\x00", ""))
    return (
        Tag.objects.current()
        .filter(project=project, name__icontains=wanted)
        .annotate(num_sessions=Count("session_tags"))
        .prefetch_related(Prefetch("aliases", Tag.objects.order_by(Lower("name"))))
    )
