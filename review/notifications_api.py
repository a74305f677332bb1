"""/api/v1: what a person is told of in one project, with their own key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Query, Router, Status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.choices import told_choices
from feedback.models import Membership
from feedback.paging import CursorError
from feedback.problems import Problem, invalid
from review import digests, notifications
from review.models import Digest, Notification

router = Router(tags=["review"])

PAGE_SIZE = 50
Kind = Annotated[Notification.Kind, told_choices(Notification.Kind), Field(strict=False)]
NotificationId = Annotated[int, Path(description="The notification's number.")]


class NotificationReply(BaseModel):
    """That something happened, `num` times since you read of it; `actor` did the last of it.

    It is about an `annotation`, an `item`, a bulk act, the `job`, or about what has a `title`, to
    which a `path` of Postil leads. `question` is the beginning of what was asked, and `output` the
    sender's id of the answer.
    """

    notification: int
    kind: Annotated[Notification.Kind, told_choices(Notification.Kind)]
    num: int
    actor: str | None
    output: str | None
    question: str | None
    annotation: int | None
    item: int | None
    job: int | None
    title: str | None
    path: str | None
    happened_at: datetime
    read_at: datetime | None


class NotificationsReply(BaseModel):
    notifications: list[NotificationReply]
    next_cursor: str | None


class ReadRequest(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"example": {"until": "2026-11-02T09:15:00Z"}},
    )

    until: Annotated[
        AwareDatetime,
        Field(strict=False, description="What happened later stays new: you have not seen it."),
    ]


class ReadReply(BaseModel):
    """How many were new, and are read now."""

    read: int


class ChoicesReply(BaseModel):
    """What you are told of in the inbox and by e-mail, and how often: in all projects."""

    every: Annotated[Digest.Every, told_choices(Digest.Every)]
    in_app: list[Kind]
    by_mail: list[Kind]


class ChoicesRequest(BaseModel):
    """What is left out stays as it is; `in_app` and `by_mail` are all kinds that you want there."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"example": {"every": "never", "by_mail": ["mention", "reply"]}},
    )

    every: Annotated[Digest.Every | None, Field(strict=False), told_choices(Digest.Every)] = None
    in_app: list[Kind] | None = None
    by_mail: list[Kind] | None = None


@router.get(
    "/notifications",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: NotificationsReply, frozenset({401, 403, 422}): Problem},
    summary="List notifications",
)
def list_notifications(
    request: HttpRequest,
    state: Literal["unread", "all"] = "unread",
    cursor: Annotated[str, Query(description="The `next_cursor` of the page before.")] = "",
) -> NotificationsReply:
    """Return a page of what you are told of in the key's project, the last first."""
    member = member_of(request)
    try:
        found = notifications.listed(
            to=member.user,
            project=member.project,
            is_unread=state == "unread",
            size=PAGE_SIZE,
            cursor=cursor,
        )
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return NotificationsReply(
        notifications=[_reply(one) for one in found.rows], next_cursor=found.next_cursor
    )


@router.post(
    "/notifications/{int:notification}/read",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={204: None, frozenset({401, 403, 404}): Problem},
    summary="Read a notification",
)
def read_notification(request: HttpRequest, notification: NotificationId) -> Status[None]:
    """Mark one of yours as read; one that is stays so."""
    member = member_of(request)
    seen = Notification.objects.seen_by(member.user).filter(project=member.project)
    found = seen.filter(pk=notification).first()
    if found is None:
        raise Http404("There is no such notification.")
    notifications.read(notification=found, by=member.user, now=timezone.now())
    return Status(204, None)


@router.post(
    "/notifications/read",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ReadReply, frozenset({401, 403, 422}): Problem},
    summary="Read all notifications",
)
def read_notifications(request: HttpRequest, payload: ReadRequest) -> ReadReply:
    """Mark all that you are told of in the key's project, and that happened by then, as read."""
    member = member_of(request)
    number = notifications.read_all(
        by=member.user, project=member.project, until=payload.until, now=timezone.now()
    )
    return ReadReply(read=number)


@router.get(
    "/notification-choices",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ChoicesReply, frozenset({401, 403}): Problem},
    summary="Read what you are told of",
)
def read_choices(request: HttpRequest) -> ChoicesReply:
    """Return what you are told of, where, and how often by e-mail."""
    return ChoicesReply(**vars(digests.chosen(by=member_of(request).user)))


@router.post(
    "/notification-choices",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ChoicesReply, frozenset({401, 403, 422}): Problem},
    summary="Choose what you are told of",
)
def choose(request: HttpRequest, payload: ChoicesRequest) -> ChoicesReply:
    """Choose what you are told of, in all projects. E-mail takes an address of your account."""
    by = member_of(request).user
    wanted = vars(digests.chosen(by=by)) | payload.model_dump(exclude_none=True)
    try:
        digests.choose(by=by, now=timezone.now(), **wanted)
    except digests.DigestError as error:
        raise invalid("every", str(error)) from error
    return ChoicesReply(**vars(digests.chosen(by=by)))


def _reply(one: Any) -> NotificationReply:
    """A notification as `notifications.listed` gives it."""
    return NotificationReply(
        notification=one.pk,
        kind=one.kind,
        num=one.num,
        actor=one.actor.get_username() if one.actor else None,
        output=one.external_id,
        question=one.question,
        annotation=one.annotation_id,
        item=one.item_id,
        job=one.job_id,
        title=one.title or None,
        path=one.path or None,
        happened_at=one.happened_at,
        read_at=one.read_at,
    )
