"""Erasing a user or a session: what it would take, the order to do it, and the work itself.

Each step is one transaction that removes a part from every package, the upper ones first, so that
what was killed goes on with what is left. The row of an erasure is its record: it says who asked,
when, and how much went, and keeps a keyed hash of the id.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Q
from redis.exceptions import RedisError

from curation import deliveries, issue_erasure
from curation import erasure as kept
from feedback import erasure as sent
from feedback import stepping
from feedback.erasure import Part
from feedback.models import Erasure, Project, User
from feedback.models.erasure import keyed_hash
from review import erasure as said
from review.models import Event

SESSIONS_AT_ONCE = 20
SAID_AT_ONCE = 200
# How often a step may raise until its erasure has failed, for somebody to look at.
MOST_TRIES = 5
# Until something is looked at again that others are at: the releases, or what is being sent.
LOOKS_AGAIN_AFTER = timedelta(seconds=2)
# Requests that began before take less; what they stored is looked for once more.
SETTLES_AFTER = timedelta(seconds=60)
# Tells processes that keep what they have read to forget it.
FORGET_KEY = "erasure:forget"
KINDS = tuple(Erasure.Scope.values)


class ErasureError(ValueError):
    """It cannot be erased as asked for; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True)
class Preview:
    """What an erasure would take, by kind, and how many whole releases it has written anew."""

    counts: dict[str, int]
    num_releases: int

    @property
    def num_rows(self) -> int:
        """How many rows would go."""
        return sum(self.counts.values())


def preview(*, project: Project, scope: str, subject: str) -> Preview:
    """Count what would go. Writes nothing. Raises ErasureError for a scope or id that cannot be."""
    _check(scope, subject)
    part = _part(project, scope, subject)
    return Preview(counts=_count(part), num_releases=kept.num_releases(part))


def start(
    *,
    project: Project,
    scope: str,
    subject: str,
    confirmed: str,
    by: User,
    now: datetime,
    may_return: bool = False,
) -> Erasure:
    """Have a worker erase a session, or all that is one user's; the same again is the same row.

    `confirmed` is the id once more. Records of what is erased are refused from then on unless it
    `may_return`. Raises ErasureError when the two differ, or there is nothing of that id.
    """
    _check(scope, subject)
    if confirmed != subject:
        raise ErasureError("confirm", "Type the id once more, exactly as above.")
    named = keyed_hash(project.pk, scope, subject)
    found = _open(project, named)
    if found is not None and found.is_active:
        return found
    if found is None and not preview(project=project, scope=scope, subject=subject).num_rows:
        raise ErasureError("subject", f"There is nothing of this {scope} here.")
    if found is not None:
        try_again(erasure=found, by=by, now=now)
        found.refresh_from_db()
        return found
    try:
        with transaction.atomic():
            made = Erasure.objects.create(
                project=project,
                scope=scope,
                subject=subject,
                subject_hash=named,
                may_return=may_return,
                asked_by=by,
                asked_at=now,
            )
            _record(made, "asked_erasure", by, now)
    except IntegrityError:
        # Somebody else was first.
        first = _open(project, named)
        if first is None:
            raise
        return first
    return made


@transaction.atomic
def try_again(*, erasure: Erasure, by: User, now: datetime) -> None:
    """Have a worker go on with an erasure that has failed. Raises ErasureError for another one."""
    made = Erasure.objects.select_for_update(of=("self",)).get(pk=erasure.pk)
    if made.status != Erasure.Status.FAILED:
        raise ErasureError("status", "Only one that has failed can be tried again.")
    made.status, made.problem, made.num_failures = Erasure.Status.WAITING, "", 0
    made.ended_at = made.look_again_at = None
    made.save()
    _record(made, "asked_erasure", by, now)


def work_off(*, now: datetime, most: int = 1_000) -> bool:
    """Do up to so many steps of what waits; return whether more can be done at once.

    Raises what a step raises. That one is tried again when others have had their turn.
    """
    return all(_advance(now) for _ in range(most))


def _open(project: Project, named: str) -> Erasure | None:
    rows = Erasure.objects.filter(project=project, subject_hash=named)
    return rows.exclude(status=Erasure.Status.DONE).first()


def _check(scope: str, subject: str) -> None:
    """Raises ErasureError. Spaces around an id are part of it, as they are where it is sent."""
    if scope not in KINDS:
        raise ErasureError("scope", "Give user or session.")
    if not subject or len(subject) > 200 or "\x00" in subject:
        raise ErasureError("subject", "Give an id of 1 to 200 characters.")


def _advance(now: datetime) -> bool:
    """Do one step of one erasure; return whether there was one that is not only waited for."""
    made = stepping.advance(
        active=Erasure.objects.active()
        .select_related("project", "asked_by")
        .filter(Q(look_again_at=None) | Q(look_again_at__lte=now)),
        step=_step,
        give_up=_give_up,
        most_tries=MOST_TRIES,
        now=now,
    )
    if made is not None and not made.is_active:
        forget()
    return made is not None


