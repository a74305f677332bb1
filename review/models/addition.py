"""What is added to decisions after they were made."""

from __future__ import annotations

from django.db import models

from feedback.models import Reason, User
from review.models.review import Review


class AddedReasonQuerySet(models.QuerySet["AddedReason"]):
    def told(self) -> AddedReasonQuerySet:
        """With what a page says of them."""
        return self.select_related("reason", "added_by").order_by("pk")


class AddedReason(models.Model):
    """A reason that somebody gave to a decision later; what its reviewer gave is ReviewReason.

    Routes that are added later are handovers, which `Review.routes` does not name.
    """

    review = models.ForeignKey(Review, models.CASCADE, related_name="added_reasons")
    reason = models.ForeignKey(Reason, models.RESTRICT, related_name="+")
    added_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    added_at = models.DateTimeField()

    objects = AddedReasonQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["review", "reason"], name="%(app_label)s_%(class)s_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason_id} to {self.review_id}"
