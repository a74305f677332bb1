"""Work lists: queues, their items, and the temporary holds on them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from feedback.models import Feedback, Membership, Output, Project, User
from review.models.group import ItemGroup
from review.models.stratum import Stratum
from review.models.theme import Theme
from review.sampling import LOTS

_NOTHING = Q(pk__in=())


class QueueQuerySet(models.QuerySet["Queue"]):
    def visible_to(self, user: User) -> QueueQuerySet:
        """Queues of the user's projects: the only door to queues and to all that is of one.

        One of some people is seen by those it names, and by moderators and above.
        """
        named = QueueReviewer.objects.filter(queue=OuterRef("pk"), user=user)
        sees_all = Q(project__memberships__role__in=Membership.reaching(Membership.Role.MODERATOR))
        return self.filter(
            Q(is_restricted=False) | sees_all | Exists(named), project__memberships__user=user
        )


class Queue(models.Model):
    """A work list: one saved filter over outputs, plus how its items are handed out.

    Its form is how many reviewers judge an item, and what a decision must say beside the verdict;
    a trigger refuses to change it once the first review is in. `is_unswept` says that what it
    draws changed since its items were last held against it.

    One that `is_restricted` is reviewed by the people it names alone, and by moderators and above.
    It stays so when the last of them is a member no more.
    """

    class Required(models.TextChoices):
        SEVERITY = "severity", "Severity"
        REASONS = "reasons", "Reasons"
        CONFIDENCE = "confidence", "How sure"

    class Order(models.TextChoices):
        PRIORITY = "priority", "Most urgent first"
        OLDEST = "oldest", "Oldest answer first"
        NEWEST = "newest", "Newest answer first"

    project = models.ForeignKey(Project, models.CASCADE, related_name="queues")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    filter = models.JSONField(default=dict, blank=True)
    lease_seconds = models.PositiveIntegerField(default=900)
    reviewers_per_item = models.PositiveSmallIntegerField(default=1)
    required = ArrayField(
        models.CharField(max_length=10, choices=Required.choices), default=list, blank=True
    )
    order = models.CharField(max_length=8, choices=Order.choices, default=Order.PRIORITY)
    due_hours = models.PositiveIntegerField(null=True, blank=True)
    is_unswept = models.BooleanField(default=False)
    is_restricted = models.BooleanField(default=False)
    request_key = models.UUIDField(null=True, blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = QueueQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "slug"], name="%(app_label)s_%(class)s_slug"
            ),
            models.UniqueConstraint(
                fields=["project", "created_by", "request_key"],
                condition=Q(request_key__isnull=False),
                name="%(app_label)s_%(class)s_once",
            ),
            models.UniqueConstraint(
                fields=["id", "project"], name="%(app_label)s_%(class)s_of_a_project"
            ),
            models.CheckConstraint(
                condition=Q(lease_seconds__gte=1), name="%(app_label)s_%(class)s_lease_positive"
            ),
            models.CheckConstraint(
                condition=Q(reviewers_per_item__gte=1, reviewers_per_item__lte=20),
                name="%(app_label)s_%(class)s_reviewers_range",
            ),
            models.CheckConstraint(
                condition=Q(order__in=["priority", "oldest", "newest"]),
                name="%(app_label)s_%(class)s_order_known",
            ),
            models.CheckConstraint(
                condition=Q(due_hours=None) | Q(due_hours__gte=1),
                name="%(app_label)s_%(class)s_due_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_seen_by(self, member: User) -> bool:
        """Whether a member of its project sees it; a query only where it names people."""
        if not self.is_restricted:
            return True
        return Queue.objects.visible_to(member).filter(pk=self.pk).exists()


class QueueReviewer(models.Model):
    """That a queue names a member of its project to review it.

    Both are of the one project, and who is a member no more is named no more (foreign keys of two
    columns each).
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    queue = models.ForeignKey(Queue, models.CASCADE, related_name="named")
    user = models.ForeignKey(User, models.CASCADE, related_name="named_in")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["queue", "user"], name="%(app_label)s_%(class)s_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.queue_id}"


