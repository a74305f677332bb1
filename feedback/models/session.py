"""Sessions and the tags people put on them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from feedback.models.project import Project, User


class Tag(models.Model):
    """A word people file sessions under."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="tags")
    name = models.CharField(max_length=60)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"], name="%(app_label)s_%(class)s_name"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="%(app_label)s_%(class)s_named"),
        ]

    def __str__(self) -> str:
        return self.name


class SessionQuerySet(models.QuerySet["Session"]):
    def visible_to(self, user: User) -> SessionQuerySet:
        """Sessions of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)


class Session(models.Model):
    """One conversation of a user with the product. `external_id` is the sender's id."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="sessions")
    external_id = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    user_external_id = models.CharField(max_length=200, blank=True)
    user_role = models.CharField(max_length=200, blank=True)
    environment = models.CharField(max_length=200, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    tags = models.ManyToManyField(Tag, through="SessionTag", related_name="sessions")

    objects = SessionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "external_id"], name="%(app_label)s_%(class)s_external_id"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("started_at")),
                name="%(app_label)s_%(class)s_ends_after_start",
            ),
        ]
        indexes = [models.Index(fields=["project", "-started_at", "-id"], name="session_by_time")]

    def __str__(self) -> str:
        return self.external_id


class SessionTag(models.Model):
    """One tag on one session; `added_by` is empty when the sender put it there."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="session_tags")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="session_tags")
    added_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "tag"], name="%(app_label)s_%(class)s_once"),
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.session_id}"
