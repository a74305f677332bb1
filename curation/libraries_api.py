"""/api/v1: from a library's draft to a version, with a curator's own key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from curation import context_libraries, drafts, publishing
from curation.experiments import Trial
from curation.models import ContextLibrary, Proposal
from feedback.authentication import OwnKeyAuth, member_of
from feedback.choices import told_choices
from feedback.embedding import get_encoder, model_id
from feedback.models import Membership
from feedback.paging import CursorError, page
from feedback.problems import ConflictError, Problem, invalid

router = Router(tags=["curation"])

PAGE_SIZE = 50
GONE = frozenset({401, 403, 404})
ERRORS = frozenset({401, 403, 404, 422})
Slug = Annotated[str, Path(description="Slug of the library.")]
ProposalId = Annotated[int, Path(description="The proposal's number.")]
Remark = Annotated[str, Field(max_length=500)]


class FindingReply(BaseModel):
    """One thing that the checks noticed; what is stopped cannot be published."""

    check: str
    entry: int | None
    other: int | None
    says: str
    words: str
    stopped: bool


class FoundReply(Problem):
    """What the checks found, which has to be mended or acknowledged."""

    findings: list[FindingReply]


class TrialRequest(BaseModel):
    """Percent of sessions that get the version, stage by stage, and that get nothing.

    Where there are several stages, at least 5 percent get nothing.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    stages: Annotated[list[int], Field(min_length=1, max_length=20)] = Trial().stages
    held_out: int = Trial().held_out
    hours_per_stage: int = Trial().hours_per_stage


