"""Decisions on outputs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import CASCADE, Case, Exists, OuterRef, Q, Value, When

from feedback.models import Output, Reason, User
from review import escalations, handovers
from review.annotations import AnnotationError
from review.corrections import corrected
from review.models import (
    Annotation,
    Claim,
    Comment,
    Draft,
    Escalation,
    Event,
    Notification,
    Queue,
    QueueItem,
    Review,
    Skip,
)
from review.models.review import ReviewQuerySet
from review.notifications import notify_moderators, settle_item
from review.provisional import replace
from review.queues import LeaseLostError, hold_again, hold_form, locked_place, moderators
from review.routing import propose
from review.suggestions import rewritten
from review.verdicts import (
    LONGEST_COMMENT,
    VerdictError,
    better_answer,
    check_grounds,
    check_required,
    current_reasons,
    judged_answer,
    kept_text,
    one_of,
    share,
)

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


class AlreadyReviewedError(Exception):
    """The reviewer has decided on this item before; `review` is that decision.

    `is_same` says whether nothing is lost: what was sent now is stored with it.
    """

    def __init__(self, review: Review, *, is_same: bool) -> None:
        super().__init__("You have reviewed this item.")
        self.review = review
        self.is_same = is_same


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

    The reviewer's draft has become the decision, and goes, as does a skip of theirs; so does what
    was carried over to the answer from others like it.

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
    # First: who changes the form waits for the places of those it takes off.
    hold_form(queue_id=item.queue_id)
    try:
        place = locked_place(item=item, by=by, fence=fence)
    except LeaseLostError:
        if earlier := Review.objects.filter(item=item, reviewer=by).first():
            is_same = (
                (earlier.verdict, earlier.severity, earlier.confidence)
                == (verdict, severity, confidence)
                and earlier.comment == kept_text("comment", comment, LONGEST_COMMENT)
                and {reason.slug for reason in earlier.reasons.all()} == set(reasons)
                and (routes is None or set(earlier.routes) == set(routes))
                and version in {None, earlier.output_version}
                and _is_corrected_so(earlier, correction)
            )
            raise AlreadyReviewedError(earlier, is_same=is_same) from None
        raise
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
        verdict=one_of("verdict", verdict, Review.Verdict.values, "Choose a verdict."),
        severity=severity and one_of("severity", severity, Review.Severity.values),
        confidence=share(confidence),
        comment=kept_text("comment", comment, LONGEST_COMMENT),
        created_at=now,
    )
    given = current_reasons(output.project_id, reasons)
    _route(review, given, routes)
    _correct(review, better_answer(correction, answer=judged_answer(output, version)))
    check_grounds(review, given)
    check_required(review, given, Queue.objects.get(pk=item.queue_id).required)
    review.is_authoritative = _supersedes(review)
    review.save()
    review.reasons.set(given)
    replace(review=review)
    handovers.hand_over(review=review)
    if Review.Route.ESCALATE in review.routes:
        escalations.hand_up(review=review, item=item)
    _finish(place, review, now)
    Draft.objects.filter(item=item, reviewer=by).delete()
    Skip.objects.filter(item=item, reviewer=by).delete()
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


def _is_corrected_so(review: Review, text: str) -> bool:
    """Whether the review has the better answer; none sent means what was accepted beside it."""
    judged = judged_answer(review.output, review.output_version)
    wanted = better_answer(text, answer=judged)
    return not wanted or wanted.strip() == review.correction.strip()


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
        one_of("routes", route, Review.Route.values) for route in dict.fromkeys(wanted)
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
    escalations.take_down(review=found, now=now)
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
    notes = Annotation.objects.filter(output=OuterRef("output"))
    replies = Comment.objects.filter(annotation__output=OuterRef("output"))
    by_others = ~Q(author=OuterRef("reviewer"))
    written = Q(Exists(notes.filter(by_others))) | Q(Exists(replies.filter(by_others)))
    place = Claim.objects.filter(item=OuterRef("item"), reviewer=OuterRef("reviewer"))
    deciding = moderators(project=OuterRef("project")).filter(user=OuterRef("reviewer"))
    return Case(
        When(~Exists(place.exclude(finished_at=None)), then=Value("Its item has no place for it.")),
        When(
            created_at__lt=now - UNDO_FOR,
            then=Value(f"A decision can be taken back for {UNDO_FOR // timedelta(hours=1)} hours."),
        ),
        When(
            Q(place=Claim.ADJUDICATION) & ~Exists(deciding),
            then=Value("Only a moderator takes such a decision back."),
        ),
        *escalations.why_it_stands(now=now),
        handovers.why_it_stands(),
        When(rest, then=Value("Something was made of this decision already.")),
        When(
            # They were open to this reviewer from the submit on.
            ~Q(place=Claim.ADJUDICATION) & Q(Exists(others)),
            then=Value("You may have seen what others decided on this."),
        ),
        When(
            ~Q(place=Claim.ADJUDICATION) & Q(item__queue__reviewers_per_item__gt=1) & written,
            then=Value("You may have seen what others wrote on this."),
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
    """Without those that a moderator sent back, to be decided anew, with all that went before."""
    returned = Escalation.objects.filter(
        Q(review=OuterRef("pk")) | Q(settled_at__gt=OuterRef("created_at")),
        output=OuterRef("output"),
        status=Escalation.Status.RETURNED,
    )
    return reviews.filter(~Exists(returned))
