"""Training sets: collecting examples, by decisions and from files, and reading what is frozen."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from curation.formats import Row, faults, line
from curation.models import Example, Release, ReleasedExample, TrainingSet
from curation.pairing import remove_with
from curation.promotion import withdrawn
from curation.writers import sound
from feedback import wire
from feedback.models import Project, User
from review.models import Event, Review

Split = ReleasedExample.Split


class TrainingSetError(Exception):
    """The training set stays as it was; the message says why."""


def create_training_set(
    *,
    project: Project,
    name: str,
    description: str,
    by: User,
    now: datetime,
    purpose: str = TrainingSet.Purpose.TRAINING,
) -> TrainingSet:
    """Make an empty set whose slug comes from its name; raises TrainingSetError for a taken one."""
    slug = slugify(name)[:60].strip("-")
    if not slug:
        raise TrainingSetError("The name needs a letter or a digit from A to Z, 0 to 9.")
    try:
        with transaction.atomic():
            training_set = TrainingSet.objects.create(
                project=project,
                slug=slug,
                name=name,
                description=description,
                purpose=purpose,
            )
            record(training_set, verb="created", by=by, now=now)
    except IntegrityError as error:
        raise TrainingSetError(f"There is a training set “{slug}” already.") from error
    return training_set


@transaction.atomic
def remove_example(*, example: Example, by: User, now: datetime) -> None:
    """Take an example out of the next release; a second removal changes nothing.

    The pairs that its answer makes go with it. The review that it came from waits to be promoted
    again, unless another set has it.
    """
    if Example.objects.kept().filter(pk=example.pk).update(removed_at=now):
        record(example.training_set, verb="removed_example", by=by, now=now, example=example.pk)
        remove_with(example=example, now=now)
        withdrawn(review=example.review, route=Review.Route.TRAINING, by=by, now=now)


@transaction.atomic
def add_rows(*, training_set: TrainingSet, rows: Iterable[Row], by: User, now: datetime) -> int:
    """Add examples that were read from a file, and return how many; none when one is unsound.

    Raises TrainingSetError naming the place of the first that no trainer could read, or that holds
    what cannot be kept.
    """
    # As a promotion does: a release that begins waits for these, and takes them all or none.
    TrainingSet.objects.select_for_update(no_key=True).get(pk=training_set.pk)
    num_rows = 0
    for chunk in _batched(rows, 1_000):
        for place, row in enumerate(chunk, start=num_rows + 1):
            if found := faults(row):
                raise TrainingSetError(f"Row {place}: {found[0]}")
            kept = {name: getattr(row, name) for name in ("chosen", "rejected", "group")}
            kept |= {"prompt": list(row.prompt), "tools": list(row.tools)}
            if fault := next(wire.faults(kept, ""), None):
                raise TrainingSetError(f"Row {place}, {fault.path}: {fault.message}")
        Example.objects.bulk_create(
            Example(
                training_set=training_set,
                prompt=row.prompt,
                tools=list(row.tools),
                chosen=row.chosen,
                rejected=row.rejected,
                group=row.group[:200],
                is_pair=row.is_pair,
                created_by=by,
                created_at=now,
            )
            for row in chunk
        )
        num_rows += len(chunk)
    if num_rows:
        record(training_set, verb="added_rows", by=by, now=now, num_rows=num_rows)
    return num_rows


def _batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    rest = iter(rows)
    while chunk := list(islice(rest, size)):
        yield chunk


def split_of(group: str) -> Split:
    """Return the split of a session: a tenth, by the SHA-256 of its id, is for validation."""
    digest = hashlib.sha256(group.encode()).digest()
    return Split.VALIDATION if int.from_bytes(digest[:8], "big") % 10 == 0 else Split.TRAIN


def find_release(
    *, project: Project, slug: str, number: int, is_done: bool = True
) -> Release | None:
    """Return a release by its set's slug and its number, with its set; None when there is none.

    One that is not whole is found only where `is_done` is false.
    """
    if "\0" in slug or number > 2**31 - 1:
        return None
    releases = Release.objects.done() if is_done else Release.objects.all()
    return (
        releases.filter(training_set__project=project, training_set__slug=slug, number=number)
        .select_related("training_set")
        .first()
    )


def lines(*, release: Release, split: str, format_: str) -> Iterator[bytes]:
    """Yield the lines of one split in one of the FORMATS, in UTF-8, in order.

    As a release writes them: what the format cannot hold, or what breaks its rules, is left out.
    """
    rows = release.examples.there().filter(split=split).order_by("position")
    for row in rows.only("example", "prompt", "tools", "chosen", "rejected", "lineage").iterator(
        chunk_size=500
    ):
        example = Row(
            *(row.prompt, row.chosen, row.rejected, row.tools),
            id=str(row.example_id),
            is_pair=row.is_pair,
        )
        for written in sound(example, format_, Counter()):
            yield line(written).encode()


def record(training_set: TrainingSet, *, verb: str, by: User, now: datetime, **data: int) -> None:
    """Write down what happened to the set."""
    Event.objects.create(
        project_id=training_set.project_id,
        actor=by,
        verb=verb,
        target_type="training_set",
        target_id=training_set.pk,
        data=data,
        at=now,
    )
