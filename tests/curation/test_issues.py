from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from curation import issues, regressions, tasks, theme_states
from curation.models import Issue, IssueChange, IssueExample
from feedback.models import Project, User
from review import handovers
from review.models import Event, Handover, Theme
from tests.curation.exposed import answer, complain, put_in
from tests.factories import (
    NOW,
    make_handover,
    make_issue,
    make_output,
    make_project,
    make_review,
    make_session,
    make_theme,
    make_user,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = NOW + timedelta(days=40)


@pytest.fixture
def by(project: Project) -> User:
    return make_user(project)


@pytest.fixture
def theme(project: Project) -> Theme:
    """Thirty of two hundred answers of the last day are complained of in it."""
    theme = make_theme(project)
    answer(project, 200, at=NOW - DAY, bad=30, theme=theme, others=30)
    for one in theme.memberships.select_related("feedback")[:3]:
        one.feedback.comment = "Which year?"
        one.feedback.save()
    return theme


@pytest.fixture
def issue(project: Project, theme: Theme, by: User) -> Issue:
    return issues.open_issue(project=project, title="Say when", theme=theme, by=by, now=NOW)


def _baseline(issue: Issue) -> dict[str, float]:
    found = _fresh(issue).baseline
    assert found
    return dict(found)


def _fresh(issue: Issue) -> Issue:
    return Issue.objects.get(pk=issue.pk)


class TestOpen:
    def test_freezes_what_speaks_for_it(self, project: Project, by: User) -> None:
        theme = make_theme(project)
        output = make_output(
            project,
            make_session(project, user_role="teacher"),
            model_version="m-2",
            at=NOW - DAY,
        )
        put_in(theme, complain([output], comment="Which year?"))
        issue = issues.open_issue(
            project=project, title=" Say  when ", theme=theme, by=by, now=NOW, description="a\r\nb"
        )
        put_in(theme, complain([output]))
        found = _fresh(issue)
        assert (found.number, found.title, found.description) == (1, "Say when", "a\nb")
        assert found.evidence["num_feedback"] == 1
        assert found.evidence["roles"] == [["teacher", 1]]
        assert found.evidence["models"] == [["m-2", 1]]
        assert found.evidence["rate"]["complaints"] == 1
        assert "Which year?" not in str(found.evidence)
        assert found.examples.get().feedback.comment == "Which year?"
        assert found.changes.get().by == by
        assert Event.objects.get(verb="issue_opened").target_id == issue.pk

    def test_numbers_go_on(self, project: Project, by: User, issue: Issue) -> None:
        second = issues.open_issue(
            project=project, title="x", theme=make_theme(project), by=by, now=NOW
        )
        assert (issue.number, second.number) == (1, 2)

    def test_a_theme_has_one_open_issue(self, project: Project, by: User, issue: Issue) -> None:
        with pytest.raises(issues.IssueError, match="has an open issue already"):
            issues.open_issue(project=project, title="x", theme=issue.theme, by=by, now=NOW)
        issues.close(issue=issue, resolution="dropped", by=by, now=NOW)
        issues.open_issue(project=project, title="x", theme=issue.theme, by=by, now=NOW)
        with pytest.raises(issues.IssueError, match="has an open issue already"):
            issues.reopen(issue=issue, by=by, now=NOW)

    @pytest.mark.parametrize("title", ["", " ", "x" * 201, "a\x00b"])
    def test_names_the_field_that_cannot_be(
        self, project: Project, by: User, theme: Theme, title: str
    ) -> None:
        with pytest.raises(issues.IssueFieldError) as caught:
            issues.open_issue(project=project, title=title, theme=theme, by=by, now=NOW)
        assert caught.value.field == "title"

    def test_wants_something_to_be_about(self, project: Project, by: User) -> None:
        with pytest.raises(issues.IssueFieldError, match="theme"):
            issues.open_issue(project=project, title="x", by=by, now=NOW)
        with pytest.raises(issues.IssueError, match="another project"):
            issues.open_issue(
                project=project, title="x", theme=make_theme(make_project()), by=by, now=NOW
            )

    def test_examples_go_where_the_feedback_goes(self, issue: Issue) -> None:
        said = issue.examples.order_by("position")[0].feedback
        said.delete()
        assert IssueExample.objects.filter(issue=issue).count() == 2


class TestHandovers:
    def test_a_decision_is_done_by_the_issue_made_of_it(self, project: Project, by: User) -> None:
        output = make_output(project)
        complain([output], comment="Wrong.")
        review = make_review(output, by, verdict="reject")
        handover = make_handover(project, route="issue", review=review)
        issue = issues.open_issue(
            project=project, title="Mend it", handover=handover, by=by, now=NOW
        )
        handover.refresh_from_db()
        assert (handover.status, handover.is_promoted) == (Handover.Status.DONE, True)
        assert handover.comment == "P-1 Mend it"
        assert issue.sources.get().handover == handover
        assert issue.examples.get().feedback.comment == "Wrong."

    def test_more_decisions_lead_to_it(self, project: Project, by: User, issue: Issue) -> None:
        handover = make_handover(project, route="issue")
        issues.add_handover(issue=issue, handover=handover, by=by, now=NOW)
        with pytest.raises(issues.IssueError, match="done"):
            issues.add_handover(issue=issue, handover=handover, by=by, now=NOW)
        with pytest.raises(issues.IssueError, match="does not ask"):
            issues.add_handover(issue=issue, handover=make_handover(project), by=by, now=NOW)
        issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        with pytest.raises(issues.IssueError, match="is closed"):
            issues.add_handover(
                issue=issue, handover=make_handover(project, route="issue"), by=by, now=NOW
            )

    def test_what_was_closed_by_hand_stays_so(self, project: Project, by: User) -> None:
        handover = make_handover(project, route="issue")
        handovers.close(handover=handover, by=by, comment="Known.", now=NOW)
        with pytest.raises(issues.IssueError, match="done"):
            issues.open_issue(project=project, title="x", handover=handover, by=by, now=NOW)
        assert not Issue.objects.exists()


class TestSetTheme:
    def test_is_said_later_once(
        self, project: Project, issue: Issue, theme: Theme, by: User
    ) -> None:
        late = issues.open_issue(
            project=project,
            title="x",
            handover=make_handover(project, route="issue"),
            by=by,
            now=NOW,
        )
        with pytest.raises(issues.IssueError, match="has an open issue already"):
            issues.set_theme(issue=late, theme=theme, by=by, now=NOW)
        with pytest.raises(issues.IssueError, match="another project"):
            issues.set_theme(issue=late, theme=make_theme(make_project()), by=by, now=NOW)
        other = make_theme(project)
        issues.set_theme(issue=late, theme=other, by=by, now=NOW)
        with pytest.raises(issues.IssueError, match="has a theme"):
            issues.set_theme(issue=late, theme=other, by=by, now=NOW)
        assert _fresh(late).theme == other


class TestClose:
    def test_it_is_closed_once_and_opened_once(self, issue: Issue, by: User) -> None:
        with pytest.raises(issues.IssueFieldError) as caught:
            issues.close(issue=issue, resolution="gone", by=by, now=NOW)
        assert caught.value.field == "resolution"
        with pytest.raises(issues.IssueError, match="is open"):
            issues.reopen(issue=issue, by=by, now=NOW)
        issues.close(issue=issue, resolution="fixed", comment="v2", by=by, now=NOW)
        with pytest.raises(issues.IssueError, match="is closed"):
            issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        issues.reopen(issue=issue, by=by, now=NOW + DAY, comment="Not yet.")
        assert _fresh(issue).status == "reopened"
        kinds = issue.changes.order_by("at", "pk").values_list("kind", "resolution", "comment")
        assert list(kinds) == [
            ("opened", "", ""),
            ("closed", "fixed", "v2"),
            ("reopened", "", "Not yet."),
        ]


class TestWatch:
    def test_it_opens_again_when_the_complaints_come_back(
        self, project: Project, issue: Issue, theme: Theme, by: User
    ) -> None:
        issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        assert regressions.watch(now=NOW + DAY) == 0
        assert _baseline(issue)["rate"] == pytest.approx(0.15)
        answer(project, 300, at=LATER - 20 * DAY, bad=3, theme=theme)
        assert regressions.watch(now=LATER - 19 * DAY) == 0
        answer(project, 300, at=LATER - DAY, bad=45, theme=theme)
        assert regressions.watch(now=LATER) == 1
        assert regressions.watch(now=LATER) == 0
        assert _fresh(issue).status == "reopened"
        change = issue.changes.order_by("-at")[0]
        assert (change.source, change.by) == ("watch", None)
        assert change.evidence["before"]["complaints"] == 30
        assert change.evidence["recent"]["complaints"] == 45

    def test_a_few_complaints_are_no_return(
        self, project: Project, issue: Issue, theme: Theme, by: User
    ) -> None:
        issues.close(issue=issue, resolution="fixed", by=by, now=LATER)
        answer(project, 10, at=LATER + DAY, bad=4, theme=theme)
        assert regressions.watch(now=LATER + 2 * DAY) == 0
        assert _baseline(issue)["complaints"] == 0

    def test_what_is_not_to_be_fixed_is_not_watched(
        self, project: Project, issue: Issue, theme: Theme, by: User
    ) -> None:
        issues.close(issue=issue, resolution="dropped", by=by, now=NOW)
        answer(project, 300, at=NOW + DAY, bad=100, theme=theme)
        assert regressions.watch(now=NOW + 2 * DAY) == 0

    def test_another_open_issue_of_the_theme_takes_its_place(
        self, project: Project, issue: Issue, theme: Theme, by: User
    ) -> None:
        issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        issues.open_issue(project=project, title="x", theme=theme, by=by, now=NOW)
        answer(project, 300, at=NOW + DAY, bad=100, theme=theme)
        assert regressions.watch(now=NOW + 2 * DAY) == 0

    def test_the_task_asks_for_it(self, issue: Issue, theme: Theme) -> None:
        tasks.follow_themes()
        assert Theme.objects.get(pk=theme.pk).state == "acting"


class TestThemes:
    def test_a_theme_follows_its_issue(
        self, project: Project, issue: Issue, theme: Theme, by: User
    ) -> None:
        def state(now: Any) -> str:
            theme_states.follow(project=project, now=now)
            theme.refresh_from_db()
            return str(theme.state)

        assert state(NOW) == "acting"
        issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        answer(project, 800, at=NOW + 15 * DAY, bad=8, theme=theme, others=120)
        assert state(NOW + 16 * DAY) == "fixed"
        answer(project, 300, at=LATER - DAY, bad=100, theme=theme)
        regressions.watch(now=LATER)
        assert state(LATER) == "regressed"
        issues.close(issue=issue, resolution="fixed", by=by, now=LATER + DAY)
        assert state(LATER + DAY) == "acting"

    def test_it_came_back_with_its_issue_also_if_it_never_was_fixed(
        self, project: Project, issue: Issue, theme: Theme, by: User
    ) -> None:
        theme_states.follow(project=project, now=NOW)
        issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        issues.reopen(issue=issue, now=NOW + DAY)
        theme_states.follow(project=project, now=NOW + DAY)
        theme.refresh_from_db()
        assert theme.state == "regressed"

    def test_what_is_not_to_be_fixed_is_not_acted_on(
        self, project: Project, issue: Issue, theme: Theme, by: User
    ) -> None:
        issues.close(issue=issue, resolution="dropped", by=by, now=NOW)
        theme_states.follow(project=project, now=NOW)
        theme.refresh_from_db()
        assert theme.state == "open"


class TestConstraints:
    @pytest.mark.parametrize(
        ("fields", "constraint"),
        [
            ({"title": ""}, "titled"),
            ({"status": "closed"}, "status_known"),
            ({"status": "closed", "closed_at": NOW, "resolution": "gone"}, "status_known"),
            ({"resolution": "fixed"}, "status_known"),
        ],
    )
    def test_of_issues(self, project: Project, fields: dict[str, Any], constraint: str) -> None:
        with pytest.raises(IntegrityError, match=f"curation_issue_{constraint}"):
            make_issue(project, **fields)

    def test_of_numbers(self, project: Project) -> None:
        make_issue(project, number=7)
        with pytest.raises(IntegrityError, match="curation_issue_number"):
            make_issue(project, number=7)

    def test_of_changes(self, project: Project, by: User) -> None:
        issue = make_issue(project)
        about = {"issue": issue, "at": NOW}
        with pytest.raises(IntegrityError, match="kind_known"), transaction.atomic():
            IssueChange.objects.create(kind="closed", source="person", **about)
        with pytest.raises(IntegrityError, match="source_known"), transaction.atomic():
            IssueChange.objects.create(kind="opened", source="watch", by=by, **about)

    def test_of_examples(self, issue: Issue) -> None:
        first = issue.examples.order_by("position")[0]
        with pytest.raises(IntegrityError, match="issueexample_once"), transaction.atomic():
            issue.examples.create(feedback=first.feedback, position=99)
        with pytest.raises(IntegrityError, match="issueexample_place"), transaction.atomic():
            issue.examples.create(
                feedback=complain([make_output(issue.project)])[0], position=first.position
            )


class TestPages:
    @pytest.fixture
    def curator(self, client: Client, by: User) -> Client:
        client.force_login(by)
        return client

    def test_the_list_asks_as_much_for_many(
        self, curator: Client, project: Project, django_assert_num_queries: Any
    ) -> None:
        for _ in range(20):
            make_issue(project, theme=make_theme(project))
        url = reverse("issue_list", args=[project.slug])
        curator.get(url)
        with django_assert_num_queries(5):
            assert curator.get(url).status_code == 200
        assert "No closed issue" in curator.get(url, {"state": "closed"}).content.decode()
        assert curator.get(url, {"state": "x"}).status_code == 400

    def test_an_issue_shows_then_and_now(
        self, curator: Client, issue: Issue, theme: Theme, project: Project
    ) -> None:
        page = curator.get(reverse("issue", args=[project.slug, issue.number])).content.decode()
        assert f"T-{theme.number}" in page
        assert "Close issue" in page

    def test_an_issue_names_reasons_as_people_know_them(
        self, curator: Client, project: Project
    ) -> None:
        issue = make_issue(project, evidence={"reasons": [["too-vague", 3], ["long-gone", 1]]})
        page = curator.get(reverse("issue", args=[project.slug, issue.number])).content.decode()
        assert "Too vague" in page
        assert "too-vague" not in page
        assert "long-gone" in page

    def test_it_is_made_of_a_theme(self, curator: Client, project: Project, theme: Theme) -> None:
        url = reverse("issue_create", args=[project.slug]) + f"?theme={theme.number}"
        assert theme.name in curator.get(url).content.decode()
        assert curator.post(url, {"title": "", "theme": theme.number}).status_code == 422
        given = {"title": "Say when", "theme": theme.number, "description": ""}
        assert curator.post(url, given).status_code == 302
        assert Issue.objects.get().theme == theme
        again = curator.post(url, given)
        assert again.status_code == 409
        assert "has an open issue already" in again.content.decode()
        for bad in ("?theme=99999", "?handover=99999"):
            path = reverse("issue_create", args=[project.slug]) + bad
            assert curator.get(path).status_code == 404
        path = reverse("issue_create", args=[project.slug]) + "?theme=x"
        assert curator.get(path).status_code == 400

    def test_a_decision_on_the_board_becomes_one_or_joins_one(
        self, curator: Client, project: Project, issue: Issue
    ) -> None:
        first, second = (make_handover(project, route="issue") for _ in range(2))
        board = reverse("handover_list", args=[project.slug, "issue"])
        assert "Make an issue" in curator.get(board).content.decode()
        url = reverse("issue_create", args=[project.slug]) + f"?handover={first.pk}"
        assert "Or an issue that is there" in curator.get(url).content.decode()
        assert curator.post(url, {"title": "Mend it", "theme": ""}).status_code == 302
        link = reverse("issue_link", args=[project.slug, second.pk])
        assert curator.post(link, {"issue": 99}).headers["Location"] == board
        joined = curator.post(link, {"issue": issue.number})
        assert joined.headers["Location"] == reverse("issue", args=[project.slug, issue.number])
        assert curator.post(link, {"issue": issue.number}).headers["Location"] == board
        assert not Handover.objects.waiting().filter(project=project).exists()
        done = curator.get(board, {"state": "done"}).content.decode()
        assert "made an issue" in done
        assert "P-2 Mend it" in done

    def test_it_is_closed_and_opened_again(
        self, curator: Client, project: Project, issue: Issue
    ) -> None:
        close = reverse("issue_close", args=[project.slug, issue.number])
        again = reverse("issue_reopen", args=[project.slug, issue.number])
        assert curator.post(close, {"resolution": "x"}).status_code == 422
        assert curator.post(close, {"resolution": "fixed", "comment": "v2"}).status_code == 302
        assert curator.post(close, {"resolution": "fixed"}).status_code == 409
        page = curator.get(reverse("issue", args=[project.slug, issue.number])).content.decode()
        assert "Watched" in page
        assert curator.post(again, {"comment": "No."}).status_code == 302
        assert curator.post(again).status_code == 409
        page = curator.get(reverse("issue", args=[project.slug, issue.number])).content.decode()
        assert "Came back" in page
        assert "v2" in page

    def test_a_theme_is_said_on_its_page(
        self, curator: Client, project: Project, theme: Theme
    ) -> None:
        late = make_issue(project)
        page = reverse("issue", args=[project.slug, late.number])
        assert "Say it is about this" in curator.get(page).content.decode()
        url = reverse("issue_theme", args=[project.slug, late.number])
        assert curator.post(url, {"theme": "x"}).status_code == 400
        for number in ("", "99999", str(theme.number), str(theme.number)):
            assert curator.post(url, {"theme": number}).status_code == 302
        assert _fresh(late).theme == theme
        assert "Say it is about this" not in curator.get(page).content.decode()

    def test_the_page_of_a_theme_leads_there(
        self, curator: Client, project: Project, theme: Theme
    ) -> None:
        url = reverse("theme_effect", args=[project.slug, theme.number])
        assert "Make an issue" in curator.get(url).content.decode()
        make_issue(project, theme=theme)
        assert "Make an issue" not in curator.get(url).content.decode()