class QueueItemQuerySet(models.QuerySet["QueueItem"]):
    def visible_to(self, user: User) -> QueueItemQuerySet:
        """Items of the queues the user sees."""
        return self.filter(queue__in=Queue.objects.visible_to(user))

    def open(self) -> QueueItemQuerySet:
        """Items that still need a review."""
        return self.filter(status=QueueItem.Status.OPEN)

    def disputed(self) -> QueueItemQuerySet:
        """Items whose reviewers disagree, for a third person to decide."""
        return self.filter(status=QueueItem.Status.DISPUTED)

    def alike(self) -> QueueItemQuerySet:
        """Open items of a group. Those of a random audit are no part of one: each has its turn."""
        return self.open().exclude(group=None).exclude(stratum__is_audit=True)

    def ungrouped(self, *, model: str) -> QueueItemQuerySet:
        """Open items to be placed among what is nearly the same, by the vectors of that model.

        Those that never were, whose answer changed since, and those of an audit that still are in
        a group.
        """
        # A row is seen when its transaction ends, which is a little later than its time says.
        changed = Q(output__changed_at__gt=F("grouped_at") - timedelta(minutes=1))
        is_audit = Q(stratum__is_audit=True)
        is_due = Q(grouped_at=None) | changed | is_audit & Q(group__isnull=False)
        return self.open().filter(is_due, output__embedded_with=model)

    def collapsed(self, *, by_theme: bool = False) -> QueueItemQuerySet:
        """Without all those of a group but the first by rank, of these items."""
        ahead = Q(rank__gt=OuterRef("rank")) | Q(rank=OuterRef("rank"), pk__lt=OuterRef("pk"))
        others = self.filter(ahead, group=OuterRef("group"))
        if by_theme:
            of_theme = Coalesce(OuterRef("theme"), Value(0))
            others = others.alias(of=Coalesce("theme", Value(0))).filter(of=of_theme)
        # Asked of each item that the list comes to; joined, it would be asked of all at first.
        return self.filter(Q(group=None) | ~Exists(others))

    def blind(self) -> QueueItemQuerySet:
        """Open items that several are to judge without knowing of each other."""
        return self.open().filter(queue__reviewers_per_item__gt=1)

    def blind_to(self, user: User) -> QueueItemQuerySet:
        """Open items of several reviewers that the user has not judged yet.

        What others think of the output is hidden from the user so long.
        """
        return self.blind().exclude(reviews__reviewer=user)

    def stale(self, *, version: str, at: datetime, besides: Q = _NOTHING) -> QueueItemQuerySet:
        """Items to rank anew at the time, and some besides.

        Those ranked by another version, about whose output something came in or changed since, and
        those that time alone gives other points.
        """
        # A row is seen when its transaction ends, which is a little later than its time says.
        overlap = timedelta(minutes=1)
        since = OuterRef("ranked_at") - overlap
        news = Feedback.objects.filter(output=OuterRef("output")).filter(
            Q(received_at__gt=since) | Q(changed_at__gt=since)
        )
        return self.filter(
            ~Q(priority_version=version)
            | Q(look_again_at__lte=at)
            | Q(output__changed_at__gt=F("ranked_at") - overlap)
            | Exists(news)
            | besides
        )


