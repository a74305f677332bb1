"""Ranks the answers to one question: one person's order of all of them, as feedback on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from feedback.models import Feedback, Output, User
from review.models import QueueItem
from review.models.ranks import rank_key
from review.resemblance import MOST_BESIDE


class RankingError(Exception):
    """The ranks are not stored; the message says why."""


class StaleRankingError(RankingError):
    """The answers are no longer those that were ranked."""


class BlindRankingError(RankingError):
    """Several people are still to judge one of the answers without knowing of each other."""


def compared(*, output: Output) -> list[Output]:
    """Return the answers to an output's question, it among them, the oldest first. One query."""
    beside = Output.objects.beside(output).order_by("at", "pk")[:MOST_BESIDE]
    return sorted([output, *beside], key=lambda one: (one.at, one.pk))


def is_blind(*, outputs: Sequence[Output]) -> bool:
    """Whether a rank of one of the answers would tell people who are to judge it unaware."""
    return QueueItem.objects.blind().filter(output__in=outputs).exists()


def own_places(*, outputs: Sequence[Output], by: User) -> dict[int, int]:
    """The places that the person gave the current versions of the answers, by primary key."""
    rows = Feedback.objects.filter(
        output__in=outputs, key__in=[rank_key(one, by) for one in outputs]
    )
    versions = {one.pk: one.version for one in outputs}
    return {
        row.output_id: row.value
        for row in rows.explicit()
        if row.output_id and row.value and row.output_version == versions[row.output_id]
    }


@transaction.atomic
def rank_answers(
    *,
    output: Output,
    by: User,
    places: Mapping[int, int],
    versions: Mapping[int, int],
    now: datetime,
) -> None:
    """Store the person's place, 1 the best, of each answer to an output's question.

    `places` and `versions`, those that the person saw, have an entry for each answer by its
    primary key. Several answers may have one place. What the same person ranked before is changed.

    Raises StaleRankingError when an answer came, went or changed, BlindRankingError, and
    RankingError when an answer has no place or one that does not exist.
    """
    # In the order in which answers that are sent anew are locked.
    wanted = [one.pk for one in compared(output=output)]
    locked = Output.objects.select_for_update(no_key=True).filter(pk__in=wanted)
    outputs = list(locked.order_by("external_id"))
    if {one.pk: one.version for one in outputs} != dict(versions):
        raise StaleRankingError(
            "The answers have changed since you opened them. Nothing was stored. "
            "Look at them again, then save."
        )
    if len(outputs) < 2:
        raise RankingError("There is no other answer to this question.")
    if is_blind(outputs=outputs):
        raise BlindRankingError(
            "Several people still judge one of these answers without knowing of each other. "
            "Nothing was stored. They can be ranked when all have decided."
        )
    if any(places.get(one.pk, 0) not in range(1, len(outputs) + 1) for one in outputs):
        raise RankingError(f"Give every answer a place from 1 to {len(outputs)}.")
    _store(outputs, by, places, now)


def _store(outputs: Sequence[Output], by: User, places: Mapping[int, int], now: datetime) -> None:
    keys = {rank_key(one, by): one for one in outputs}
    rows = Feedback.objects.explicit().filter(project=outputs[0].project_id, key__in=keys)
    there = {row.key: row for row in rows}
    changed = []
    for key, row in there.items():
        output = keys[key]
        if (row.value, row.output_version) != (places[output.pk], output.version):
            row.value, row.output_version = places[output.pk], output.version
            row.at = row.changed_at = now
            changed.append(row)
    Feedback.objects.bulk_update(changed, ["value", "output_version", "at", "changed_at"])
    Feedback.objects.bulk_create(
        Feedback(
            project_id=output.project_id,
            session_id=output.session_id,
            output=output,
            external_id=key,
            key=key,
            name=Feedback.RANK,
            value=places[output.pk],
            output_version=output.version,
            annotator_kind=Feedback.AnnotatorKind.HUMAN,
            author_external_id=f"reviewer:{by.pk}",
            author_role="reviewer",
            at=now,
        )
        for key, output in keys.items()
        if key not in there
    )
