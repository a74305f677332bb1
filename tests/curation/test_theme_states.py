from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from curation import tasks, theme_states
from curation.models import ContextLibrary
from feedback.models import Project
from review.models import Event, Theme
from tests.curation.exposed import answer, complain, publish, put_in
from tests.factories import NOW, make_output, make_session, make_theme

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def theme(project: Project) -> Theme:
    """Before anything is done, fifteen of a hundred answers are complained of in it."""
    theme = make_theme(project)
    answer(project, 200, at=NOW - DAY, bad=30, theme=theme, others=30)
    return theme


def _state(theme: Theme, now: datetime) -> str:
    theme_states.follow(project=theme.project, now=now)
    theme.refresh_from_db()
    return str(theme.state)


class TestFollow:
    def test_a_theme_follows_what_is_measured_and_comes_back_by_itself(
        self, project: Project, theme: Theme, library: ContextLibrary
    ) -> None:
        assert _state(theme, NOW) == "open"
        version = publish(library, theme)
        assert _state(theme, NOW) == "acting"
        answer(project, 800, at=NOW + DAY, bad=8, theme=theme, others=120, version=version)
        answer(
            project,
            200,
            at=NOW + DAY,
            bad=30,
            theme=theme,
            others=30,
            version=version,
            held_out=True,
        )
        assert _state(theme, NOW + 2 * DAY) == "fixed"
        assert _state(theme, NOW + 2 * DAY) == "fixed"
        answer(project, 300, at=NOW + 30 * DAY, bad=45, theme=theme, version=version)
        assert _state(theme, NOW + 31 * DAY) == "regressed"
        publish(library, theme, number=2, at=NOW + 32 * DAY)
        assert _state(theme, NOW + 33 * DAY) == "acting"
        events = Event.objects.filter(target_type="theme", target_id=theme.pk).order_by("pk")
        assert [event.verb for event in events] == [
            "theme_acting",
            "theme_fixed",
            "theme_regressed",
            "theme_acting",
        ]
        back = events[2]
        assert back.actor is None
        assert back.data["from"] == "fixed"
        assert back.data["recent_complaints"] == 45

    def test_without_anything_held_out_other_complaints_tell_what_else_changed(
        self, project: Project, theme: Theme, library: ContextLibrary
    ) -> None:
        publish(library, theme)
        # All complaints became as much rarer: nothing was fixed.
        answer(project, 800, at=NOW + DAY, bad=8, theme=theme, others=8)
        assert _state(theme, NOW + 2 * DAY) == "acting"
        answer(project, 800, at=NOW + DAY, bad=8, theme=theme, others=240)
        assert _state(theme, NOW + 2 * DAY) == "fixed"

    def test_what_the_same_users_did_before_and_after_goes_together(
        self, project: Project, library: ContextLibrary
    ) -> None:
        """Eight users, of whom half complained of it five times of ten, and then once."""
        theme = make_theme(project)
        publish(library, theme)
        for at, number in ((NOW - DAY, 5), (NOW + 14 * DAY, 1)):
            for user in range(8):
                session = make_session(project, user_external_id=f"user-{user}", started_at=at)
                outputs = [make_output(project, session, at=at) for _ in range(10)]
                put_in(theme, complain(outputs[: number * (user % 2)]))
                complain(outputs[6:])
        assert _state(theme, NOW + 15 * DAY) == "fixed"

    def test_what_an_erasure_publishes_is_nothing_done_about_it(
        self, project: Project, theme: Theme, library: ContextLibrary
    ) -> None:
        version = publish(library, theme)
        answer(project, 800, at=NOW + DAY, bad=8, theme=theme, others=120, version=version)
        assert _state(theme, NOW + 2 * DAY) == "fixed"
        answer(project, 300, at=NOW + 30 * DAY, bad=45, theme=theme, version=version)
        assert _state(theme, NOW + 31 * DAY) == "regressed"
        publish(library, theme, number=2, at=NOW + 32 * DAY, follows_erasure=True)
        assert _state(theme, NOW + 33 * DAY) == "regressed"

    def test_a_theme_whose_versions_are_gone_is_open_again(
        self, theme: Theme, library: ContextLibrary
    ) -> None:
        publish(library, theme)
        assert _state(theme, NOW) == "acting"
        library.delete()
        assert _state(theme, NOW) == "open"

    def test_a_theme_that_nothing_was_published_against_stays_open(
        self, project: Project, theme: Theme, library: ContextLibrary
    ) -> None:
        publish(library, make_theme(project))
        assert _state(theme, NOW) == "open"
        assert not Event.objects.filter(target_id=theme.pk, target_type="theme").exists()


class TestFollowAll:
    def test_the_task_follows_every_project(self, theme: Theme, library: ContextLibrary) -> None:
        publish(library, theme)
        assert theme_states.follow_all(now=NOW) == 1
        tasks.follow_themes()
        assert theme_states.follow_all(now=NOW) == 0
