"""What a team does about one person's answers, by the operations that pages and the API call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from django.test import Client

from curation import (
    candidates,
    deliveries,
    issues,
    promotion_jobs,
    proposing,
    releasing,
    training_sets,
)
from curation.formats import Row
from curation.models import Candidate, Issue, Ticket, TrainingSet
from curation.outgoing import Answer
from curation.placing import Places
from feedback import collecting, tokens
from feedback.embedding import embed_pending
from feedback.models import Project, User
from review import (
    bulk,
    digests,
    escalations,
    grouping,
    routing,
    rules,
    saved_views,
    tags,
    themes,
    threads,
)
from review.filters import ReviewFilter
from review.models import Annotation, BulkJob, Escalation, Notification, ThemeMembership
from review.routing import Rule
from review.rules import Rules, StratumRule
from tests.curation.test_reports import signed
from tests.factories import NOW, make_library, make_tracker, make_training_set

if TYPE_CHECKING:
    from tests.curation.planted import Trace

HOUR = timedelta(hours=1)


def leave(trace: Trace, *, curator: User) -> None:
    """Work on what the person sent, in every way that keeps something of it."""
    _collect(trace)
    _sort(trace)
    _tell(trace)
    _nominate(trace, curator)
    _promote(trace, curator)
    _evaluate(trace, curator)


def _filter(trace: Trace) -> dict[str, Any]:
    """A filter that names the person and their session, in words and as such."""
    return {"session": [trace.session, "another"], "words": f'"{trace.user}"'}


def _theirs(trace: Trace) -> ReviewFilter:
    """A filter that finds what is in their session."""
    return ReviewFilter.from_json({"session": [trace.session, "another"]})


def _collect(trace: Trace) -> None:
    """From the person's browser, and in like words about each answer, so that it is a theme."""
    m = trace.mark
    words = " ".join(m(f"theme {place}") for place in ("one", "two", "three", "four"))
    for number, which in enumerate(("first", "second", "third", "fourth", "fifth", "sixth")):
        token = tokens.sign(project=trace.project, output=m(f"{which} id"), expires_at=NOW + HOUR)
        said = {
            "type": "feedback",
            "id": m(f"{which} collected id"),
            "name": "rating",
            "score": -1,
            "comment": f"{words} {number}",
        }
        report = collecting.collect(token=token, records=[said], origin=None, now=NOW)
        assert report.accepted == 1, report


def _sort(trace: Trace) -> None:
    """Tags, a view, a queue, a rule and a bulk act, all by filters that name the person."""
    project, moderator, wanted = trace.project, trace.moderator, _filter(trace)
    session = trace.output("first").session
    tags.tag_sessions(project=project, sessions=[session], by=moderator, now=NOW, add=["looked at"])
    saved_views.save_view(
        project=project,
        name="Theirs",
        wanted=ReviewFilter.from_json(wanted),
        by=moderator,
        now=NOW,
    )
    rules.create_queue(
        project=project,
        rules=Rules(
            name=f"Theirs {moderator.pk}",
            filter={"session": [trace.session]},
            strata=[StratumRule(name="All", filter=wanted), StratumRule(name="Rest", rate=0.5)],
        ),
        by=moderator,
        now=NOW,
    )
    routing.create_rule(
        project=project,
        rule=Rule(name=f"Theirs {moderator.pk}", filter=wanted, routes=["issue"]),
        by=moderator,
        now=NOW,
    )
    job = bulk.start(
        project=project,
        wanted=_theirs(trace),
        act=BulkJob.Act.TAG_ADD,
        tags=["seen"],
        by=moderator,
        now=NOW,
    )
    while bulk.work_off(now=NOW):
        pass
    job.refresh_from_db()
    assert job.status == BulkJob.Status.DONE


