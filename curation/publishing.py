"""From a draft to a version: checks, a second person, and what was decided."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from django.db import transaction
from django.urls import reverse

from curation import checks, context_libraries, serving
from curation.checks import Finding
from curation.context_libraries import LibraryError
from curation.experiments import Trial
from curation.models import ContextLibrary, LibraryVersion, Proposal
from feedback.embedding import Encoder
from feedback.models import Membership, Project, User
from review.models import Event, Notification
from review.notifications import notify_of, settle_subject


class FoundError(LibraryError):
    """Checks found something that is stopped, or that nobody has acknowledged."""

    def __init__(self, message: str, findings: list[Finding]) -> None:
        super().__init__(message)
        self.findings = findings


def needs_second_person(project: Project) -> bool:
    """Whether somebody else has to approve: the project wants it, and has another curator."""
    roles = [Membership.Role.CURATOR, Membership.Role.ADMIN]
    curators = project.memberships.filter(role__in=roles, user__is_active=True)
    return project.second_approver and curators.count() > 1


def propose(
    *,
    library: ContextLibrary,
    encoder: Encoder,
    by: User,
    now: datetime,
    note: str = "",
    trial: Trial | None = None,
    is_acknowledged: bool = False,
    looked_at: str = "",
) -> Proposal:
    """Check a draft, and publish it, or let it wait for a second person where one is needed.

    `looked_at` is the hash of the draft that they saw. Raises FoundError for what checks stop, or
    find without `is_acknowledged`; LibraryError when there is nothing to publish, a proposal waits
    already, or the draft changed since or during the checks.
    """
    _refuse_unsound(trial)
    context_libraries.embed_entries(library=library, encoder=encoder)
    # Taken before the checks: what comes into the draft while they run has been seen by nobody.
    checked = context_libraries.draft_hash(library=library, model=encoder.model_id)
    if looked_at and checked != looked_at:
        raise LibraryError("The draft has changed since you opened it. Look at it again.")
    live = serving.live_version(library)
    findings = checks.run(library=library, version=live, encoder=encoder, today=now.date())
    if any(finding.is_stopped for finding in findings):
        raise FoundError("What is marked as stopped cannot be published.", findings)
    if findings and not is_acknowledged:
        raise FoundError("Look at what the checks found, and say that you have.", findings)
    with transaction.atomic():
        held = ContextLibrary.objects.select_for_update(no_key=True).get(pk=library.pk)
        context_libraries.refuse_needless(library=held, digest=checked)
        if library.proposals.filter(status=Proposal.Status.WAITING).exists():
            raise LibraryError("A proposal waits already. Have it decided or withdraw it first.")
        if context_libraries.draft_hash(library=library, model=encoder.model_id) != checked:
            raise LibraryError("The draft changed while it was checked. Look at it again.")
        proposal = Proposal.objects.create(
            library=library,
            content_hash=checked,
            note=note,
            findings=[asdict(finding) for finding in findings],
            **(_columns(trial) if trial else {}),
            proposed_by=by,
            proposed_at=now,
        )
        if not needs_second_person(library.project):
            _publish(proposal, encoder, approved_by=None, now=now)
        else:
            _record(proposal, "proposed", by, now)
            _ask(proposal, by, now)
    return proposal


@transaction.atomic
def approve(
    *, proposal: Proposal, encoder: Encoder, by: User, now: datetime, remark: str = ""
) -> LibraryVersion:
    """Publish what somebody else proposed, if the draft still says the same, also to the checks.

    Raises FoundError for what they find beyond what was acknowledged, LibraryError otherwise.
    """
    held = _waiting(proposal)
    if held.proposed_by_id == by.pk:
        raise LibraryError("Somebody else has to approve of what you proposed.")
    _check_again(held, encoder, now)
    held.remark = remark
    return _publish(held, encoder, approved_by=by, now=now)


@transaction.atomic
def decline(*, proposal: Proposal, by: User, now: datetime, remark: str = "") -> None:
    """Leave a proposal unpublished; whoever proposed it withdraws it so.

    Raises LibraryError when it is decided already.
    """
    held = _waiting(proposal)
    is_own = held.proposed_by_id == by.pk
    _end(held, Proposal.Status.WITHDRAWN if is_own else Proposal.Status.DECLINED, by, now, remark)


@transaction.atomic
def withdraw(*, proposal: Proposal, by: User, now: datetime, remark: str) -> None:
    """Take a proposal back for whoever made it, who is told.

    Raises LibraryError when it is decided already.
    """
    _end(_waiting(proposal), Proposal.Status.WITHDRAWN, by, now, remark)


def _end(proposal: Proposal, status: Proposal.Status, by: User, now: datetime, remark: str) -> None:
    proposal.status, proposal.remark = status, remark
    proposal.decided_by, proposal.decided_at = by, now
    proposal.save()
    _record(proposal, status.value, by, now)
    _answer(proposal, by, now)


def _check_again(proposal: Proposal, encoder: Encoder, now: datetime) -> None:
    """Refuse what the checks, or what is live beside the draft, have come to see otherwise."""
    library = proposal.library
    live = serving.live_version(library)
    findings = checks.run(library=library, version=live, encoder=encoder, today=now.date())
    known = {(one["check"], one["entry"], one["other"]) for one in proposal.findings}
    if any(one.is_stopped or (one.check, one.entry, one.other) not in known for one in findings):
        raise FoundError(
            "The checks find more than when it was proposed. Propose it again.", findings
        )


def _waiting(proposal: Proposal) -> Proposal:
    # In the order in which publishing and erasing hold them.
    ContextLibrary.objects.select_for_update(no_key=True).get(pk=proposal.library_id)
    rows = Proposal.objects.select_for_update(of=("self",)).select_related("library__live")
    held = rows.get(pk=proposal.pk)
    if held.status != Proposal.Status.WAITING:
        raise LibraryError("The proposal has been decided already.")
    return held


def _publish(
    proposal: Proposal, encoder: Encoder, *, approved_by: User | None, now: datetime
) -> LibraryVersion:
    # What was proposed by former rules may be against the present ones.
    _refuse_unsound(_trial(proposal))
    version = context_libraries.publish(
        library=proposal.library,
        encoder=encoder,
        by=proposal.proposed_by,
        approved_by=approved_by,
        now=now,
        note=proposal.note,
        trial=_trial(proposal),
        expected=proposal.content_hash,
    )
    proposal.status = Proposal.Status.PUBLISHED
    proposal.decided_by, proposal.decided_at = approved_by or proposal.proposed_by, now
    proposal.version = version
    proposal.save()
    if approved_by is not None:
        _answer(proposal, approved_by, now)
    return version


def _ask(proposal: Proposal, by: User, now: datetime) -> None:
    """Tell the other curators that a proposal waits for one of them."""
    library = proposal.library
    roles = [Membership.Role.CURATOR, Membership.Role.ADMIN]
    able = library.project.memberships.filter(role__in=roles, user__is_active=True)
    notify_of(
        project=library.project,
        kind=Notification.Kind.APPROVAL,
        subject=f"proposal {proposal.pk}",
        title=library.name,
        path=reverse("library_draft", args=[library.project.slug, library.slug]),
        to=able.values_list("user", flat=True),
        by=by,
        now=now,
    )


def _answer(proposal: Proposal, by: User, now: datetime) -> None:
    """Nobody has to approve any more; whoever proposed it is told, unless they withdrew it."""
    library = proposal.library
    subject = f"proposal {proposal.pk}"
    settle_subject(kind=Notification.Kind.APPROVAL, subject=subject, now=now)
    is_live = proposal.version is not None
    page = "library" if is_live else "library_draft"
    notify_of(
        project=library.project,
        kind=Notification.Kind.ANSWERED,
        subject=subject,
        title=f"{library.name}, {proposal.status}"[:120],
        path=reverse(page, args=[library.project.slug, library.slug]),
        to=[proposal.proposed_by_id],
        by=by,
        now=now,
    )


def _refuse_unsound(trial: Trial | None) -> None:
    if trial is not None and (fault := trial.fault()):
        raise LibraryError(fault.says)


def _columns(trial: Trial) -> dict[str, object]:
    return {
        "stages": trial.stages,
        "held_out": trial.held_out,
        "hours_per_stage": trial.hours_per_stage,
    }


def _trial(proposal: Proposal) -> Trial | None:
    if not proposal.stages:
        return None
    return Trial(
        stages=proposal.stages,
        held_out=proposal.held_out,
        hours_per_stage=proposal.hours_per_stage,
    )


def _record(proposal: Proposal, verb: str, by: User, now: datetime) -> None:
    Event.objects.create(
        project_id=proposal.library.project_id,
        actor=by,
        verb=verb,
        target_type="context_library",
        target_id=proposal.library_id,
        data={"proposal": proposal.pk},
        at=now,
    )
