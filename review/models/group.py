"""Items of a queue that are nearly the same, and samples drawn of them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from feedback.models import User


class ItemGroup(models.Model):
    """Items of one queue whose questions and answers are nearly the same.

    The first of its items leads: every other one was the same as it when it joined. An item stays
    when it is done; one whose answer changes is placed anew. A group is of one queue with its items
    (foreign key of both columns).
    """

    queue = models.ForeignKey("review.Queue", models.CASCADE, related_name="groups")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["id", "queue"], name="%(app_label)s_%(class)s_of_a_queue"
            ),
        ]

    def __str__(self) -> str:
        return f"group {self.pk} of {self.queue_id}"


class SpotCheck(models.Model):
    """A sample of a group, reviewed so that the rest may be decided as one.

    `size` items were open when it was drawn, each written down as a DrawnItem with the number that
    `seed` gives it; the `num_asked` with the smallest are the sample. `number` counts the samples
    of the group from 1, `share` was the project's bar. `verdict` is what the rest was decided as,
    empty before.
    """

    class Verdict(models.TextChoices):
        ACCEPT = "accept", "Good"
        FIX = "fix", "Fix"
        REJECT = "reject", "Reject"

    group = models.ForeignKey(ItemGroup, models.CASCADE, related_name="checks")
    number = models.PositiveIntegerField()
    seed = models.BigIntegerField()
    size = models.PositiveIntegerField()
    num_asked = models.PositiveIntegerField()
    share = models.FloatField()
    drawn_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    drawn_at = models.DateTimeField()
    verdict = models.CharField(max_length=6, choices=Verdict.choices, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["group", "number"], name="%(app_label)s_%(class)s_number"
            ),
            models.CheckConstraint(
                condition=Q(num_asked__gte=1, num_asked__lt=F("size"), number__gte=1),
                name="%(app_label)s_%(class)s_asks_some",
            ),
            models.CheckConstraint(
                condition=Q(share__gt=0.5, share__lte=1),
                name="%(app_label)s_%(class)s_share_range",
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["", "accept", "fix", "reject"]),
                name="%(app_label)s_%(class)s_verdict_known",
            ),
        ]

    def __str__(self) -> str:
        return f"sample {self.number} of group {self.group_id}"


class DrawnItem(models.Model):
    """One item that was open when a sample was drawn, with the version of its answer then.

    `review` is the decision on one of the sample that the rest was decided on; it cannot be taken
    back any more. `left_out` says why one of the rest was not decided.
    """

    class LeftOut(models.TextChoices):
        NONE = "", "Not left out"
        HELD = "held", "held by somebody"
        REVIEWED = "reviewed", "reviewed already"
        BEGUN = "begun", "passed over or begun by somebody"
        CHANGED = "changed", "changed since"
        DECIDED = "decided", "decided as one elsewhere"
        OUT = "out", "taken out of the queue"

    check_of = models.ForeignKey(SpotCheck, models.CASCADE, related_name="drawn")
    item = models.ForeignKey("review.QueueItem", models.CASCADE, related_name="drawn")
    output_version = models.PositiveIntegerField()
    number = models.FloatField()
    is_sampled = models.BooleanField(default=False)
    review = models.ForeignKey(
        "review.Review", models.RESTRICT, null=True, blank=True, related_name="drawn"
    )
    left_out = models.CharField(max_length=8, choices=LeftOut.choices, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["check_of", "item"], name="%(app_label)s_%(class)s_once"
            ),
            models.CheckConstraint(
                condition=Q(number__gte=0, number__lt=1), name="%(app_label)s_%(class)s_number"
            ),
            models.CheckConstraint(
                condition=Q(is_sampled=True, left_out="") | Q(is_sampled=False, review=None),
                name="%(app_label)s_%(class)s_reviewed_or_rest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} in {self.check_of_id}"
