"""What the API says of issues."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, cast

from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field

from curation import issue_evidence
from curation.models import Issue, IssueChange, Ticket
from feedback.choices import told_choices

Row = Annotated[int, Field(ge=1, le=2**63 - 1)]


class RateReply(BaseModel):
    """Answers of two weeks, how many were complained of, and the share with its 95 % interval."""

    outputs: int
    complaints: int
    sessions: int
    rate: float
    low: float
    high: float


class EvidenceReply(BaseModel):
    """What speaks for an issue. Roles, model versions and reasons are pairs of name and number."""

    num_feedback: int
    num_outputs: int
    num_sessions: int
    first_at: datetime | None
    last_at: datetime | None
    counted_at: datetime
    roles: list[tuple[str, int]]
    models: list[tuple[str, int]]
    reasons: list[tuple[str, int]]
    rate: RateReply | None


class TicketReply(BaseModel):
    """The issue in a tracker, by the tracker's name; `id` is null until it is made."""

    tracker: str
    kind: Literal["webhook", "github", "gitlab", "jira"]
    id: str | None
    url: str | None
    closed: bool
    read_at: datetime | None
    fault: str | None


class IssueChangeReply(BaseModel):
    """What became of an issue; a return that the watch found has the rates it rests on."""

    kind: Annotated[IssueChange.Kind, told_choices(IssueChange.Kind)]
    source: Annotated[IssueChange.Source, told_choices(IssueChange.Source)]
    by: str | None
    tracker: str | None
    resolution: Annotated[Issue.Resolution, told_choices(Issue.Resolution)] | None
    comment: str
    before: RateReply | None
    recent: RateReply | None
    at: datetime


class IssueReply(BaseModel):
    """An issue. `theme` is the theme's number."""

    number: int
    title: str
    description: str
    status: Annotated[Issue.Status, told_choices(Issue.Status)]
    resolution: Annotated[Issue.Resolution, told_choices(Issue.Resolution)] | None
    theme: int | None
    opened_by: str | None
    opened_at: datetime
    closed_at: datetime | None
    changed_at: datetime
    tickets: list[TicketReply]

    @classmethod
    def fields_of(cls, issue: Issue) -> dict[str, Any]:
        return {
            "number": issue.number,
            "title": issue.title,
            "description": issue.description,
            "status": issue.status,
            "resolution": issue.resolution or None,
            "theme": issue.theme.number if issue.theme else None,
            "opened_by": issue.opened_by.get_username() if issue.opened_by else None,
            "opened_at": issue.opened_at,
            "closed_at": issue.closed_at,
            "changed_at": issue.changed_at,
            "tickets": [_ticket(one) for one in issue.tickets.all()],
        }


class WholeIssueReply(IssueReply):
    """An issue with what spoke for it when it was opened, and does now; its examples by the ids of
    their feedback; what became of it, the newest first.
    """

    evidence: EvidenceReply | None
    live: EvidenceReply
    examples: list[str]
    changes: list[IssueChangeReply]


class IssuesReply(BaseModel):
    issues: list[IssueReply]
    next_cursor: str | None


class OpenRequest(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"example": {"title": "Say when it came out", "theme": 3}},
    )

    title: Annotated[str, Field(max_length=10_000, description="What is to be changed.")]
    description: Annotated[str, Field(max_length=100_000)] = ""
    theme: Annotated[int | None, Field(ge=1, le=2**31 - 1, description="A theme's number.")] = None
    handover: Annotated[Row | None, Field(description="A decision that asks for it.")] = None
    trackers: Annotated[
        list[str] | None,
        Field(max_length=20, description="Names of trackers; without it, those proposed always."),
    ] = None


class CloseIssueRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"resolution": "fixed"}}
    )

    resolution: Literal["fixed", "dropped"]
    comment: Annotated[str, Field(max_length=100_000)] = ""


class ReopenRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"comment": "Not yet."}}
    )

    comment: Annotated[str, Field(max_length=100_000)] = ""


class SendRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"trackers": ["Product"]}}
    )

    trackers: Annotated[list[str], Field(min_length=1, max_length=20)]


class AddRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"handover": 7}}
    )

    handover: Row


def _ticket(one: Ticket) -> TicketReply:
    return TicketReply(
        tracker=one.tracker.name,
        kind=cast("Any", one.tracker.kind),
        id=one.external_id or None,
        url=one.url or None,
        closed=one.is_closed,
        read_at=one.read_at,
        fault=one.fault or None,
    )


def whole(issue: Issue) -> WholeIssueReply:
    outputs = list(issue.sources.values_list("handover__review__output", flat=True))
    examples = issue.examples.order_by("position").values_list("feedback__external_id", flat=True)
    live = issue_evidence.gather(theme=issue.theme, outputs=outputs, now=timezone.now())
    changes = issue.changes.select_related("by", "tracker").order_by("-at", "-pk")
    return WholeIssueReply(
        **IssueReply.fields_of(issue),
        evidence=EvidenceReply.model_validate(issue.evidence) if issue.evidence else None,
        live=EvidenceReply.model_validate(live),
        examples=list(examples),
        changes=[
            IssueChangeReply(
                kind=IssueChange.Kind(one.kind),
                source=IssueChange.Source(one.source),
                by=one.by.get_username() if one.by else None,
                tracker=one.tracker.name if one.tracker else None,
                resolution=Issue.Resolution(one.resolution) if one.resolution else None,
                comment=one.comment,
                before=one.evidence.get("before"),
                recent=one.evidence.get("recent"),
                at=one.at,
            )
            for one in changes
        ],
    )
