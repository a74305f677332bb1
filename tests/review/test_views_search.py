from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.http import urlencode

from feedback.embedding import Encoder, embed_pending
from feedback.models import (
    Feedback,
    FeedbackReason,
    Membership,
    Project,
    Reason,
    SessionTag,
    Tag,
    User,
)
from feedback.paging import write_cursor
from review.comment_vectors import embed_annotations
from review.models import Annotation
from review.threads import edit_reply, remove_reply, reply
from tests.factories import (
    NOW,
    make_annotation,
    make_feedback,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_session,
    make_user,
)


@pytest.fixture
def address(project: Project) -> str:
    return f"/p/{project.slug}/search/"


@pytest.fixture
def viewer(client: Client, project: Project) -> Client:
    client.force_login(make_user(project, role="viewer"))
    return client


@pytest.fixture
def filled(project: Project, encoder: Encoder) -> Project:
    """Three answers by two models, one of them complained about and tagged."""
    session = make_session(project, environment="live")
    SessionTag.objects.create(session=session, tag=Tag.objects.create(project=project, name="x"))
    bread = make_output(
        project, session, external_id="bread", query="How to bake?", text="Bread needs yeast.",
        model="a",
    )  # fmt: skip
    make_output(project, external_id="cake", query="And cake?", text="Sugar.", model="b")
    make_output(project, external_id="rain", query="Will it rain?", text="No.", model="a")
    complaint = make_feedback(bread, external_id="late", comment="No oven is named.", score=-1)
    FeedbackReason.objects.create(
        feedback=complaint, reason=Reason.objects.filter(taxonomy__project=project)[0]
    )
    embed_pending(encoder=encoder)
    return project


def ids(response: Any) -> list[str]:
    return [one.found.hit.target.external_id for one in response.context["findings"]]


