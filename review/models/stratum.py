"""The parts of what a queue takes in, each sampled at a rate of its own."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, FloatField, Func, Q, Value
from django.db.models.functions import Cast, Concat

from review.sampling import DIGITS


class Stratum(models.Model):
    """A part of what a queue's filter matches, of which it takes in a share.

    An output belongs to the first stratum of its queue, by `position`, whose filter it matches
    too. The items of an audit are worked off by lot, so that those reviewed stand for all.
    """

    queue = models.ForeignKey("review.Queue", models.CASCADE, related_name="strata")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=60)
    filter = models.JSONField(default=dict, blank=True)
    rate = models.FloatField(default=1)
    is_audit = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["queue", "position"], name="%(app_label)s_%(class)s_position"
            ),
            models.CheckConstraint(
                condition=Q(rate__gt=0, rate__lte=1), name="%(app_label)s_%(class)s_rate_range"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="%(app_label)s_%(class)s_named"),
        ]

    def __str__(self) -> str:
        return self.name


class Draw(Func):
    """The number of an output in a queue, as review.sampling.draw computes it."""

    template = (
        f"(('x' || substr(encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex'), 1, {DIGITS}))"
        f"::bit({4 * DIGITS})::bigint / {16**DIGITS}::float8)"
    )
    output_field = FloatField()

    def __init__(self, queue: int, **extra: Any) -> None:
        named = Concat(Value(f"{queue}:"), Cast(F("pk"), models.TextField()))
        super().__init__(named, **extra)
