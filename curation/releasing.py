"""Releases: a training set is frozen, written to files and hashed, a step at a time.

Each step is one transaction that says how far it came, so that what was killed goes on from there
and ends up with the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q

from curation import gating, pairing, promotion, release_cleaning
from curation.models import (
    Example,
    GateCheck,
    GroupSplit,
    Release,
    ReleasedExample,
    Revocation,
    TrainingSet,
)
from curation.models.training import ExampleQuerySet
from curation.release_files import Folder
from curation.release_freezing import freeze_step, is_all_for_training
from curation.release_writing import finish, hash_step, write_step
from curation.training_sets import TrainingSetError, record
from curation.writers import FORMATS
from feedback import stepping
from feedback.models import Output, User
from review.filters import ReviewFilter
from review.models import Review
from review.models.review import ReviewQuerySet

# Reviews that one step takes in.
COLLECTED_AT_ONCE = 100
# How often a step may raise until its release has failed.
MOST_TRIES = 3
HUGGINGFACE = "huggingface"
# Frozen rows one of whose outputs is not there any more.
_GONE = (Q(example__output=None) & ~Q(lineage__output=None)) | (
    Q(example__rejected_output=None, lineage__has_key="rejected_output")
    & ~Q(lineage__rejected_output=None)
)
EVALUATION_FORMATS = ["evaluation"]


class OverError(Exception):
    """It is too late: the release is whole, was stopped, or goes on already."""


class HeldUpError(TrainingSetError):
    """The gates hold the release up; the message says why."""


@transaction.atomic
def start(
    *, training_set: TrainingSet, by: User, now: datetime, formats: Iterable[str] = ()
) -> Release:
    """Have a worker freeze the kept examples as the next release, and write it in these formats.

    Without formats it is written in all, an evaluation set as cases. Raises TrainingSetError when
    one is being made already, a format is unknown, or there is nothing to release or to train on,
    or nothing new; HeldUpError when the gates hold it up.
    """
    # Waits for promotions that have begun, and has later ones wait: what they add is not in it.
    training_set = TrainingSet.objects.select_for_update().get(pk=training_set.pk)
    if other := training_set.releases.unfinished().first():
        raise TrainingSetError(
            f"Release {other.number} waits to be checked again. Have it go on, or stop it."
            if other.status == Release.Status.HELD
            else "A release is being made already."
        )
    # What was stopped has settled nothing, also while it is yet to be cleaned up.
    GroupSplit.objects.filter(
        training_set=training_set,
        release__status__in=[Release.Status.CANCELLED, Release.Status.FAILED],
    ).delete()
    last = training_set.releases.order_by("-number").first()
    made = Release(
        training_set=training_set,
        number=last.number + 1 if last else 1,
        formats=_known(training_set, formats),
        released_by=by,
        released_at=now,
    )
    if training_set.filter is None:
        _settle(made)
    else:
        reviews = Review.objects.filter(project=training_set.project_id)
        made.checkpoint = {
            "after_review": 0,
            "until_review": reviews.aggregate(last=Max("pk"))["last"] or 0,
            # The set's may be another one, or gone, before all is taken in.
            "filter": training_set.filter,
        }
    made.save()
    _place(made)
    record(training_set, verb="began_release", by=by, now=now, release=made.number)
    return made


def release(
    *, training_set: TrainingSet, by: User, now: datetime, formats: Iterable[str] = ()
) -> Release:
    """Make the next release here and now, and return it whole. Raises TrainingSetError."""
    made = start(training_set=training_set, by=by, now=now, formats=formats)
    while made.is_active:
        with transaction.atomic():
            made = Release.objects.select_for_update(of=("self",)).get(pk=made.pk)
            _step(made, now)
            made.save()
    if made.status != Release.Status.DONE:
        raise TrainingSetError(made.problem)
    return made


def work_off(*, now: datetime, most: int = 1_000) -> bool:
    """Do up to so many steps of what waits; return whether more is left.

    Raises what a step raises. That one is tried again when others have had their turn, and so
    often that its release has failed.
    """
    return all(_advance(now) or _resume(now) or release_cleaning.clean() for _ in range(most))


@transaction.atomic
def check_again(*, release: Release, by: User, now: datetime) -> GateCheck:
    """Have the examples of a held release checked, after which it goes on by itself.

    Where a row fails a gate it is held again. Raises OverError when it is not held, GateError when
    there is nothing to check.
    """
    found = Release.objects.select_for_update(of=("self",)).get(pk=release.pk)
    if found.status != Release.Status.HELD:
        raise OverError("This release does not wait to be checked.")
    check = gating.ask(training_set=found.training_set, by=by, now=now)
    found.checkpoint["goes_on"] = True
    found.save(update_fields=["checkpoint"])
    return check


@transaction.atomic
def cancel(*, release: Release, by: User, now: datetime) -> None:
    """Stop a release that is being made; what it has written is deleted. Raises OverError."""
    found = Release.objects.select_for_update(of=("self",)).get(pk=release.pk)
    if not found.is_unfinished:
        raise OverError("This release is whole, or was stopped.")
    if found.is_rewritten:
        raise OverError("It is written anew without what was erased, which cannot be stopped.")
    found.status, found.ended_at = Release.Status.CANCELLED, now
    found.save(update_fields=["status", "ended_at"])
    record(found.training_set, verb="stopped_release", by=by, now=now, release=found.number)


@transaction.atomic
def revoke(*, example: Example, reason: str, by: User, now: datetime) -> bool:
    """Say that an example is not to be used any more, also where it was released.

    It is taken out of the next release, and so are the pairs that its answer makes, which are
    revoked with it. A second revocation changes nothing, and returns False. Raises TrainingSetError
    for an unknown reason.
    """
    if reason not in Revocation.Reason.values:
        raise TrainingSetError("There is no such reason.")
    found = Example.objects.select_for_update(of=("self",)).get(pk=example.pk)
    _, is_new = Revocation.objects.get_or_create(
        example=found, defaults={"reason": reason, "revoked_by": by, "revoked_at": now}
    )
    if not is_new:
        return False
    if found.removed_at is None:
        found.removed_at = now
        found.save(update_fields=["removed_at"])
    pairing.revoke_with(example=found, reason=reason, by=by, now=now)
    record(found.training_set, verb="revoked_example", by=by, now=now, example=found.pk)
    return True


def revocations(*, release: Release) -> list[dict[str, object]]:
    """What of a release is not to be used any more, by the ids of its examples.

    An example whose output is gone counts as erased, since an unknown time.
    """
    told = [
        {"example": str(one.example_id), "reason": one.reason, "revoked_at": one.revoked_at}
        for one in Revocation.objects.filter(example__released__release=release).order_by(
            "revoked_at", "pk"
        )
    ]
    gone = (
        release.examples.filter(_GONE, example__revocation=None)
        .order_by("example")
        .values_list("example", flat=True)
    )
    return told + [
        {"example": str(one), "reason": Revocation.Reason.ERASED.value, "revoked_at": None}
        for one in gone
    ]


def folder_of(release: Release) -> Folder:
    """The folder of a release's files."""
    return Folder(Path(settings.RELEASES_DIR) / str(release.pk))