class TestSearchPage:
    def test_shows_hits_and_nothing_of_other_projects(
        self, viewer: Client, project: Project, address: str, encoder: Encoder
    ) -> None:
        make_output(project, text="Bread needs <b>yeast</b>.", external_id="a/b")
        make_output(make_project(), text="Bread of another project")
        embed_pending(encoder=encoder)
        page = viewer.get(address, {"q": "baking bread"}).content.decode()
        assert '<mark class="hit">Bread</mark> needs &lt;b&gt;yeast&lt;/b&gt;' in page
        assert "another project" not in page

    def test_lists_the_newest_when_nothing_is_looked_for(
        self, viewer: Client, filled: Project, address: str
    ) -> None:
        page = viewer.get(address)
        assert ids(page) == ["rain", "cake", "bread"]
        assert ids(viewer.get(address, {"list": "feedback"})) == ["late"]
        assert len(ids(viewer.get(address, {"list": "session"}))) == 3

    def test_narrows_by_what_is_written_and_by_what_is_on(
        self, viewer: Client, filled: Project, address: str
    ) -> None:
        page = viewer.get(address, {"q": "model:b", "filter": "model:a -tag:x"})
        assert ids(page) == ["rain", "cake"]
        [model, tag] = page.context["tokens"]
        assert model["value"] == "a or b"
        assert ids(viewer.get(address + tag["without"])) == ["rain", "cake", "bread"]

    @pytest.mark.parametrize(
        ("mode", "text", "found"),
        [
            ("words", "yeast bread", ["bread"]),
            ("words", "yeast sugar", []),
            ("hybrid", "yeast sugar", ["bread", "cake", "late", "rain"]),
            ("meaning", '"yeast"', ["bread"]),
        ],
    )
    def test_searches_by_words_or_meaning_or_both(
        self, viewer: Client, filled: Project, address: str, mode: str, text: str, found: list[str]
    ) -> None:
        assert sorted(ids(viewer.get(address, {"q": text, "mode": mode}))) == found

    @pytest.mark.parametrize("sort", ["best", "newest"])
    def test_signs_alone_are_in_nothing(
        self, client: Client, viewer: Client, project: Project, address: str, sort: str
    ) -> None:
        make_feedback(make_output(project), comment="")
        key = {"authorization": f"Bearer {make_key(project, ['read'])}"}
        for text in ("?", "👍"):
            asked = {"q": text, "mode": "words", "sort": sort}
            assert ids(viewer.get(address, asked)) == []
            reply = client.get("/api/v1/search", asked, headers=key)
            assert (reply.status_code, reply.json()["results"]) == (200, [])

    def test_counts_all_that_have_the_words_where_the_best_alone_are_listed(
        self, viewer: Client, project: Project, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("feedback.search.DEPTH", 2)
        monkeypatch.setattr("review.views.search.DEPTH", 2)
        session = make_session(project)
        for _ in range(4):
            make_feedback(make_output(project, session, text="Bread."), comment="Bread?")
        alone = make_feedback(make_output(project, text="Cake."), comment="No bread.")
        Feedback.objects.filter(pk=alone.pk).update(output=None)
        page = viewer.get(address, {"q": "bread", "mode": "words"})
        assert len(ids(page)) == 4
        assert [number for _, number, _, _ in page.context["listings"]] == ["9", "2", "4", "5"]
        assert (page.context["total"], page.context["all_told"]) == ("9", "4")
        assert "The best 4 of 9 are listed" in page.content.decode()
        hybrid = viewer.get(address, {"q": "bread"})
        assert hybrid.context["total"] == "4"
        assert "are listed" not in hybrid.content.decode()

    @pytest.mark.parametrize(
        ("listing", "number"), [("all", 15), ("session", 5), ("output", 7), ("feedback", 8)]
    )
    def test_lists_by_words_the_newest_first_to_the_end(
        self,
        client: Client,
        viewer: Client,
        project: Project,
        address: str,
        monkeypatch: pytest.MonkeyPatch,
        listing: str,
        number: int,
    ) -> None:
        monkeypatch.setattr("feedback.search.DEPTH", 2)
        monkeypatch.setattr("review.views.search.DEPTH", 2)
        monkeypatch.setattr("review.views.search.PAGE_SIZE", 2)
        sessions = [make_session(project) for _ in range(4)]
        for place in range(7):
            at = NOW + timedelta(hours=place // 3)
            output = make_output(project, sessions[place % 4], text="Bread.", at=at)
            make_feedback(output, pk=output.pk, comment="Bread?", at=at)
        cake = make_output(project, text="Cake.")
        alone = make_feedback(cake, pk=cake.pk, comment="No bread.")
        Feedback.objects.filter(pk=alone.pk).update(output=None)
        asked = {"q": "bread", "list": listing, "mode": "words", "sort": "newest"}
        link, seen, times = f"?{urlencode(asked)}", [], []
        while link:
            page = viewer.get(address + link)
            hits = [one.found.hit for one in page.context["findings"]]
            seen += [(type(hit.target), hit.target.pk) for hit in hits]
            times += [hit.target.at for hit in hits]
            link = page.context["more"]
        assert len(seen) == len(set(seen)) == number
        assert page.context["page"].counts[listing] == number
        if listing != "session":
            assert times == sorted(times, reverse=True)
        reply: dict[str, Any] = {"next_cursor": ""}
        told: list[dict[str, Any]] = []
        while (cursor := reply["next_cursor"]) is not None:
            reply = client.get(
                "/api/v1/search",
                {**asked, "limit": 4, "cursor": cursor},
                headers={"authorization": f"Bearer {make_key(project, ['read'])}"},
            ).json()
            told += reply["results"]
        assert len(told) == number
        assert {one["words"] for one in told} == {1}
        wrong = {**asked, "cursor": write_cursor([NOW, 2, 1])}
        assert viewer.get(address, wrong).status_code == 400

    def test_finds_more_like_an_answer(self, viewer: Client, filled: Project, address: str) -> None:
        page = viewer.get(address, {"like": "bread"})
        assert "bread" not in ids(page)
        assert page.context["tokens"][0]["key"] == "more like"
        assert viewer.get(address, {"like": "nothing"}).status_code == 404

    def test_leads_to_what_has_the_very_id(
        self, viewer: Client, filled: Project, address: str
    ) -> None:
        make_output(make_project(), external_id="elsewhere")
        assert viewer.get(address, {"q": "rain"}).context["named"].output.external_id == "rain"
        assert (
            f"/p/{filled.slug}/outputs/rain" in viewer.get(address, {"q": "rain"}).content.decode()
        )
        assert viewer.get(address, {"q": "elsewhere"}).context["named"].output is None

    def test_facets_count_what_choosing_them_would_find(
        self, viewer: Client, filled: Project, address: str
    ) -> None:
        reviewer = make_user(filled)
        make_review(filled.outputs.get(external_id="bread"), reviewer, verdict="fix")
        secret = filled.outputs.get(external_id="cake")
        item = make_item(make_queue(filled, reviewers_per_item=2), secret)
        make_review(secret, reviewer, verdict="reject", item=item)
        page = viewer.get(address, {"filter": "model:a"})
        counted = 0
        for facet in page.context["facets"]:
            for one in facet["choices"]:
                if not one["choice"].is_on:
                    alone = viewer.get(address + one["link"])
                    grown = "model:a," in alone.context["kept"]
                    expected = one["choice"].number + (2 if grown else 0)
                    assert alone.context["page"].counts["all"] == expected, facet["name"]
                    counted += 1
        assert {facet["name"] for facet in page.context["facets"]} == {
            "Model", "Rated", "Environment", "Reason", "Tag", "Verdict",
        }  # fmt: skip
        assert "reject" not in page.content.decode()
        assert counted == 6

    def test_names_the_filter_to_drop(self, viewer: Client, filled: Project, address: str) -> None:
        page = viewer.get(address, {"q": "yeast model:b", "filter": "tag:x", "mode": "words"})
        token, number = page.context["miss"]
        assert (token["value"], number) == ("b", "1")
        assert ids(viewer.get(address + token["without"])) == ["bread"]

    def test_names_the_token_that_means_nothing_and_keeps_it(
        self, viewer: Client, project: Project, address: str
    ) -> None:
        page = viewer.get(address, {"q": "bread modle:<a>"})
        assert page.status_code == 422
        assert "modle:&lt;a&gt;" in page.content.decode()

    def test_costs_the_same_for_many_hits(
        self,
        viewer: Client,
        project: Project,
        address: str,
        encoder: Encoder,
        django_assert_max_num_queries: Any,
    ) -> None:
        for number in range(15):
            make_feedback(make_output(project, text=f"Answer {number}"), comment=f"Wrong {number}")
        embed_pending(encoder=encoder)
        with django_assert_max_num_queries(58):
            page = viewer.get(address, {"q": "wrong answer"})
        assert len(ids(page)) == 25
        assert len(ids(viewer.get(address + page.context["more"]))) == 5
        with django_assert_max_num_queries(34):
            viewer.get(address)

    def test_is_for_members(self, client: Client, project: Project, address: str) -> None:
        assert client.get(address).status_code == 302
        client.force_login(make_user(make_project(), role="admin"))
        assert client.get(address).status_code == 404
        client.force_login(make_user(project, role="viewer"))
        assert client.get(address).status_code == 200
        for wrong in (
            {"q": "x", "cursor": "nonsense"},
            {"cursor": "x"},
            {"mode": "x"},
            {"list": "x"},
        ):
            assert client.get(address, wrong).status_code == 400
        assert client.get(address, {"q": "\x00"}).status_code == 200
        assert client.post(address).status_code == 405


@pytest.fixture
def remarks(project: Project, encoder: Encoder) -> Project:
    """Comments on three answers, one of a money-back question, and a suggestion."""
    author = make_user(project, username="ada")
    for model, words in (
        ("a", "The customer is owed a refund."),
        ("b", "Bread needs no yeast."),
        ("b", "See ticket ORD-77812."),
    ):
        make_annotation(make_output(project, model=model), author, "Bloom", comment=words)
    make_annotation(make_output(project, model="a"), author, "Bloom", replacement="Heating pumps")
    make_annotation(make_output(make_project()), make_user(), "Bloom", comment="A refund.")
    embed_annotations(encoder=encoder)
    return project


def said(page: Any) -> list[str]:
    return [remark.text for remark, _ in page.context["rows"]]


class TestCommentsByMeaning:
    def test_are_found_by_what_they_mean_and_the_filter_of_their_answers(
        self, viewer: Client, remarks: Project, address: str, django_assert_max_num_queries: Any
    ) -> None:
        asked = {"q": "getting one's money back"}
        with django_assert_max_num_queries(24):
            page = viewer.get(f"{address}comments/", asked)
        assert said(page)[0] == "The customer is owed a refund."
        assert len(said(page)) == 4
        assert viewer.get(address, asked).context["comments"][0] == "4"
        narrowed = viewer.get(f"{address}comments/", {**asked, "filter": "model:b"})
        assert "The customer is owed a refund." not in said(narrowed)
        assert len(said(narrowed)) == 2
        assert said(viewer.get(f"{address}comments/", {"q": "warm a house"}))[0] == "Heating pumps"

    def test_take_words_alone_or_quoted_as_they_are_asked_for(
        self, viewer: Client, remarks: Project, address: str
    ) -> None:
        def found(text: str, **more: str) -> list[str]:
            return said(viewer.get(f"{address}comments/", {"q": text, **more}))

        assert found("refunds customers", mode="words") == ["The customer is owed a refund."]
        assert found("money back", mode="words") == []
        assert found('"ticket ORD-77812"') == ["See ticket ORD-77812."]
        assert found("where is ORD-77812 with bread")[0] == "See ticket ORD-77812."
        assert "Bread needs no yeast." not in found("food -yeast")

    def test_page_in_either_order_without_gap_or_repeat(
        self, viewer: Client, remarks: Project, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for sort in ("", "newest"):
            asked = {"q": "refund", "mode": "meaning", "sort": sort}
            whole = said(viewer.get(f"{address}comments/", asked))
            with monkeypatch.context() as patch:
                patch.setattr("review.views.search.PAGE_SIZE", 3)
                first = viewer.get(f"{address}comments/", asked)
                rest = viewer.get(f"{address}comments/{first.context['more']}")
            assert said(first) + said(rest) == whole
            assert len(whole) == 4
        for cursor in ("x", "W10", "WyJhIiwxXQ"):
            wrong = viewer.get(f"{address}comments/", {**asked, "cursor": cursor})
            assert wrong.status_code == 400

    def test_stay_hidden_from_who_is_to_judge_without_knowing(
        self, client: Client, remarks: Project, address: str
    ) -> None:
        output = remarks.outputs.get(annotations__comment__contains="refund")
        make_item(make_queue(remarks, reviewers_per_item=2), output)
        client.force_login(make_user(remarks, role="expert"))
        asked = {"q": "money back"}
        assert len(said(client.get(f"{address}comments/", asked))) == 3
        assert client.get(address, asked).context["comments"][0] == "3"
        client.force_login(User.objects.get(username="ada"))
        assert said(client.get(f"{address}comments/", asked))[0] == "The customer is owed a refund."


class TestReplies:
    @pytest.fixture
    def thread(self, project: Project, encoder: Encoder) -> Annotation:
        """One person's comment, which another answered twice."""
        root = make_annotation(
            make_output(project), make_user(project), "Bloom", comment="Is this so?"
        )
        other = make_user(project, username="bob")
        for text in ("A customer may return it within a month.", "Bread needs no yeast."):
            reply(annotation=root, by=other, text=text, now=timezone.now())
        make_annotation(make_output(project), other, "Bloom", comment="The opening hours are old.")
        embed_annotations(encoder=encoder)
        return root

    @pytest.mark.parametrize(
        "asked",
        [
            {"q": "bringing goods back to the shop"},
            {"q": "goods brought back", "mode": "meaning"},
            {"q": "returns customers", "mode": "words"},
            {"q": '"within a month"'},
        ],
    )
    def test_are_found_by_words_and_meaning_and_lead_to_their_thread(
        self,
        viewer: Client,
        thread: Annotation,
        address: str,
        django_assert_max_num_queries: Any,
        asked: dict[str, str],
    ) -> None:
        with django_assert_max_num_queries(28):
            page = viewer.get(f"{address}comments/", asked)
        remark, _ = page.context["rows"][0]
        assert remark.text == "A customer may return it within a month."
        assert (remark.annotation, remark.author.username) == (thread, "bob")
        assert "Reply of <bdi>bob</bdi>" in page.content.decode()
        threads = [one.annotation.pk for one, _ in page.context["rows"]]
        assert len(threads) == len(set(threads))
        assert viewer.get(address, asked).context["comments"][0] == str(len(threads))

    def test_are_not_found_by_what_they_said_before(
        self, viewer: Client, thread: Annotation, address: str
    ) -> None:
        def found(text: str, **more: str) -> list[str]:
            return said(viewer.get(f"{address}comments/", {"q": text, **more}))

        [first, second] = thread.replies.order_by("pk")
        edit_reply(reply=first, by=first.author, text="The rivers are cold.", now=timezone.now())
        assert found("customer return", mode="words") == []
        assert "The rivers are cold." not in found("goods back", mode="meaning")
        assert found("rivers", mode="words") == ["The rivers are cold."]
        remove_reply(reply=second, by=second.author, now=timezone.now())
        assert found("yeast", mode="words") == []
        assert "Bread needs no yeast." not in found("baking bread", mode="meaning")

    def test_stay_hidden_from_who_wrote_the_comment_and_is_to_judge_without_knowing(
        self, client: Client, thread: Annotation, project: Project, address: str
    ) -> None:
        """They see their own comment, but not what others say to it."""
        asked = {"q": "customer return", "mode": "words"}
        Membership.objects.filter(user=thread.author).update(role="expert")
        client.force_login(thread.author)
        assert len(said(client.get(f"{address}comments/", asked))) == 1
        make_item(make_queue(project, reviewers_per_item=2), thread.output)
        assert said(client.get(f"{address}comments/", asked)) == []
        assert said(client.get(f"{address}comments/", {"q": "goods back", "mode": "meaning"})) == [
            "Is this so?",
            "The opening hours are old.",
        ]


class TestComments:
    def test_are_found_by_their_words_and_the_filter_of_their_answers(
        self, viewer: Client, project: Project, address: str, django_assert_max_num_queries: Any
    ) -> None:
        author = make_user(project)
        for model in "ab":
            output = make_output(project, model=model)
            make_annotation(output, author, "Bloom", comment=f"The <i>dates</i> of {model} differ.")
        make_annotation(make_output(make_project()), make_user(), "Bloom", comment="dates")
        with django_assert_max_num_queries(24):
            page = viewer.get(f"{address}comments/", {"q": "date model:a"})
        assert [one.annotation.output.model for one, _ in page.context["rows"]] == ["a"]
        assert '&lt;i&gt;<mark class="hit">dates</mark>' in page.content.decode()
        assert viewer.get(address, {"q": "date"}).context["comments"][0] == "2"
        assert viewer.get(f"{address}comments/", {"q": "x:y"}).status_code == 422
        assert viewer.get(f"{address}comments/", {"cursor": "x"}).status_code == 400

    def test_stay_hidden_from_who_is_to_judge_without_knowing(
        self, client: Client, project: Project, address: str
    ) -> None:
        output = make_output(project)
        make_item(make_queue(project, reviewers_per_item=2), output)
        make_annotation(output, make_user(project), "Bloom", comment="Wrong date.")
        client.force_login(make_user(project, role="expert"))
        assert not client.get(f"{address}comments/", {"q": "date"}).context["rows"]


class TestCompletion:
    @pytest.mark.parametrize(
        ("text", "proposed"),
        [
            ("mod", ["model:a", "model:b"]),
            ("bread -model:a,", ["-model:a,b"]),
            ("score:", ["score:negative", "score:positive"]),
            ("tag:X", ["tag:x"]),
            ("m", []),
            ("nothing:", []),
            ("tag:\x00", []),
        ],
    )
    def test_proposes_values_that_are_there(
        self, viewer: Client, filled: Project, address: str, text: str, proposed: list[str]
    ) -> None:
        make_output(make_project(), model="another")
        page = viewer.get(f"{address}complete/", {"q": text})
        assert [one for one, _ in page.context["proposed"]] == proposed

    def test_leads_to_the_search_with_it(
        self, viewer: Client, filled: Project, address: str
    ) -> None:
        page = viewer.get(f"{address}complete/", {"q": "yeast tag:", "filter": "model:a"})
        [(_, link)] = page.context["proposed"]
        found = viewer.get(link)
        assert ids(found) == ["bread", "late"]
        assert found.context["text"] == "yeast"
