"""Erases what was stored of one end user or one session, and keeps it from coming back.

Packages further up erase their rows first: see review.erasure and curation.erasing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from feedback.filter_syntax import FilterSyntaxError, parse
from feedback.incoming import Incoming
from feedback.models import (
    AnswerVersion,
    Embedding,
    ErasedRecord,
    Erasure,
    Feedback,
    Output,
    Project,
    RejectedRecord,
    Session,
    SessionTag,
    Tag,
    WaitingRecord,
)
from feedback.models.erasure import keyed_hash
from feedback.payloads import (
    EXCERPT_LENGTH,
    FeedbackRecord,
    OutputRecord,
    Record,
    SignalRecord,
    printable,
)

# Stands where an id stood that was erased: without it a filter would match everything.
ERASED = "erased"
Kind = ErasedRecord.Kind


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some of what is to be erased, by primary keys, and all ids of the sender that name it.

    `sessions` go with all their outputs and feedback, which `outputs` and `feedback` list;
    `feedback` has besides what the user said on other people's sessions.
    """

    project: Project
    sessions: Sequence[int] = ()
    outputs: Sequence[int] = ()
    feedback: Sequence[int] = ()
    session_ids: frozenset[str] = frozenset()
    output_ids: frozenset[str] = frozenset()
    feedback_keys: frozenset[str] = frozenset()
    user: str = ""

    @property
    def ids(self) -> frozenset[str]:
        """What a leftover may be told by."""
        return self.session_ids | self.output_ids | ({self.user} if self.user else frozenset())


def sessions_of(*, project: Project, scope: str, subject: str) -> QuerySet[Session]:
    """Sessions that an erasure is about."""
    name = "user_external_id" if scope == Erasure.Scope.USER else "external_id"
    return Session.objects.filter(project=project, **{name: subject})


def said_elsewhere(*, project: Project, scope: str, subject: str) -> QuerySet[Feedback]:
    """What the user said on sessions that are not theirs."""
    if scope != Erasure.Scope.USER:
        return Feedback.objects.none()
    said = Feedback.objects.filter(project=project, author_external_id=subject)
    return said.exclude(session__user_external_id=subject)


def part_of(
    *,
    project: Project,
    scope: str,
    subject: str,
    sessions: Iterable[int] = (),
    said: Iterable[int] = (),
) -> Part:
    """Gather what goes with these sessions and pieces of feedback. Four queries at the most."""
    chosen = dict(Session.objects.filter(pk__in=sessions).values_list("pk", "external_id"))
    outputs = dict(Output.objects.filter(session__in=chosen).values_list("pk", "external_id"))
    feedback = dict(
        Feedback.objects.filter(Q(session__in=chosen) | Q(pk__in=list(said))).values_list(
            "pk", "key"
        )
    )
    is_user = scope == Erasure.Scope.USER
    return Part(
        project=project,
        sessions=list(chosen),
        outputs=list(outputs),
        feedback=list(feedback),
        session_ids=frozenset(chosen.values()) | (frozenset() if is_user else {subject}),
        output_ids=frozenset(outputs.values()),
        feedback_keys=frozenset(feedback.values()),
        user=subject if is_user else "",
    )


def count(part: Part) -> dict[str, int]:
    """How many rows of each kind this package erases with a part."""
    said = Feedback.objects.filter(pk__in=part.feedback)
    vectors = Embedding.objects.filter(Q(output__in=part.outputs) | Q(feedback__in=part.feedback))
    return {
        "sessions": len(part.sessions),
        "outputs": len(part.outputs),
        "former versions": AnswerVersion.objects.filter(output__in=part.outputs).count(),
        "feedback": said.filter(is_implicit=False).count(),
        "signals": said.filter(is_implicit=True).count(),
        "embeddings": vectors.count(),
        "tags": len(_own_tags(part)),
        "waiting records": len(_waiting(part)),
        "refused records": len(_rejected(part)),
    }


