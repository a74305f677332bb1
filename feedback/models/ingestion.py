"""Records that wait for another, and records that were refused."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.db.models import Exists, OuterRef, Q

from feedback import statements
from feedback.models.output import Output
from feedback.models.project import Project
from feedback.models.session import Session


class RecordType(models.TextChoices):
    SESSION = "session", "Session"
    OUTPUT = "output", "Output"
    FEEDBACK = "feedback", "Feedback"
    SIGNAL = "signal", "Signal"


class WaitingRecordQuerySet(models.QuerySet["WaitingRecord"]):
    def waiting_for(
        self, *, project: Project, refs: Iterable[tuple[str, str]]
    ) -> WaitingRecordQuerySet:
        """Records that wait for one of these (type, id) pairs."""
        ids: dict[str, list[str]] = {"session": [], "output": []}
        for kind, external_id in refs:
            ids[kind].append(external_id)
        return self.filter(
            Q(waits_for_type="session", waits_for_id__in=ids["session"])
            | Q(waits_for_type="output", waits_for_id__in=ids["output"]),
            project=project,
        )

    def waits(self, *, project: Project, refs: Iterable[tuple[str, str]]) -> bool:
        """Whether a record waits for one of these pairs. Asked after every request, so terse."""
        kinds, ids = zip(*refs, strict=True)
        [[found]] = statements.run(
            "SELECT EXISTS (SELECT FROM feedback_waitingrecord WHERE project_id = %s AND "
            "(waits_for_type, waits_for_id) IN (SELECT * FROM unnest(%s::text[], %s::text[])))",
            [project.pk, list(kinds), list(ids)],
        )
        return bool(found)

    def ready(self) -> WaitingRecordQuerySet:
        """Records whose counterpart is there."""
        sessions = Session.objects.filter(
            project=OuterRef("project"), external_id=OuterRef("waits_for_id")
        )
        outputs = Output.objects.filter(
            project=OuterRef("project"), external_id=OuterRef("waits_for_id")
        )
        return self.filter(
            Q(Exists(sessions), waits_for_type="session")
            | Q(Exists(outputs), waits_for_type="output")
        )


class WaitingRecord(models.Model):
    """A record that came before the one it refers to.

    `records` holds what was sent under this key, oldest first; they are stored in that order
    once the record of type `waits_for_type` and id `waits_for_id` is there.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="waiting_records")
    type = models.CharField(max_length=8, choices=RecordType.choices)
    key = models.CharField(max_length=210)
    external_id = models.CharField(max_length=200, blank=True)
    waits_for_type = models.CharField(max_length=8, choices=RecordType.choices)
    waits_for_id = models.CharField(max_length=200)
    records = models.JSONField()
    received_at = models.DateTimeField()

    objects = WaitingRecordQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "type", "key"], name="%(app_label)s_%(class)s_key"
            ),
            models.CheckConstraint(
                condition=Q(waits_for_type__in=["session", "output"]),
                name="%(app_label)s_%(class)s_waits_for_known",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "waits_for_type", "waits_for_id"], name="waiting_for"),
            models.Index(fields=["received_at"], name="waiting_since"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.external_id} waits for {self.waits_for_id}"


class RejectedRecordQuerySet(models.QuerySet["RejectedRecord"]):
    def beyond(self, *, project: Project, newest: int) -> RejectedRecordQuerySet:
        """Up to a thousand rows older than the newest so many of the project."""
        rows = self.filter(project=project).order_by("-received_at", "-id")
        return self.filter(pk__in=rows.values("pk")[newest : newest + 1_000])


class RejectedRecord(models.Model):
    """A record that was refused, kept for a while so that its sender can mend it."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="rejected_records")
    type = models.CharField(max_length=20, blank=True)
    external_id = models.CharField(max_length=200, blank=True)
    errors = models.JSONField()
    excerpt = models.TextField(blank=True)
    received_at = models.DateTimeField()

    objects = RejectedRecordQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["project", "-received_at", "-id"], name="rejected_by_time")]

    def __str__(self) -> str:
        return f"{self.type} {self.external_id}"