def _step(made: Erasure, now: datetime) -> None:
    """Erase one part, or do what follows; the last step closes the erasure."""
    made.status = Erasure.Status.RUNNING
    done = made.checkpoint
    if "since" not in done and deliveries.are_under_way(project=made.project, now=now):
        # They could send under a name what is gone; those that wait do so until the names are.
        made.look_again_at = now + LOOKS_AGAIN_AFTER
        return
    part = _part(made.project, made.scope, made.subject, most=SESSIONS_AT_ONCE)
    if part.sessions or part.feedback or "since" not in done:
        # What comes back meanwhile is looked for from here on.
        done.setdefault("since", (now - SETTLES_AFTER).isoformat())
        _erase(made, part, now)
        return
    if done.get("libraries") or "themes" in done:
        _tidy(made, now)
        return
    if not _is_settled(made, now):
        return
    if kept.unwritten(project=made.project, releases=done.get("releases", [])):
        made.look_again_at = now + LOOKS_AGAIN_AFTER
        return
    made.status, made.subject, made.checkpoint = Erasure.Status.DONE, "", {}
    made.ended_at, made.look_again_at = now, None
    _record(made, "erased", made.asked_by, now)


def _tidy(made: Erasure, now: datetime) -> None:
    """Publish one library without what is gone, or describe the themes anew."""
    done = made.checkpoint
    if done.get("libraries"):
        kept.publish_without(library=done["libraries"].pop(), by=made.asked_by, now=now)
        return
    renamed = said.tidy_themes(project=made.project, touched=done.pop("themes"))
    issue_erasure.rename(project=made.project, renamed=renamed)


def _part(project: Project, scope: str, subject: str, *, most: int | None = None) -> Part:
    """What is to be erased next: so many sessions, or else what was said elsewhere, or leftovers.

    Without `most` it is everything.
    """
    about: dict[str, Any] = {"project": project, "scope": scope, "subject": subject}
    sessions = sent.sessions_of(**about).order_by("pk").values_list("pk", flat=True)
    elsewhere = sent.said_elsewhere(**about).order_by("pk").values_list("pk", flat=True)
    if most is None:
        return sent.part_of(**about, sessions=list(sessions), said=list(elsewhere))
    if some := list(sessions[:most]):
        return sent.part_of(**about, sessions=some)
    return sent.part_of(**about, said=list(elsewhere[:SAID_AT_ONCE]))


def _count(part: Part) -> dict[str, int]:
    counted = {**sent.count(part), **said.count(part), **kept.count(part)}
    return {kind: number for kind, number in counted.items() if number}


def _erase(made: Erasure, part: Part, now: datetime) -> None:
    # Whoever makes something of it just now is waited for, or finds it gone.
    kept.hold(part)
    Project.objects.select_for_update(no_key=True).get(pk=made.project_id)
    said.hold(part)
    sent.hold(part)
    made.counts = dict(Counter(made.counts) + Counter(_count(part)))
    done = made.checkpoint
    touched = kept.erase(part, by=made.asked_by, now=now)
    themes = said.erase(part)
    sent.erase(part, may_return=made.may_return)
    done["libraries"] = sorted({*done.get("libraries", []), *touched.libraries})
    done["releases"] = sorted({*done.get("releases", []), *touched.releases})
    done["themes"] = sorted({*done.get("themes", []), *themes})


def _is_settled(made: Erasure, now: datetime) -> bool:
    """Whether nothing came back for as long as requests take.

    What a request stored that had begun before its ids were known to be erased is erased too.
    """
    if not made.checkpoint.get("settles"):
        made.checkpoint["settles"], made.look_again_at = True, now + SETTLES_AFTER
        return False
    if made.may_return:
        return True
    since = datetime.fromisoformat(made.checkpoint["since"])
    kept.unname(project=made.project, since=since)
    back = sent.returned(project=made.project, since=since)
    if not back:
        return True
    part = sent.part_of(
        project=made.project,
        scope=made.scope,
        subject=made.subject,
        sessions=back[:SESSIONS_AT_ONCE],
    )
    _erase(made, part, now)
    return False


def _give_up(made: Erasure, error: Exception, now: datetime) -> None:
    made.status, made.ended_at = Erasure.Status.FAILED, now
    made.problem = f"It stopped in the same place {MOST_TRIES} times: {type(error).__name__}."


def forget() -> None:
    """Have every process drop what it keeps in memory, at its next request."""
    try:
        cache.set(FORGET_KEY, uuid4().hex, timeout=None)
    except RedisError:
        # Another erasure, or the next start, makes up for it; pages are drawn from rows anyway.
        return


def _record(made: Erasure, verb: str, by: User, now: datetime) -> None:
    Event.objects.create(
        project_id=made.project_id,
        actor=by,
        verb=verb,
        target_type="erasure",
        target_id=made.pk,
        data={"scope": made.scope, "rows": made.num_rows},
        at=now,
    )