def _tell(trace: Trace) -> None:
    """Name a colleague, who gets it by mail; and have an escalation reviewed once more."""
    m, expert = trace.mark, trace.expert
    note = Annotation.objects.filter(output=trace.output("first")).order_by("pk")[0]
    expert.email = f"{expert.username}@example.org"
    expert.save()
    kinds = list(Notification.Kind.values)
    digests.choose(by=expert, every="daily", in_app=kinds, by_mail=kinds, now=NOW)
    text = f"@{expert.username}: see {m('mention')}."
    threads.reply(annotation=note, by=trace.other, text=text, now=NOW)
    digests.make_due(now=NOW + timedelta(days=2))
    assert Notification.objects.filter(user=expert, mail__isnull=False).exists()
    queue = trace.project.queues.get(name="Everything", items__output=trace.output("sixth"))
    trace.decide(queue, "sixth", verdict="reject", comment=m("worse"), routes=["escalate"])
    raised = Escalation.objects.get(output=trace.output("sixth"))
    escalations.send_back(
        escalation=raised, queue=queue, by=trace.moderator, comment=m("sent back"), now=NOW
    )
    grouping.group_all(model="stub", now=NOW)


def _promote(trace: Trace, curator: User) -> None:
    """Many at once, by a filter that names the person."""
    job = promotion_jobs.start(
        project=trace.project,
        wanted=_theirs(trace),
        places=Places(
            libraries=[make_library(trace.project)],
            training_sets=[make_training_set(trace.project)],
        ),
        by=curator,
        now=NOW,
    )
    while promotion_jobs.work_off(now=NOW):
        pass
    job.refresh_from_db()
    assert job.status == "done"


def _nominate(trace: Trace, curator: User) -> None:
    """One that was confirmed is proposed, and somebody says why it will not do."""
    Project.objects.filter(pk=trace.project.pk).update(confirmations=1)
    project = Project.objects.get(pk=trace.project.pk)
    assert proposing.propose(project=project, model="stub", now=NOW)
    own = Candidate.objects.waiting().filter(review__output__session__external_id=trace.session)
    candidates.reject(
        candidate=own.order_by("pk")[0],
        reason="other",
        note=trace.mark("unfit"),
        by=curator,
        now=NOW,
    )


def _evaluate(trace: Trace, curator: User) -> None:
    """A set to test by, filled from a file whose groups are sessions, and by a filter."""
    made = make_training_set(trace.project, purpose=TrainingSet.Purpose.EVALUATION)
    row = Row(
        prompt=[{"role": "user", "content": trace.mark("file question")}],
        chosen=trace.mark("file answer"),
        rejected="",
        group=trace.session,
    )
    training_sets.add_rows(training_set=made, rows=[row], by=curator, now=NOW)
    releasing.set_filter(
        training_set=made,
        wanted=_theirs(trace),
        by=curator,
        now=NOW,
    )
    releasing.release(training_set=made, by=curator, now=NOW)


def complain(project: Project, traces: Sequence[Trace], *, by: User) -> None:
    """Group what was said; make an issue of each theme and of what asks for one; hand them over.

    A receiver closes it in the person's words, somebody opens it again, and that is still to be
    sent elsewhere.
    """
    from tests.curation.planted import Stub

    embed_pending(encoder=Stub())
    assert themes.refresh(project=project, encoder_model="stub", now=NOW + HOUR)
    hook, other = make_tracker(project), make_tracker(project)
    for trace in traces:
        said = trace.output("first").feedback.filter(name="rating", comment__contains=" ")
        theme = ThemeMembership.objects.filter(feedback__in=said).order_by("pk")[0].theme
        issue = issues.open_issue(
            project=project,
            title=theme.name,
            description=f"They ask:\n> {trace.output('second').query}",
            theme=theme,
            send_to=[hook, other],
            by=by,
            now=NOW,
        )
        deliveries.work_off(clock=lambda: NOW, most=5, send=lambda _: Answer(status=204))
        _closed_there(issue, trace.output("third").query)
        issues.reopen(issue=issue, comment=trace.output("fourth").query, by=by, now=NOW)


def _closed_there(issue: Issue, words: str) -> None:
    """Its receiver reports it closed, signed."""
    tracker = Ticket.objects.filter(issue=issue).select_related("tracker")[0].tracker
    body, headers = signed({"issue": issue.number, "state": "closed", "comment": words})
    with patch("curation.reports_api.timezone.now", return_value=NOW):
        answered = Client().post(
            f"/api/v1/trackers/{tracker.hook}/report",
            body,
            content_type="application/json",
            headers=headers,
        )
    assert answered.status_code == 202, answered.content
