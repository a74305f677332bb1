from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from feedback.embedding import Encoder, embed_pending
from feedback.filters import OutputFilter
from feedback.lexical import AnyLexeme, Lexemes, lexemes, ranked
from feedback.marking import marked
from feedback.models import Output, OutputWords, Project
from feedback.search import Page, more_like, search
from feedback.timeouts import TooSlowError, time_limit
from tests.factories import NOW, make_feedback, make_output, make_project, make_session


def ids(page: Page) -> list[str]:
    return [hit.target.external_id for hit in page.hits]


@pytest.fixture
def filled(project: Project, encoder: Encoder) -> Project:
    """Answers about refunds and bread, with a complaint on one, beside another project's."""
    refund = make_output(
        project,
        external_id="refund",
        query="My yearly plan renewed by accident",
        text="You will get your money back within 14 days.",
        model="a",
    )
    make_output(
        project, external_id="bread", query="How do I bake?", text="Knead the dough.", model="b"
    )
    make_output(project, external_id="error", query="What is E-1042?", text="A broken link.")
    make_feedback(refund, external_id="late", comment="I got no refund after three weeks.")
    make_output(make_project(), external_id="other", query="refund", text="refund E-1042")
    embed_pending(encoder=encoder)
    return project


class TestSearch:
    def test_fuses_words_and_meaning(self, filled: Project, encoder: Encoder) -> None:
        page = search(project=filled, query="refund for an unwanted renewal", encoder=encoder)
        assert set(ids(page)[:2]) == {"refund", "late"}
        assert "other" not in ids(page)
        [refund] = [hit for hit in page.hits if hit.target.external_id == "refund"]
        assert refund.words is not None
        assert refund.meaning is not None
        assert page.counts == {"all": 4, "session": 3, "output": 3, "feedback": 1}
        assert (page.num_words, page.num_meaning) == (2, 4)

    def test_by_words_wants_every_word_in_any_form(self, filled: Project, encoder: Encoder) -> None:
        page = search(project=filled, query="renewing plans", encoder=encoder, mode="words")
        assert ids(page) == ["refund"]
        assert page.hits[0].meaning is None
        assert not search(project=filled, query="plan refund", encoder=encoder, mode="words").hits

    def test_finds_a_code_that_has_no_meaning_first(
        self, filled: Project, encoder: Encoder
    ) -> None:
        assert ids(search(project=filled, query="E-1042", encoder=encoder))[0] == "error"

    @pytest.mark.parametrize("query", ["E-1042", "why is my yearly plan E-1042", "Zephyrix"])
    def test_what_is_named_comes_before_what_is_nearer(
        self, project: Project, encoder: Encoder, query: str
    ) -> None:
        for number in range(3):
            make_output(project, query="Why is my yearly plan renewed?", text=f"Plan {number}.")
        make_output(project, external_id="named", query="E-1042 of Zephyrix", text="A bread.")
        make_output(project, query="1042 was a year, e.g. of Edward", text="E, then 1042.")
        embed_pending(encoder=encoder)
        assert ids(search(project=project, query=query, encoder=encoder))[0] == "named"

    def test_keeps_to_the_filter_in_both_rankings(self, filled: Project, encoder: Encoder) -> None:
        for mode in ("hybrid", "meaning"):
            page = search(
                project=filled,
                query="refund",
                encoder=encoder,
                wanted=OutputFilter.parse("model:b"),
                mode=mode,
            )
            assert ids(page) == ["bread"]

    def test_wants_quoted_words_and_none_of_the_excluded(
        self, filled: Project, encoder: Encoder
    ) -> None:
        wanted = OutputFilter.parse('"money back" -bread')
        assert ids(search(project=filled, query="money", encoder=encoder, wanted=wanted)) == [
            "refund"
        ]

    def test_lists_the_best_of_each_session(self, project: Project, encoder: Encoder) -> None:
        session = make_session(project)
        for number in range(3):
            make_output(project, session, text=f"Bread number {number}")
        make_output(project, external_id="alone", text="No bread")
        embed_pending(encoder=encoder)
        page = search(project=project, query="bread", encoder=encoder, listing="session")
        assert len(page.hits) == 2

    def test_lists_the_newest_first_when_asked(self, project: Project, encoder: Encoder) -> None:
        for number in range(3):
            make_output(
                project, external_id=str(number), text="Bread", at=NOW + timedelta(days=number)
            )
        page = search(project=project, query="bread", encoder=encoder, newest_first=True)
        assert ids(page) == ["2", "1", "0"]

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_pages_without_gap_or_repeat(
        self, project: Project, encoder: Encoder, newest_first: bool
    ) -> None:
        for number in range(7):
            make_feedback(make_output(project, text=f"Bread {number}"), comment="bread?")
        embed_pending(encoder=encoder)
        asked: dict[str, Any] = {
            "project": project,
            "query": "bread",
            "encoder": encoder,
            "newest_first": newest_first,
        }
        whole = ids(search(**asked, limit=100))
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = search(**asked, limit=3, cursor=cursor)
            seen += ids(page)
            cursor = page.next_cursor
        assert seen == whole
        assert len(seen) == 14

    @pytest.mark.parametrize(
        "query",
        ["'", "\\", "'' | ''", "a:* & !b", "' OR 1=1 --", "%s %", "💥" * 400, "x " * 900],
    )
    def test_takes_hostile_questions_as_words(
        self, filled: Project, encoder: Encoder, query: str
    ) -> None:
        """As words they find nothing; by meaning what is nearest, and never another project's."""
        own = {"refund", "bread", "error", "late"}
        assert ids(search(project=filled, query=query, encoder=encoder, mode="words")) == []
        assert set(ids(search(project=filled, query=query, encoder=encoder))) == own
        found = search(project=filled, query=f"{query} E-1042", encoder=encoder)
        assert ids(found)[0] == "error"

    def test_finds_more_like_an_output_but_not_itself(
        self, filled: Project, encoder: Encoder
    ) -> None:
        page = more_like(output=Output.objects.get(external_id="refund"), encoder=encoder)
        assert ids(page)[0] == "late"
        assert "refund" not in ids(page)

    def test_is_given_up_when_it_takes_too_long(self, db: None) -> None:
        with pytest.raises(TooSlowError), time_limit(50), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")


