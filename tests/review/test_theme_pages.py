from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Feedback, Membership, Project, User
from review.models import Theme, ThemeMembership, ThemeRun
from review.themes import count
from tests.factories import NOW, make_feedback, make_item, make_output, make_project, make_queue
from tests.factories import make_user as make_person

HOSTILE = "</title><script>alert(1)</script>"


def as_role(project: Project, role: str) -> Client:
    return signed_in(make_person(project, role))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make_theme(
    project: Project, *, number: int = 1, name: str = "Release dates", size: int = 4
) -> Theme:
    """A theme with so many members, one a week, each on an output of its own."""
    theme = Theme.objects.create(
        project=project,
        number=number,
        name=name,
        size=size,
        terms=["release date", "song"],
        model="all-MiniLM-L6-v2",
        centroid=[1.0, 0.0],
        created_at=NOW,
        updated_at=NOW,
    )
    run = ThemeRun.objects.create(
        project=project,
        model=theme.model,
        algorithm="a",
        num_feedback=size,
        num_themes=1,
        started_at=NOW,
        finished_at=NOW,
    )
    for place in range(size):
        said = say(project, place)
        ThemeMembership.objects.create(
            theme=theme, feedback=said, run=run, similarity=0.9 - place / 100
        )
    return theme


def say(project: Project, weeks_ago: int) -> Feedback:
    output = make_output(project, model_version="1.5" if weeks_ago < 2 else "1.4")
    said = make_feedback(
        output,
        name="error",
        comment=f"The date is left out ({weeks_ago}).",
        at=NOW - timedelta(weeks=weeks_ago),
    )
    reason = project.taxonomies.get().reasons.get(slug="incomplete")
    said.feedback_reasons.create(reason=reason)
    return said


