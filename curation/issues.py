"""Makes issues of themes and decisions, closes them, and opens them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.urls import reverse

from curation import issue_evidence, trackers
from curation.models import (
    Delivery,
    Issue,
    IssueChange,
    IssueExample,
    IssueSource,
    Ticket,
    Tracker,
)
from feedback.models import Membership, Project, User
from review import handovers
from review.models import Event, Handover, Notification, Review, Theme, ThemeMembership
from review.notifications import notify_of, settle_subject

LONGEST_TITLE = 200
LONGEST_TEXT = 10_000
LONGEST_COMMENT = 2_000


class IssueError(ValueError):
    """What cannot be done with an issue now; the message says why."""


class IssueFieldError(IssueError):
    """What was entered cannot be; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def open_issue(
    *,
    project: Project,
    title: str,
    by: User,
    now: datetime,
    description: str = "",
    theme: Theme | None = None,
    handover: Handover | None = None,
    send_to: Sequence[Tracker] = (),
) -> Issue:
    """Make an issue of a theme, of a decision that asks for one, or of both.

    What speaks for it now is frozen with it. The decision is done by that. It is sent to some
    trackers. Raises IssueFieldError naming the field, IssueError when the theme has an open issue
    or the decision is done, TrackerError.
    """
    title, description = _line("title", title), _text("description", description, LONGEST_TEXT)
    if theme is None and handover is None:
        raise IssueFieldError("theme", "Say which theme it is about.")
    for one in (theme, handover):
        if one is not None and one.project_id != project.pk:
            raise IssueError("That belongs to another project.")
    outputs = [handover.review.output_id] if handover else []
    with _one_open():
        # Numbers go in turn.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        last = project.issues.aggregate(last=Max("number"))["last"] or 0
        issue = Issue.objects.create(
            project=project,
            number=last + 1,
            theme=theme,
            title=title,
            description=description,
            evidence=issue_evidence.gather(theme=theme, outputs=outputs, now=now),
            opened_by=by,
            opened_at=now,
            changed_at=now,
        )
        examples = issue_evidence.examples_of(theme=theme, outputs=outputs)
        IssueExample.objects.bulk_create(
            IssueExample(issue=issue, feedback=feedback, position=position)
            for position, feedback in enumerate(examples)
        )
        _changed(issue, IssueChange.Kind.OPENED, by=by, now=now)
        if handover is not None:
            _take_in(issue, handover, by, now)
        if send_to:
            trackers.hand_over(issue=issue, trackers=send_to, by=by, now=now)
    return issue


@transaction.atomic
def add_handover(*, issue: Issue, handover: Handover, by: User, now: datetime) -> None:
    """Let a decision lead to an issue that is there; it is done by that.

    Raises IssueError when it is done already, or the issue is closed.
    """
    found = _locked(issue)
    if found.project_id != handover.project_id:
        raise IssueError("That belongs to another project.")
    if found.status == Issue.Status.CLOSED:
        raise IssueError(f"P-{found.number} is closed. Open it again first.")
    _take_in(found, handover, by, now)


@transaction.atomic
def close(
    *,
    issue: Issue,
    resolution: str,
    now: datetime,
    by: User | None = None,
    comment: str = "",
    through: Ticket | None = None,
) -> None:
    """Close an issue as fixed, which is watched from then on, or as not to be fixed.

    By a person, or as was found `through` a ticket; its other trackers are told.
    Raises IssueFieldError naming the field, IssueError when it is closed.
    """
    if resolution not in Issue.Resolution.values:
        raise IssueFieldError("resolution", "Say whether it is fixed or not to be fixed.")
    comment = _text("comment", comment, LONGEST_COMMENT)
    found = _locked(issue)
    if found.status == Issue.Status.CLOSED:
        raise IssueError(f"P-{found.number} is closed.")
    found.status, found.resolution = Issue.Status.CLOSED, resolution
    found.closed_at, found.baseline, found.changed_at = now, None, now
    found.save()
    _changed(
        found,
        IssueChange.Kind.CLOSED,
        resolution=resolution,
        comment=comment,
        through=through,
        by=by,
        now=now,
    )
    settle_subject(kind=Notification.Kind.RETURNED, subject=_subject(found), now=now)


def reopen(
    *,
    issue: Issue,
    now: datetime,
    by: User | None = None,
    comment: str = "",
    evidence: dict[str, Any] | None = None,
    through: Ticket | None = None,
) -> None:
    """Open a closed issue again: by a person, by the watch with its evidence, or through a ticket.

    Its other trackers are told, and where nobody here did it, those whom it concerns. Raises
    IssueFieldError naming the field, IssueError when it is not closed or its theme has another one
    open.
    """
    comment = _text("comment", comment, LONGEST_COMMENT)
    with _one_open():
        found = _locked(issue)
        if found.status != Issue.Status.CLOSED:
            raise IssueError(f"P-{found.number} is open.")
        found.status, found.resolution = Issue.Status.REOPENED, ""
        found.closed_at, found.changed_at = None, now
        found.save()
        _changed(
            found,
            IssueChange.Kind.REOPENED,
            comment=comment,
            evidence=evidence,
            through=through,
            by=by,
            now=now,
        )
        if by is None:
            _tell(found, through, now)