class TestLexical:
    def test_keeps_stems_in_order_and_plain_words_when_there_are_none(self, db: None) -> None:
        assert lexemes("The renewed plans of it's") == Lexemes("stems", ("renew", "plan"))
        assert lexemes("to be").column == "exact"

    def test_takes_lexemes_as_they_are(self, project: Project) -> None:
        make_output(project, text="It costs o'clock http://a.b/c?d='x' money")
        for lexeme in lexemes("http://a.b/c?d='x'").values:
            assert OutputWords.objects.filter(stems=AnyLexeme([lexeme])).exists()

    def test_rare_words_count_more(self, project: Project) -> None:
        for number in range(5):
            make_output(project, external_id=f"common{number}", text="a card")
        rare = make_output(project, external_id="rare", text="a voucher")
        wanted = lexemes("card voucher")
        found = ranked(
            project=project,
            table=OutputWords,
            among=None,
            wanted=wanted,
            limit=10,
        )
        assert found[0][0] == rare.pk
        assert found[0][1] > found[1][1] > 0

    def test_a_word_weighs_by_how_many_of_all_have_it(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that is too common to fetch rows by does so too, though few of those have it."""
        for _ in range(30):
            make_output(project, text="a card")
        make_output(project, text="a red card")
        make_output(project, text="a voucher for a card")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE feedback_output")
        shares = []
        for most in (20_000, 5):
            monkeypatch.setattr("feedback.lexical.MOST_CANDIDATES", most)
            found = ranked(
                project=project,
                table=OutputWords,
                among=None,
                wanted=Lexemes("stems", ("card", "red", "voucher")),
                limit=2,
            )
            shares.append([share for _, share in found])
        assert shares[0] == pytest.approx(shares[1], rel=0.2)
        assert shares[0][0] == pytest.approx(0.5, abs=0.03)


class TestMarking:
    def test_marks_other_forms_of_a_word_and_the_nearest_sentence(
        self, project: Project, encoder: Encoder
    ) -> None:
        make_output(
            project,
            query="q?",
            text="Renewals are <b>automatic</b>. You can have your money back. Bread is baked.",
        )
        embed_pending(encoder=encoder)
        page = search(project=project, query="how do I get a refund of a renewal", encoder=encoder)
        [one] = marked(hits=page.hits, query="how do I get a refund of a renewal", encoder=encoder)
        marks = {piece.text: piece.mark for piece in one.pieces}
        assert marks["Renewals"] == "hit"
        assert marks["You can have your money back."] == "near"

    def test_shows_the_part_with_the_words(self, project: Project, encoder: Encoder) -> None:
        make_output(project, query="What of E-1042?", text="A broken link.")
        page = search(project=project, query="E-1042", encoder=encoder, mode="words")
        [one] = marked(hits=page.hits, query="E-1042", encoder=None)
        assert one.part == "query"
        assert [piece.text for piece in one.pieces if piece.mark] == ["E", "1042"]
