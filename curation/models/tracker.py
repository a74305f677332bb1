"""Where issues are handed over to: webhooks and trackers, and their tickets."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from curation.models.issue import Issue
from feedback.models import Project, User


class TrackerQuerySet(models.QuerySet["Tracker"]):
    def kept(self) -> TrackerQuerySet:
        """Trackers that nobody removed."""
        return self.filter(removed_at=None)


class Tracker(models.Model):
    """A webhook, or a project in a tracker, that issues go to.

    `url` is the webhook's address or that of the tracker's API, `target` the project's name there.
    Both secrets are sealed, and gone once it is removed: `sealed_token` signs in there,
    `sealed_secret` signs what a webhook gets and what is reported back. `hook` names it where
    reports come in.
    """

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        GITHUB = "github", "GitHub"
        GITLAB = "gitlab", "GitLab"
        JIRA = "jira", "Jira"

    project = models.ForeignKey(Project, models.CASCADE, related_name="trackers")
    kind = models.CharField(max_length=7, choices=Kind.choices)
    name = models.CharField(max_length=120)
    url = models.CharField(max_length=500)
    target = models.CharField(max_length=250, blank=True)
    account = models.CharField(max_length=200, blank=True)
    sealed_token = models.TextField(blank=True)
    sealed_secret = models.TextField(blank=True)
    with_examples = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    hook = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = TrackerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=Q(removed_at=None),
                name="%(app_label)s_%(class)s_named_once",
            ),
            models.CheckConstraint(
                condition=Q(kind="webhook", target="") | ~Q(kind="webhook") & ~Q(target=""),
                name="%(app_label)s_%(class)s_has_target",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["webhook", "github", "gitlab", "jira"]),
                name="%(app_label)s_%(class)s_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(removed_at=None) | Q(sealed_token="", sealed_secret=""),
                name="%(app_label)s_%(class)s_removed_without_secrets",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_kind_display()})"

    @property
    def is_webhook(self) -> bool:
        """Whether it takes what it is sent, and has no tickets to read."""
        return self.kind == self.Kind.WEBHOOK


class TicketQuerySet(models.QuerySet["Ticket"]):
    def to_read(self) -> TicketQuerySet:
        """Tickets whose tracker can be asked where they stand."""
        made = self.exclude(external_id="").filter(tracker__removed_at=None)
        return made.exclude(tracker__kind=Tracker.Kind.WEBHOOK)


class Ticket(models.Model):
    """An issue in a tracker. `external_id` is its name there, empty until it is made.

    `is_closed` is where it stood when it was last seen; it is read again from `read_after` on.
    """

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="tickets")
    tracker = models.ForeignKey(Tracker, models.CASCADE, related_name="tickets")
    external_id = models.CharField(max_length=100, blank=True)
    url = models.CharField(max_length=500, blank=True)
    is_closed = models.BooleanField(default=False)
    read_after = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    fault = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    objects = TicketQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issue", "tracker"], name="%(app_label)s_%(class)s_once"
            ),
        ]
        indexes = [models.Index(fields=["read_after", "id"], name="ticket_by_reading")]

    def __str__(self) -> str:
        return f"{self.issue_id} in {self.tracker_id}"


class TakenReport(models.Model):
    """A signed report that was taken, by its signature: the same again changes nothing.

    It is kept while its timestamp is near enough to be sent again.
    """

    tracker = models.ForeignKey(Tracker, models.CASCADE, related_name="taken_reports")
    signature = models.CharField(max_length=100)
    taken_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tracker", "signature"], name="%(app_label)s_%(class)s_once"
            ),
        ]

    def __str__(self) -> str:
        return f"report to {self.tracker_id}"
