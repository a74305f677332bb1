"""Training sets: collecting examples, and freezing them as releases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from curation.formats import WRITERS, Row, canonical, line
from curation.models import Example, Release, ReleasedExample, TrainingSet
from curation.promotion import withdrawn
from feedback.models import Project, User
from review.models import Event, Review

Split = ReleasedExample.Split


class TrainingSetError(Exception):
    """The training set stays as it was; the message says why."""


def create_training_set(
    *, project: Project, name: str, description: str, by: User, now: datetime
) -> TrainingSet:
    """Make an empty set whose slug comes from its name; raises TrainingSetError for a taken one."""
    slug = slugify(name)[:60].strip("-")
    if not slug:
        raise TrainingSetError("The name needs a letter or a digit from A to Z, 0 to 9.")
    try:
        with transaction.atomic():
            training_set = TrainingSet.objects.create(
                project=project, slug=slug, name=name, description=description
            )
            _record(training_set, verb="created", by=by, now=now)
    except IntegrityError as error:
        raise TrainingSetError(f"There is a training set “{slug}” already.") from error
    return training_set


@transaction.atomic
def remove_example(*, example: Example, by: User, now: datetime) -> None:
    """Take an example out of the next release; a second removal changes nothing.

    The review that it came from waits to be promoted again, unless another set has it.
    """
    if Example.objects.kept().filter(pk=example.pk).update(removed_at=now):
        _record(example.training_set, verb="removed_example", by=by, now=now, example=example.pk)
        withdrawn(review=example.review, route=Review.Route.TRAINING, by=by, now=now)


def split_of(group: str) -> Split:
    """Return the split of a session: a tenth, by the SHA-256 of its id, is for validation."""
    digest = hashlib.sha256(group.encode()).digest()
    return Split.VALIDATION if int.from_bytes(digest[:8], "big") % 10 == 0 else Split.TRAIN


@transaction.atomic
def release(*, training_set: TrainingSet, by: User, now: datetime) -> Release:
    """Freeze the kept examples as the next release, split by session.

    All examples of a session share a split, and keep it in every later release, so that no model
    is ever tested on what an earlier one was trained on. When the hash would leave nothing to
    train on, the sessions not released before are for training. The content hash is over the
    canonical JSON of all rows with their lineage. Raises TrainingSetError when there is nothing to
    release, nothing to train on, or nothing new.
    """
    TrainingSet.objects.select_for_update(no_key=True).get(pk=training_set.pk)
    examples = list(
        training_set.examples.kept()
        .select_related("output__session", "review")
        .prefetch_related("feedback")
        .order_by("pk")
    )
    if not examples:
        raise TrainingSetError("The training set has no examples. Promote a review into it first.")
    groups = _groups(training_set, examples)
    splits = _splits(training_set, set(groups.values()))
    rows: list[ReleasedExample] = []
    num_rows = dict.fromkeys(Split, 0)
    for example in examples:
        split = splits[groups[example.pk]]
        num_rows[split] += 1
        rows.append(
            ReleasedExample(
                example=example,
                split=split,
                position=num_rows[split],
                prompt=example.prompt,
                chosen=example.chosen,
                rejected=example.rejected,
                lineage=_lineage(example, group=groups[example.pk]),
            )
        )
    digest = _content_hash(rows)
    last = training_set.releases.order_by("-number").first()
    if last is not None and last.content_hash == digest:
        raise TrainingSetError(f"Nothing has changed since release {last.number}.")
    frozen = Release.objects.create(
        training_set=training_set,
        number=last.number + 1 if last else 1,
        content_hash=digest,
        num_train=num_rows[Split.TRAIN],
        num_validation=num_rows[Split.VALIDATION],
        released_by=by,
        released_at=now,
    )
    for row in rows:
        row.release = frozen
    ReleasedExample.objects.bulk_create(rows, batch_size=1000)
    _record(training_set, verb="released", by=by, now=now, release=frozen.number)
    return frozen


def find_release(*, project: Project, slug: str, number: int) -> Release | None:
    """Return a release by its set's slug and its number, with its set; None when there is none."""
    if "\0" in slug or number > 2**31 - 1:
        return None
    return (
        Release.objects.filter(
            training_set__project=project, training_set__slug=slug, number=number
        )
        .select_related("training_set")
        .first()
    )


def lines(*, release: Release, split: str, format_: str) -> Iterator[bytes]:
    """Yield the lines of one split in one of the WRITERS' formats, in UTF-8, in order."""
    write = WRITERS[format_]
    rows = release.examples.filter(split=split).order_by("position")
    for row in rows.only("prompt", "chosen", "rejected").iterator(chunk_size=500):
        written = write(Row(prompt=row.prompt, chosen=row.chosen, rejected=row.rejected))
        if written is not None:
            yield line(written).encode()


def _groups(training_set: TrainingSet, examples: list[Example]) -> dict[int, str]:
    """What must not be split, by example: its session, or itself once its output is erased."""
    former = dict(
        ReleasedExample.objects.filter(release__training_set=training_set, example__output=None)
        .order_by("release__number")
        .values_list("example", "lineage__group")
    )
    return {
        example.pk: example.output.session.external_id
        if example.output
        else former.get(example.pk, f"example {example.pk}")
        for example in examples
    }


def _splits(training_set: TrainingSet, groups: set[str]) -> dict[str, Split]:
    settled = {
        group: Split(split)
        for group, split in ReleasedExample.objects.filter(release__training_set=training_set)
        .values_list("lineage__group", "split")
        .distinct()
    }
    splits = {group: settled.get(group) or split_of(group) for group in groups}
    if Split.TRAIN in splits.values():
        return splits
    if not (new := groups - settled.keys()):
        raise TrainingSetError(
            "All that is left was for validation in an earlier release. Promote more reviews."
        )
    return splits | dict.fromkeys(new, Split.TRAIN)


def _lineage(example: Example, *, group: str) -> dict[str, object]:
    output, review = example.output, example.review
    return {
        "group": group,
        "example": example.pk,
        "session": output.session.external_id if output else None,
        "output": output.external_id if output else None,
        "output_version": review.output_version if review else None,
        "review": review.pk if review else None,
        "feedback": sorted(feedback.external_id for feedback in example.feedback.all()),
    }


def _content_hash(rows: list[ReleasedExample]) -> str:
    content = [
        {
            "split": row.split,
            "prompt": row.prompt,
            "chosen": row.chosen,
            "rejected": row.rejected,
            "lineage": row.lineage,
        }
        for row in rows
    ]
    return hashlib.sha256(canonical(content)).hexdigest()


def _record(training_set: TrainingSet, *, verb: str, by: User, now: datetime, **data: int) -> None:
    Event.objects.create(
        project_id=training_set.project_id,
        actor=by,
        verb=verb,
        target_type="training_set",
        target_id=training_set.pk,
        data=data,
        at=now,
    )
