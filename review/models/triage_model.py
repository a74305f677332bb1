"""What was learned from a project's verdicts."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from feedback.models import Project, User


class TriageModelQuerySet(models.QuerySet["TriageModel"]):
    def visible_to(self, user: User) -> TriageModelQuerySet:
        """Models of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)

    def newest(self, project: Project) -> TriageModel | None:
        """The newest model of the project, the only one that may be in use."""
        return self.filter(project=project).order_by("-number").first()


class TriageModel(models.Model):
    """One version of what was learned from the verdicts of a project, and how good it is.

    `parameters` are those of review.learned.Model, `quality` the figures of review.yields.Quality
    on held-out verdicts. `is_used` says that it orders the items: its figures beat the rules'.
    `vectors` names the model whose vectors it goes by, `digest` tells its verdicts from others.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="triage_models")
    number = models.PositiveIntegerField()
    algorithm = models.CharField(max_length=60)
    vectors = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    num_verdicts = models.PositiveIntegerField()
    num_faulty = models.PositiveIntegerField()
    parameters = models.JSONField()
    quality = models.JSONField()
    is_used = models.BooleanField()
    trained_at = models.DateTimeField()

    objects = TriageModelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "number"], name="%(app_label)s_%(class)s_number"
            ),
            models.CheckConstraint(
                condition=Q(num_faulty__lte=F("num_verdicts")),
                name="%(app_label)s_%(class)s_faulty_of_verdicts",
            ),
        ]

    def __str__(self) -> str:
        return f"learned-{self.number}"
