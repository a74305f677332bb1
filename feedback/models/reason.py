"""The versioned taxonomy of what can be wrong with an answer."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from feedback.models.project import Project


class Taxonomy(models.Model):
    """One version of a project's reasons. Published versions are never changed."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="taxonomies")
    version = models.PositiveIntegerField()
    is_current = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "version"], name="%(app_label)s_%(class)s_version"
            ),
            models.UniqueConstraint(
                fields=["project"],
                condition=Q(is_current=True),
                name="%(app_label)s_%(class)s_one_current",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project_id} v{self.version}"


class ReasonQuerySet(models.QuerySet["Reason"]):
    def current(self) -> ReasonQuerySet:
        """Reasons of the current taxonomy version, in order."""
        return self.filter(taxonomy__is_current=True).order_by("position")


class Reason(models.Model):
    """A class of the taxonomy, with the definition reviewers and users go by."""

    taxonomy = models.ForeignKey(Taxonomy, models.CASCADE, related_name="reasons")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=60)
    definition = models.TextField()
    position = models.PositiveSmallIntegerField()

    objects = ReasonQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["taxonomy", "slug"], name="%(app_label)s_%(class)s_slug"
            ),
            models.UniqueConstraint(
                fields=["taxonomy", "position"], name="%(app_label)s_%(class)s_position"
            ),
            models.CheckConstraint(
                condition=~Q(definition=""), name="%(app_label)s_%(class)s_defined"
            ),
        ]

    def __str__(self) -> str:
        return self.name
