"""Makes pairs of answers to one question of which a decision or a ranking says which is better."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from functools import reduce
from operator import or_

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from curation.formats import Row, faults
from curation.models import Example, ReleasedExample, Revocation, TrainingSet
from curation.models.training import ExampleQuerySet
from curation.pairs import Answer, Rank, prefer, rank
from feedback.models import Feedback, Output, User
from feedback.models.output import OutputQuerySet
from review.models import Annotation, QueueItem, Review
from review.models.annotation import AnnotationQuerySet

# Answers to one question that another one is compared with, the first.
MOST_BESIDE = 20
PAIR_ONCE = "curation_example_pair_once"


@transaction.atomic
def pair_up(*, example: Example, by: User, now: datetime) -> list[Example]:
    """Add the pairs of an example's answer with the others to its question; return them.

    Nothing is paired in a set to test by, nor with an answer that the set no longer wants, that
    somebody is still to judge unaware, or that makes a pair with this one already.
    """
    output, training_set = example.output, example.training_set
    if output is None or training_set.purpose != TrainingSet.Purpose.TRAINING:
        return []
    beside = list(_wanted(training_set, output).order_by("at", "pk")[:MOST_BESIDE])
    if not beside:
        return []
    outputs = [output, *beside]
    reviews = {
        one.output_id: one
        for one in Review.objects.authoritative()
        .filter(output__in=outputs)
        .select_related("output")
    }
    explicit = Feedback.objects.explicit().filter(output__in=outputs).order_by("at", "pk")
    said: dict[int, list[Feedback]] = defaultdict(list)
    for feedback in explicit:
        said[feedback.output_id or 0].append(feedback)
    answers = {one.pk: _answer(one, reviews.get(one.pk), said[one.pk]) for one in outputs}
    made = []
    for other in beside:
        found = prefer(answers[output.pk], answers[other.pk])
        if found is None:
            continue
        better, worse = (output, other) if found.is_first else (other, output)
        pair = Example(
            training_set=training_set,
            is_pair=True,
            prompt=example.prompt,
            tools=example.tools,
            chosen=found.chosen,
            rejected=found.rejected,
            output=better,
            chosen_review=reviews.get(better.pk),
            rejected_output=worse,
            rejected_review=reviews.get(worse.pk),
            created_by=by,
            created_at=now,
        )
        if _add(pair):
            pair.feedback.set([*said[better.pk], *said[worse.pk]])
            decided = [pair.chosen_review, pair.rejected_review]
            pair.annotations.set(noted_on(*filter(None, decided)))
            made.append(pair)
    return made


def remove_with(*, example: Example, now: datetime) -> None:
    """Take the pairs of an answer that was removed out of the next release."""
    _of(example).filter(removed_at=None).update(removed_at=now)


def revoke_with(*, example: Example, reason: str, by: User, now: datetime) -> None:
    """Revoke the pairs of an answer that was revoked, also those that were removed before."""
    pairs = _of(example)
    Revocation.objects.bulk_create(
        (
            Revocation(example=one, reason=reason, revoked_by=by, revoked_at=now)
            for one in pairs.select_for_update(of=("self",))
        ),
        ignore_conflicts=True,
    )
    pairs.filter(removed_at=None).update(removed_at=now)


def delete_with(*, example: Example) -> None:
    """Delete the pairs that are in the set by an answer that is taken back, and no other's."""
    for pair in _of(example):
        other = pair.rejected_output_id if pair.output_id == example.output_id else pair.output_id
        own = Example.objects.kept().filter(training_set=example.training_set_id, is_pair=False)
        is_released = ReleasedExample.objects.filter(example=pair).exists()
        if not is_released and not own.filter(output=other).exists():
            pair.delete()


def reviewed_text(review: Review) -> str:
    """Return the answer as the reviewer saw it, also when the output has a newer version."""
    if review.output_version == review.output.version:
        return review.output.text
    return review.output.former_versions.get(number=review.output_version).text


def said_about(output: Output) -> list[Feedback]:
    """Return the explicit feedback on an output, the oldest first."""
    return list(output.feedback.explicit().order_by("at", "pk"))


def noted_on(*reviews: Review) -> AnnotationQuerySet:
    """Return the annotations of the answers as they were reviewed, the oldest first."""
    versions = (Q(output=one.output_id, output_version=one.output_version) for one in reviews)
    notes = Annotation.objects.filter(reduce(or_, versions, Q(pk=None)), deleted_at=None)
    return notes.order_by("pk")


def _wanted(training_set: TrainingSet, output: Output) -> OutputQuerySet:
    """The answers beside an output that may make a pair with it in the set."""
    examples = Example.objects.filter(training_set=training_set)
    own = examples.filter(is_pair=False)
    of_other = own.filter(output=OuterRef("pk"))
    # One that was removed by itself is not wanted; one that went with an answer comes back with it.
    went_along = own.filter(
        Q(output=OuterRef("output")) | Q(output=OuterRef("rejected_output")),
        removed_at=OuterRef("removed_at"),
    )
    there = examples.filter(
        Q(output=output, rejected_output=OuterRef("pk"))
        | Q(output=OuterRef("pk"), rejected_output=output),
    ).filter(Q(removed_at=None) | ~Exists(went_along))
    return Output.objects.beside(output).filter(
        ~Exists(QueueItem.objects.blind().filter(output=OuterRef("pk"))),
        ~Exists(of_other.exclude(removed_at=None)) | Exists(of_other.kept()),
        ~Exists(there),
    )


def _answer(output: Output, review: Review | None, said: Sequence[Feedback]) -> Answer:
    if review is None:
        return Answer(text=output.text, ranks=_ranks(output, said))
    reviewed = reviewed_text(review)
    is_good = review.verdict == Review.Verdict.ACCEPT and not review.correction.strip()
    return Answer(
        text=output.text,
        reviewed=reviewed,
        settled=reviewed if is_good else review.correction,
        is_faulted=not is_good,
        # What was decided and what was ranked is the same version of the answer, or no rank counts.
        ranks=_ranks(output, said) if review.output_version == output.version else {},
    )


def _ranks(output: Output, said: Iterable[Feedback]) -> dict[Hashable, Rank]:
    """The last rank that each person gave the current version of an output."""
    ranks: dict[Hashable, Rank] = {}
    for one in said:
        given = rank(value=one.value, score=one.score)
        is_current = one.output_version in {None, output.version}
        if one.is_rank and is_current and given is not None:
            ranks[one.author_external_id, one.identifier] = given
    return ranks


def _of(example: Example) -> ExampleQuerySet:
    """The pairs that an example's answer makes in its set; none of one that is a pair itself."""
    pairs = Example.objects.filter(training_set=example.training_set_id)
    return pairs.none() if example.is_pair else pairs.pairs_with(example.output_id)


def _add(pair: Example) -> bool:
    """Store a pair, unless no trainer could read it or another promotion was first."""
    if faults(Row(pair.prompt, pair.chosen, pair.rejected, pair.tools)):
        return False
    try:
        with transaction.atomic():
            pair.save()
    except IntegrityError as error:
        cause = error.__cause__
        if getattr(getattr(cause, "diag", None), "constraint_name", None) != PAIR_ONCE:
            raise
        return False
    return True