def matching(*, training_set: TrainingSet, wanted: ReviewFilter | None) -> int:
    """How many decisions a filter would take in that the set has never had."""
    return 0 if wanted is None else _unseen(training_set, wanted).count()


@transaction.atomic
def set_filter(
    *, training_set: TrainingSet, wanted: ReviewFilter | None, by: User, now: datetime
) -> None:
    """Say which decisions every release takes in by itself; None for those by hand alone."""
    training_set.filter = None if wanted is None else wanted.to_json()
    training_set.save(update_fields=["filter"])
    record(training_set, verb="set_filter", by=by, now=now)


def usual_formats(*, training_set: TrainingSet) -> list[str]:
    """The formats of a release that names none: all, but cases alone to test by."""
    if training_set.purpose == TrainingSet.Purpose.EVALUATION:
        return EVALUATION_FORMATS
    return [*(name for name in FORMATS if name != "evaluation"), HUGGINGFACE]


def _known(training_set: TrainingSet, formats: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(formats))
    unknown = set(wanted) - set(FORMATS) - {HUGGINGFACE}
    if unknown:
        raise TrainingSetError(f"There is no format {', '.join(sorted(unknown))}.")
    wanted = wanted or usual_formats(training_set=training_set)
    # Its hash is that of the examples, so they are always written.
    return [*(name for name in wanted if name != "examples"), "examples"]


def _settle(made: Release) -> None:
    """Say what the release will hold. Raises TrainingSetError."""
    training_set = made.training_set
    examples = training_set.examples.kept_at(made.released_at)
    made.until = examples.aggregate(last=Max("pk"))["last"] or 0
    made.num_examples = examples.filter(pk__lte=made.until).count()
    if not made.num_examples:
        raise TrainingSetError("The training set has no examples. Promote a review into it first.")
    last = training_set.releases.done().order_by("-number").first()
    if last is not None and not _has_changed(examples, last):
        raise TrainingSetError(f"Nothing has changed since release {last.number}.")
    found = gating.report(training_set=training_set, is_exact=True)
    if why := gating.holds_up(training_set=training_set, found=found):
        raise HeldUpError(why)
    made.checkpoint = {
        "after": 0,
        "filter": made.checkpoint.get("filter"),
        # As it is now: what is let pass later, or not any more, changes nothing of the release.
        "gates": gating.told(found=found),
        "all_train": is_all_for_training(made, examples),
    }
    made.status = Release.Status.FREEZING
    made.num_done = 0


