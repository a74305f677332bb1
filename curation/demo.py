"""The demo project: recorded answers, what invented reviewers made of them, and what was kept.

What of it is real and what invented stands in feedback/demo/NOTICE.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from curation import (
    demo_library,
    demo_records,
    demo_repeats,
    demo_traffic,
    gating,
    issues,
    promotion,
    releasing,
    training_sets,
)
from curation.demo_records import Record
from curation.demo_reviews import Reviewer, work
from curation.gate_runs import rules_of
from curation.models import Example, Issue, TrainingSet
from feedback.authentication import create_key
from feedback.embedding import model_id
from feedback.ingestion import ingest
from feedback.models import ApiKey, Membership, Project, User
from feedback.projects import create_project
from review import escalations, handovers
from review.demo import SLUG
from review.due_times import set_terms
from review.intake import feed
from review.models import Escalation, Handover, Queue, Review
from review.queues import claim_next
from review.routing import Rule, create_rule
from review.rules import Rules, StratumRule, create_queue

NEWEST = timedelta(minutes=3)
# Corrections that nobody has promoted yet.
LEFT = 6
# Of those that several reviewers confirm, so many are left for workers to propose.
LEFT_CONFIRMED = 8
# So many days ago somebody started to review; what came before was there at once.
DAYS = 13
# From the decision that asks for an issue to the issue, and what the issues say.
AN_ISSUE_TAKES = timedelta(hours=22)
UNFOUNDED = (
    "Refuse to answer where the passages do not",
    (
        "The model fills what the passages leave open with what it believes. Rules in the prompt "
        "help with some of it; with no passage that fits, search should say so and the model not "
        "be asked. Demo data."
    ),
)
MISSED = (
    "Ask back where a task leaves much open",
    (
        "Volunteers put these answers last of several. The product should ask back before it "
        "writes at length. Demo data."
    ),
)
MENDED = "Released with a question before long answers. Demo data."
BACK = "Another decision asks for it since. Demo data."
COLLEAGUES = (
    ("ines", "Ines", "Duarte", Membership.Role.EXPERT, 12),
    ("tomas", "Tomáš", "Novák", Membership.Role.MODERATOR, 32),
    ("mei", "Mei", "Tanaka", Membership.Role.EXPERT, 20),
    ("amara", "Amara", "Okafor", Membership.Role.EXPERT, 24),
)


@dataclass(frozen=True)
class Demo:
    """What the demo project is entered with."""

    project: Project
    username: str
    api_key: str


class DemoError(RuntimeError):
    """The demo project could not be loaded; nothing of it was kept."""


@transaction.atomic
def load(*, now: datetime, password: str) -> Demo | None:
    """Make the demo project, a user with that password, and a key; None when it is there.

    Time passes in it: day by day records come, queues are fed and reviewers decide, until all of
    it ends a few minutes before `now`. What simulated users asked meanwhile comes last.
    Raises DemoError when a record is refused.
    """
    if Project.objects.filter(slug=SLUG).exists():
        return None
    curator = User.objects.create_user(username=_free_name("curator"), password=password)
    project = create_project(slug=SLUG, name="Almanac", admin=curator)
    reviewers = [_colleague(project, *about) for about in COLLEAGUES]
    founded, start = now - demo_library.FOUNDED, now - timedelta(days=DAYS)
    records = demo_traffic.carrying(demo_records.read(newest=now - NEWEST))
    _receive(project, [record for at, record in records if at <= founded], founded)
    first = create_queue(
        project=project,
        rules=Rules(name="Low confidence", filter={"max_confidence": 0.5}),
        by=curator,
        now=founded,
    )
    demo_library.found(project=project, queue=first, reviewer=reviewers[0], by=curator, now=founded)
    _receive(project, [record for at, record in records if founded < at <= start], start)
    feed(queue=first, now=start)
    queues = [*_queues(project, curator, start), first]
    named = [reviewers[0], reviewers[3]]
    facts = _of_some(project, named, curator, start)
    _route(project, curator, start)
    for day in range(1, DAYS + 1):
        since, until = start + timedelta(days=day - 1), start + timedelta(days=day)
        _review(queues, reviewers, day, since)
        if day % 3 == 0:
            work(queue=facts, by=named[day % 2], num=1, start=since + timedelta(hours=10))
        _receive(project, [record for at, record in records if since < at <= until], until)
        for queue in (*queues, facts):
            feed(queue=queue, now=until)
    claim_next(queue=queues[0], by=reviewers[0].user, now=now - NEWEST)
    demo_library.follow(project=project, by=curator, now=now, newest=now - NEWEST)
    _fill_training_set(project, curator, now)
    _see_to(project, curator, now)
    demo_repeats.simulate(
        project=project, by=curator, now=now - NEWEST, receive=partial(_receive, project)
    )
    _, api_key = create_key(
        project=project, name="Demo", scopes=list(ApiKey.Scope.values), by=curator
    )
    return Demo(project=project, username=curator.username, api_key=api_key)


def _free_name(name: str) -> str:
    taken = set(User.objects.filter(username__startswith=name).values_list("username", flat=True))
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def _colleague(
    project: Project, name: str, first: str, last: str, role: str, tolerance: int
) -> Reviewer:
    """An invented reviewer, who cannot sign in."""
    user = User.objects.create_user(username=_free_name(name), first_name=first, last_name=last)
    Membership.objects.create(project=project, user=user, role=role)
    return Reviewer(user=user, tolerance=tolerance)


def _receive(
    project: Project, records: Sequence[Record], now: datetime, batch: int = 1_000
) -> None:
    for first in range(0, len(records), batch):
        sent = records[first : first + batch]
        report = ingest(project=project, records=sent, now=now)
        if report.rejected:
            raise DemoError(f"A record was refused: {report.rejected[0]}")


def _queues(project: Project, by: User, now: datetime) -> list[Queue]:
    """Two that look where faults are, and one by lot, which tells how common they are.

    That one leaves out what two are still to judge without knowing of each other: nothing would be
    known of it for long. Nobody need read what is simulated.
    """
    recorded = {"-environment": demo_repeats.ENVIRONMENT}
    by_lot = (
        StratumRule(name="Thumbs down", filter={"score": "negative"}, rate=0.3, is_audit=True),
        StratumRule(name="All others", rate=0.2, is_audit=True),
    )
    return [
        create_queue(project=project, rules=rules, by=by, now=now)
        for rules in (
            Rules(name="Thumbs down", filter={"score": "negative"} | recorded),
            Rules(
                name="Unsupported claims", filter={"reason": "unsupported"}, reviewers_per_item=2
            ),
            Rules(name="Spot checks", filter={"-reason": "unsupported"} | recorded, strata=by_lot),
        )
    ]


def _of_some(project: Project, named: Sequence[Reviewer], by: User, now: datetime) -> Queue:
    """A small one that only the named see, beside moderators: wrong facts where people teach."""
    rules = Rules(
        name="Wrong facts at schools",
        filter={"reason": "factually-incorrect", "role": ["teacher", "librarian"]},
        reviewers=[one.user.get_username() for one in named],
    )
    return create_queue(project=project, rules=rules, by=by, now=now)


def _route(project: Project, by: User, now: datetime) -> None:
    """Where decisions go, and within how many hours: a day where it is dangerous, else days."""
    set_terms(
        project=project,
        hours={"library": 10 * 24, "training": 7 * 24, "issue": 5 * 24},
        by=by,
        now=now,
    )
    for rule in (
        Rule(
            name="Dangerous",
            severities=[Review.Severity.CRITICAL],
            routes=[Review.Route.ISSUE, Review.Route.ESCALATE],
            due_hours=24,
        ),
        Rule(
            name="Corrected",
            verdicts=[Review.Verdict.FIX],
            routes=[Review.Route.TRAINING],
        ),
        Rule(
            name="Beyond repair",
            verdicts=[Review.Verdict.REJECT],
            routes=[Review.Route.ISSUE],
        ),
    ):
        create_rule(project=project, rule=rule, by=by, now=now)


def _review(
    queues: Sequence[Queue], reviewers: Sequence[Reviewer], day: int, since: datetime
) -> None:
    """Let each reviewer work for an hour, one after the other, on a queue that changes daily."""
    hours = (since + timedelta(hours=hour) for hour in (2, 4, 6, 8))
    for place, (by, start) in enumerate(zip(reviewers, hours, strict=True)):
        work(queue=queues[(place + day) % len(queues)], by=by, num=2 + place % 2, start=start)


def _settled(project: Project) -> list[Review]:
    """Reviews that count and hold a better answer, the oldest first."""
    return list(
        Review.objects.authoritative()
        .filter(project=project, verdict=Review.Verdict.FIX)
        .exclude(correction="")
        .select_related("output")
        .order_by("created_at", "pk")
    )


def _fill_training_set(project: Project, by: User, now: datetime) -> None:
    """Release what was corrected until yesterday; most of the rest is for the next release.

    The last few wait to be promoted, and some that are confirmed to be proposed.
    """
    training_set = training_sets.create_training_set(
        project=project,
        name="First corrections",
        description="Answers with what reviewers wrote in their place.",
        by=by,
        now=now - timedelta(days=2),
    )
    yesterday = now - timedelta(days=1)
    reviews = _settled(project)
    confirmed = [
        one.pk
        for one in reviews
        if Review.objects.filter(output=one.output_id, verdict=one.verdict).count() > 1
        and not one.context_entries.exists()
    ]
    reviews = [one for one in reviews if one.pk not in confirmed[-LEFT_CONFIRMED:]]
    early = [review for review in reviews if review.created_at < yesterday]
    for review in early:
        promotion.promote_to_training_set(
            review=review, training_set=training_set, by=by, now=yesterday
        )
    _pass_gates(training_set, by, yesterday)
    releasing.release(training_set=training_set, by=by, now=yesterday)
    for review in reviews[len(early) : -LEFT]:
        promotion.promote_to_training_set(
            review=review, training_set=training_set, by=by, now=now - NEWEST
        )


def _pass_gates(training_set: TrainingSet, by: User, now: datetime) -> None:
    """Check the examples, and take out those that hold the release up, as a curator would."""
    check = gating.ask(training_set=training_set, by=by, now=now)
    gating.run(check=check, vectors=model_id(), clock=lambda: now)
    rules = rules_of(training_set=training_set)
    failing = Example.objects.filter(
        gate_findings__in=check.findings.open().filter(gate__in=rules.blocking)
    ).distinct()
    for example in failing.order_by("pk"):
        training_sets.remove_example(example=example, by=by, now=now)
    if failing:
        check = gating.ask(training_set=training_set, by=by, now=now)
        gating.run(check=check, vectors=model_id(), clock=lambda: now)


def _see_to(project: Project, by: User, now: datetime) -> None:
    """Settle what is older than some days, and take up the oldest issue of the others.

    What older decisions ask for has become two issues of the product; one was closed and came back.
    """
    for one in Escalation.objects.open().filter(
        project=project, raised_at__lt=now - timedelta(days=2)
    ):
        escalations.close(
            escalation=one,
            by=by,
            comment="Seen. The reviewer is right, and what users read is corrected.",
            now=one.raised_at + timedelta(hours=20),
        )
    counting = Handover.objects.counting().waiting()
    waiting = counting.filter(project=project, route=Review.Route.ISSUE)
    in_turn = waiting.select_related("review").order_by("opened_at", "pk")
    early = list(in_turn.filter(opened_at__lt=now - timedelta(days=3)))
    unfounded = [one for one in early if one.review.severity == Review.Severity.CRITICAL]
    _make_issue(project, by, UNFOUNDED, unfounded)
    missed = [one for one in early if one not in unfounded]
    mended_at = now - timedelta(days=6, hours=18)
    before = [one for one in missed if one.opened_at < mended_at - AN_ISSUE_TAKES]
    issue = _make_issue(project, by, MISSED, before)
    if issue is not None:
        issues.close(issue=issue, resolution="fixed", comment=MENDED, by=by, now=mended_at)
        after = missed[len(before) :]
        for asked in after:
            at = asked.opened_at + AN_ISSUE_TAKES
            if asked is after[0]:
                issues.reopen(issue=issue, comment=BACK, by=by, now=at)
            issues.add_handover(issue=issue, handover=asked, by=by, now=at)
    if oldest := in_turn.first():
        handovers.take(handover=oldest, by=by, now=now - NEWEST)


def _make_issue(
    project: Project, by: User, about: tuple[str, str], asked: Sequence[Handover]
) -> Issue | None:
    """Make an issue of what decisions ask for, as each came; None where none does."""
    issue: Issue | None = None
    title, description = about
    for one in asked:
        at = one.opened_at + AN_ISSUE_TAKES
        if issue is None:
            issue = issues.open_issue(
                project=project, title=title, description=description, handover=one, by=by, now=at
            )
        else:
            issues.add_handover(issue=issue, handover=one, by=by, now=at)
    return issue
