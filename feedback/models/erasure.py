"""What was erased: that it was, by whom and how much, without saying of whom."""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings
from django.db import models
from django.db.models import Q

from feedback.models.project import Project, User
from feedback.models.stepped import Stepped


def keyed_hash(project: int, kind: str, text: str) -> str:
    """HMAC-SHA256 of an id of a project under the server's key, in hex: it tells nobody the id."""
    pepper = hashlib.sha256(b"postil.erasure:" + settings.SECRET_KEY.encode()).digest()
    said = f"{project}:{kind}:{text}".encode()
    return hmac.new(pepper, said, hashlib.sha256).hexdigest()


class ErasureQuerySet(models.QuerySet["Erasure"]):
    def visible_to(self, user: User) -> ErasureQuerySet:
        """Erasures in the projects the user is a member of."""
        return self.filter(project__memberships__user=user)

    def active(self) -> ErasureQuerySet:
        """Those that a worker has something to do about."""
        return self.filter(status__in=Erasure.ACTIVE)

    def taking(self) -> ErasureQuerySet:
        """Those that may have left words yet, also in names that were made of them."""
        took = Q(checkpoint__has_key="settles") & ~Q(checkpoint__has_key="themes")
        return self.exclude(status=Erasure.Status.DONE).exclude(took)


class Erasure(Stepped):
    """Removal of one session, or of all that is one end user's, and afterwards its record.

    `subject` is the sender's id of the session or user, and is forgotten once all is done; what
    stays is its `subject_hash`. `counts` says how many rows of each kind went. `checkpoint` has
    what is left to do after the rows are gone, by ids. With `may_return` the same records are
    taken in again when they are sent again; without, they are refused for good.
    """

    class Scope(models.TextChoices):
        USER = "user", "User"
        SESSION = "session", "Session"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    ACTIVE = ("waiting", "running")

    project = models.ForeignKey(Project, models.CASCADE, related_name="erasures")
    scope = models.CharField(max_length=7, choices=Scope.choices)
    subject = models.CharField(max_length=200, blank=True)
    subject_hash = models.CharField(max_length=64)
    may_return = models.BooleanField(default=False)
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.WAITING)
    checkpoint = models.JSONField(default=dict, blank=True)
    counts = models.JSONField(default=dict, blank=True)
    look_again_at = models.DateTimeField(null=True, blank=True)
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="erasures")
    asked_at = models.DateTimeField()

    objects = ErasureQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(scope__in=["user", "session"]), name="%(app_label)s_%(class)s_scope"
            ),
            models.CheckConstraint(
                condition=Q(status="done", subject="", checkpoint={}, ended_at__isnull=False)
                | Q(status="failed", ended_at__isnull=False) & ~Q(subject="")
                | Q(status__in=["waiting", "running"], ended_at=None) & ~Q(subject=""),
                name="%(app_label)s_%(class)s_forgets",
            ),
            models.UniqueConstraint(
                fields=["project", "subject_hash"],
                condition=~Q(status="done"),
                name="%(app_label)s_%(class)s_one_at_a_time",
            ),
        ]
        indexes = [models.Index(fields=["project", "-asked_at", "-id"], name="erasure_by_time")]

    def __str__(self) -> str:
        return f"erasure {self.pk}"

    @property
    def num_rows(self) -> int:
        """How many rows went."""
        return sum(self.counts.values())


class ErasedRecord(models.Model):
    """The keyed hash of an id that was erased, so that its record does not come back."""

    class Kind(models.TextChoices):
        SESSION = "session", "Session"
        OUTPUT = "output", "Output"
        FEEDBACK = "feedback", "Feedback"

    project = models.ForeignKey(Project, models.CASCADE, related_name="erased_records")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    id_hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "id_hash"], name="%(app_label)s_%(class)s_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["session", "output", "feedback"]),
                name="%(app_label)s_%(class)s_kind_known",
            ),
        ]

    def __str__(self) -> str:
        return f"erased {self.kind}"