def _place(made: Release) -> None:
    """Give groups that are new the split that the gates found for them, for good."""
    if made.status == Release.Status.FREEZING:
        GroupSplit.objects.bulk_create(
            (
                GroupSplit(training_set=made.training_set, group=group, split=split, release=made)
                for group, split in gating.placed(training_set=made.training_set)
            ),
            batch_size=1_000,
            ignore_conflicts=True,
        )


def _has_changed(examples: ExampleQuerySet, last: Release) -> bool:
    held = ReleasedExample.objects.there().filter(release=last)
    new = examples.filter(~Exists(held.filter(example=OuterRef("pk"))))
    kept = examples.filter(pk=OuterRef("example"))
    gone = held.filter(~Exists(kept))
    erased = held.filter(_GONE)
    return new.exists() or gone.exists() or erased.exists()


def _advance(now: datetime) -> bool:
    """Do one step of one release; return whether there was one."""
    made = stepping.advance(
        active=Release.objects.active(),
        step=_step,
        give_up=_give_up,
        most_tries=MOST_TRIES,
        now=now,
    )
    return made is not None


def _step(made: Release, now: datetime) -> None:
    if made.status == Release.Status.COLLECTING:
        _collect(made, now)
    elif made.status == Release.Status.FREEZING:
        freeze_step(made)
    elif made.checkpoint.pop("stale", False):
        # What is written of it yet holds what was erased.
        folder_of(made).remove()
    elif made.status == Release.Status.WRITING:
        write_step(made, folder_of(made))
    elif not hash_step(made, folder_of(made)):
        finish(made, folder_of(made), now)
        verb = "rewrote_release" if made.is_rewritten else "released"
        record(made.training_set, verb=verb, by=made.released_by, now=now, release=made.number)


@transaction.atomic
def _resume(now: datetime) -> bool:
    """Let a held release go on whose check has ended; return whether there was one."""
    made = (
        Release.objects.filter(status=Release.Status.HELD, checkpoint__goes_on=True)
        .exclude(training_set__gate_checks__status__in=["waiting", "running"])
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("pk")
        .first()
    )
    if made is None:
        return False
    # What was removed since it began, as the gates found it, is not to be in it.
    made.problem, made.released_at = "", now
    _settle_or_hold(made, now)
    return True


def _settle_or_hold(made: Release, now: datetime) -> None:
    """Say what the release holds, or what holds it up."""
    TrainingSet.objects.select_for_update().get(pk=made.training_set_id)
    try:
        _settle(made)
    except HeldUpError as error:
        made.status, made.problem = Release.Status.HELD, str(error)[:300]
        made.checkpoint.pop("goes_on", None)
    except TrainingSetError as error:
        fail(made, str(error), now)
    made.save()
    _place(made)


def _give_up(made: Release, error: Exception, now: datetime) -> None:
    # One that was whole is tried for ever: it has to be written anew, and others go before it.
    if not made.is_rewritten:
        fail(made, f"It stopped in the same place {MOST_TRIES} times: {type(error).__name__}.", now)


def fail(made: Release, problem: str, now: datetime) -> None:
    """Give a release up, unsaved; what it has written is deleted afterwards."""
    made.status, made.problem, made.ended_at = Release.Status.FAILED, problem[:300], now


def _unseen(training_set: TrainingSet, wanted: ReviewFilter) -> ReviewQuerySet:
    """Decisions on what the filter matches that the set neither has nor had."""
    outputs = wanted.apply(Output.objects.filter(project=training_set.project_id))
    had = Example.objects.filter(training_set=training_set, review=OuterRef("pk"))
    return (
        Review.objects.authoritative()
        .revealed()
        .filter(~Exists(had), project=training_set.project_id, output__in=outputs.values("pk"))
    )


def _collect(made: Release, now: datetime) -> None:
    """Take in some of what the set's filter matches; then say what the release holds."""
    checkpoint = made.checkpoint
    training_set = made.training_set
    wanted = ReviewFilter.from_json(checkpoint["filter"])
    some = list(
        _unseen(training_set, wanted)
        .filter(pk__gt=checkpoint["after_review"], pk__lte=checkpoint["until_review"])
        .select_related("output__session", "project")
        .order_by("pk")[:COLLECTED_AT_ONCE]
    )
    for review in some:
        checkpoint["after_review"] = review.pk
        try:
            promotion.promote_to_training_set(
                review=review, training_set=training_set, by=made.released_by, now=made.released_at
            )
        except promotion.PromotionError:
            checkpoint["num_unfit"] = checkpoint.get("num_unfit", 0) + 1
    if len(some) == COLLECTED_AT_ONCE:
        return
    _settle_or_hold(made, now)
