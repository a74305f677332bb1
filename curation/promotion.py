"""Takes what a review settled into a library or a training set, with the way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from curation.formats import Row, chat_prompt, faults
from curation.models import ContextEntry, ContextLibrary, EntryKind, Example, TrainingSet
from curation.pairing import noted_on, pair_up, reviewed_text, said_about
from feedback.models import Output, Project, User
from review import handovers
from review.models import Event, Review
from review.models.review import ReviewQuerySet


class PromotionError(Exception):
    """The review cannot be promoted; the message says why."""


class AlreadyPromotedError(PromotionError):
    """The review is in that library or training set already."""


def promote_to_library(
    *,
    review: Review,
    library: ContextLibrary,
    kind: str,
    why: str,
    by: User,
    now: datetime,
) -> ContextEntry:
    """Add what a review settled to the draft of a library; it is served once published.

    Raises PromotionError when the review settles nothing, AlreadyPromotedError when the library
    has it.
    """
    if kind not in EntryKind.values:
        raise PromotionError(f"“{kind}” is not a kind of entry.")
    answer = settled_answer(review=review, into=library.project)
    query = review.output.query
    if kind == EntryKind.EXAMPLE and not query.strip():
        raise PromotionError("The output has no question, so it cannot be an example.")
    with _once("curation_contextentry_review_once", f"“{library}” has this answer already."):
        _hold(review)
        entry = ContextEntry.objects.create(
            library=library,
            kind=kind,
            query=query,
            answer=answer,
            why=why,
            output=review.output,
            review=review,
            created_by=by,
            created_at=now,
        )
        entry.feedback.set(said_about(review.output))
        entry.annotations.set(noted_on(review))
        Event.objects.create(
            project=library.project,
            actor=by,
            verb="promoted",
            target_type="context_entry",
            target_id=entry.pk,
            data={"review": review.pk, "library": library.pk},
            at=now,
        )
        handovers.promoted(review=review, route=Review.Route.LIBRARY, by=by, now=now)
    return entry


def promote_to_training_set(
    *, review: Review, training_set: TrainingSet, by: User, now: datetime
) -> Example:
    """Add what a review settled to a training set, with the pairs that its answer makes.

    An original that was corrected or rejected is to be unlearnt. The prompt is the system text, the
    earlier messages with the calls of tools, and the question. Raises PromotionError
    when the review settles nothing or no trainer could read the example, AlreadyPromotedError
    when the set has it.
    """
    row = training_row(review=review, into=training_set.project)
    output = review.output
    with _once("curation_example_review_once", f"“{training_set}” has this answer already."):
        _hold(review)
        example = Example.objects.create(
            training_set=training_set,
            prompt=row.prompt,
            tools=row.tools,
            chosen=row.chosen,
            rejected=row.rejected,
            output=output,
            review=review,
            created_by=by,
            created_at=now,
        )
        example.feedback.set(said_about(output))
        example.annotations.set(noted_on(review))
        pairs = pair_up(example=example, by=by, now=now)
        Event.objects.create(
            project=training_set.project,
            actor=by,
            verb="promoted",
            target_type="example",
            target_id=example.pk,
            data={
                "review": review.pk,
                "training_set": training_set.pk,
                **({"pairs": len(pairs)} if pairs else {}),
            },
            at=now,
        )
        handovers.promoted(review=review, route=Review.Route.TRAINING, by=by, now=now)
    return example


def withdrawn(*, review: Review | None, route: str, by: User, now: datetime) -> None:
    """Have a review wait on its route again when nothing holds what was promoted of it any more.

    Needs the transaction that removed it.
    """
    if review is None:
        return
    # Locked before it is asked: of two removals, or a removal and a promotion, one sees the other.
    handover = handovers.on_route(review=review, route=route)
    if handover and not holding(route).filter(review=review).exists():
        handovers.reopen(handover=handover, by=by, now=now)


def settled_answer(*, review: Review, into: Project) -> str:
    """Return the answer a review settled on: its correction, or the text it accepted.

    Raises PromotionError when there is none, when another review counts instead, or when the
    review is another project's.
    """
    _counts(review, into)
    if review.correction.strip():
        return review.correction
    if review.verdict == Review.Verdict.REJECT:
        raise PromotionError("The answer was rejected and not corrected. Write the better answer.")
    if review.verdict == Review.Verdict.FIX:
        raise PromotionError("The review asks for a fix, but holds no corrected answer.")
    text = reviewed_text(review)
    if not text.strip():
        raise PromotionError("The accepted answer is empty: there is nothing to learn from it.")
    return text


def training_row(*, review: Review, into: Project) -> Row:
    """Return what a training set would hold of a review; raises PromotionError.

    An answer that was rejected and not corrected is there to be unlearnt alone.
    """
    output = review.output
    original = reviewed_text(review)
    if review.verdict == Review.Verdict.REJECT and not review.correction.strip():
        _counts(review, into)
        chosen = ""
    else:
        chosen = settled_answer(review=review, into=into)
    row = Row(
        prompt=chat_prompt(system=output.system, messages=output.messages, query=output.query),
        chosen=chosen,
        rejected=original if original.strip() != chosen.strip() else "",
        tools=output.tools,
    )
    if found := faults(row):
        raise PromotionError(" ".join(found))
    return row


def _counts(review: Review, into: Project) -> None:
    if review.project_id != into.pk:
        raise PromotionError("The review belongs to another project.")
    if not review.is_authoritative:
        raise PromotionError("Another review of this answer counts. Promote that one.")


def unpromoted(reviews: ReviewQuerySet) -> ReviewQuerySet:
    """Those of the reviews that no library's draft and no training set holds."""
    of_review = Q(review=OuterRef("pk"))
    return reviews.filter(
        ~Exists(ContextEntry.objects.kept().filter(of_review)),
        ~Exists(Example.objects.kept().filter(of_review)),
    )


def holding(route: str) -> QuerySet[ContextEntry] | QuerySet[Example]:
    """What drafts and sets hold on a route."""
    is_library = route == Review.Route.LIBRARY
    return ContextEntry.objects.kept() if is_library else Example.objects.kept()


def _hold(review: Review) -> None:
    """Keep the answer from being erased until the transaction ends. Raises PromotionError."""
    with connection.cursor() as cursor:
        # As a foreign key does it at the end: nobody but who deletes it waits for that.
        cursor.execute(
            f"SELECT FROM {Output._meta.db_table} WHERE id = %s FOR KEY SHARE",
            [review.output_id],
        )
        if not cursor.rowcount:
            raise PromotionError("The answer was erased.")


@contextmanager
def _once(constraint: str, message: str) -> Iterator[None]:
    """One transaction, in which the breach of the named constraint is an AlreadyPromotedError."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        cause = error.__cause__
        if getattr(getattr(cause, "diag", None), "constraint_name", None) != constraint:
            raise
        raise AlreadyPromotedError(message) from error
