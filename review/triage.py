"""Decisions on outputs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import isnan

from django.db import transaction
from django.db.models import CASCADE, Case, Exists, OuterRef, Q, Value, When

from feedback.models import Output, Reason, User
from review import escalations, handovers
from review.annotations import AnnotationError
from review.models import (
    Claim,
    Draft,
    Escalation,
    Event,
    Notification,
    Queue,
    QueueItem,
    Review,
)
from review.models.review import ReviewQuerySet
from review.notifications import notify_moderators, settle_item
from review.provisional import replace
from review.queues import LeaseLostError, hold_again, hold_form, locked_place
from review.routing import propose
from review.suggestions import corrected, rewritten

__all__ = [
    "AlreadyReviewedError",
    "LeaseLostError",
    "UndoError",
    "VerdictError",
    "submit_review",
    "undo_review",
    "undoable",
    "why_it_stands",
]

# How long a reviewer may take a decision back.
UNDO_FOR = timedelta(days=1)
LONGEST_COMMENT = 20_000
LONGEST_CORRECTION = 200_000


class VerdictError(ValueError):
    """A decision that cannot stand; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class AlreadyReviewedError(Exception):
    """The reviewer has decided on this item before; `review` is that decision."""

    def __init__(self, review: Review) -> None:
        super().__init__("You have reviewed this item.")
        self.review = review


class UndoError(Exception):
    """A decision that stands; the message says why."""


@transaction.atomic
def submit_review(
    *,
    item: QueueItem,
    by: User,
    fence: int,
    verdict: str,
    now: datetime,
    severity: str = "",
    confidence: float | None = None,
    comment: str = "",
    correction: str = "",
    reasons: Sequence[str] = (),
    routes: Sequence[str] | None = None,
    version: int | None = None,
) -> Review:
    """Store the decision, finish the reviewer's place, and the item with its last place.

    The reviewer's draft has become the decision, and goes; so does what was carried over to the
    answer from others like it.

    `reasons` are slugs of the current taxonomy. Without `routes` those are taken that the project's
    rules propose; what they proposed is kept in any case. `version` is the version of the answer
    that was judged, the current one by default. The suggestions that the reviewer sees accepted
    are the corrected answer; a `correction` becomes accepted suggestions first, and is dropped when
    it equals the answer. The first review of an output counts, until one of a newer version comes.
    Where the reviewers of the item disagree none does, until a third person has decided: their
    review, in the place for that, counts in any case. A route to escalate asks for one too.

    Raises LeaseLostError when the place was handed on, AlreadyReviewedError after an earlier
    submit, VerdictError naming the field that cannot stand.
    """
    try:
        place = locked_place(item=item, by=by, fence=fence)
    except LeaseLostError:
        if earlier := Review.objects.filter(item=item, reviewer=by).first():
            raise AlreadyReviewedError(earlier) from None
        raise
    hold_form(queue_id=item.queue_id)
    # Reviews of one output are stored one after the other: the next one sees this one.
    output = Output.objects.select_for_update(no_key=True).get(pk=item.output_id)
    version = version or output.version
    review = Review(
        project_id=output.project_id,
        output=output,
        output_version=version,
        item=item,
        place=place.place,
        reviewer=by,
        verdict=_known("verdict", verdict, Review.Verdict.values, "Choose a verdict."),
        severity=severity and _known("severity", severity, Review.Severity.values),
        confidence=_confidence(confidence),
        comment=_text("comment", comment, LONGEST_COMMENT),
        created_at=now,
    )
    given = _reasons(output.project_id, reasons)
    _route(review, given, routes)
    _correct(review, _correction(correction, answer=_answer(output, version)))
    _check_grounds(review, given)
    _check_required(review, given, Queue.objects.get(pk=item.queue_id).required)
    review.is_authoritative = _supersedes(review)
    review.save()
    review.reasons.set(given)
    replace(review=review)
    handovers.hand_over(review=review)
    if Review.Route.ESCALATE in review.routes:
        escalations.hand_up(review=review, item=item)
    _finish(place, review, now)
    Draft.objects.filter(item=item, reviewer=by).delete()
    Event.objects.create(
        project_id=output.project_id,
        output=output,
        actor=by,
        verb="reviewed",
        target_type="review",
        target_id=review.pk,
        data={
            "item": item.pk,
            "output": output.pk,
            "verdict": review.verdict,
            "place": place.place,
        },
        at=now,
    )
    return review


