"""Reviews that workers propose for promotion."""

from __future__ import annotations

from django.db import models
from django.db.models import Exists, OuterRef, Q

from curation.models.context import ContextEntry
from curation.models.promotion import PromotionJob
from curation.models.training import Example
from feedback.models import Project, User
from review.models import QueueItem, Review


class CandidateQuerySet(models.QuerySet["Candidate"]):
    def waiting(self) -> CandidateQuerySet:
        """Those to decide on: of reviews that still count, and that nobody promoted otherwise."""
        of_review = Q(review=OuterRef("review"))
        return self.filter(
            ~Exists(ContextEntry.objects.kept().filter(of_review)),
            ~Exists(Example.objects.kept().filter(of_review)),
            status=Candidate.Status.WAITING,
            review__is_authoritative=True,
        )

    def revealed(self) -> CandidateQuerySet:
        """Those of outputs that nobody is still to judge without knowing the review."""
        blind = QueueItem.objects.blind().filter(output=OuterRef("review__output"))
        return self.filter(~Exists(blind))

    def decided(self) -> CandidateQuerySet:
        """Those that a curator accepted or rejected."""
        return self.filter(status__in=[Candidate.Status.ACCEPTED, Candidate.Status.REJECTED])

    def passed_over(self) -> CandidateQuerySet:
        """Those that workers looked at and did not propose."""
        return self.filter(status=Candidate.Status.UNFIT)


class Candidate(models.Model):
    """One review that a worker looked at: proposed, and then decided by a curator, or passed over.

    `num_reviewers` gave its verdict on that version of the answer. `similarity` is the cosine of
    its question to that of the nearest entry or example there was, null where there was none.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"
        UNFIT = "unfit", "Passed over"

    class Reason(models.TextChoices):
        SAID = "said", "Said already"
        WRONG = "wrong", "Not right"
        SPECIAL = "special", "Too special"
        STYLE = "style", "Badly put"
        OTHER = "other", "Other"

    project = models.ForeignKey(Project, models.CASCADE, related_name="candidates")
    review = models.OneToOneField(Review, models.CASCADE, related_name="candidate")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    num_reviewers = models.PositiveSmallIntegerField()
    similarity = models.FloatField(null=True, blank=True)
    nearest_entry = models.ForeignKey(
        ContextEntry, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    nearest_example = models.ForeignKey(
        Example, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    unfit_why = models.CharField(max_length=300, blank=True, default="")
    proposed_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="decided_candidates"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=7, choices=Reason.choices, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    # What accepting made, and where.
    job = models.OneToOneField(
        PromotionJob, models.SET_NULL, null=True, blank=True, related_name="candidate"
    )

    objects = CandidateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    status__in=["waiting", "unfit"], decided_by=None, decided_at=None, reason=""
                )
                | Q(
                    status="accepted", decided_by__isnull=False, decided_at__isnull=False, reason=""
                )
                | (
                    Q(status="rejected", decided_by__isnull=False, decided_at__isnull=False)
                    & ~Q(reason="")
                ),
                name="%(app_label)s_%(class)s_decided_by_whom",
            ),
            models.CheckConstraint(
                condition=Q(reason__in=["", "said", "wrong", "special", "style", "other"]),
                name="%(app_label)s_%(class)s_reason_known",
            ),
            models.CheckConstraint(
                condition=~Q(reason="other") | ~Q(note=""),
                name="%(app_label)s_%(class)s_says_what_other",
            ),
            models.CheckConstraint(
                condition=(Q(status="unfit") & ~Q(unfit_why=""))
                | (~Q(status="unfit") & Q(unfit_why="")),
                name="%(app_label)s_%(class)s_says_why_unfit",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "status", "id"], name="candidate_by_status"),
            models.Index(
                fields=["project", "-decided_at", "-id"],
                condition=Q(decided_at__isnull=False),
                name="candidate_by_decision",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.review_id}"