class TestThemeList:
    def test_lists_themes_with_members_the_largest_first(self, project: Project) -> None:
        small = make_theme(project, number=1, size=2)
        large = make_theme(project, number=2, size=3)
        make_theme(project, number=3, size=0)
        make_theme(make_project())
        count(project=project)
        answer = as_role(project, "viewer").get(reverse("theme_list", args=[project.slug]))
        found = [summary for summary, _ in answer.context["rows"]]
        assert [one.theme for one in found] == [large, small]
        assert found[0].per_week[-3:] == [1, 1, 1]
        assert [(reason.slug, number) for reason, number in found[0].reasons] == [("incomplete", 3)]

    def test_a_time_to_come_moves_no_chart(self, project: Project) -> None:
        theme = make_theme(project, size=3)
        late = theme.memberships.first()
        assert late is not None
        for year in (9999, 1):
            Feedback.objects.filter(pk=late.feedback_id).update(
                at=datetime(year, 12, 31, tzinfo=UTC)
            )
            count(project=project)
            client = as_role(project, "viewer")
            answer = client.get(reverse("theme_list", args=[project.slug]))
            [(summary, _)] = answer.context["rows"]
            assert sum(summary.per_week) == 2
            shown = client.get(reverse("theme", args=[project.slug, theme.number]))
            assert sum(map(sum, shown.context["weeks"].counts)) == 2

    def test_goes_on_by_cursor(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("review.views.themes.PAGE_SIZE", 1)
        client, url = as_role(project, "viewer"), reverse("theme_list", args=[project.slug])
        for number in (1, 2):
            make_theme(project, number=number, size=number)
        first = client.get(url)
        second = client.get(url + first.context["more"])
        numbers = [page.context["rows"][0][0].theme.number for page in (first, second)]
        assert (numbers, second.context["more"]) == ([2, 1], "")
        assert client.get(url, {"cursor": "x"}).status_code == 400

    def test_takes_as_many_queries_for_many_themes_as_for_one(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(6):
            make_theme(project, number=number)
        client = as_role(project, "viewer")
        with django_assert_max_num_queries(10):
            client.get(reverse("theme_list", args=[project.slug]))

    def test_says_so_when_there_are_none(self, project: Project) -> None:
        answer = as_role(project, "viewer").get(reverse("theme_list", args=[project.slug]))
        assert "No themes yet" in answer.content.decode()


class TestTheme:
    def test_shows_members_by_nearness_and_counts_per_week_and_version(
        self, project: Project
    ) -> None:
        theme = make_theme(project)
        answer = as_role(project, "viewer").get(reverse("theme", args=[project.slug, 1]))
        assert [member.similarity for member in answer.context["members"]] == [
            0.9,
            0.89,
            0.88,
            0.87,
        ]
        weeks = answer.context["weeks"]
        assert weeks.versions == ["1.4", "1.5"]
        assert [counts[-4:] for counts in weeks.counts] == [[1, 1, 0, 0], [0, 0, 1, 1]]
        assert theme.name in answer.content.decode()

    def test_leads_to_the_queues_that_have_items_of_it(self, project: Project) -> None:
        theme, queue = make_theme(project), make_queue(project)
        make_item(queue, theme=theme)
        make_item(make_queue(project))
        answer = as_role(project, "viewer").get(reverse("theme", args=[project.slug, 1]))
        assert answer.context["queues"] == [(queue, 1)]

    def test_members_go_on_by_cursor(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("review.views.themes.MEMBERS_PER_PAGE", 3)
        make_theme(project)
        client, url = as_role(project, "viewer"), reverse("theme", args=[project.slug, 1])
        second = client.get(url + client.get(url).context["more"])
        assert [member.similarity for member in second.context["members"]] == [0.87]
        assert client.get(url, {"cursor": "x"}).status_code == 400

    def test_takes_as_many_queries_for_many_members_as_for_one(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        make_theme(project, size=20)
        client = as_role(project, "moderator")
        with django_assert_max_num_queries(13):
            client.get(reverse("theme", args=[project.slug, 1]))

    def test_hostile_text_stays_text(self, project: Project) -> None:
        theme = make_theme(project, name=HOSTILE)
        Feedback.objects.filter(theme_membership__theme=theme).update(comment=HOSTILE)
        answer = as_role(project, "viewer").get(reverse("theme", args=[project.slug, 1]))
        assert "<script>alert" not in answer.content.decode()

    def test_an_empty_theme_says_that_it_may_come_back(self, project: Project) -> None:
        make_theme(project, size=0)
        answer = as_role(project, "viewer").get(reverse("theme", args=[project.slug, 1]))
        assert "It comes back if people say this again." in answer.content.decode()

    @pytest.mark.parametrize("name", ["theme_list", "theme"])
    def test_strangers_find_nothing_and_nobody_posts(self, project: Project, name: str) -> None:
        make_theme(project)
        url = reverse(name, args=[project.slug] + ([1] if name == "theme" else []))
        assert signed_in(make_person(make_project(), "admin")).get(url).status_code == 404
        assert as_role(project, "admin").post(url).status_code == 405
        assert Client().get(url).status_code == 302

    def test_another_projects_theme_is_not_found(self, project: Project) -> None:
        make_theme(make_project(), number=7)
        url = reverse("theme", args=[project.slug, 7])
        assert as_role(project, "admin").get(url).status_code == 404


class TestThemeRename:
    def test_a_moderator_gives_a_name_that_lasts(self, project: Project) -> None:
        theme, moderator = make_theme(project), make_person(project, "moderator")
        answer = signed_in(moderator).post(
            reverse("theme_rename", args=[project.slug, 1]), {"name": "Missing dates"}
        )
        assert answer["Location"] == reverse("theme", args=[project.slug, 1])
        theme.refresh_from_db()
        assert (theme.name, theme.named_by) == ("Missing dates", moderator)

    def test_no_name_is_told_at_the_field(self, project: Project) -> None:
        theme = make_theme(project)
        url = reverse("theme_rename", args=[project.slug, 1])
        answer = as_role(project, "moderator").post(url, {"name": " "})
        assert answer.status_code == 422
        assert "Give the theme a name." in answer.content.decode()
        theme.refresh_from_db()
        assert theme.name == "Release dates"

    @pytest.mark.parametrize("role", Membership.Role.values)
    def test_only_moderators_and_above(self, project: Project, role: str) -> None:
        make_theme(project)
        url = reverse("theme_rename", args=[project.slug, 1])
        may = role in {"moderator", "curator", "admin"}
        answer = as_role(project, role).post(url, {"name": "Dates"})
        assert answer.status_code == (302 if may else 403)
        assert as_role(project, "admin").get(url).status_code == 405
        stranger = signed_in(make_person(make_project(), role))
        assert stranger.post(url, {"name": "Dates"}).status_code == 404