def _route(review: Review, given: Sequence[Reason], chosen: Sequence[str] | None) -> None:
    """Keep what was chosen beside what the rules propose, which is taken where nothing was."""
    proposal = propose(
        output=review.output,
        verdict=review.verdict,
        severity=review.severity,
        reasons=[reason.slug for reason in given],
    )
    is_last = review.place == Claim.ADJUDICATION
    if proposal:
        review.routing_rule = proposal.rule
        review.proposed_routes = [
            route for route in proposal.routes if not (is_last and route == Review.Route.ESCALATE)
        ]
    wanted = (review.proposed_routes or ()) if chosen is None else chosen
    if is_last and Review.Route.ESCALATE in wanted:
        raise VerdictError("routes", "This came to you to decide. It cannot be escalated again.")
    review.routes = [
        _known("routes", route, Review.Route.values) for route in dict.fromkeys(wanted)
    ]


def _correct(review: Review, text: str) -> None:
    """Keep the accepted suggestions with the review; a text becomes such ones first."""
    output, version, by = review.output, review.output_version, review.reviewer
    if text:
        try:
            rewritten(output=output, version=version, text=text, by=by, now=review.created_at)
        except AnnotationError as error:
            raise VerdictError("correction", error.message) from error
    found = corrected(output=output, version=version, to=by)
    if not found.accepted:
        return
    review.correction = found.text
    review.edit_distance = found.distance
    review.edits = [
        {
            "annotation": one.pk,
            "start": one.edit.start,
            "end": one.edit.end,
            "exact": found.source[one.edit.start : one.edit.end],
            "replacement": one.edit.replacement,
            "reason": one.reason.slug if one.reason else None,
        }
        for one in sorted(found.accepted, key=lambda one: one.edit.start)
    ]


@transaction.atomic
def undo_review(*, review: Review, by: User, now: datetime) -> Draft:
    """Take a decision back: its reviewer holds the item again, with all that was entered.

    The review goes, and the one counts that would count had it never been. Returns the draft.
    Raises UndoError when it is another's, too old, or something rests on it.
    """
    place = (
        Claim.objects.select_for_update(of=("self",))
        .filter(item=review.item_id, reviewer=by)
        .exclude(finished_at=None)
        .select_related("item__queue")
        .first()
    )
    output = Output.objects.select_for_update(no_key=True).get(pk=review.output_id)
    # What wants to rest on the review waits for this row.
    found = Review.objects.select_for_update().filter(pk=review.pk, reviewer=by).first()
    if place is None or found is None:
        raise UndoError("This is no decision of yours that can be taken back.")
    told = Review.objects.filter(pk=found.pk).annotate(why=why_it_stands(now=now))
    if problem := told.values_list("why", flat=True).get():
        raise UndoError(problem)
    fields = _entered(found)
    escalations.take_down(review=found)
    status = QueueItem.Status.OPEN
    if place.place == Claim.ADJUDICATION:
        escalations.undecided(decision=found)
        status = _after_the_last(place.item_id)
    found.delete()
    QueueItem.objects.filter(pk=place.item_id).update(status=status, closed_at=None)
    settled = _standing(Review.objects.filter(output=output)).exclude(
        item__in=QueueItem.objects.disputed()
    )
    decided = Case(When(place=Claim.ADJUDICATION, then=Value(0)), default=Value(1))
    first = settled.order_by("-output_version", decided, "created_at", "id").first()
    if found.is_authoritative and first:
        Review.objects.filter(pk=first.pk).update(is_authoritative=True)
    hold_again(place=place, by=by, now=now)
    Event.objects.create(
        project_id=output.project_id,
        output=output,
        actor=by,
        verb="took_back",
        target_type="review",
        target_id=review.pk,
        data={"item": place.item_id, "output": output.pk},
        at=now,
    )
    draft, _ = Draft.objects.update_or_create(
        item=place.item,
        reviewer=by,
        defaults={
            "output_version": found.output_version,
            # No tab from before the submit shall take its revision for this one.
            "revision": 1_000 * place.fence,
            "fields": fields,
            "updated_at": now,
        },
    )
    return draft