class QueueItem(models.Model):
    """One output in one queue. It is done when every one of its claims is finished.

    Where its reviewers disagree it is disputed first, with one more place for who decides.
    One that was escalated waits for a third person in the same place, once its reviewers agree.
    One that was decided as one with others keeps its places: a review of it takes one as before.
    One that was taken out has no places any more, and stays so that the rules bring it in no more.

    `priority` adds up from `priority_parts`, by the scoring named in `priority_version`. The queue
    is worked off by `rank`, the greatest first: the priority, unless `fixed_rank` says otherwise,
    by age or by lot. Feedback that came in after `ranked_at` does not count yet.

    `draw` is the output's number in this queue and `inclusion` the probability with which it came
    in: the highest rate of the strata that it has been in.

    `group` has what is nearly the same, as far as was known at `grouped_at`; None for nothing.
    """

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        DISPUTED = "disputed", "Disputed"
        DONE = "done", "Done"
        OUT = "out", "Taken out"
        PROVISIONAL = "provisional", "Decided as one"
        ESCALATED = "escalated", "Escalated"

    queue = models.ForeignKey(Queue, models.CASCADE, related_name="items")
    output = models.ForeignKey(Output, models.CASCADE, related_name="queue_items")
    theme = models.ForeignKey(
        Theme, models.SET_NULL, null=True, blank=True, related_name="queue_items"
    )
    stratum = models.ForeignKey(
        Stratum, models.SET_NULL, null=True, blank=True, related_name="items"
    )
    group = models.ForeignKey(
        ItemGroup, models.SET_NULL, null=True, blank=True, related_name="items"
    )
    grouped_at = models.DateTimeField(null=True, blank=True)
    draw = models.FloatField(default=0)
    inclusion = models.FloatField(default=1)
    status = models.CharField(max_length=11, choices=Status.choices, default=Status.OPEN)
    priority = models.FloatField(default=0)
    priority_parts = models.JSONField(default=list, blank=True)
    priority_version = models.CharField(max_length=60, blank=True, default="")
    fixed_rank = models.FloatField(null=True, blank=True)
    rank = models.GeneratedField(
        expression=Coalesce("fixed_rank", "priority"),
        output_field=models.FloatField(),
        db_persist=True,
    )
    entered_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)
    ranked_at = models.DateTimeField(default=timezone.now)
    look_again_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = QueueItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["queue", "output"], name="%(app_label)s_%(class)s_once"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "disputed", "escalated"], closed_at=None)
                | Q(status__in=["done", "out", "provisional"], closed_at__isnull=False),
                name="%(app_label)s_%(class)s_closed_when_done",
            ),
            models.CheckConstraint(
                condition=Q(draw__gte=0, draw__lt=1, inclusion__gt=0, inclusion__lte=1),
                name="%(app_label)s_%(class)s_drawn",
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "-rank", "id"],
                condition=Q(status="open"),
                name="queueitem_open_by_rank",
            ),
            models.Index(
                fields=["queue", "theme", "-rank", "id"],
                condition=Q(status="open"),
                name="queueitem_open_theme_by_rank",
            ),
            models.Index(
                fields=["queue", "-rank", "id"],
                condition=Q(status="disputed"),
                name="queueitem_disputed",
            ),
            models.Index(
                fields=["group", "-rank", "id"],
                condition=Q(status="open", group__isnull=False),
                name="queueitem_open_alike",
            ),
            models.Index(
                fields=["queue", "id"],
                condition=Q(status="open", grouped_at=None),
                name="queueitem_ungrouped",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.output_id} in {self.queue_id}"

    @property
    def is_by_lot(self) -> bool:
        """Whether it is worked off by lot: of a random audit, unless its queue goes by age."""
        return self.fixed_rank is not None and LOTS[0] <= self.fixed_rank <= LOTS[1]

    @property
    def needs_third_person(self) -> bool:
        """Whether somebody who has not reviewed it is to decide."""
        return self.status in {self.Status.DISPUTED, self.Status.ESCALATED}


class ClaimQuerySet(models.QuerySet["Claim"]):
    def held_by(self, user: User, *, at: datetime) -> ClaimQuerySet:
        """Places the user holds under a running lease."""
        return self.filter(reviewer=user, lease_until__gt=at, finished_at=None)


class Claim(models.Model):
    """One reviewer's place on an item, held for a while.

    An item has as many places as its queue asks reviewers for, from 1, and each takes one review.
    Place 0 is made when the reviewers disagree, for a third person. `fence` grows with every new
    holder: a submit with an older fence comes from somebody who has lost the place.
    """

    ADJUDICATION = 0

    item = models.ForeignKey(QueueItem, models.CASCADE, related_name="claims")
    place = models.PositiveSmallIntegerField(default=1)
    # Its index is that of `one_place_each`: with one of its own PostgreSQL would at times read all
    # that somebody ever held for each item it asks about.
    reviewer = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="claims", db_index=False
    )
    fence = models.PositiveBigIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ClaimQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "place"], name="%(app_label)s_%(class)s_place"),
            models.UniqueConstraint(
                fields=["reviewer", "item"],
                condition=Q(reviewer__isnull=False),
                name="%(app_label)s_%(class)s_one_place_each",
            ),
            models.CheckConstraint(
                condition=Q(claimed_at=None, lease_until=None)
                | Q(claimed_at__isnull=False, lease_until__isnull=False),
                name="%(app_label)s_%(class)s_lease_with_claim",
            ),
        ]
        indexes = [
            models.Index(
                fields=["reviewer", "lease_until"],
                condition=Q(finished_at=None),
                name="claim_held",
            )
        ]

    def __str__(self) -> str:
        return f"place {self.place} of item {self.item_id}"


class Skip(models.Model):
    """A reviewer passed over an item, and why. Never counted as a review."""

    item = models.ForeignKey(QueueItem, models.CASCADE, related_name="skips")
    reviewer = models.ForeignKey(User, models.CASCADE, related_name="skips", db_index=False)
    reason = models.CharField(max_length=500)
    skipped_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reviewer", "item"], name="%(app_label)s_%(class)s_once"
            ),
            models.CheckConstraint(
                condition=~Q(reason=""), name="%(app_label)s_%(class)s_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} by {self.reviewer_id}"
