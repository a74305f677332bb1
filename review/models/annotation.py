"""Comments anchored to a span of an answer."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from feedback.models import Output, Project, Reason, User


class AnnotationQuerySet(models.QuerySet["Annotation"]):
    def visible_to(self, user: User) -> AnnotationQuerySet:
        """Annotations of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)


class Annotation(models.Model):
    """A comment, reason or replacement for a span of one version of an answer.

    `start` and `end` are code points of the canonical text, half open; `source_start` and
    `source_end` the same place in the answer as sent, when it can be told. `exact`, `prefix`,
    `suffix` and `text_sha256` let the place be found again, or known lost.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="annotations")
    output = models.ForeignKey(Output, models.CASCADE, related_name="annotations")
    output_version = models.PositiveIntegerField()
    author = models.ForeignKey(User, models.PROTECT, related_name="annotations")
    reason = models.ForeignKey(
        Reason, models.RESTRICT, null=True, blank=True, related_name="annotations"
    )
    comment = models.TextField(blank=True)
    replacement = models.TextField(null=True, blank=True)  # noqa: DJ001  (empty means: delete it)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    source_start = models.PositiveIntegerField(null=True, blank=True)
    source_end = models.PositiveIntegerField(null=True, blank=True)
    exact = models.TextField()
    prefix = models.TextField(blank=True)
    suffix = models.TextField(blank=True)
    text_sha256 = models.CharField(max_length=64)
    renderer_version = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(end__gt=F("start")), name="%(app_label)s_%(class)s_half_open"
            ),
            models.CheckConstraint(
                condition=Q(source_start=None, source_end=None)
                | Q(source_start__isnull=False, source_end__gt=F("source_start")),
                name="%(app_label)s_%(class)s_source_half_open",
            ),
            models.CheckConstraint(
                condition=Q(reason__isnull=False) | ~Q(comment="") | Q(replacement__isnull=False),
                name="%(app_label)s_%(class)s_says_something",
            ),
        ]
        indexes = [models.Index(fields=["output", "start", "id"], name="annotation_in_text")]

    def __str__(self) -> str:
        return f"{self.start}–{self.end} of {self.output_id}"
