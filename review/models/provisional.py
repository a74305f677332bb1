"""Decisions that nobody made on the answer itself."""

from __future__ import annotations

from django.db import models
from django.db.models import Exists, OuterRef, Q

from feedback.models import Output, Project, User
from review.models.group import SpotCheck
from review.models.queue import QueueItem


class ProvisionalQuerySet(models.QuerySet["Provisional"]):
    def visible_to(self, user: User) -> ProvisionalQuerySet:
        """Those of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)

    def seen_by(self, user: User) -> ProvisionalQuerySet:
        """Of outputs that the user need not judge without knowing."""
        blind = QueueItem.objects.blind_to(user).filter(output=OuterRef("output"))
        return self.filter(~Exists(blind))

    def revealed(self) -> ProvisionalQuerySet:
        """Of outputs that nobody is still to judge without knowing."""
        return self.filter(~Exists(QueueItem.objects.blind().filter(output=OuterRef("output"))))


class Provisional(models.Model):
    """A verdict carried over to an answer from a sample of others just like it.

    No review: nothing that asks what people decided sees it. `decided_by` answers for it. Its item
    is provisional exactly as long as it is there, and it never stands beside a review that counts
    (triggers); the first review of the answer replaces it.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="provisional_decisions")
    output = models.OneToOneField(Output, models.CASCADE, related_name="provisional")
    output_version = models.PositiveIntegerField()
    item = models.OneToOneField(QueueItem, models.CASCADE, related_name="provisional")
    spot_check = models.ForeignKey(SpotCheck, models.CASCADE, related_name="decisions")
    verdict = models.CharField(max_length=6, choices=SpotCheck.Verdict.choices)
    decided_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="provisional_decisions"
    )
    created_at = models.DateTimeField()

    objects = ProvisionalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict__in=["accept", "fix", "reject"]),
                name="%(app_label)s_%(class)s_verdict_known",
            ),
        ]

    def __str__(self) -> str:
        return f"provisional {self.verdict} of {self.output_id}"
