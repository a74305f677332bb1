from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from feedback import tokens
from feedback.models import Membership, Project, Session
from review.demo import MOST_TURNS, SLUG, conversation
from tests.factories import NOW, make_output, make_project, make_session, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def almanac() -> Project:
    return make_project(SLUG)


def make_talk(project: Project, *answers: str, hours: int = 0, **fields: Any) -> Session:
    session = make_session(project, started_at=NOW + timedelta(hours=hours), **fields)
    for number, answer in enumerate(answers):
        at = session.started_at + timedelta(minutes=number)
        make_output(project, session, at=at, query=f"Question {number}", text=answer)
    return session


class TestConversation:
    def test_tells_sessions_of_several_turns_one_after_another(self, almanac: Project) -> None:
        old = make_talk(almanac, "a", "b")
        make_talk(almanac, "alone", hours=1)
        make_talk(make_project(), "elsewhere", "elsewhere", hours=9)
        new = make_talk(almanac, "c", "d", hours=1)
        first = conversation(project=almanac, session="")
        assert first is not None
        assert (first.session, [one.text for one in first.turns]) == (new, ["c", "d"])
        assert first.following == old.external_id
        last = conversation(project=almanac, session=first.following)
        assert last is not None
        assert (last.session, last.following) == (old, "")

    def test_is_nothing_without_a_session(self, almanac: Project) -> None:
        foreign = make_talk(make_project(), "a", "b")
        for session in ("", foreign.external_id, "\x00"):
            assert conversation(project=almanac, session=session) is None

    def test_cuts_a_long_session(self, almanac: Project) -> None:
        make_talk(almanac, *["a"] * (MOST_TURNS + 1))
        found = conversation(project=almanac, session="")
        assert found is not None
        assert len(found.turns) == MOST_TURNS


class TestDemo:
    def test_shows_the_first_turn_with_a_token_of_its_output(
        self,
        client: Client,
        almanac: Project,
        django_assert_max_num_queries: Callable[[int], Any],
    ) -> None:
        session = make_talk(almanac, "One <img src=x onerror=alert(1)>", "Two", "Three")
        client.force_login(make_user(almanac, Membership.Role.VIEWER))
        with django_assert_max_num_queries(8):
            page = client.get("/demo/")
        assert page.status_code == 200
        text = page.content.decode()
        assert "<img" not in text
        shown, *to_come = text.split("<template")
        assert shown.count("data-postil") == 1
        assert len(to_come) == 2
        found = re.findall(r'data-token="([^"]+)"', text)
        claims = [tokens.verify(token, now=timezone.now()) for token in found]
        assert [one.output for one in claims] == list(
            session.outputs.order_by("at").values_list("external_id", flat=True)
        )
        assert {one.project_id for one in claims} == {almanac.pk}

    @pytest.mark.parametrize(
        ("turns", "shown"), [("2", 2), ("99", 3), ("0", 1), ("-1", 1), ("x", 1), ("9" * 5_000, 1)]
    )
    def test_shows_as_many_turns_as_asked_for_without_a_script(
        self, client: Client, almanac: Project, turns: str, shown: int
    ) -> None:
        session = make_talk(almanac, "One", "Two", "Three", external_id="a/b c")
        client.force_login(make_user(almanac))
        page = client.get("/demo/", {"session": session.external_id, "turns": turns})
        assert page.content.decode().split("<template")[0].count("data-postil") == shown

    def test_answers_a_question_again_without_repeating_it(
        self, client: Client, almanac: Project
    ) -> None:
        session = make_talk(almanac, "One", "Two")
        session.outputs.update(query="The same?")
        client.force_login(make_user(almanac))
        page = client.get("/demo/", {"session": session.external_id, "turns": "2"})
        assert page.content.decode().count('class="asked"') == 1

    def test_is_there_for_members_of_the_demo_project_only(
        self, client: Client, almanac: Project
    ) -> None:
        session = make_talk(almanac, "One", "Two")
        assert client.get("/demo/").status_code == 302
        client.force_login(make_user(make_project(), Membership.Role.ADMIN))
        assert client.get("/demo/").status_code == 404
        client.force_login(make_user(almanac, Membership.Role.VIEWER))
        assert client.get("/demo/", {"session": session.external_id}).status_code == 200
        assert client.get("/demo/", {"session": "gone"}).status_code == 404
        assert client.post("/demo/").status_code == 405

    def test_is_not_there_without_a_demo_project(self, client: Client, project: Project) -> None:
        client.force_login(make_user(project))
        assert client.get("/demo/").status_code == 404
