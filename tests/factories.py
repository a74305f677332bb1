"""Makes real rows with sensible values; name only what the test is about."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from curation import sealing
from curation.models import (
    Candidate,
    ContextEntry,
    ContextLibrary,
    Delivery,
    GateRules,
    Issue,
    PromotionJob,
    Ticket,
    Tracker,
    TrainingSet,
)
from feedback.authentication import create_key
from feedback.models import (
    ApiKey,
    Erasure,
    Feedback,
    Membership,
    Output,
    Project,
    Reason,
    Session,
    User,
)
from feedback.taxonomy import seed_reasons
from review.anchoring import select
from review.models import (
    Annotation,
    BulkJob,
    Claim,
    Escalation,
    Handover,
    ItemGroup,
    Notification,
    Provisional,
    Queue,
    QueueItem,
    Review,
    RoutingRule,
    SavedView,
    SpotCheck,
    Theme,
)
from review.rendering import RENDERER_VERSION, render

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def make_project(slug: str | None = None, **fields: Any) -> Project:
    """A project with the default reasons."""
    slug = slug or f"project-{next(_numbers)}"
    project = Project.objects.create(slug=slug, name=fields.pop("name", slug.title()), **fields)
    seed_reasons(project=project)
    return project


def make_user(project: Project | None = None, role: str = "curator", **fields: Any) -> User:
    """A user with the password "secret"; a member of the project when one is given."""
    user = User.objects.create_user(
        username=fields.pop("username", f"user-{next(_numbers)}"), password="secret", **fields
    )
    if project is not None:
        Membership.objects.create(project=project, user=user, role=role)
    return user


def make_key(project: Project, scopes: list[str] | None = None) -> str:
    """The text of a live API key, with every scope unless some are named."""
    return create_key(
        project=project, name="test", scopes=scopes or list(ApiKey.Scope.values), by=None
    )[1]


def make_session(project: Project, **fields: Any) -> Session:
    fields.setdefault("external_id", f"session-{next(_numbers)}")
    fields.setdefault("started_at", NOW)
    return Session.objects.create(project=project, **fields)


def make_output(project: Project, session: Session | None = None, **fields: Any) -> Output:
    fields.setdefault("external_id", f"output-{next(_numbers)}")
    fields.setdefault("at", NOW)
    fields.setdefault("query", "When did Bloom come out?")
    fields.setdefault("text", "Bloom came out on 31 August 2018.")
    return Output.objects.create(
        project=project, session=session or make_session(project), **fields
    )


def make_feedback(output: Output, **fields: Any) -> Feedback:
    fields.setdefault("external_id", f"feedback-{next(_numbers)}")
    fields.setdefault("key", fields["external_id"])
    fields.setdefault("name", "rating")
    fields.setdefault("annotator_kind", "HUMAN")
    fields.setdefault("at", NOW)
    return Feedback.objects.create(
        project=output.project, session=output.session, output=output, **fields
    )


def make_queue(project: Project, **fields: Any) -> Queue:
    fields.setdefault("slug", f"queue-{next(_numbers)}")
    fields.setdefault("name", "Everything")
    return Queue.objects.create(project=project, **fields)


def make_item(queue: Queue, output: Output | None = None, **fields: Any) -> QueueItem:
    """An open item with as many places as its queue asks reviewers for."""
    fields.setdefault("entered_at", NOW)
    item = QueueItem.objects.create(
        queue=queue, output=output or make_output(queue.project), **fields
    )
    Claim.objects.bulk_create(
        Claim(item=item, place=place) for place in range(1, queue.reviewers_per_item + 1)
    )
    return item


def make_group(*items: QueueItem) -> ItemGroup:
    """A group of these items."""
    group = ItemGroup.objects.create(queue=items[0].queue, created_at=NOW)
    for item in items:
        item.group, item.grouped_at = group, NOW
        item.save(update_fields=["group", "grouped_at"])
    return group


def make_provisional(item: QueueItem, by: User, verdict: str = "accept") -> Provisional:
    """A verdict carried over to the item from a sample of its group."""
    group = item.group or make_group(item)
    check = SpotCheck.objects.create(
        group=group,
        number=1 + group.checks.count(),
        seed=1,
        size=2,
        num_asked=1,
        share=0.9,
        drawn_at=NOW,
        verdict=verdict,
    )
    QueueItem.objects.filter(pk=item.pk).update(status="provisional", closed_at=NOW)
    return Provisional.objects.create(
        project=item.output.project,
        output=item.output,
        output_version=item.output.version,
        item=item,
        spot_check=check,
        verdict=verdict,
        decided_by=by,
        created_at=NOW,
    )


def make_view(project: Project, owner: User, **fields: Any) -> SavedView:
    """A view that is shared with the project."""
    fields.setdefault("name", f"View {next(_numbers)}")
    fields.setdefault("is_shared", True)
    return SavedView.objects.create(
        project=project, owner=owner, created_at=NOW, changed_at=NOW, **fields
    )


def make_job(project: Project, user: User, **fields: Any) -> BulkJob:
    """A bulk act that waits: to tag everything."""
    fields = {"act": "tag_add", "tags": ["x"], "until": 0, "num_matching": 0} | fields
    return BulkJob.objects.create(project=project, created_by=user, created_at=NOW, **fields)


def make_news(project: Project, user: User, **fields: Any) -> Notification:
    """That a bulk act of the user's is through, still to be read."""
    fields = {"kind": "bulk", "num": 1, "happened_at": NOW} | fields
    if "job" not in fields:
        fields["job"] = make_job(project, user)
    return Notification.objects.create(project=project, user=user, **fields)


