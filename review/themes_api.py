"""/api/v1: themes of what people said, with a person's own key."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Query, Router
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.choices import told_choices
from feedback.models import Membership, User
from feedback.paging import CursorError, page
from feedback.problems import Problem, invalid
from review import theme_reports, themes
from review.models import Theme, ThemeMembership

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
PAGE_SIZE = 50
Number = Annotated[int, Path(description="The theme's number in its project.")]
Cursor = Annotated[str, Query(description="The `next_cursor` of the page before.")]


class CountReply(BaseModel):
    """How often something is the case; a reason is named by its slug."""

    name: str
    count: int


class ListedThemeReply(BaseModel):
    """A lasting group of similar feedback, of `size` members.

    `terms` are the words that tell it from others; `named_by` who gave it its name, null where it
    was found. `per_week` counts its feedback in the last twelve weeks, `open` the answers of it
    that wait in queues. `state` follows from what was done about it.
    """

    number: int
    name: str
    named_by: str | None
    state: Annotated[Theme.State, told_choices(Theme.State)]
    size: int
    terms: list[str]
    per_week: list[int]
    reasons: list[CountReply]
    open: int
    updated_at: datetime


class ThemesReply(BaseModel):
    themes: list[ListedThemeReply]
    next_cursor: str | None


class ThemeVersionReply(BaseModel):
    """How much of the feedback of each week is on answers of one version of the model."""

    model_version: str
    counts: list[int]


class WholeThemeReply(ListedThemeReply):
    """A theme with when, of which model, by whom it is said, and in which queues it waits.

    `mondays` are the weeks that the `versions` count.
    """

    mondays: list[date]
    versions: list[ThemeVersionReply]
    origins: Annotated[list[CountReply], Field(description="Users' roles and environments.")]
    sessions: int
    queues: Annotated[list[CountReply], Field(description="Queues by slug, with open items.")]


class MemberReply(BaseModel):
    """Feedback in a theme; `similarity` to the middle of it is 1 at the most."""

    feedback: str
    output: str | None
    question: str | None
    model_version: str | None
    comment: str | None
    correction: str | None
    reasons: list[str]
    author: str | None
    role: str | None
    similarity: float
    at: datetime


class MembersReply(BaseModel):
    feedback: list[MemberReply]
    next_cursor: str | None


class NameRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"name": "Release dates"}}
    )

    name: str


@router.get(
    "/themes",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ThemesReply, frozenset({401, 403, 422}): Problem},
    summary="List themes",
)
def list_themes(request: HttpRequest, cursor: Cursor = "") -> ThemesReply:
    """Return a page of the project's themes that have members, the largest first."""
    current = Theme.objects.current().filter(project=member_of(request).project)
    shown = current.defer("centroid").select_related("named_by")
    try:
        found = page(shown, order=["-size", "id"], size=PAGE_SIZE, cursor=cursor)
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    told = theme_reports.summaries(
        themes=found.rows, to=member_of(request).user, now=timezone.now()
    )
    return ThemesReply(
        themes=[ListedThemeReply(**_told(one)) for one in told], next_cursor=found.next_cursor
    )


@router.get(
    "/themes/{int:number}",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: WholeThemeReply, frozenset({401, 403, 404}): Problem},
    summary="Read a theme",
)
def read_theme(request: HttpRequest, number: Number) -> WholeThemeReply:
    """Return a theme, also one that has no members any more."""
    return _whole(_theme(request, number), member_of(request).user)


@router.get(
    "/themes/{int:number}/feedback",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: MembersReply, ERRORS: Problem},
    summary="List a theme's feedback",
)
def list_members(request: HttpRequest, number: Number, cursor: Cursor = "") -> MembersReply:
    """Return a page of the feedback in a theme, what is most like the others first."""
    members = theme_reports.members(_theme(request, number))
    try:
        found = page(members, order=["-similarity", "id"], size=PAGE_SIZE, cursor=cursor)
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return MembersReply(
        feedback=[_member(one) for one in found.rows], next_cursor=found.next_cursor
    )


@router.post(
    "/themes/{int:number}/rename",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: WholeThemeReply, ERRORS: Problem},
    summary="Rename a theme",
)
def rename_theme(request: HttpRequest, number: Number, payload: NameRequest) -> WholeThemeReply:
    """Give a theme a name that lasts."""
    found = _theme(request, number)
    try:
        themes.rename(
            theme=found, name=payload.name, by=member_of(request).user, now=timezone.now()
        )
    except themes.ThemeError as error:
        raise invalid(error.path, error.message) from error
    return _whole(_theme(request, number), member_of(request).user)


def _theme(request: HttpRequest, number: int) -> Theme:
    known = Theme.objects.filter(project=member_of(request).project).defer("centroid")
    found = known.select_related("named_by").filter(number=number).first()
    if found is None:
        raise Http404("There is no such theme.")
    return found


def _told(summary: theme_reports.Summary) -> dict[str, Any]:
    """What every reply says of a theme."""
    theme = summary.theme
    return {
        "number": theme.number,
        "name": theme.name,
        "named_by": theme.named_by.get_username() if theme.named_by else None,
        "state": Theme.State(theme.state),
        "size": theme.size,
        "terms": theme.terms,
        "per_week": summary.per_week,
        "reasons": [CountReply(name=one.slug, count=number) for one, number in summary.reasons],
        "open": summary.num_open,
        "updated_at": theme.updated_at,
    }


def _whole(theme: Theme, to: User) -> WholeThemeReply:
    now = timezone.now()
    [summary] = theme_reports.summaries(themes=[theme], to=to, now=now)
    weeks = theme_reports.weeks_of(theme=theme, now=now)
    origins = theme_reports.origins_of(theme=theme)
    return WholeThemeReply(
        **_told(summary),
        mondays=weeks.mondays,
        versions=[
            ThemeVersionReply(model_version=version, counts=counts)
            for version, counts in weeks.table
        ],
        origins=[CountReply(name=name, count=number) for name, number in origins.rows],
        sessions=origins.num_sessions,
        queues=[
            CountReply(name=queue.slug, count=number)
            for queue, number in theme_reports.queues_of(theme=theme, to=to)
        ],
    )


def _member(one: ThemeMembership) -> MemberReply:
    said = one.feedback
    return MemberReply(
        feedback=said.external_id,
        output=said.output.external_id if said.output else None,
        question=said.output.query if said.output else None,
        model_version=said.output.model_version if said.output else None,
        comment=said.comment or None,
        correction=said.correction or None,
        reasons=[reason.slug for reason in said.reasons.all()],
        author=said.author_external_id or None,
        role=said.author_role or None,
        similarity=one.similarity,
        at=said.at,
    )