def hold(part: Part) -> None:
    """Have whoever makes something of a part wait, and find it gone. Expects a transaction."""
    for rows in (
        Session.objects.filter(pk__in=part.sessions),
        Output.objects.filter(pk__in=part.outputs),
        Feedback.objects.filter(pk__in=part.feedback),
    ):
        list(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk"))


def erase(part: Part, *, may_return: bool) -> None:
    """Delete a part, with what waits or was refused of it. Expects a transaction."""
    if not may_return:
        _remember(part)
    WaitingRecord.objects.filter(pk__in=_waiting(part)).delete()
    RejectedRecord.objects.filter(pk__in=_rejected(part)).delete()
    tags = _own_tags(part)
    Feedback.objects.filter(pk__in=part.feedback).delete()
    Session.objects.filter(pk__in=part.sessions).delete()
    Tag.objects.filter(pk__in=tags).delete()


def returned(*, project: Project, since: datetime) -> list[int]:
    """Sessions stored since that had been erased: their request had begun before."""
    new = dict(
        Session.objects.filter(project=project, received_at__gte=since).values_list(
            "external_id", "pk"
        )
    )
    return [new[external_id] for external_id in erased_among(project=project, sessions=new)]


def erased_among(*, project: Project, sessions: Iterable[str]) -> set[str]:
    """Those of the sessions' ids that were erased. One query."""
    return {text for _, text in _known(project, ((Kind.SESSION, one) for one in sessions))}


def refused(*, project: Project, incoming: Sequence[Incoming[Record]]) -> dict[int, str]:
    """Which records, by their index, are of what was erased, and the field that says so.

    One query, and none in a project where nothing was erased.
    """
    if not project.has_erased:
        return {}
    named = {item.index: list(_names(item)) for item in incoming}
    known = _known(project, ((kind, text) for all_ in named.values() for _, kind, text in all_))
    found: dict[int, str] = {}
    for index, all_ in named.items():
        for field, kind, text in all_:
            if (kind, text) in known:
                found.setdefault(index, field)
    return found


def refused_unread(
    *, project: Project, records: Sequence[object], output: str | None = None
) -> set[int]:
    """Which faulty records, by their place, are of what was erased by what can be read of them.

    All are on `output` where it is given. One query, and none in a project where nothing was
    erased.
    """
    if not project.has_erased:
        return set()
    on = {(Kind.OUTPUT, output)} if output is not None else set()
    named = [on | set(_readable(one)) for one in records]
    known = _known(project, {one for some in named for one in some})
    return {place for place, some in enumerate(named) if some & known}


def is_erased(*, project: Project, session: str) -> bool:
    """Whether the session of that id was erased. One query where anything was, else none."""
    return project.has_erased and bool(_known(project, [(Kind.SESSION, session)]))


# Fields of a filter that are ids, and those whose words may name one. What the others keep is no
# id, even where it reads like one.
OF_IDS = frozenset({"session", "output"})
OF_WORDS = frozenset({"words", "tag"})


def without(kept: dict[str, Any] | None, ids: frozenset[str]) -> dict[str, Any] | None:
    """A filter as JSON, with ERASED instead of each of these ids. It can be read as before."""
    if kept is None:
        return None
    return {
        key: [_cleared(key, one, ids) for one in value]
        if isinstance(value, list)
        else _cleared(key, value, ids)
        for key, value in kept.items()
    }


def mentions(kept: dict[str, Any] | None, ids: frozenset[str]) -> bool:
    """Whether a filter names one of the ids."""
    return without(kept, ids) != kept


# A shorter id within other words is more likely a word.
SHORTEST_WITHIN = 6


def reworded(text: str, ids: frozenset[str]) -> str:
    """The words, with ERASED instead of each of these ids."""
    if text in ids:
        return ERASED
    for one in ids:
        if len(one) >= SHORTEST_WITHIN and one in text:
            text = text.replace(one, ERASED)
    return text


def _cleared(key: str, value: Any, ids: frozenset[str]) -> Any:
    name = key.removeprefix("-")
    if name in OF_IDS:
        return ERASED if value in ids else value
    if name not in OF_WORDS or not isinstance(value, str):
        return value
    left = reworded(value, ids)
    return left if name == "tag" or _are_words(left) else ERASED


def _are_words(text: str) -> bool:
    """Whether they can be read: an id may have taken a quote along, or left a colon behind."""
    try:
        _, terms = parse(text)
    except FilterSyntaxError:
        return False
    return not terms


def _names(item: Incoming[Record]) -> Iterator[tuple[str, Kind, str]]:
    """The ids that a record has or refers to, with the field each is in."""
    record = item.record
    if isinstance(record, FeedbackRecord | SignalRecord):
        yield "id", Kind.FEEDBACK, item.key
        if record.output is not None:
            yield "output", Kind.OUTPUT, record.output
        if record.session is not None:
            yield "session", Kind.SESSION, record.session
    elif isinstance(record, OutputRecord):
        yield "id", Kind.OUTPUT, record.id
        yield "session", Kind.SESSION, record.session
    else:
        yield "id", Kind.SESSION, record.id


def _readable(record: object) -> Iterator[tuple[Kind, str]]:
    """The ids that a record may have or refer to, whatever is wrong with it."""
    if not isinstance(record, dict):
        return
    kinds = {"id": tuple(Kind), "session": (Kind.SESSION,), "output": (Kind.OUTPUT,)}
    for name in kinds.keys() & record.keys():
        text = printable(str(record[name]))
        for kind in kinds[name]:
            yield kind, f"i:{text}" if kind == Kind.FEEDBACK else text


def _known(project: Project, named: Iterable[tuple[Kind, str]]) -> set[tuple[Kind, str]]:
    """Those of the ids that were erased."""
    hashes = {keyed_hash(project.pk, kind, text): (kind, text) for kind, text in named}
    found = ErasedRecord.objects.filter(project=project, id_hash__in=list(hashes))
    return {hashes[one] for one in found.values_list("id_hash", flat=True)}


def _remember(part: Part) -> None:
    ids = (
        (Kind.SESSION, part.session_ids),
        (Kind.OUTPUT, part.output_ids),
        (Kind.FEEDBACK, part.feedback_keys),
    )
    ErasedRecord.objects.bulk_create(
        (
            ErasedRecord(
                project=part.project, kind=kind, id_hash=keyed_hash(part.project.pk, kind, one)
            )
            for kind, some in ids
            for one in sorted(some)
        ),
        ignore_conflicts=True,
        batch_size=2_000,
    )
    Project.objects.filter(pk=part.project.pk, has_erased=False).update(has_erased=True)


def _own_tags(part: Part) -> list[int]:
    """Tags that only these sessions have, and only from their sender: their names may say whose."""
    given = SessionTag.objects.filter(session__in=part.sessions)
    elsewhere = SessionTag.objects.filter(tag=OuterRef("pk")).filter(
        ~Q(session__in=part.sessions) | Q(added_by__isnull=False)
    )
    own = Tag.objects.filter(~Exists(elsewhere), pk__in=given.values("tag"))
    return list(own.values_list("pk", flat=True))


def _waiting(part: Part) -> list[int]:
    """Records that wait for one of these sessions or outputs, or for what waits for them."""
    rows = WaitingRecord.objects.filter(project=part.project)
    found: dict[int, None] = {}
    if part.user:
        said = rows.filter(records__contains=[{"record": {"author": {"id": part.user}}}])
        found.update(dict.fromkeys(said.values_list("pk", flat=True)))
    sessions, outputs = set(part.session_ids), set(part.output_ids)
    while sessions or outputs:
        waits = Q(waits_for_type="session", waits_for_id__in=sessions) | Q(
            waits_for_type="output", waits_for_id__in=outputs
        )
        own = Q(type="session", external_id__in=sessions) | Q(
            type="output", external_id__in=outputs
        )
        new = rows.filter(waits | own).exclude(pk__in=found)
        sessions, outputs = set(), set()
        for pk, kind, external_id in new.values_list("pk", "type", "external_id"):
            found[pk] = None
            if kind == "output":
                outputs.add(external_id)
    return list(found)


def _rejected(part: Part) -> list[int]:
    """Refused records that name one of the ids, and those of which only the beginning is kept.

    Whose those are cannot be told.
    """
    names = {text for one in part.ids for text in (one, repr(one)[1:-1], json.dumps(one)[1:-1])}
    rows = RejectedRecord.objects.filter(project=part.project).values_list(
        "pk", "external_id", "excerpt", "errors"
    )
    return [
        pk
        for pk, external_id, excerpt, errors in rows.iterator()
        if external_id in part.ids
        or len(excerpt) >= EXCERPT_LENGTH
        or any(name in excerpt for name in names)
        or any(name in error.get("message", "") for error in errors for name in names)
    ]
