"""The filter over outputs with what reviewers know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from django.db.models import Exists, OuterRef, Q

from feedback.filters import FIELDS, Condition, Field, OutputFilter
from review.models import Provisional, QueueItem, Review, ThemeMembership
from review.models.review import ReviewQuerySet

STATES = ("open", "reviewed", "unreviewed", "provisional")


def _themed(values: Sequence[str]) -> Condition:
    members = ThemeMembership.objects.filter(feedback__output=OuterRef("pk"))
    return Exists(members.filter(theme__number__in=[int(value) for value in values]))


def _number(value: str) -> str:
    if not value.isdecimal() or len(value) > 9:
        raise ValueError("Give a theme's number.")
    return str(int(value))


def _judged(values: Sequence[str]) -> Condition:
    return Exists(_known().filter(verdict__in=values))


def _severe(values: Sequence[str]) -> Condition:
    return Exists(_known().filter(severity__in=values))


def _in_state(values: Sequence[str]) -> Condition:
    waiting = Exists(QueueItem.objects.open().filter(output=OuterRef("pk")))
    carried = Provisional.objects.revealed().filter(output=OuterRef("pk"))
    meant = {
        "open": waiting,
        "reviewed": Exists(_known()),
        "unreviewed": ~Exists(_known()),
        "provisional": Exists(carried),
    }
    wanted = Q()
    for value in values:
        wanted |= Q(meant[value])
    return wanted


def _known() -> ReviewQuerySet:
    """Decisions on the output, less those that somebody is not to know before their own."""
    return Review.objects.authoritative().revealed().filter(output=OuterRef("pk"))


class ReviewFilter(OutputFilter):
    """OutputFilter with the numbers of `theme`s, and with `verdict`, `severity` and `state`.

    What is to be judged by several who do not know of each other counts as unreviewed till then.
    A provisional decision is no review: its output is unreviewed.
    """

    fields: ClassVar[Mapping[str, Field]] = {
        **FIELDS,
        "theme": Field(condition=_themed, parse=_number),
        "verdict": Field(condition=_judged, choices=Review.Verdict.values),
        "severity": Field(condition=_severe, choices=Review.Severity.values),
        "state": Field(condition=_in_state, choices=STATES),
    }
