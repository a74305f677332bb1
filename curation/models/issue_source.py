"""What an issue was made of: feedback as examples, and decisions that asked for it."""

from __future__ import annotations

from django.db import models

from curation.models.issue import Issue
from feedback.models import Feedback
from review.models import Handover


class IssueExample(models.Model):
    """Feedback that shows what an issue is about. It goes where the feedback goes."""

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="examples")
    feedback = models.ForeignKey(Feedback, models.CASCADE, related_name="issue_examples")
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issue", "feedback"], name="%(app_label)s_%(class)s_once"
            ),
            models.UniqueConstraint(
                fields=["issue", "position"], name="%(app_label)s_%(class)s_place"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.feedback_id} of issue {self.issue_id}"


class IssueSource(models.Model):
    """A decision whose route led to the issue; each leads to one."""

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="sources")
    handover = models.OneToOneField(Handover, models.CASCADE, related_name="issue_source")

    def __str__(self) -> str:
        return f"{self.handover_id} of issue {self.issue_id}"
