"""Model answers, with what they were made from."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q, Subquery
from django.db.models.functions import Coalesce

from feedback.models.project import Project, User
from feedback.models.session import Session


class OutputQuerySet(models.QuerySet["Output"]):
    def visible_to(self, user: User) -> OutputQuerySet:
        """Outputs of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)

    def unembedded(self, *, model: str) -> OutputQuerySet:
        """Outputs whose query and answer lack a vector of that model; new and changed ones too.

        Written as two ranges, since an index does not serve `<>`.
        """
        return self.filter(Q(embedded_with__lt=model) | Q(embedded_with__gt=model))

    def beside(self, output: Output) -> OutputQuerySet:
        """The other answers to an output's question: of its session, after the very same context.

        Where no messages before the question were sent, the same words may follow upon something
        else later on: only those count between which nothing else was answered.
        """
        others = self.filter(session=output.session_id).exclude(pk=output.pk)
        alike = Q(
            query=output.query,
            system=output.system,
            messages=output.messages,
            documents=output.documents,
            tools=output.tools,
        )
        found = others.filter(alike)
        if output.messages:
            return found
        different = others.exclude(alike)
        former = different.filter(at__lt=output.at).order_by("-at").values("at")[:1]
        latter = different.filter(at__gt=output.at).order_by("at").values("at")[:1]
        return found.filter(
            at__gte=Coalesce(Subquery(former), F("at")), at__lte=Coalesce(Subquery(latter), F("at"))
        )


class Output(models.Model):
    """One answer the model gave. `text` is the current version; former ones are AnswerVersions."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="outputs")
    session = models.ForeignKey(Session, models.CASCADE, related_name="outputs")
    external_id = models.CharField(max_length=200)
    at = models.DateTimeField()
    query = models.TextField()
    system = models.TextField(blank=True)
    documents = models.JSONField(default=list, blank=True)
    messages = models.JSONField(default=list, blank=True)
    tools = models.JSONField(default=list, blank=True)
    exposure = models.JSONField(null=True, blank=True)
    text = models.TextField()
    version = models.PositiveIntegerField(default=1)
    model = models.CharField(max_length=200, blank=True)
    model_version = models.CharField(max_length=200, blank=True)
    prompt_version = models.CharField(max_length=200, blank=True)
    confidence = models.FloatField(null=True, blank=True)
    usage = models.JSONField(default=dict, blank=True)
    latency_ms = models.FloatField(null=True, blank=True)
    trace_id = models.CharField(max_length=200, blank=True)
    span_id = models.CharField(max_length=200, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    embedded_with = models.CharField(max_length=200, blank=True, default="")

    objects = OutputQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "external_id"], name="%(app_label)s_%(class)s_external_id"
            ),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__gte=0, confidence__lte=1),
                name="%(app_label)s_%(class)s_confidence_range",
            ),
            models.CheckConstraint(
                condition=Q(latency_ms=None) | Q(latency_ms__gte=0),
                name="%(app_label)s_%(class)s_latency_positive",
            ),
            models.CheckConstraint(
                condition=Q(version__gte=1), name="%(app_label)s_%(class)s_version_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "-at", "-id"], name="output_by_time"),
            models.Index(fields=["session", "at", "id"], name="output_in_session"),
            models.Index(fields=["embedded_with", "-id"], name="output_embedded_with"),
        ]

    def __str__(self) -> str:
        return self.external_id


class AnswerVersion(models.Model):
    """A superseded text of an output: what reviewers of that version saw. Never changed."""

    output = models.ForeignKey(Output, models.CASCADE, related_name="former_versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    superseded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["output", "number"], name="%(app_label)s_%(class)s_number"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.output_id} v{self.number}"
