"""Tags on conversations: put on, taken off, renamed and merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, Subquery

from feedback.models import Membership, Project, Session, SessionTag, Tag, User
from feedback.tag_names import named, tidied
from review.models import Event
from review.stored_rows import read

MAY_TAG = Membership.Role.TAGGER
MAY_RENAME = Membership.Role.MODERATOR
# Named at once; on one session, the sender's too.
MOST_TAGS, MOST_ON_SESSION = 20, 100
LONGEST_TAG = 60

_TABLE = SessionTag._meta.db_table
# A name that no tag can be given.
_NOBODYS = " "


class TagError(ValueError):
    """Tags that cannot be as asked for; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class FormerTagError(Exception):
    """The tag was merged into another since; `tag` is that one."""

    def __init__(self, tag: Tag) -> None:
        super().__init__(f"This tag is {tag.name} now.")
        self.tag = tag


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """What tagging really changed: rows of SessionTag with every column, as JSON has them.

    `added` are as they are now, `removed` as they were.
    """

    added: Sequence[dict[str, Any]] = ()
    removed: Sequence[dict[str, Any]] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


@transaction.atomic
def tag_sessions(
    *,
    project: Project,
    sessions: Sequence[Session],
    by: User,
    now: datetime,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> Tagged:
    """Put tags on sessions of the project, take others off, and return what really changed.

    Names are tidied and mean a tag in whatever case, also a former name of it. New ones are made
    when they are added; one that nothing has is not on a session and need not be removed. Each
    session that changed has an Event with the ids of its tags.

    Raises TagError naming `add` or `remove`.
    """
    adding, removing = checked(add, path="add"), checked(remove, path="remove")
    new = set(named(project=project, names=adding, make=True).values())
    old = set(named(project=project, names=removing).values())
    if new & old:
        raise TagError("remove", "A tag is either added or removed.")
    ids = sorted({session.pk for session in sessions if session.project_id == project.pk})
    # Two who tag one session wait for each other, so that no limit is passed.
    list(Session.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True))
    removed = take_off(sessions=ids, tags=sorted(old))
    added = put_on(sessions=ids, tags=sorted(new), by=by, now=now)
    if added:
        _check_room(ids)
    changed: dict[int, dict[str, list[int]]] = {}
    for kind, rows in (("added", added), ("removed", removed)):
        for row in rows:
            changed.setdefault(row["session_id"], {}).setdefault(kind, []).append(row["tag_id"])
    Event.objects.bulk_create(
        Event(
            project=project,
            actor=by,
            verb="tagged",
            target_type="session",
            target_id=session,
            data=data,
            at=now,
        )
        for session, data in sorted(changed.items())
    )
    return Tagged(added=added, removed=removed)


def checked(names: Sequence[str], path: str = "tags") -> list[str]:
    """Tidied names, each once, without blanks. Raises TagError naming the path."""
    tidy = dict.fromkeys(one for name in names if (one := tidied(name)))
    if len(tidy) > MOST_TAGS:
        raise TagError(path, f"Name at most {MOST_TAGS} tags.")
    for name in tidy:
        if len(name) > LONGEST_TAG or not name.isprintable():
            raise TagError(path, f"A tag has at most {LONGEST_TAG} printable characters.")
    return list(tidy)


def meant(*, project: Project, name: str) -> Tag:
    """The tag of the project that a name means, former or not. Raises TagError naming `into`."""
    called = Tag.objects.filter(project=project).called([tidied(name.replace("\x00", ""))])
    found = called.select_related("alias_of").first()
    if found is None:
        raise TagError("into", "There is no such tag.")
    return found.alias_of or found


def put_on(
    *, sessions: Sequence[int], tags: Sequence[int], by: User | None, now: datetime
) -> list[dict[str, Any]]:
    """Put the tags with these ids, or what they became, on sessions; return the new rows.

    Needs a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_TABLE} (session_id, tag_id, added_by_id, added_at) "  # noqa: S608
            "SELECT session, tag, %s, %s FROM unnest(%s::bigint[]) AS session "
            "CROSS JOIN unnest(%s::bigint[]) AS tag ORDER BY 1, 2 "
            f"ON CONFLICT DO NOTHING RETURNING to_jsonb({_TABLE})",
            [by.pk if by else None, now, list(sessions), _meant(tags)],
        )
        return [read(row) for (row,) in cursor.fetchall()]


def take_off(*, sessions: Sequence[int], tags: Sequence[int]) -> list[dict[str, Any]]:
    """Take the tags with these ids, or what they became, off sessions; return the rows.

    Needs a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {_TABLE} AS t WHERE session_id = ANY(%s) AND tag_id = ANY(%s) "  # noqa: S608
            "RETURNING to_jsonb(t)",
            [list(sessions), _meant(tags)],
        )
        return [read(row) for (row,) in cursor.fetchall()]