def make_promotion(project: Project, user: User, **fields: Any) -> PromotionJob:
    """A bulk promotion that waits: of everything, to nowhere."""
    fields = {"until": 0, "num_matching": 0} | fields
    return PromotionJob.objects.create(project=project, created_by=user, created_at=NOW, **fields)


def make_candidate(project: Project, **fields: Any) -> Candidate:
    """A candidate that waits, of an answer that one reviewer corrected."""
    fields = {"num_reviewers": 2, "proposed_at": NOW} | fields
    if "review" not in fields:
        reviewer = make_user(project, "expert")
        fields["review"] = make_review(make_output(project), reviewer, correction="Better.")
    return Candidate.objects.create(project=project, **fields)


def make_escalation(project: Project, **fields: Any) -> Escalation:
    """An open escalation of an answer that one expert rejected."""
    item = make_item(make_queue(project), status="escalated")
    Claim.objects.create(item=item, place=Claim.ADJUDICATION)
    review = make_review(
        item.output,
        make_user(project, "expert"),
        item=item,
        verdict="reject",
        comment="Dangerous.",
        routes=["escalate"],
    )
    Claim.objects.filter(item=item, place=1).update(reviewer=review.reviewer, finished_at=NOW)
    fields = {"item": item, "review": review, "output": item.output, "raised_at": NOW} | fields
    return Escalation.objects.create(project=project, **fields)


def make_handover(project: Project, **fields: Any) -> Handover:
    """What a review asks for, and nobody has taken up."""
    fields = {"route": "library", "opened_at": NOW} | fields
    if "review" not in fields:
        fields["review"] = make_review(make_output(project), make_user(project))
    return Handover.objects.create(project=project, **fields)


def make_erasure(project: Project, **fields: Any) -> Erasure:
    """An erasure of a user that is done."""
    fields = {"status": "done", "ended_at": NOW, "counts": {"sessions": 3, "outputs": 17}} | fields
    if "asked_by" not in fields:
        fields["asked_by"] = make_user(project, "admin")
    return Erasure.objects.create(
        project=project, scope="user", subject_hash="0123456789abcdef" * 4, asked_at=NOW, **fields
    )


def make_rule(project: Project, **fields: Any) -> RoutingRule:
    """A routing rule that speaks on every decision, asked after those there are."""
    number = next(_numbers)
    fields = {"name": f"Rule {number}", "position": number, "created_at": NOW} | fields
    return RoutingRule.objects.create(project=project, **({"changed_at": NOW} | fields))


def make_review(output: Output, reviewer: User, **fields: Any) -> Review:
    fields.setdefault("verdict", "fix")
    fields.setdefault("created_at", NOW + timedelta(hours=1))
    fields.setdefault("output_version", output.version)
    if (item := fields.get("item")) is not None:
        fields.setdefault("place", 1 + Review.objects.filter(item=item).count())
    return Review.objects.create(project=output.project, output=output, reviewer=reviewer, **fields)


