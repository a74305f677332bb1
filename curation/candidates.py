"""What curators decide on candidates for promotion."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Left

from curation import promotion_jobs
from curation.models import Candidate, Placing
from curation.models.candidate import CandidateQuerySet
from curation.placing import Places
from feedback.models import Membership, Project, User
from feedback.paging import Page, page
from review.models import Event

LISTS = ("waiting", "decided", "passed-over")
# Code points of a question of the nearest entry or example that a line shows.
QUESTION = 160
LONGEST_NOTE = 500


class CandidateError(ValueError):
    """A decision that cannot be as asked for; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class DecidedError(Exception):
    """It is too late, or too early: somebody decided, or what was made is in use."""


class NotAllowedError(Exception):
    """Only curators decide."""


def listed(*, project: Project, which: str, size: int, cursor: str = "") -> Page[Candidate]:
    """A page of one of the LISTS: the best first, or the last decided first. One query.

    Each has `near_question` and `near_place` of the nearest entry, or `near_example_place`. Raises
    CursorError.
    """
    candidates = Candidate.objects.filter(project=project)
    found: CandidateQuerySet = {
        "decided": candidates.decided(),
        "passed-over": candidates.passed_over(),
    }.get(which, candidates.waiting())
    order = {"decided": ["-decided_at", "-id"], "passed-over": ["-id"]}.get(which, ["id"])
    return page(told(found), order=order, size=size, cursor=cursor)


def told(found: CandidateQuerySet) -> CandidateQuerySet:
    """Candidates with all that a line tells, in the query that reads them.

    An answer may be drawn to be judged blindly after it was proposed: it is left out so long.
    """
    return (
        found.revealed()
        .select_related("review__reviewer", "review__output", "decided_by", "project", "job")
        .defer("review__output__documents", "review__output__system", "review__output__tools")
        .annotate(
            near_question=Left("nearest_entry__query", QUESTION),
            near_place=F("nearest_entry__library__name"),
            near_library=F("nearest_entry__library__slug"),
            near_example_place=F("nearest_example__training_set__name"),
            near_set=F("nearest_example__training_set__slug"),
        )
    )


def accept(
    *,
    candidate: Candidate,
    places: Places,
    by: User,
    now: datetime,
    query: str | None = None,
    answer: str | None = None,
) -> list[Placing]:
    """Promote a candidate into each place, and return what became of it in each.

    `query` and `answer` replace what entries say; a training set takes the answer as reviewed.
    Raises CandidateError naming the field, when no place is named or none could take it;
    DecidedError when somebody decided on it, NotAllowedError.
    """
    if not places:
        raise CandidateError("into", "Choose at least one library or training set.")
    for name, text in (("query", query), ("answer", answer)):
        if text is not None and ("\0" in text or (name == "answer" and not text.strip())):
            raise CandidateError(name, "Write the answer." if name == "answer" else "Not that.")
    with transaction.atomic():
        held = _waiting(candidate, by)
        try:
            job = promotion_jobs.do_now(
                review=held.review,
                places=replace(places, query=query, answer=answer),
                by=by,
                now=now,
            )
        except promotion_jobs.JobError as error:
            raise CandidateError(error.path, error.message) from error
        placings = list(job.placings.select_related("library", "training_set").order_by("pk"))
        if all(one.problem for one in placings):
            raise CandidateError("into", " ".join(dict.fromkeys(one.problem for one in placings)))
        held.status, held.job = Candidate.Status.ACCEPTED, job
        held.decided_by, held.decided_at = by, now
        held.save()
        _log(held, "accepted", by, now)
    return placings


def reject(*, candidate: Candidate, reason: str, by: User, now: datetime, note: str = "") -> None:
    """Leave a candidate unpromoted, for a reason; it is not proposed again.

    Raises CandidateError naming the field, DecidedError, NotAllowedError.
    """
    if reason not in Candidate.Reason.values:
        raise CandidateError("reason", "Choose why.")
    note = note.replace("\r\n", "\n").strip()
    if len(note) > LONGEST_NOTE or "\0" in note:
        raise CandidateError("note", f"Write at most {LONGEST_NOTE} characters.")
    if reason == Candidate.Reason.OTHER and not note:
        raise CandidateError("note", "Write what else it is.")
    with transaction.atomic():
        held = _waiting(candidate, by)
        held.status, held.reason, held.note = Candidate.Status.REJECTED, reason, note
        held.decided_by, held.decided_at = by, now
        held.save()
        _log(held, "rejected", by, now)


@transaction.atomic
def undo(*, candidate: Candidate, by: User, now: datetime) -> None:
    """Have a candidate wait again, and take back what accepting it made.

    Raises DecidedError when it waits, or when what was made was changed, published or released
    since; then all stays as it is. Raises NotAllowedError.
    """
    held = _locked(candidate, by)
    if held.status not in {Candidate.Status.ACCEPTED, Candidate.Status.REJECTED}:
        raise DecidedError("Nobody has decided on this.")
    if held.job is not None:
        for one in promotion_jobs.undo_now(job=held.job, by=by, now=now):
            raise DecidedError(one.conflict)
    held.status, held.job, held.reason, held.note = Candidate.Status.WAITING, None, "", ""
    held.decided_by = held.decided_at = None
    held.save()
    _log(held, "reopened", by, now)


def _waiting(candidate: Candidate, by: User) -> Candidate:
    held = _locked(candidate, by)
    if held.status != Candidate.Status.WAITING:
        raise DecidedError("Somebody has decided on this already.")
    return held


def _locked(candidate: Candidate, by: User) -> Candidate:
    membership = Membership.objects.filter(project=candidate.project_id, user=by).first()
    if membership is None or not membership.may(Membership.Role.CURATOR):
        raise NotAllowedError("You may not promote in this project.")
    rows = Candidate.objects.select_for_update(of=("self",))
    return rows.select_related("review__output__session", "project", "job").get(pk=candidate.pk)


def _log(candidate: Candidate, verb: str, by: User, now: datetime) -> None:
    Event.objects.create(
        project_id=candidate.project_id,
        output_id=candidate.review.output_id,
        actor=by,
        verb=verb,
        target_type="candidate",
        target_id=candidate.pk,
        data={"review": candidate.review_id, "reason": candidate.reason},
        at=now,
    )
