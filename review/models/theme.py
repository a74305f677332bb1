"""Lasting groups of similar feedback."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField

from feedback.models import Feedback, Project, User


class ThemeRun(models.Model):
    """One computation of a project's themes. `digest` tells its input from another's.

    `last_number` is the highest that a theme was given so far, whether it is there still or not.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="theme_runs")
    model = models.CharField(max_length=200)
    algorithm = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, blank=True, default="")
    num_feedback = models.PositiveIntegerField()
    num_themes = models.PositiveIntegerField()
    last_number = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_at__gte=models.F("started_at")),
                name="%(app_label)s_%(class)s_ends_after_start",
            )
        ]
        indexes = [models.Index(fields=["project", "-started_at"], name="themerun_by_time")]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.project_id}"


class ThemeQuerySet(models.QuerySet["Theme"]):
    def visible_to(self, user: User) -> ThemeQuerySet:
        """Themes of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)

    def current(self) -> ThemeQuerySet:
        """Themes that still have members."""
        return self.filter(size__gt=0)


class Theme(models.Model):
    """A lasting group of similar feedback. It keeps its number and a name people gave it.

    `per_week` has the number of its feedback by the week's Monday (YYYY-MM-DD), `reason_counts`
    pairs of a reason's id and how often it was given, the commonest first; both as of the last run.
    `state` follows what is measured of what was done about it.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACTING = "acting", "Acted on"
        FIXED = "fixed", "Fixed"
        REGRESSED = "regressed", "Came back"

    project = models.ForeignKey(Project, models.CASCADE, related_name="themes")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    named_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)
    terms = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    size = models.PositiveIntegerField(default=0)
    model = models.CharField(max_length=200)
    centroid = HalfVectorField()
    per_week = models.JSONField(default=dict, blank=True)
    reason_counts = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    state_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = ThemeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "number"], name="%(app_label)s_%(class)s_number"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="%(app_label)s_%(class)s_named"),
            models.CheckConstraint(
                condition=Q(state__in=["open", "acting", "fixed", "regressed"]),
                name="%(app_label)s_%(class)s_state_known",
            ),
        ]
        indexes = [models.Index(fields=["project", "-size", "id"], name="theme_by_size")]

    def __str__(self) -> str:
        return f"T-{self.number} {self.name}"


class ThemeMembership(models.Model):
    """One feedback in its theme, with the cosine similarity to the theme's centroid."""

    theme = models.ForeignKey(Theme, models.CASCADE, related_name="memberships")
    feedback = models.OneToOneField(Feedback, models.CASCADE, related_name="theme_membership")
    run = models.ForeignKey(ThemeRun, models.CASCADE, related_name="memberships")
    similarity = models.FloatField()

    class Meta:
        indexes = [models.Index(fields=["theme", "-similarity", "id"], name="member_by_nearness")]

    def __str__(self) -> str:
        return f"{self.feedback_id} in {self.theme_id}"
