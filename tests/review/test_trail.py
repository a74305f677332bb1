"""The session around an answer: lean, searchable, and what each answer was made from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Output, Project, Session, Tag, User
from review.anchoring import Mark
from review.models import QueueItem
from review.trail import (
    AFTER,
    BEFORE,
    FOUND,
    HEAD,
    MOST_SIGNALS,
    PAGE,
    UP_FRONT,
    beyond,
    exposure_tokens,
    open_turn,
    trail,
    turns,
)
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_session,
    make_theme,
    make_user,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def document(text: str, **fields: Any) -> dict[str, Any]:
    return {"id": "KB-1", "title": "Limits", "text": text} | fields


@pytest.fixture
def session(project: Project) -> Session:
    return make_session(project)


def conversation(session: Session, number: int, **fields: Any) -> list[Output]:
    """So many answers of a session, a minute apart."""
    return [
        make_output(
            session.project,
            session,
            at=NOW + timedelta(minutes=minute),
            query=f"Question {minute}",
            **fields,
        )
        for minute in range(number)
    ]


def ids(found: Any) -> list[int]:
    return [turn.output.pk for turn in found.turns]


class TestTrail:
    def test_shows_some_turns_around_the_output_in_order(self, session: Session) -> None:
        outputs = conversation(session, 20)
        found = trail(output=outputs[10])
        assert ids(found) == [one.pk for one in outputs[10 - BEFORE : 10 + AFTER + 1]]
        assert found.earlier
        assert found.later

    def test_a_short_session_is_shown_whole(self, session: Session) -> None:
        outputs = conversation(session, 3)
        found = trail(output=outputs[1])
        assert (len(found.turns), found.earlier, found.later) == (3, "", "")

    def test_goes_on_to_either_end_without_gap_or_repetition(self, session: Session) -> None:
        outputs = conversation(session, 2 * PAGE + 20)
        here = outputs[PAGE + 12]
        first = trail(output=here)
        seen = ids(first)
        for direction in ("before", "after"):
            cursor = first.earlier if direction == "before" else first.later
            while cursor:
                asked: dict[str, Any] = {direction: cursor}
                more = beyond(trail(output=here, **asked), here)
                seen = ids(more) + seen if direction == "before" else seen + ids(more)
                cursor = more.earlier if direction == "before" else more.later
        assert seen == [one.pk for one in outputs]

    def test_reads_the_beginnings_of_other_turns_only(self, session: Session) -> None:
        outputs = conversation(session, 3, text="x" * 9_000, system="y" * 9_000)
        other = trail(output=outputs[0]).turns[1]
        assert len(other.answer) == HEAD
        assert {"text", "system", "documents"} <= other.output.get_deferred_fields()

    def test_asks_the_database_as_often_for_much_as_for_little(
        self, session: Session, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        outputs = conversation(session, 30, documents=[document("x")] * 20)
        for output in outputs:
            for _ in range(3):
                make_feedback(output, is_implicit=True, name="copy")
                make_feedback(output, comment="x")
        with django_assert_max_num_queries(7):
            found = trail(output=outputs[15])
        assert len(found.current.documents) == 20


class TestHappenings:
    def test_are_signals_and_ratings_with_the_time_after_the_answer(self, session: Session) -> None:
        [output] = conversation(session, 1)
        done: list[tuple[int, dict[str, Any]]] = [
            (14, {"is_implicit": True, "name": "rephrase"}),
            (6, {"is_implicit": True, "name": "dwell", "value": 6}),
            (20, {"score": -1}),
            (21, {"score": 0}),
            (-3, {"is_implicit": True, "name": "copy"}),
        ]
        for seconds, fields in done:
            make_feedback(output, at=NOW + timedelta(seconds=seconds), **fields)
        make_feedback(output, comment="No.")
        [turn] = turns(outputs=[output])
        assert [(one.kind, one.seconds, one.value) for one in turn.happened] == [
            ("copy", None, None),
            ("dwell", 6, 6),
            ("rephrase", 14, None),
            ("down", 20, None),
        ]
        assert turn.num_said == 1

    def test_are_the_first_of_many(self, session: Session) -> None:
        [output] = conversation(session, 1)
        for _ in range(MOST_SIGNALS + 5):
            make_feedback(output, is_implicit=True, name="copy")
        [turn] = turns(outputs=[output])
        assert len(turn.happened) == MOST_SIGNALS


class TestFind:
    def test_keeps_turns_with_the_words_wherever_they_stand(self, session: Session) -> None:
        outputs = conversation(session, 6)
        texts: list[dict[str, Any]] = [
            {"query": "a REFUND?"},
            {"text": "No refund."},
            {"system": "Refunds: ask."},
            {"documents": [document("One", id="A"), document('The "refund" table\n', id="B")]},
            {"documents": [document("x", title="Refund policy")]},
        ]
        for output, where in zip(outputs, texts, strict=False):
            Output.objects.filter(pk=output.pk).update(**where)
        here = outputs[5]
        found = trail(output=here, words=" refund ")
        assert ids(found) == [one.pk for one in outputs]
        assert found.num_found == 5
        assert [one.where for turn in found.turns for one in turn.found] == [
            "Question",
            "Answer",
            "System context",
            "Limits",
            "Refund policy",
        ]
        assert found.turns[3].found[0].document == 1
        assert '<mark class="hit">refund</mark>' in found.turns[3].found[0].html

    @pytest.mark.parametrize("words", ['"', "\\", "%_", ".*", "*", "'; --", 'a") || "', "\x00"])
    def test_takes_words_literally(self, session: Session, words: str) -> None:
        outputs = conversation(session, 2)
        Output.objects.filter(pk=outputs[0].pk).update(documents=[document(f"x {words} y")]) if (
            "\x00" not in words
        ) else None
        found = trail(output=outputs[1], words=words)
        if "\x00" in words:
            assert found.words == ""
        else:
            assert found.num_found == 1

    def test_goes_on_by_cursor(self, session: Session) -> None:
        outputs = conversation(session, FOUND + 4)
        found = trail(output=outputs[0], words="question")
        rest = trail(output=outputs[0], words="question", after=found.later)
        assert ids(found) + ids(rest) == [one.pk for one in outputs]
        assert rest.later == ""


class TestOpenTurn:
    def test_brings_short_texts_and_leaves_long_ones_for_later(self, session: Session) -> None:
        output = make_output(
            session.project,
            session,
            system="Be kind.",
            documents=[document("x" * UP_FRONT), document("y", title="")],
        )
        opened = open_turn(turn=turns(outputs=[output])[0])
        assert opened.system
        assert opened.system.html == "Be kind."
        first, second = opened.documents
        assert (first.title, first.size, first.html) == ("Limits", UP_FRONT, None)
        assert second.title == "KB-1"

    def test_brings_what_is_marked_asked_for_or_found(self, session: Session) -> None:
        texts = [f"{name} {'x' * UP_FRONT}" for name in ("marked", "opened", "found", "none")]
        output = make_output(session.project, session, documents=[document(one) for one in texts])
        [turn] = turns(outputs=[output])
        marks = {0: [Mark("e1 a2", 0, 6, 3)]}
        opened = open_turn(turn=turn, marks=marks, opened="1", words="FOUND")
        assert [one.html is not None for one in opened.documents] == [True, True, True, False]
        assert [one.is_open for one in opened.documents] == [False, True, True, False]
        assert 'data-a="a2" data-cat="3"' in str(opened.documents[0].html)
        assert '<mark class="hit">found</mark>' in str(opened.documents[2].html)


class TestExposureTokens:
    @pytest.mark.parametrize(
        ("exposure", "number"),
        [
            (None, 0),
            ("8f0c5d0e-54a4-4a5c-8a43-1f8f3a0c2d11", 1),
            ({"exposure": "8f0c5d0e-54a4-4a5c-8a43-1f8f3a0c2d11"}, 1),
            (["8f0c5d0e-54a4-4a5c-8a43-1f8f3a0c2d11", "x"], 1),
            (["8f0c5d0e-54a4-4a5c-8a43-1f8f3a0c2d11"] * 2, 1),
            ([f"8f0c5d0e-54a4-4a5c-8a43-{number:012}" for number in range(9)], 5),
            ({"entries": [1]}, 0),
            (7, 0),
        ],
    )
    def test_are_read_from_whatever_was_sent(self, exposure: object, number: int) -> None:
        assert len(exposure_tokens(exposure)) == number


@pytest.fixture
def expert(project: Project) -> User:
    return make_user(project, "expert")


def url(item: QueueItem, **query: str) -> str:
    at = reverse("item", args=[item.queue.project.slug, item.pk])
    return f"{at}?{urlencode(query)}"


def part(name: str, output: Output, *more: object, **query: str) -> str:
    return f"{reverse(name, args=[output.project.slug, output.pk, *more])}?{urlencode(query)}"


class TestPages:
    def test_chips_lead_to_the_queue_s_items_like_it(
        self, client: Client, project: Project, expert: User
    ) -> None:
        session = make_session(project, user_role="Member", environment="production")
        session.tags.add(Tag.objects.create(project=project, name="billing"))
        output = make_output(
            project,
            session,
            model="assistant",
            model_version="2026-10",
            prompt_version="p&7",
            confidence=0.62,
        )
        item = make_item(make_queue(project), output)
        make_item(item.queue, make_output(project, query="Another"))
        client.force_login(expert)
        page = client.get(url(item)).content.decode()
        queue = reverse("queue", args=[project.slug, item.queue.slug])
        for narrowed in [
            {"role": "Member"},
            {"environment": "production"},
            {"model": "assistant"},
            {"model_version": "2026-10"},
            {"prompt_version": "p&7"},
            {"max_confidence": "0.62"},
            {"tag": "billing"},
            {"since": "2026-11-02", "until": "2026-11-02"},
        ]:
            address = f"{queue}?{urlencode(narrowed)}"
            assert f'href="{address.replace("&", "&amp;")}"' in page
            assert client.get(address).status_code == 200
        there = client.get(f"{queue}?role=Member").content.decode()
        assert "Another" not in there

    def test_are_searched_without_a_script(
        self, client: Client, project: Project, expert: User
    ) -> None:
        session = make_session(project)
        outputs = conversation(session, 3, documents=[document("Twelve sessions.")])
        Output.objects.filter(pk=outputs[0].pk).update(query="twelve?")
        item = make_item(make_queue(project), outputs[2])
        client.force_login(expert)
        page = client.get(url(item, find="TWELVE")).content.decode()
        assert "Found in 3 turns." in page
        assert '<mark class="hit">Twelve</mark> sessions.' in page
        none = client.get(url(item, find="zebra")).content.decode()
        assert "Nothing in this session holds these words." in none
        assert "under review" in none

    def test_fragments_are_pages_of_the_answer_without_htmx(
        self, client: Client, project: Project, expert: User
    ) -> None:
        output = make_output(project, external_id="a/b ?", documents=[document("x" * 20_000)])
        client.force_login(expert)
        page = reverse("output", args=[project.slug, "a/b ?"])
        assert (
            client.get(part("trail_turns", output, find="x")).headers["Location"]
            == f"{page}?find=x"
        )
        assert client.get(part("turn", output)).headers["Location"] == page
        assert client.get(part("turn_text", output, "0")).headers["Location"] == f"{page}?text=0"
        assert client.get(part("related", output)).headers["Location"] == f"{page}?related=1"
        opened = client.get(f"{page}?text=0").content.decode()
        assert "x" * 20_000 in opened

    def test_texts_and_turns_come_when_they_are_opened(
        self, client: Client, project: Project, expert: User
    ) -> None:
        output = make_output(
            project, system=HOSTILE, documents=[document(HOSTILE), document("y" * 20_000)]
        )
        client.force_login(expert)
        turn = client.get(part("turn", output), headers=HTMX).content.decode()
        assert "<script" not in turn
        assert "y" * 20_000 not in turn
        text = client.get(part("turn_text", output, "1"), headers=HTMX).content.decode()
        assert "y" * 20_000 in text
        assert client.get(part("turn_text", output, "2"), headers=HTMX).status_code == 404
        assert client.get(part("turn_text", output, "x"), headers=HTMX).status_code == 404

    def test_more_turns_come_by_cursor_alone(
        self, client: Client, project: Project, expert: User
    ) -> None:
        outputs = conversation(make_session(project), BEFORE + 5)
        here = outputs[-1]
        client.force_login(expert)
        first = trail(output=here)
        more = client.get(part("trail_turns", here, before=first.earlier), headers=HTMX)
        rows = more.content.decode()
        assert [f"Question {n}<" in rows for n in range(6)] == [True] * 4 + [False] * 2
        assert "is-current" not in rows
        assert client.get(part("trail_turns", here, before="x"), headers=HTMX).status_code == 400

    def test_first_pages_are_lean(self, client: Client, project: Project, expert: User) -> None:
        outputs = conversation(
            make_session(project), 150, system="s" * 50_000, documents=[document("d" * 50_000)] * 5
        )
        item = make_item(make_queue(project), outputs[75])
        client.force_login(expert)
        page = client.get(url(item)).content
        assert len(page) < 120_000
        assert page.count(b'<li class="turn') == BEFORE + AFTER + 3

    def test_a_theme_has_its_size_and_line(
        self, client: Client, project: Project, expert: User
    ) -> None:
        theme = make_theme(project, size=214, per_week={"2026-10-26": 3, "2026-11-02": 9})
        item = make_item(make_queue(project), theme=theme)
        client.force_login(expert)
        page = client.get(url(item)).content.decode()
        assert "214 pieces of feedback say something similar." in page
        assert 'class="chart spark"' in page

    def test_words_of_a_document_are_chosen_without_a_script(
        self, client: Client, project: Project, expert: User
    ) -> None:
        output = make_output(project, documents=[document("Twelve sessions a year.")])
        item = make_item(make_queue(project), output)
        client.force_login(expert)
        page = client.get(url(item, text="0", evidence="sessions")).content.decode()
        assert '<input type="hidden" name="exact" value="sessions">' in page
        assert '<input type="hidden" name="start" value="7">' in page
        wrong = client.get(url(item, text="0", evidence="zebra")).content.decode()
        assert "These words are not in the document." in wrong
        assert client.get(url(item, text="9", evidence="x")).status_code == 200

    def test_what_the_sender_says_was_served_is_shown_as_text(
        self, client: Client, project: Project, expert: User
    ) -> None:
        output = make_output(project, exposure={"entries": [HOSTILE]})
        item = make_item(make_queue(project), output)
        client.force_login(expert)
        page = client.get(url(item)).content.decode()
        assert "Context served" in page
        assert "<script>alert" not in page

    def test_other_projects_have_no_such_turn(self, client: Client, project: Project) -> None:
        output = make_output(make_project(), documents=[document("x")])
        client.force_login(make_user(project))
        for name, more in [("trail_turns", []), ("turn", []), ("turn_text", ["0"])]:
            address = reverse(name, args=[project.slug, output.pk, *more])
            assert client.get(address, headers=HTMX).status_code == 404