def undoable(*, item: QueueItem, by: User, now: datetime) -> Review | None:
    """The reviewer's decision on the item, if it can be taken back still."""
    mine = Review.objects.filter(item=item, reviewer=by)
    return mine.annotate(why=why_it_stands(now=now)).filter(why="").first()


def why_it_stands(*, now: datetime) -> Case:
    """Why a review cannot be taken back, as a column of a query for reviews; empty when it can."""
    rest: Q = Q(pk__in=())
    # Whatever refers to it without being part of it; what it settled is open again.
    for relation in Review._meta.related_objects:
        if relation.on_delete is not CASCADE and relation.related_model is not Escalation:
            rows = relation.related_model._default_manager
            rest |= Q(Exists(rows.filter(**{relation.field.name: OuterRef("pk")})))
    others = Review.objects.filter(item=OuterRef("item")).exclude(pk=OuterRef("pk"))
    place = Claim.objects.filter(item=OuterRef("item"), reviewer=OuterRef("reviewer"))
    return Case(
        When(~Exists(place.exclude(finished_at=None)), then=Value("Its item has no place for it.")),
        When(
            created_at__lt=now - UNDO_FOR,
            then=Value(f"A decision can be taken back for {UNDO_FOR // timedelta(hours=1)} hours."),
        ),
        *escalations.why_it_stands(now=now),
        handovers.why_it_stands(),
        When(rest, then=Value("Something was made of this decision already.")),
        When(
            # They were open to this reviewer from the submit on.
            ~Q(place=Claim.ADJUDICATION) & Q(Exists(others)),
            then=Value("You may have seen what others decided on this."),
        ),
        default=Value(""),
    )


def _entered(review: Review) -> dict[str, str | list[str]]:
    """The fields of the form that a decision came from.

    A corrected answer became accepted suggestions, which stand.
    """
    return {
        "verdict": review.verdict,
        "severity": review.severity,
        "confidence": "" if review.confidence is None else str(review.confidence),
        "comment": review.comment,
        "correction": "",
        "reasons": [reason.slug for reason in review.reasons.all()],
        "routes": list(review.routes),
        "routes_by": "rule"
        if set(review.routes) == set(review.proposed_routes or ())
        else "person",
    }


def _supersedes(review: Review) -> bool:
    """Whether the review counts from now on; takes the mark from the one that counted so far."""
    counts = Review.objects.authoritative().filter(output=review.output)
    older = Q(output_version__lt=review.output_version)
    if review.place == Claim.ADJUDICATION:
        older |= Q(output_version=review.output_version)
    counts.filter(older).update(is_authoritative=False)
    return not counts.exists()