class ProposalRequest(BaseModel):
    """A draft to be published; `acknowledged` says that you looked at what the checks found.

    With `content_hash` only the draft of that hash is, as it was read.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "example": {
                "note": "Release dates.",
                "acknowledged": True,
                "trial": {"stages": [10, 90], "held_out": 10, "hours_per_stage": 24},
            }
        },
    )

    note: Annotated[str, Field(max_length=2_000)] = ""
    acknowledged: bool = False
    content_hash: Annotated[str, Field(max_length=64)] = ""
    trial: Annotated[
        TrialRequest | None,
        Field(description="With null all sessions get it at once, unmeasured."),
    ] = TrialRequest()


class RemarkRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"remark": "Read all of it."}}
    )

    remark: Remark = ""


class ProposalReply(BaseModel):
    """A draft as it was proposed; `version` is the number it has once it is published."""

    proposal: int
    library: str
    status: Annotated[Proposal.Status, told_choices(Proposal.Status)]
    content_hash: str
    note: str
    findings: list[FindingReply]
    trial: TrialRequest | None
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    remark: str
    version: int | None


class ProposalsReply(BaseModel):
    proposals: list[ProposalReply]
    next_cursor: str | None


class DraftReply(BaseModel):
    """What the next version of a library would change; `live` is the number of the present one.

    That one is `outdated` where it was published with another embedding model: it cannot be served,
    and the draft can be published also where it changes nothing. `second_person` says whether
    another curator has to approve, `proposal` what waits for that.
    """

    library: str
    live: int | None
    outdated: bool
    added: int
    changed: int
    removed: int
    unchanged: int
    content_hash: str
    second_person: bool
    proposal: ProposalReply | None


@router.get(
    "/libraries/{slug}/draft",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: DraftReply, GONE: Problem},
    summary="Read what the next version of a library would change",
)
def read_draft(request: HttpRequest, slug: Slug) -> DraftReply:
    """Return how many entries it adds, changes and removes, and what waits for approval."""
    library = _library(request, slug)
    content_hash = context_libraries.draft_hash(library=library, model=model_id())
    live = library.live
    counts = drafts.count(library=library, version=live)
    waiting = _proposals(library).filter(status=Proposal.Status.WAITING).first()
    return DraftReply(
        library=library.slug,
        live=live.number if live else None,
        outdated=live is not None and not live.can_be_served_with(model_id()),
        added=counts.added,
        changed=counts.changed,
        removed=counts.removed,
        unchanged=counts.unchanged,
        content_hash=content_hash,
        second_person=publishing.needs_second_person(library.project),
        proposal=_reply(waiting) if waiting else None,
    )


@router.get(
    "/libraries/{slug}/proposals",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ProposalsReply, frozenset({401, 403, 404, 422}): Problem},
    summary="List proposals of a library",
)
def list_proposals(
    request: HttpRequest,
    slug: Slug,
    status: Annotated[Proposal.Status, told_choices(Proposal.Status)] | None = None,
    cursor: str = "",
) -> ProposalsReply:
    """Return a page of what was proposed, the newest first."""
    found = _proposals(_library(request, slug))
    if status is not None:
        found = found.filter(status=status)
    try:
        rows = page(found, order=["-proposed_at", "-id"], size=PAGE_SIZE, cursor=cursor)
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return ProposalsReply(
        proposals=[_reply(one) for one in rows.rows], next_cursor=rows.next_cursor
    )


@router.post(
    "/libraries/{slug}/proposals",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={201: ProposalReply, 409: FoundReply, ERRORS: Problem},
    summary="Propose a draft, or publish it alone",
)
def propose(
    request: HttpRequest, slug: Slug, payload: ProposalRequest
) -> Status[ProposalReply] | Status[FoundReply]:
    """Check a draft, and have it wait for a second curator; where none is needed it is published.

    409 for what the checks stop, or find without `acknowledged`, with the findings; also when
    there is nothing to publish, or a proposal waits already.
    """
    library = _library(request, slug)
    trial = Trial(**payload.trial.model_dump()) if payload.trial else None
    if trial is not None and (fault := trial.fault()):
        raise invalid(f"trial.{fault.field}", fault.says)
    if "\0" in payload.note:
        raise invalid("note", "There is a character in it that cannot be kept.")
    try:
        made = publishing.propose(
            library=library,
            encoder=get_encoder(),
            by=member_of(request).user,
            now=timezone.now(),
            note=payload.note,
            trial=trial,
            is_acknowledged=payload.acknowledged,
            looked_at=payload.content_hash,
        )
    except publishing.FoundError as error:
        found = [
            FindingReply(
                check=one.check,
                entry=one.entry,
                other=one.other,
                says=one.says,
                words=one.words,
                stopped=one.is_stopped,
            )
            for one in error.findings
        ]
        return Status(409, FoundReply(message=str(error), findings=found))
    except context_libraries.LibraryError as error:
        return Status(409, FoundReply(message=str(error), findings=[]))
    return Status(201, _reply(_proposal(request, slug, made.pk)))


@router.get(
    "/libraries/{slug}/proposals/{int:proposal}",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ProposalReply, GONE: Problem},
    summary="Read a proposal",
)
def read_proposal(request: HttpRequest, slug: Slug, proposal: ProposalId) -> ProposalReply:
    """Return what was proposed, what its checks found, and what was decided."""
    return _reply(_proposal(request, slug, proposal))


@router.post(
    "/libraries/{slug}/proposals/{int:proposal}/approve",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={200: ProposalReply, 409: Problem, ERRORS: Problem},
    summary="Approve a proposal",
)
def approve(
    request: HttpRequest, slug: Slug, proposal: ProposalId, payload: RemarkRequest
) -> ProposalReply:
    """Publish what another curator proposed. 409 for your own, one that is decided, or a draft that
    says something else by now, or in which the checks find more.
    """
    found = _proposal(request, slug, proposal)
    try:
        publishing.approve(
            proposal=found,
            encoder=get_encoder(),
            by=member_of(request).user,
            now=timezone.now(),
            remark=_remark(payload),
        )
    except context_libraries.LibraryError as error:
        raise ConflictError(str(error)) from error
    return _reply(_proposal(request, slug, proposal))


@router.post(
    "/libraries/{slug}/proposals/{int:proposal}/decline",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={200: ProposalReply, 409: Problem, ERRORS: Problem},
    summary="Decline a proposal, or withdraw one's own",
)
def decline(
    request: HttpRequest, slug: Slug, proposal: ProposalId, payload: RemarkRequest
) -> ProposalReply:
    """Leave it unpublished; your own is withdrawn so. 409 when it is decided."""
    found = _proposal(request, slug, proposal)
    try:
        publishing.decline(
            proposal=found,
            by=member_of(request).user,
            now=timezone.now(),
            remark=_remark(payload),
        )
    except context_libraries.LibraryError as error:
        raise ConflictError(str(error)) from error
    return _reply(_proposal(request, slug, proposal))


def _remark(payload: RemarkRequest) -> str:
    if "\0" in payload.remark:
        raise invalid("remark", "There is a character in it that cannot be kept.")
    return payload.remark


def _library(request: HttpRequest, slug: str) -> ContextLibrary:
    libraries = ContextLibrary.objects.filter(project=member_of(request).project)
    found = libraries.select_related("project", "live").filter(slug=slug.replace("\0", "")).first()
    if found is None:
        raise Http404("There is no such library.")
    return found


def _proposals(library: ContextLibrary) -> QuerySet[Proposal]:
    return Proposal.objects.filter(library=library).select_related(
        "library__project", "proposed_by", "decided_by", "version"
    )


def _proposal(request: HttpRequest, slug: str, pk: int) -> Proposal:
    found = _proposals(_library(request, slug)).filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such proposal.")
    return found


def _reply(one: Proposal) -> ProposalReply:
    trial = None
    if one.stages:
        trial = TrialRequest(
            stages=one.stages, held_out=one.held_out, hours_per_stage=one.hours_per_stage
        )
    return ProposalReply(
        proposal=one.pk,
        library=one.library.slug,
        status=Proposal.Status(one.status),
        content_hash=one.content_hash,
        note=one.note,
        findings=[_finding(found) for found in one.findings],
        trial=trial,
        proposed_by=one.proposed_by.get_username(),
        proposed_at=one.proposed_at,
        decided_by=one.decided_by.get_username() if one.decided_by else None,
        decided_at=one.decided_at,
        remark=one.remark,
        version=one.version.number if one.version else None,
    )


def _finding(stored: dict[str, Any]) -> FindingReply:
    """A finding as a proposal keeps it."""
    return FindingReply(
        check=stored["check"],
        entry=stored["entry"],
        other=stored.get("other"),
        says=stored["says"],
        words=stored.get("words", ""),
        stopped=stored.get("is_stopped", False),
    )
