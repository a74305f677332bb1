"""Freezes examples as the rows of a release, with their lineage and their split."""

from __future__ import annotations

from django.db.models import Prefetch

from curation.grouped import groups_of
from curation.models import Example, GroupSplit, Release, ReleasedExample, TrainingSet
from curation.models.training import ExampleQuerySet
from curation.training_sets import TrainingSetError, split_of
from review.models import Annotation

Split = ReleasedExample.Split
# Examples that one step freezes.
FROZEN_AT_ONCE = 1_000


def is_all_for_training(made: Release, examples: ExampleQuerySet) -> bool:
    """Whether the hash leaves nothing to train on, so that all new groups are for training.

    Raises TrainingSetError when there are none.
    """
    if made.training_set.purpose == TrainingSet.Purpose.EVALUATION:
        return False
    after, has_new = 0, False
    while chunk := _chunk(examples.filter(pk__gt=after, pk__lte=made.until)):
        after = chunk[-1].pk
        groups = set(groups_of(made.training_set, chunk).values())
        settled = _settled(made.training_set, groups)
        has_new = has_new or bool(groups - settled.keys())
        if any(settled.get(group, split_of(group)) == Split.TRAIN for group in groups):
            return False
    if not has_new:
        raise TrainingSetError(
            "All that is left was for validation in an earlier release. Promote more reviews."
        )
    return True


def freeze_step(made: Release) -> None:
    """Copy some of the examples into the release, or go on to writing."""
    checkpoint = made.checkpoint
    training_set = made.training_set
    kept = training_set.examples.kept_at(made.released_at)
    chunk = _chunk(kept.filter(pk__gt=checkpoint["after"], pk__lte=made.until))
    if not chunk:
        made.status, made.num_done = Release.Status.WRITING, 0
        made.num_examples = made.num_train + made.num_validation + made.num_test
        return
    groups = groups_of(training_set, chunk)
    splits = _splits(made, set(groups.values()))
    rows = []
    for example in chunk:
        split = splits[groups[example.pk]]
        counter = f"num_{split}"
        setattr(made, counter, getattr(made, counter) + 1)
        rows.append(
            ReleasedExample(
                release=made,
                example=example,
                split=split,
                position=getattr(made, counter),
                prompt=example.prompt,
                tools=example.tools,
                chosen=example.chosen,
                rejected=example.rejected,
                lineage=_lineage(example, group=groups[example.pk]),
            )
        )
        if example.tools or any("tool_calls" in turn for turn in example.prompt):
            checkpoint["has_tools"] = True
    ReleasedExample.objects.bulk_create(rows, batch_size=500)
    checkpoint["after"] = chunk[-1].pk
    made.num_done += len(chunk)


def _chunk(examples: ExampleQuerySet) -> list[Example]:
    return list(
        examples.select_related(
            *("output__session", "review"),
            *("chosen_review", "rejected_output", "rejected_review"),
        )
        .prefetch_related("feedback", Prefetch("annotations", Annotation.objects.only("pk")))
        .only(
            *("prompt", "tools", "chosen", "rejected", "group", "training_set"),
            *("output__external_id", "output__session__external_id", "review__output_version"),
            *("is_pair", "chosen_review__output_version", "rejected_review__output_version"),
            "rejected_output__external_id",
        )
        .order_by("pk")[:FROZEN_AT_ONCE]
    )


def _settled(training_set: TrainingSet, groups: set[str]) -> dict[str, str]:
    return dict(
        GroupSplit.objects.filter(training_set=training_set, group__in=groups).values_list(
            "group", "split"
        )
    )


def _splits(made: Release, groups: set[str]) -> dict[str, str]:
    """The split of each group, which it keeps for good."""
    if made.training_set.purpose == TrainingSet.Purpose.EVALUATION:
        return dict.fromkeys(groups, Split.TEST.value)
    settled = _settled(made.training_set, groups)
    new = {
        group: Split.TRAIN.value if made.checkpoint["all_train"] else split_of(group).value
        for group in sorted(groups - settled.keys())
    }
    GroupSplit.objects.bulk_create(
        GroupSplit(training_set=made.training_set, group=group, split=split, release=made)
        for group, split in new.items()
    )
    return settled | new


def _lineage(example: Example, *, group: str) -> dict[str, object]:
    output, review = example.output, example.chosen_review or example.review
    other, its_review = example.rejected_output, example.rejected_review
    of_other = {
        "rejected_output": other.external_id if other else None,
        "rejected_output_version": its_review.output_version if its_review else None,
        "rejected_review": its_review.pk if its_review else None,
    }
    return {
        "group": group,
        "example": example.pk,
        "session": output.session.external_id if output else None,
        "output": output.external_id if output else None,
        "output_version": review.output_version if review else None,
        "review": review.pk if review else None,
        "feedback": sorted(feedback.external_id for feedback in example.feedback.all()),
        "annotations": sorted(annotation.pk for annotation in example.annotations.all()),
        **(of_other if example.is_pair else {}),
    }