def _finish(place: Claim, review: Review, now: datetime) -> None:
    """Finish the place, and with the last one the item, unless a third person has to decide."""
    place.finished_at = now
    place.save(update_fields=["finished_at"])
    if Claim.objects.filter(item=place.item_id, finished_at=None).exists():
        return
    item = QueueItem.objects.filter(pk=place.item_id)
    if place.place == Claim.ADJUDICATION:
        item.update(status=QueueItem.Status.DONE, closed_at=now)
        escalations.decided(decision=review)
        settle_item(item=place.item_id, now=now)
        return
    status = _after_the_last(place.item_id)
    item.update(status=status, closed_at=now if status == QueueItem.Status.DONE else None)
    if status != QueueItem.Status.DONE:
        Claim.objects.create(item_id=place.item_id, place=Claim.ADJUDICATION)
    if status != QueueItem.Status.DISPUTED:
        return
    Review.objects.filter(item=place.item_id).update(is_authoritative=False)
    notify_moderators(item=item.get(), kind=Notification.Kind.DISPUTED, by=review.reviewer, now=now)
    Event.objects.create(
        project_id=review.project_id,
        output=review.output,
        verb="disputed",
        target_type="queue_item",
        target_id=place.item_id,
        at=now,
    )


def _after_the_last(item: int) -> QueueItem.Status:
    """What becomes of an item with the last of its reviews: who disagree, or escalated, wait."""
    reviews = _standing(Review.objects.filter(item=item)).exclude(place=Claim.ADJUDICATION)
    if len(set(reviews.values_list("verdict"))) > 1:
        return QueueItem.Status.DISPUTED
    is_waiting = escalations.waits(item=item)
    return QueueItem.Status.ESCALATED if is_waiting else QueueItem.Status.DONE


def _standing(reviews: ReviewQuerySet) -> ReviewQuerySet:
    """Without those that a moderator sent back, to be decided anew."""
    return reviews.exclude(escalations__status=Escalation.Status.RETURNED)


def _check_grounds(review: Review, given: Sequence[Reason]) -> None:
    if review.verdict == Review.Verdict.ACCEPT:
        if review.edits:
            raise VerdictError("correction", "A good answer needs no correction. Choose Fix.")
    elif not given and not review.comment:
        raise VerdictError("reasons", "Give at least one reason, or a comment.")


def _check_required(review: Review, given: Sequence[Reason], required: Sequence[str]) -> None:
    """Check that the decision says what its queue's form asks for; Good needs no fault named."""
    if Queue.Required.CONFIDENCE in required and review.confidence is None:
        raise VerdictError("confidence", "This queue asks how sure you are.")
    if review.verdict == Review.Verdict.ACCEPT:
        return
    if Queue.Required.SEVERITY in required and not review.severity:
        raise VerdictError("severity", "This queue asks for a severity.")
    if Queue.Required.REASONS in required and not given:
        raise VerdictError("reasons", "This queue asks for at least one reason.")


def _answer(output: Output, version: int) -> str:
    if version == output.version:
        return output.text
    former = output.former_versions.filter(number=version).first()
    if former is None:
        raise VerdictError("version", f"The answer has no version {version}.")
    return former.text


def _reasons(project_id: int, slugs: Sequence[str]) -> list[Reason]:
    known = {
        reason.slug: reason
        for reason in Reason.objects.current().filter(taxonomy__project=project_id)
    }
    if set(slugs) - set(known):
        raise VerdictError("reasons", f"Give some of {', '.join(known)}.")
    return [known[slug] for slug in dict.fromkeys(slugs)]


def _known(path: str, value: str, values: Sequence[str], missing: str = "") -> str:
    if value not in values:
        raise VerdictError(path, missing or f"Give one of {', '.join(values)}.")
    return value


def _confidence(value: float | None) -> float | None:
    if value is not None and (isnan(value) or not 0 <= value <= 1):
        raise VerdictError("confidence", "Give a number from 0 to 1.")
    return value


def _correction(text: str, *, answer: str) -> str:
    text = _text("correction", text, LONGEST_CORRECTION)
    return "" if text.strip() == _lines(answer).strip() else text


def _text(path: str, text: str, longest: int) -> str:
    if "\x00" in text or len(text) > longest:
        raise VerdictError(path, f"Give at most {longest:,} printable characters.")
    return _lines(text) if text.strip() else ""


def _lines(text: str) -> str:
    """Line ends as answers have them: browsers send a text field's as CR LF."""
    return text.replace("\r\n", "\n")