def make_annotation(output: Output, author: User, words: str, **fields: Any) -> Annotation:
    """An annotation of these words of the current answer, the first time they occur.

    `reason` may be a slug. A replacement is for exactly these words.
    """
    text = fields.pop("text", output.text)
    rendered = render(text)
    start = rendered.canonical.index(words)
    place = select(rendered.canonical, start=start, end=start + len(words), exact=words)
    source_start, source_end = rendered.canonical_to_source(place.start, place.end)
    if isinstance(reason := fields.get("reason"), str):
        fields["reason"] = Reason.objects.current().get(
            taxonomy__project=output.project_id, slug=reason
        )
    if fields.get("replacement") is not None:
        fields = {"edit_start": source_start, "edit_end": source_end} | fields
    elif "reason" not in fields:
        fields.setdefault("comment", "Which one?")
    fields.setdefault("created_at", NOW)
    fields.setdefault("changed_at", fields["created_at"])
    return Annotation.objects.create(
        project=output.project,
        output=output,
        author=author,
        start=place.start,
        end=place.end,
        source_start=source_start,
        source_end=source_end,
        exact=place.exact,
        prefix=place.prefix,
        suffix=place.suffix,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        renderer_version=RENDERER_VERSION,
        **({"output_version": output.version} | fields),
    )


def make_library(project: Project, **fields: Any) -> ContextLibrary:
    fields.setdefault("slug", f"library-{next(_numbers)}")
    fields.setdefault("name", "Facts")
    return ContextLibrary.objects.create(project=project, **fields)


def make_entry(library: ContextLibrary, **fields: Any) -> ContextEntry:
    """A draft example with no review behind it."""
    fields.setdefault("query", "When did Bloom come out?")
    fields.setdefault("answer", "Bloom came out on 31 August 2018.")
    fields.setdefault("created_at", NOW)
    if "created_by" not in fields:
        fields["created_by"] = make_user(library.project)
    return ContextEntry.objects.create(library=library, **fields)


def make_training_set(project: Project, *, is_gated: bool = False, **fields: Any) -> TrainingSet:
    """A set whose gates hold nothing up, so that its examples may all say the same."""
    fields.setdefault("slug", f"set-{next(_numbers)}")
    fields.setdefault("name", "Answers")
    made = TrainingSet.objects.create(project=project, **fields)
    if not is_gated:
        GateRules.objects.create(training_set=made, blocking=[])
    return made


def make_theme(project: Project, **fields: Any) -> Theme:
    """A theme without members, all in one direction."""
    fields.setdefault("number", next(_numbers))
    fields.setdefault("name", "left out: release date")
    fields.setdefault("created_at", NOW)
    return Theme.objects.create(
        project=project, model="m", centroid=[1.0, 0.0], updated_at=NOW, **fields
    )


def make_issue(project: Project, **fields: Any) -> Issue:
    """An open issue without a theme."""
    fields = {"title": "Say when it came out", "opened_at": NOW} | fields
    fields = {"number": next(_numbers), "changed_at": fields["opened_at"]} | fields
    return Issue.objects.create(project=project, **fields)


def make_tracker(project: Project, **fields: Any) -> Tracker:
    """A webhook that signs with "secret"; another kind has the token "token"."""
    fields = {"kind": "webhook", "url": "https://example.com/hook", "created_at": NOW} | fields
    fields = {"name": f"Tracker {next(_numbers)}"} | fields
    if fields["kind"] != "webhook":
        fields.setdefault("target", "KEY" if fields["kind"] == "jira" else "acme/app")
        fields.setdefault("sealed_token", sealing.seal("token"))
    fields.setdefault("sealed_secret", sealing.seal("secret"))
    return Tracker.objects.create(project=project, **fields)


def make_ticket(issue: Issue, tracker: Tracker, **fields: Any) -> Ticket:
    """A ticket that was made, and is open there."""
    fields = {"external_id": "7", "read_after": NOW, "created_at": NOW} | fields
    return Ticket.objects.create(issue=issue, tracker=tracker, **fields)


def make_delivery(issue: Issue, tracker: Tracker, **fields: Any) -> Delivery:
    """What is to be sent of an issue's opening, and of a ticket still to be made."""
    if "ticket" not in fields:
        fields["ticket"] = make_ticket(issue, tracker, external_id="")
    if "change" not in fields:
        fields["change"] = issue.changes.create(kind="opened", source="person", at=NOW)
    return Delivery.objects.create(**({"next_at": NOW, "created_at": NOW} | fields))
