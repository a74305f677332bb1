"""/api/v1: the tags of a project and of its sessions, with a person's own key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Query, Router
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership, Session, Tag
from feedback.paging import CursorError, page
from feedback.payloads import Id
from feedback.problems import ConflictError, Problem, invalid
from review import tag_reports, tags
from review.trail import tag_names

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
PAGE_SIZE = 100
TagId = Annotated[int, Path(description="The tag's number.")]
Names = Annotated[list[str], Field(max_length=tags.MOST_TAGS)]


class TagReply(BaseModel):
    """A tag of the project, how many sessions have it, and the names that go on to mean it."""

    tag: int
    name: str
    sessions: int
    former_names: list[str]


class TagListReply(BaseModel):
    tags: list[TagReply]
    next_cursor: str | None


class RenameRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"name": "refunds"}}
    )

    name: str


class MergeRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"into": "billing"}}
    )

    into: Annotated[str, Field(description="A name of another tag of the project.")]


class TagsRequest(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"example": {"session": "s-12", "add": ["billing"], "remove": ["new"]}},
    )

    session: Id
    add: Names = []
    remove: Names = []


class TagsReply(BaseModel):
    """The session's tags now, and which of them this request really added and removed."""

    session: str
    tags: list[str]
    added: list[str]
    removed: list[str]


@router.get(
    "/tags",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: TagListReply, frozenset({401, 403, 422}): Problem},
    summary="List tags",
)
def list_tags(
    request: HttpRequest,
    containing: Annotated[str, Query(description="What the name has in it.")] = "",
    cursor: Annotated[str, Query(description="The `next_cursor` of the page before.")] = "",
) -> TagListReply:
    """Return a page of the project's tags, by name."""
    listed = tag_reports.listed(project=member_of(request).project, containing=containing)
    try:
        found = page(listed, order=["name", "id"], size=PAGE_SIZE, cursor=cursor)
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return TagListReply(tags=[_reply(tag) for tag in found.rows], next_cursor=found.next_cursor)


@router.post(
    "/tags",
    auth=OwnKeyAuth(tags.MAY_TAG),
    response={200: TagsReply, ERRORS: Problem},
    summary="Tag a session",
)
def tag_session(request: HttpRequest, payload: TagsRequest) -> TagsReply:
    """Put tags on a session and take others off. Doing it again changes nothing.

    Names mean a tag in whatever case; the former name of a tag means that tag.
    """
    member = member_of(request)
    session = Session.objects.filter(project=member.project, external_id=payload.session).first()
    if session is None:
        raise Http404("There is no such session.")
    try:
        done = tags.tag_sessions(
            project=member.project,
            sessions=[session],
            add=payload.add,
            remove=payload.remove,
            by=member.user,
            now=timezone.now(),
        )
    except tags.TagError as error:
        raise invalid(error.path, error.message) from error
    changed = [row["tag_id"] for row in (*done.added, *done.removed)]
    names = dict(Tag.objects.filter(pk__in=changed).values_list("pk", "name"))
    return TagsReply(
        session=session.external_id,
        tags=tag_names(session=session),
        added=sorted(names[row["tag_id"]] for row in done.added),
        removed=sorted(names[row["tag_id"]] for row in done.removed),
    )


@router.post(
    "/tags/{int:tag}/rename",
    auth=OwnKeyAuth(tags.MAY_RENAME),
    response={200: TagReply, 409: Problem, ERRORS: Problem},
    summary="Rename a tag",
)
def rename_tag(request: HttpRequest, tag: TagId, payload: RenameRequest) -> TagReply:
    """Give a tag another name; the old one goes on to mean it. 409 when it was merged."""
    return _acted(request, tag, partial(tags.rename, name=payload.name))


@router.post(
    "/tags/{int:tag}/merge",
    auth=OwnKeyAuth(tags.MAY_RENAME),
    response={200: TagReply, 409: Problem, ERRORS: Problem},
    summary="Merge a tag",
)
def merge_tag(request: HttpRequest, tag: TagId, payload: MergeRequest) -> TagReply:
    """Make a tag mean another one, which the reply is. 409 when it was merged by now.

    A session that has both keeps one.
    """

    def merge(*, tag: Tag, **who: Any) -> Tag:
        into = tags.meant(project=member_of(request).project, name=payload.into)
        return tags.merge(tag=tag, into=into, **who)

    return _acted(request, tag, merge)


def _acted(request: HttpRequest, pk: int, act: Callable[..., Tag]) -> TagReply:
    member = member_of(request)
    found = Tag.objects.filter(project=member.project, pk=pk).first()
    if found is None:
        raise Http404("There is no such tag.")
    try:
        kept = act(tag=found, by=member.user, now=timezone.now())
    except tags.TagError as error:
        raise invalid(error.path, error.message) from error
    except tags.FormerTagError as error:
        raise ConflictError(str(error)) from error
    told = tag_reports.listed(project=member.project).filter(pk=kept.pk).first()
    if told is None:
        raise ConflictError("Somebody has merged this tag since.")
    return _reply(told)


def _reply(tag: Any) -> TagReply:
    """A tag as `tag_reports.listed` gives it."""
    return TagReply(
        tag=tag.pk,
        name=tag.name,
        sessions=tag.num_sessions,
        former_names=[one.name for one in tag.aliases.all()],
    )
