"""What stands between a draft and a version: questions it is tried with, and who approves of it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import MD5

from curation.models.context import ContextEntry, ContextLibrary, LibraryVersion
from feedback.models import User


class Probe(models.Model):
    """A question kept with the entries that it has to find, in whatever version."""

    library = models.ForeignKey(ContextLibrary, models.CASCADE, related_name="probes")
    query = models.TextField()
    role = models.CharField(max_length=200, blank=True)
    expected = models.ManyToManyField(ContextEntry, related_name="probes")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="probes")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(query=""), name="%(app_label)s_%(class)s_asks"),
            # Of the question a hash: an index holds no long text.
            models.UniqueConstraint(
                "library", MD5("query"), "role", name="%(app_label)s_%(class)s_once"
            ),
        ]

    def __str__(self) -> str:
        return self.query[:80]


class Proposal(models.Model):
    """A draft as it was when somebody wanted it published, with what its checks found."""

    class Status(models.TextChoices):
        WAITING = "waiting", "waiting for a second person"
        PUBLISHED = "published", "published"
        DECLINED = "declined", "declined"
        WITHDRAWN = "withdrawn", "withdrawn"

    library = models.ForeignKey(ContextLibrary, models.CASCADE, related_name="proposals")
    content_hash = models.CharField(max_length=64)
    note = models.TextField(blank=True)
    findings = models.JSONField(default=list, blank=True)
    # How it is to be given to sessions; without stages, to all at once.
    stages = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)
    held_out = models.PositiveSmallIntegerField(default=0)
    hours_per_stage = models.PositiveIntegerField(default=24)
    proposed_by = models.ForeignKey(User, models.PROTECT, related_name="proposals")
    proposed_at = models.DateTimeField()
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.WAITING)
    decided_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="decided_proposals"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    remark = models.TextField(blank=True)
    version = models.OneToOneField(
        LibraryVersion, models.SET_NULL, null=True, blank=True, related_name="proposal"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["library"],
                condition=Q(status="waiting"),
                name="%(app_label)s_%(class)s_one_waits",
            ),
            models.CheckConstraint(
                condition=Q(status="waiting", decided_at=None)
                | Q(status__in=["published", "declined", "withdrawn"], decided_at__isnull=False),
                name="%(app_label)s_%(class)s_decided_with_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(status="declined") | ~Q(decided_by=F("proposed_by")),
                name="%(app_label)s_%(class)s_declined_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.library_id} {self.status}"
