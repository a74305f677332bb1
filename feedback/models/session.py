"""Sessions and the tags people put on them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Lower

from feedback.models.project import Project, User


class TagQuerySet(models.QuerySet["Tag"]):
    def current(self) -> TagQuerySet:
        """Tags that sessions can have, without former names."""
        return self.filter(alias_of=None)

    def called(self, names: Iterable[str]) -> TagQuerySet:
        """Tags and former names with one of these names, in whatever case."""
        keys = [Lower(Value(name)) for name in names]
        return self.annotate(key=Lower("name")).filter(key__in=keys)


class Tag(models.Model):
    """A word people file sessions under.

    A former name is a row too, with `alias_of` the tag that it means now; no session has it. Names
    differ by more than their case.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="tags")
    name = models.CharField(max_length=60)
    alias_of = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="aliases"
    )

    objects = TagQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("project", Lower("name"), name="%(app_label)s_%(class)s_name"),
            models.CheckConstraint(condition=~Q(name=""), name="%(app_label)s_%(class)s_named"),
            models.CheckConstraint(
                condition=~Q(alias_of=F("id")), name="%(app_label)s_%(class)s_not_its_own_alias"
            ),
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