@transaction.atomic
def rename(*, tag: Tag, name: str, by: User, now: datetime) -> Tag:
    """Give a tag another name. The old one goes on to mean it.

    Raises TagError for a name that cannot be or that another tag has, FormerTagError.
    """
    [name, *more] = checked([name], path="name") or [""]
    if not name or more:
        raise TagError("name", "Give the tag a name.")
    [tag] = _locked(tag)
    taken = Tag.objects.filter(project=tag.project_id).called([name]).first()
    if taken is not None and tag.pk not in {taken.pk, taken.alias_of_id}:
        raise TagError("name", f"There is a tag {taken.name}. Merge them instead.")
    if tag.name == name:
        return tag
    former, tag.name = tag.name, name
    if taken is None:
        _call(tag, name)
        Tag.objects.create(project_id=tag.project_id, name=former, alias_of=tag)
    elif taken.pk != tag.pk:
        # What the former name was of is remembered by its row: the two swap names.
        for one, called in ((taken, _NOBODYS), (tag, name), (taken, former)):
            _call(one, called)
    else:
        # The old name differs by its case alone, and means the tag as it is.
        _call(tag, name)
    _log(tag, "renamed", by, now)
    return tag


@transaction.atomic
def merge(*, tag: Tag, into: Tag, by: User, now: datetime) -> Tag:
    """Make a tag and its former names mean another one of the project, and return that.

    A session that has both keeps one, with who put the first of them on, and when; a person comes
    before the sender. Undo of what put on either leaves it. Raises TagError naming `into`,
    FormerTagError.
    """
    if tag.pk == into.pk or tag.project_id != into.project_id:
        raise TagError("into", "Choose another tag of this project.")
    tag, into = _locked(tag, into)
    moving = SessionTag.objects.filter(tag=tag)
    # The row that moves is the one that stays: it is not as any act left it.
    there = SessionTag.objects.filter(tag=into, session=OuterRef("session")).exclude(added_by=None)
    older = there.filter(added_at__lt=OuterRef("added_at"))
    moving.filter(Q(Exists(older)) | Q(Exists(there), added_by=None)).update(
        added_by=Subquery(there.values("added_by")), added_at=Subquery(there.values("added_at"))
    )
    both = SessionTag.objects.filter(tag=into, session__in=moving.values("session"))
    num_both, _ = both.delete()
    num_moved = moving.update(tag=into) - num_both
    Tag.objects.filter(Q(pk=tag.pk) | Q(alias_of=tag)).update(alias_of=into)
    _log(tag, "merged", by, now, into=into.pk, moved=num_moved, both=num_both)
    return into


def _call(tag: Tag, name: str) -> None:
    Tag.objects.filter(pk=tag.pk).update(name=name)


def _locked(*tags: Tag) -> list[Tag]:
    """The tags, locked with their names, in the order given. Raises FormerTagError."""
    # Two merges at once could make each other's tags former names.
    Project.objects.select_for_update(no_key=True).get(pk=tags[0].project_id)
    rows = Tag.objects.filter(Q(pk__in=[tag.pk for tag in tags]) | Q(alias_of__in=tags))
    found = {tag.pk: tag for tag in rows.order_by("pk").select_for_update(no_key=True)}
    for tag in tags:
        if now_called := found[tag.pk].alias_of:
            raise FormerTagError(now_called)
    return [found[tag.pk] for tag in tags]


def _meant(tags: Sequence[int]) -> list[int]:
    """The ids of what the tags with these ids are now; until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COALESCE(alias_of_id, id) FROM {Tag._meta.db_table} "  # noqa: S608
            "WHERE id = ANY(%s) ORDER BY id FOR SHARE",
            [list(tags)],
        )
        return sorted({pk for (pk,) in cursor.fetchall()})


def _check_room(sessions: Sequence[int]) -> None:
    full = (
        SessionTag.objects.filter(session__in=sessions)
        .values("session")
        .annotate(num=Count("pk"))
        .filter(num__gt=MOST_ON_SESSION)
    )
    if full.exists():
        raise TagError("add", f"A session has at most {MOST_ON_SESSION} tags.")


def _log(tag: Tag, verb: str, by: User, now: datetime, **data: int) -> None:
    Event.objects.create(
        project_id=tag.project_id,
        actor=by,
        verb=verb,
        target_type="tag",
        target_id=tag.pk,
        data=data,
        at=now,
    )