def set_theme(*, issue: Issue, theme: Theme, by: User, now: datetime) -> None:
    """Say which theme an issue is about that has none: what it was made of may have become one.

    What was frozen stays as it is. Raises IssueError when it has a theme, or the theme has another
    open issue.
    """
    if theme.project_id != issue.project_id:
        raise IssueError("That belongs to another project.")
    with _one_open():
        found = _locked(issue)
        if found.theme_id is not None:
            raise IssueError(f"P-{found.number} has a theme.")
        found.theme = theme
        found.save(update_fields=["theme"])
        Event.objects.create(
            project_id=found.project_id,
            actor=by,
            verb="issue_theme_set",
            target_type="issue",
            target_id=found.pk,
            data={"theme": theme.pk},
            at=now,
        )


def theme_of(*, review: Review) -> Theme | None:
    """The theme that what was said of a reviewed answer is in, the largest of them."""
    of_output = ThemeMembership.objects.filter(feedback__output=review.output_id)
    found = Theme.objects.filter(pk__in=of_output.values("theme")).defer("centroid")
    return found.order_by("-size", "pk").first()


def _take_in(issue: Issue, handover: Handover, by: User, now: datetime) -> None:
    """Close the handover by the issue. Needs a transaction."""
    if handover.route != Review.Route.ISSUE:
        raise IssueError("That decision does not ask for an issue.")
    found = handovers.on_route(review=handover.review, route=Review.Route.ISSUE)
    if found is None or found.status == Handover.Status.DONE:
        raise IssueError("That decision is done.")
    IssueSource.objects.create(issue=issue, handover=found)
    handovers.promoted(
        review=found.review,
        route=Review.Route.ISSUE,
        by=by,
        now=now,
        comment=f"P-{issue.number} {issue.title}",
    )


def _changed(
    issue: Issue,
    kind: IssueChange.Kind,
    *,
    by: User | None,
    now: datetime,
    resolution: str = "",
    comment: str = "",
    evidence: dict[str, Any] | None = None,
    through: Ticket | None = None,
) -> None:
    """Keep what happened, log it, and have trackers told. Needs a transaction."""
    source = IssueChange.Source.PERSON
    if by is None:
        source = IssueChange.Source.TRACKER if through else IssueChange.Source.WATCH
    change = IssueChange.objects.create(
        issue=issue,
        kind=kind,
        source=source,
        by=by,
        resolution=resolution,
        comment=comment,
        evidence=evidence or {},
        tracker=through.tracker if through else None,
        at=now,
    )
    others = issue.tickets.filter(tracker__removed_at=None)
    if through is not None:
        others = others.exclude(pk=through.pk)
    Delivery.objects.bulk_create(
        Delivery(ticket=ticket, change=change, next_at=now, created_at=now) for ticket in others
    )
    Event.objects.create(
        project_id=issue.project_id,
        actor=by,
        verb=f"issue_{kind.value}",
        target_type="issue",
        target_id=issue.pk,
        data={"change": change.pk, "source": source.value},
        at=now,
    )


def _tell(issue: Issue, through: Ticket | None, now: datetime) -> None:
    """Tell curators, who opened it and who handed it over that an issue came back."""
    project = issue.project
    roles = [Membership.Role.CURATOR, Membership.Role.ADMIN]
    able = project.memberships.filter(role__in=roles, user__is_active=True)
    handed = Event.objects.filter(
        verb="issue_handed_over", target_type="issue", target_id=issue.pk, project=project
    )
    told = {issue.opened_by_id, *able.values_list("user", flat=True)}
    how = f"opened again in {through.tracker.name}" if through else "its complaints came back"
    notify_of(
        project=project,
        kind=Notification.Kind.RETURNED,
        subject=_subject(issue),
        # Not what it is called: that may be in the words of users.
        title=f"P-{issue.number}, {how}"[:120],
        path=reverse("issue", args=[project.slug, issue.number]),
        to=[one for one in told.union(handed.values_list("actor", flat=True)) if one],
        by=None,
        now=now,
    )


def _subject(issue: Issue) -> str:
    return f"issue {issue.pk}"


def _locked(issue: Issue) -> Issue:
    """The issue as it is, locked. Needs a transaction."""
    return Issue.objects.select_for_update(of=("self",)).get(pk=issue.pk)


@contextmanager
def _one_open() -> Iterator[None]:
    """One transaction, in which a second open issue of a theme is an IssueError."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        if constraint != "curation_issue_one_open_a_theme":
            raise
        raise IssueError("This theme has an open issue already.") from error


def _line(field: str, value: str) -> str:
    line = " ".join(value.split())
    if not line or len(line) > LONGEST_TITLE or not line.isprintable():
        raise IssueFieldError(field, f"Give at most {LONGEST_TITLE} printable characters.")
    return line


def _text(field: str, value: str, longest: int) -> str:
    text = value.replace("\r\n", "\n").strip()
    if len(text) > longest or "\x00" in text:
        raise IssueFieldError(field, f"Give at most {longest:,} characters.")
    return text
