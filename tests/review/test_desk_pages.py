"""The reviewer's desk, over HTTP."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from feedback.models import Output, Project, Reason, User
from review import queues
from review.annotations import annotate
from review.models import Annotation, Claim, Draft, QueueItem, Review, Skip
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_session,
    make_user,
)

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"
HTMX = {"HX-Request": "true"}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(name: str, item: QueueItem) -> str:
    return reverse(name, args=[item.queue.project.slug, item.pk])


def claimed(item: QueueItem, by: User) -> int:
    """Claim an item now; return the fence."""
    return queues.claim(item=item, by=by, now=timezone.now()).fence


def lose(item: QueueItem, to: User) -> None:
    """Let every lease on the item run out and somebody else take it."""
    long_ago = timezone.now() - timedelta(hours=2)
    Claim.objects.filter(item=item).update(claimed_at=long_ago, lease_until=long_ago)
    claimed(item, to)


def comment(item: QueueItem, by: User, words: str, **fields: Any) -> Annotation:
    text = item.output.text
    start = text.index(words)
    return annotate(
        output=item.output,
        version=item.output.version,
        by=by,
        start=start,
        end=start + len(words),
        exact=words,
        now=NOW,
        **({"comment": "Which one?"} | fields),
    )


@pytest.fixture
def item(project: Project) -> QueueItem:
    return make_item(make_queue(project))


@pytest.fixture
def expert(project: Project) -> User:
    return make_user(project, "expert")


class TestItem:
    def test_everybody_in_the_project_may_read(self, project: Project, item: QueueItem) -> None:
        page = signed_in(make_user(project, "viewer")).get(url("item", item))
        assert page.status_code == 200
        assert "Bloom came out" in page.content.decode()
        assert "takes the role of an expert" in page.content.decode()

    def test_strangers_and_other_projects_find_nothing(
        self, project: Project, item: QueueItem
    ) -> None:
        assert signed_in(make_user(make_project())).get(url("item", item)).status_code == 404
        theirs = make_item(make_queue(make_project()))
        mine = reverse("item", args=[project.slug, theirs.pk])
        assert signed_in(make_user(project)).get(mine).status_code == 404

    def test_is_not_for_writing(self, expert: User, item: QueueItem) -> None:
        assert signed_in(expert).post(url("item", item)).status_code == 405

    def test_offers_what_nobody_holds_and_holds_nothing_by_being_read(
        self, expert: User, item: QueueItem
    ) -> None:
        page = signed_in(expert).get(url("item", item)).content.decode()
        assert "Nobody is reviewing this." in page
        assert not Claim.objects.exclude(reviewer=None).exists()

    def test_says_who_holds_it_and_until_when(
        self, project: Project, expert: User, item: QueueItem
    ) -> None:
        claimed(item, make_user(project, username="mira"))
        page = signed_in(expert).get(url("item", item)).content.decode()
        assert "mira</b> is reviewing this until" in page
        assert "Submit and next" not in page

    def test_shows_hostile_text_as_text(self, project: Project, expert: User) -> None:
        session = make_session(project, external_id=HOSTILE, user_role=HOSTILE, environment=HOSTILE)
        output = make_output(
            project,
            session,
            query=HOSTILE,
            text=HOSTILE,
            system=HOSTILE,
            model_version=HOSTILE,
            documents=[{"id": "d", "title": HOSTILE, "text": HOSTILE, "score": 0.5}],
        )
        make_feedback(output, comment=HOSTILE, correction=HOSTILE, label=HOSTILE)
        page = signed_in(expert).get(url("item", make_item(make_queue(project), output)))
        assert "<script>alert" not in page.content.decode()
        assert "<img src=x" not in page.content.decode()

    def test_shows_the_beginning_of_a_time_that_is_none(
        self, expert: User, item: QueueItem
    ) -> None:
        make_feedback(item.output, is_implicit=True, name="dwell", value="x" * 5_000)
        page = signed_in(expert).get(url("item", item)).content.decode()
        assert "xxx… s" in page
        assert "x" * 20 not in page

    def test_marks_feedback_and_comments_with_a_card_for_each(
        self, expert: User, item: QueueItem
    ) -> None:
        reason = Reason.objects.get(
            slug="factually-incorrect", taxonomy__project=item.queue.project
        )
        said = make_feedback(
            item.output, span_start=0, span_end=5, output_version=1, comment="Not Bloom."
        )
        said.reasons.add(reason)
        written = comment(item, expert, "31 August 2018")
        page = signed_in(expert).get(url("item", item)).content.decode()
        assert f'data-a="f{said.pk}" data-cat="1"' in page
        assert f'data-a="a{written.pk}"' in page
        assert page.index(f'id="f{said.pk}"') < page.index(f'id="a{written.pk}"')

    def test_a_span_on_a_former_version_is_listed_and_not_painted(
        self, expert: User, item: QueueItem
    ) -> None:
        said = make_feedback(item.output, span_start=0, span_end=5, output_version=1, comment="x")
        written = comment(item, expert, "Bloom")
        Output.objects.update(version=2, text="Another answer about Bloom.")
        page = signed_in(expert).get(url("item", item)).content.decode()
        assert f'id="f{said.pk}"' in page
        assert f'id="a{written.pk}"' in page
        assert "data-a=" not in page
        assert page.count("The words of version 1 are gone.") == 2

    def test_asks_the_database_as_often_for_much_as_for_little(
        self,
        project: Project,
        expert: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        session = make_session(project)
        output = make_output(project, session)
        crowded = make_item(make_queue(project), output)
        reasons = list(Reason.objects.filter(taxonomy__project=project))
        for _ in range(12):
            turn = make_output(project, session)
            for on in (turn, output):
                make_feedback(on, comment="x", span_start=0, span_end=5, output_version=1)
                make_feedback(on, is_implicit=True, name="copy").reasons.add(reasons[0])
            comment(crowded, make_user(project), "Bloom", reason=reasons[1].slug)
            make_review(output, make_user(project), is_authoritative=False)
        client = signed_in(expert)
        with django_assert_max_num_queries(31):
            page = client.get(url("item", crowded))
        assert page.content.decode().count('class="note"') == 24

    @pytest.mark.parametrize("query", ["select=0,5", "words=Bloom"])
    def test_words_are_chosen_without_a_script(
        self, expert: User, item: QueueItem, query: str
    ) -> None:
        page = signed_in(expert).get(f"{url('item', item)}?{query}").content.decode()
        assert 'name="exact" value="Bloom"' in page

    @pytest.mark.parametrize("query", ["select=5", "select=a,b", "select=0,9999", "words=nowhere"])
    def test_words_that_are_not_there_are_named(
        self, expert: User, item: QueueItem, query: str
    ) -> None:
        page = signed_in(expert).get(f"{url('item', item)}?{query}")
        assert page.status_code == 200
        assert 'data-path="words"' in page.content.decode()


class TestBlindReview:
    def test_anothers_verdict_is_hidden_until_mine_is_in(self, project: Project) -> None:
        item = make_item(make_queue(project, reviewers_per_item=2))
        first, second = make_user(project), make_user(project)
        make_review(item.output, first, item=item, comment="Rather wrong.")
        client = signed_in(second)
        assert "Rather wrong." not in client.get(url("item", item)).content.decode()
        permalink = reverse("output", args=[project.slug, item.output.external_id])
        assert "Rather wrong." not in client.get(permalink).content.decode()
        make_review(item.output, second, item=item, is_authoritative=False)
        assert "Rather wrong." in client.get(url("item", item)).content.decode()

    def test_where_one_reviewer_is_asked_verdicts_are_shown(
        self, project: Project, item: QueueItem, expert: User
    ) -> None:
        make_review(item.output, make_user(project), comment="Rather wrong.")
        assert "Rather wrong." in signed_in(expert).get(url("item", item)).content.decode()


WRITING = [
    "item_claim",
    "item_renew",
    "item_release",
    "item_skip",
    "item_submit",
    "item_draft",
    "item_undo",
]


class TestWhoMayWrite:
    @pytest.mark.parametrize("name", [*WRITING, "annotation_create"])
    def test_experts_only_by_post_in_their_project(
        self, project: Project, item: QueueItem, name: str
    ) -> None:
        at = url(name, item)
        assert signed_in(make_user(project, "tagger")).post(at).status_code == 403
        assert signed_in(make_user(make_project())).post(at).status_code == 404
        assert signed_in(make_user(project)).get(at).status_code == 405
        theirs = make_item(make_queue(make_project()))
        other = reverse(name, args=[project.slug, theirs.pk])
        assert signed_in(make_user(project)).post(other).status_code == 404


class TestItemClaim:
    def test_takes_the_item_and_shows_the_form(self, expert: User, item: QueueItem) -> None:
        page = signed_in(expert).post(url("item_claim", item), follow=True)
        assert "Submit and next" in page.content.decode()
        assert Claim.objects.get(item=item).reviewer == expert

    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_what_is_held_is_refused_with_what_was_typed(
        self, project: Project, expert: User, item: QueueItem, headers: dict[str, str]
    ) -> None:
        claimed(item, make_user(project, username="mira"))
        page = signed_in(expert).post(
            url("item_claim", item), {"comment": "So much typed."}, headers=headers
        )
        assert page.status_code == 409
        assert "mira is reviewing this." in page.content.decode()
        assert "So much typed." in page.content.decode()

    def test_what_is_done_is_refused(self, expert: User, item: QueueItem) -> None:
        Claim.objects.filter(item=item).update(finished_at=NOW)
        assert signed_in(expert).post(url("item_claim", item)).status_code == 409

    def test_taking_it_again_keeps_what_was_typed_and_renews_the_fence(
        self, project: Project, expert: User, item: QueueItem
    ) -> None:
        page = signed_in(expert).post(
            url("item_claim", item), {"verdict": "fix", "comment": "Typed."}, headers=HTMX
        )
        assert page.status_code == 200
        fence = Claim.objects.get(item=item).fence
        assert f'name="fence" value="{fence}"' in page.content.decode()
        assert "Typed." in page.content.decode()


class TestItemRenew:
    def test_starts_the_lease_anew(self, expert: User, item: QueueItem) -> None:
        fence = claimed(item, expert)
        before = Claim.objects.get(item=item).lease_until
        page = signed_in(expert).post(url("item_renew", item), {"fence": fence})
        assert page.status_code == 200
        assert before is not None
        assert Claim.objects.filter(item=item, lease_until__gt=before).exists()

    def test_a_lost_lease_says_so(self, project: Project, expert: User, item: QueueItem) -> None:
        fence = claimed(item, expert)
        lose(item, make_user(project, username="mira"))
        page = signed_in(expert).post(url("item_renew", item), {"fence": fence})
        assert page.status_code == 409
        assert "mira has it now." in page.content.decode()


class TestItemRelease:
    def test_gives_the_item_back(self, expert: User, item: QueueItem) -> None:
        fence = claimed(item, expert)
        page = signed_in(expert).post(url("item_release", item), {"fence": fence})
        assert page["Location"] == reverse("queue", args=[item.queue.project.slug, item.queue.slug])
        assert Claim.objects.get(item=item).reviewer is None

    def test_what_is_lost_already_stays_so(
        self, project: Project, expert: User, item: QueueItem
    ) -> None:
        fence = claimed(item, expert)
        other = make_user(project)
        lose(item, other)
        signed_in(expert).post(url("item_release", item), {"fence": fence})
        assert Claim.objects.get(item=item).reviewer == other


class TestItemSkip:
    def test_remembers_why_and_goes_to_the_next(self, expert: User, item: QueueItem) -> None:
        following = make_item(item.queue)
        claimed(item, expert)
        page = signed_in(expert).post(url("item_skip", item), {"reason": "Not my language."})
        assert Skip.objects.get().reason == "Not my language."
        assert page["Location"] == url("item", following)

    def test_is_undone_as_a_decision_is(self, expert: User, item: QueueItem) -> None:
        browser = signed_in(expert)
        make_item(item.queue)
        browser.post(url("item_skip", item), {"common": "Not my field"})
        undo = url("item_undo", item)
        page = browser.get(url("item", item)).content.decode()
        assert "Skipped." in page
        assert f'<form action="{undo}" method="post">' in page
        browser.post(undo)
        assert not Skip.objects.exists()
        assert Claim.objects.get(item=item).reviewer == expert

    def test_a_common_reason_is_one_click(self, expert: User, item: QueueItem) -> None:
        page = signed_in(expert).post(
            url("item_skip", item), {"common": "Not my language", "reason": ""}
        )
        assert page.status_code == 302
        assert Skip.objects.get().reason == "Not my language"

    def test_needs_a_reason(self, expert: User, item: QueueItem) -> None:
        page = signed_in(expert).post(url("item_skip", item), {"reason": " "})
        assert page.status_code == 422
        assert "Say why you skip this." in page.content.decode()

    def test_from_a_tab_left_open_after_the_submit_skips_nothing(
        self, expert: User, item: QueueItem
    ) -> None:
        client = signed_in(expert)
        decide(client, item, fence=claimed(item, expert))
        page = client.post(url("item_skip", item), {"common": "Not my field"}, follow=True)
        assert "You have reviewed this item already." in page.content.decode()
        assert "Skipped." not in page.content.decode()
        assert not Skip.objects.exists()


def decide(client: Client, item: QueueItem, **fields: Any) -> Any:
    headers = fields.pop("headers", {})
    sent = {"version": item.output.version, "verdict": "accept"} | fields
    return client.post(url("item_submit", item), sent, headers=headers)


def checked(page: str) -> set[str]:
    """The values of the boxes and buttons that are ticked on a page."""
    return set(re.findall(r'<input [^>]*value="([\w-]+)" checked', page))


class TestDrafts:
    def keep(self, client: Client, item: QueueItem, **fields: Any) -> Any:
        return client.post(url("item_draft", item), {"version": 1} | fields)

    def test_what_was_entered_comes_back_with_the_page(self, expert: User, item: QueueItem) -> None:
        client = signed_in(expert)
        claimed(item, expert)
        sent = {"verdict": "fix", "comment": "One.\r\nTwo.", "reasons": ["too-vague", "unsafe"]}
        answer = self.keep(client, item, **sent, routes="library", confidence="0.75")
        assert answer.json()["revision"] == 1
        assert Draft.objects.get().fields["comment"] == "One.\nTwo."
        page = client.get(url("item", item)).content.decode()
        assert "One.\nTwo.</textarea>" in page
        assert checked(page) >= {"fix", "too-vague", "unsafe", "library"}
        assert '<option value="0.75" selected>' in page
        assert "Draft saved" in page
        assert 'data-revision="1"' in page

    def test_it_is_its_authors_alone(self, project: Project, expert: User, item: QueueItem) -> None:
        self.keep(signed_in(expert), item, comment="Half a thought")
        assert "Half a thought" in signed_in(expert).get(url("item", item)).content.decode()
        other = signed_in(make_user(project, "admin"))
        assert "Half a thought" not in other.get(url("item", item)).content.decode()
        assert (
            "Half a thought"
            not in other.post(url("item_claim", item), follow=True).content.decode()
        )

    def test_a_save_on_an_older_one_is_told_what_is_stored(
        self, expert: User, item: QueueItem
    ) -> None:
        client = signed_in(expert)
        self.keep(client, item, comment="From one tab", revision=0)
        answer = self.keep(client, item, comment="From the other", revision=0)
        assert answer.status_code == 409
        assert answer.json()["revision"] == 1
        assert answer.json()["fields"]["comment"] == "From one tab"

    def test_a_save_after_the_submit_is_told_so(self, expert: User, item: QueueItem) -> None:
        client = signed_in(expert)
        decide(client, item, fence=claimed(item, expert))
        answer = self.keep(client, item, comment="Late")
        assert (answer.status_code, answer.json()) == (409, {"done": True})

    def test_what_cannot_be_stored_is_refused(self, expert: User, item: QueueItem) -> None:
        assert self.keep(signed_in(expert), item, comment="\x00").status_code == 422

    def test_taking_the_item_brings_the_draft(self, expert: User, item: QueueItem) -> None:
        client = signed_in(expert)
        self.keep(client, item, comment="Half a thought")
        page = client.post(url("item_claim", item), headers=HTMX).content.decode()
        assert "Half a thought</textarea>" in page

    def test_fields_of_a_former_form_are_left_out(self, expert: User, item: QueueItem) -> None:
        claimed(item, expert)
        Draft.objects.create(
            item=item,
            reviewer=expert,
            output_version=1,
            fields={"comment": "Kept", "mood": "sour"},
            updated_at=NOW,
        )
        assert "Kept</textarea>" in signed_in(expert).get(url("item", item)).content.decode()

    def test_says_when_the_answer_has_changed_since(self, expert: User, item: QueueItem) -> None:
        claimed(item, expert)
        self.keep(signed_in(expert), item, comment="Half")
        Output.objects.update(version=2)
        page = signed_in(expert).get(url("item", item)).content.decode()
        assert "your draft is about version 1." in page

    def test_without_one_the_reasons_of_ones_own_comments_are_ticked(
        self, project: Project, expert: User, item: QueueItem
    ) -> None:
        claimed(item, expert)
        comment(item, expert, "Bloom", reason="too-vague")
        comment(item, make_user(project), "2018", reason="unsafe")
        page = signed_in(expert).get(url("item", item)).content.decode()
        assert checked(page) == {"too-vague"}
        assert "those of your comments" in page
        self.keep(signed_in(expert), item, comment="Unticked")
        assert checked(signed_in(expert).get(url("item", item)).content.decode()) == set()


class TestItemUndo:
    def test_the_page_after_a_submit_offers_it_and_it_leads_back_with_all(
        self, expert: User, item: QueueItem
    ) -> None:
        make_item(item.queue)
        client = signed_in(expert)
        fence = claimed(item, expert)
        sent = {"verdict": "reject", "comment": "Wrong day.", "routes": ["issue"]}
        following = client.post(url("item_submit", item), {"fence": fence} | sent, follow=True)
        assert "Submitted: Reject." in following.content.decode()
        assert f'action="{url("item_undo", item)}"' in following.content.decode()
        page = client.post(url("item_undo", item), follow=True)
        assert page.redirect_chain == [(url("item", item), 302)]
        assert "Wrong day.</textarea>" in page.content.decode()
        assert checked(page.content.decode()) == {"reject", "issue"}
        assert not Review.objects.exists()

    def test_the_page_of_the_item_offers_it_for_a_while(
        self, expert: User, item: QueueItem
    ) -> None:
        client = signed_in(expert)
        decide(client, item, fence=claimed(item, expert))
        assert "Undo and edit" in client.get(url("item", item)).content.decode()
        Review.objects.update(created_at=timezone.now() - timedelta(hours=25))
        assert "Undo and edit" not in client.get(url("item", item)).content.decode()
        refused = client.post(url("item_undo", item), follow=True).content.decode()
        assert "can be taken back for 24 hours" in refused
        assert Review.objects.exists()

    def test_twice_is_once(self, expert: User, item: QueueItem) -> None:
        client = signed_in(expert)
        decide(client, item, fence=claimed(item, expert))
        client.post(url("item_undo", item))
        fence = Claim.objects.get().fence
        assert client.post(url("item_undo", item))["Location"] == url("item", item)
        assert Claim.objects.get().fence == fence

    def test_of_a_skip_leaves_the_decision(self, expert: User, item: QueueItem) -> None:
        client = signed_in(expert)
        decide(client, item, fence=claimed(item, expert))
        Skip.objects.create(item=item, reviewer=expert, reason="Late", skipped_at=timezone.now())
        client.post(url("item_undo", item))
        assert not Skip.objects.exists()
        assert Review.objects.exists()

    def test_another_reviewers_decision_is_left_alone(
        self, project: Project, expert: User, item: QueueItem
    ) -> None:
        decide(signed_in(expert), item, fence=claimed(item, expert))
        signed_in(make_user(project, "admin")).post(url("item_undo", item))
        assert Review.objects.exists()


class TestAround:
    def test_says_the_place_in_the_queue_and_links_to_those_beside_it(
        self, expert: User, project: Project
    ) -> None:
        queue = make_queue(project)
        items = [make_item(queue, priority=priority) for priority in (1, 5, 3, 3)]
        make_item(queue, priority=4, status="done", closed_at=NOW)
        low, top, first, second = items
        client = signed_in(expert)
        for place, one, before, after in [
            (1, top, None, first),
            (2, first, top, second),
            (3, second, first, low),
            (4, low, second, None),
        ]:
            page = client.post(url("item_claim", one), follow=True).content.decode()
            assert f'<b class="strong num">{place}</b> of <span class="num">4</span>' in page
            shown = [
                re.search(rf'href="([^"]+)"[^>]*data-key="{key}"', page) for key in ["⇧K", "⇧J"]
            ]
            assert [found and found[1] for found in shown] == [
                other and url("item", other) for other in (before, after)
            ]


class TestItemSubmit:
    def test_stores_the_decision_and_goes_to_the_next(self, expert: User, item: QueueItem) -> None:
        following = make_item(item.queue)
        page = decide(
            signed_in(expert),
            item,
            fence=claimed(item, expert),
            verdict="fix",
            severity="major",
            confidence="0.75",
            comment="Line one.\r\nLine two.",
            correction="Bloom came out on 17 August 2018.",
            reasons=["factually-incorrect", "too-vague"],
            routes=["library", "training"],
        )
        review = Review.objects.get()
        assert page["Location"] == url("item", following)
        assert Claim.objects.get(item=following).reviewer == expert
        assert (review.verdict, review.severity, review.confidence) == ("fix", "major", 0.75)
        assert review.comment == "Line one.\nLine two."
        assert {reason.slug for reason in review.reasons.all()} == {
            "factually-incorrect",
            "too-vague",
        }
        assert review.routes == ["library", "training"]

    def test_goes_to_the_queue_when_nothing_is_left(self, expert: User, item: QueueItem) -> None:
        page = decide(signed_in(expert), item, fence=claimed(item, expert), headers=HTMX)
        assert page["HX-Redirect"] == reverse(
            "queue", args=[item.queue.project.slug, item.queue.slug]
        )

    @pytest.mark.parametrize("headers", [{}, HTMX])
    @pytest.mark.parametrize(
        ("fields", "path"),
        [
            ({"verdict": ""}, "verdict"),
            ({"verdict": "fix"}, "reasons"),
            ({"confidence": "much"}, "confidence"),
            ({"severity": "huge"}, "severity"),
            ({"version": "99"}, "version"),
        ],
    )
    def test_names_what_cannot_stand_and_keeps_the_rest(
        self,
        expert: User,
        item: QueueItem,
        fields: dict[str, str],
        path: str,
        headers: dict[str, str],
    ) -> None:
        typed = {"routes": "training"} | fields
        page = decide(
            signed_in(expert), item, fence=claimed(item, expert), headers=headers, **typed
        )
        assert page.status_code == 422
        assert f'data-path="{path}"' in page.content.decode()
        assert 'value="training" checked' in page.content.decode()
        assert not Review.objects.exists()

    @pytest.mark.parametrize(("headers", "shown"), [({}, 2), (HTMX, 1)])
    def test_the_form_stays_about_the_answer_beside_it(
        self, expert: User, item: QueueItem, headers: dict[str, str], shown: int
    ) -> None:
        fence = claimed(item, expert)
        Output.objects.update(version=2)
        page = decide(
            signed_in(expert), item, fence=fence, verdict="fix", version="1", headers=headers
        )
        assert f'name="version" value="{shown}"' in page.content.decode().split("decide-form")[1]

    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_a_lost_lease_keeps_what_was_typed(
        self, project: Project, expert: User, item: QueueItem, headers: dict[str, str]
    ) -> None:
        fence = claimed(item, expert)
        lose(item, make_user(project))
        page = decide(
            signed_in(expert), item, fence=fence, verdict="fix", comment="Long.", headers=headers
        )
        assert page.status_code == 409
        assert "Nothing was stored." in page.content.decode()
        assert "Long." in page.content.decode()
        assert not Review.objects.exists()

    def test_a_lost_lease_on_what_is_free_offers_it_again(
        self, expert: User, item: QueueItem
    ) -> None:
        page = decide(signed_in(expert), item, fence=7, comment="Long.")
        assert page.status_code == 409
        assert "Take again" in page.content.decode()

    def test_twice_is_once(self, expert: User, item: QueueItem) -> None:
        fence = claimed(item, expert)
        client = signed_in(expert)
        decide(client, item, fence=fence)
        assert decide(client, item, fence=fence).status_code == 302
        assert Review.objects.count() == 1

    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_something_else_after_a_submit_is_refused_and_kept(
        self, expert: User, item: QueueItem, headers: dict[str, str]
    ) -> None:
        """Complaint 6."""
        fence = claimed(item, expert)
        client = signed_in(expert)
        decide(client, item, fence=fence)
        page = decide(client, item, fence=fence, comment="From a tab left open.", headers=headers)
        assert page.status_code == 409
        assert "From a tab left open." in page.content.decode()
        assert Review.objects.get().comment == ""

    @pytest.mark.parametrize(
        ("fields", "path"),
        [
            ({"verdict": ""}, "verdict"),
            ({"verdict": "fix"}, "reasons"),
            ({"confidence": "2"}, "confidence"),
            ({"severity": "huge"}, "severity"),
        ],
    )
    def test_the_wrong_field_has_the_focus_and_its_error(
        self, expert: User, item: QueueItem, fields: dict[str, str], path: str
    ) -> None:
        page = decide(
            signed_in(expert), item, fence=claimed(item, expert), headers=HTMX, **fields
        ).content.decode()
        assert f'id="error-{path}"' in page
        assert f'aria-describedby="error-{path}"' in page
        focused = re.findall(r'<(?:input|select|textarea) [^>]*name="(\w+)"[^>]* autofocus', page)
        assert focused == [path]


def put(client: Client, item: QueueItem, **fields: Any) -> Any:
    headers = fields.pop("headers", {})
    sent = {"version": 1, "start": 0, "end": 5, "exact": "Bloom", "comment": "Who?"} | fields
    return client.post(url("annotation_create", item), sent, headers=headers)


class TestAnnotationCreate:
    def test_a_fragment_brings_the_blocks_that_changed_and_the_card(
        self, expert: User, item: QueueItem
    ) -> None:
        Output.objects.update(text="Bloom came out.\n\nOn 31 August 2018.")
        client = signed_in(expert)
        put(client, item, start=19, end=28, exact="31 August")
        first = client.get(url("item", item)).content.decode()
        since = first.split('name="since" value="')[1].split('"')[0]
        page = put(client, item, headers=HTMX, reason="too-vague", since=since).content.decode()
        written = Annotation.objects.latest("pk")
        assert f'<mark class="hl" data-a="a{written.pk}" data-cat="3"' in page
        assert '<ol hx-swap-oob="afterbegin:#margin">' in page
        assert page.count('class="note"') == 1
        assert page.count("hx-swap-oob=\"innerHTML:#answer [data-start='0']\"") == 1
        assert page.count("innerHTML:") == 1
        assert "31 August" not in page

    def test_a_page_that_does_not_say_what_it_knows_gets_everything(
        self, expert: User, item: QueueItem
    ) -> None:
        page = put(signed_in(expert), item, headers=HTMX).content.decode()
        assert 'id="answer"' in page
        assert 'id="margin"' in page
        assert "<html" not in page

    def test_sent_twice_is_once(self, expert: User, item: QueueItem) -> None:
        client = signed_in(expert)
        key = "0b6b0a58-1f6b-4a2c-a1a0-3a2a8b0f5c11"
        for _ in range(2):
            assert put(client, item, headers=HTMX, request_key=key).status_code == 200
        assert Annotation.objects.count() == 1

    def test_without_a_script_it_leads_back_to_the_comment(
        self, expert: User, item: QueueItem
    ) -> None:
        page = put(signed_in(expert), item)
        assert page["Location"] == f"{url('item', item)}#a{Annotation.objects.get().pk}"

    def test_only_a_suggestion_that_is_meant_is_stored(self, expert: User, item: QueueItem) -> None:
        client = signed_in(expert)
        put(client, item, replacement="Flower")
        put(client, item, replacement="Flower", suggests="on")
        put(client, item, replacement="", suggests="on")
        found = Annotation.objects.order_by("pk").values_list("replacement", flat=True)
        assert list(found) == [None, "Flower", ""]

    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_other_words_are_refused_and_the_comment_kept(
        self, expert: User, item: QueueItem, headers: dict[str, str]
    ) -> None:
        page = put(signed_in(expert), item, exact="Gloom", headers=headers)
        assert page.status_code == 422
        assert 'data-path="exact"' in page.content.decode()
        if not headers:
            assert "Who?" in page.content.decode()
        else:
            assert page["HX-Retarget"] == "#pop-errors"

    def test_a_former_version_is_refused(self, expert: User, item: QueueItem) -> None:
        Output.objects.update(version=2)
        page = put(signed_in(expert), item, headers=HTMX)
        assert page.status_code == 409
        assert "Load the new answer" in page.content.decode()
        assert not Annotation.objects.exists()


class TestAnnotationDelete:
    def url(self, annotation: Annotation) -> str:
        return reverse("annotation_delete", args=[annotation.project.slug, annotation.pk])

    def test_its_author_removes_it(self, expert: User, item: QueueItem) -> None:
        written = comment(item, expert, "Bloom")
        page = signed_in(expert).post(self.url(written), headers=HTMX)
        assert 'id="margin"' in page.content.decode()
        assert not Annotation.objects.exists()

    def test_another_expert_may_not(self, project: Project, expert: User, item: QueueItem) -> None:
        written = comment(item, expert, "Bloom")
        client = signed_in(make_user(project, "expert"))
        assert client.post(self.url(written)).status_code == 403
        assert client.get(self.url(written)).status_code == 405
        assert signed_in(make_user(make_project())).post(self.url(written)).status_code == 404
        theirs = make_user(make_project())
        mine = reverse(
            "annotation_delete", args=[theirs.memberships.get().project.slug, written.pk]
        )
        assert signed_in(theirs).post(mine).status_code == 404


class TestOutput:
    def test_shows_the_answer_with_what_was_said(self, project: Project) -> None:
        output = make_output(project, external_id="trace/1?a=b#c %2F")
        said = make_feedback(output, comment="No.", span_start=0, span_end=5, output_version=1)
        make_review(output, make_user(project, username="mira"), comment="Rather wrong.")
        at = reverse("output", args=[project.slug, output.external_id])
        page = signed_in(make_user(project, "viewer")).get(at)
        assert page.status_code == 200
        text = page.content.decode()
        assert f'data-a="f{said.pk}"' in text
        assert "Rather wrong." in text

    def test_strangers_and_other_projects_find_nothing(self, project: Project) -> None:
        output = make_output(project)
        at = reverse("output", args=[project.slug, output.external_id])
        assert signed_in(make_user(make_project())).get(at).status_code == 404
        theirs = make_output(make_project())
        mine = reverse("output", args=[project.slug, theirs.external_id])
        assert signed_in(make_user(project)).get(mine).status_code == 404
        assert signed_in(make_user(project)).get(f"{at}%00").status_code == 404
        assert signed_in(make_user(project)).post(at).status_code == 405


class TestSession:
    def test_shows_its_turns_in_order_a_page_at_a_time(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        session = make_session(project, external_id="s/ä?")
        for number in range(25):
            output = make_output(
                project, session, text=f"Turn **{number:02}**", at=NOW + timedelta(minutes=number)
            )
            make_feedback(output, is_implicit=True, name="copy")
        at = reverse("session", args=[project.slug, session.external_id])
        client = signed_in(make_user(project, "viewer"))
        with django_assert_max_num_queries(12):
            first = client.get(at).content.decode()
        assert first.index("Turn <strong>00") < first.index("Turn <strong>19")
        assert "Turn <strong>20" not in first
        cursor = first.split("?cursor=")[1].split('"')[0]
        assert "Turn <strong>24" in client.get(f"{at}?cursor={cursor}").content.decode()
        assert client.get(f"{at}?cursor=nonsense").status_code == 400

    def test_strangers_and_other_projects_find_nothing(self, project: Project) -> None:
        session = make_session(project)
        at = reverse("session", args=[project.slug, session.external_id])
        assert signed_in(make_user(make_project())).get(at).status_code == 404
        theirs = make_session(make_project())
        mine = reverse("session", args=[project.slug, theirs.external_id])
        assert signed_in(make_user(project)).get(mine).status_code == 404
        assert signed_in(make_user(project)).get(f"{at}%00").status_code == 404
        assert signed_in(make_user(project)).post(at).status_code == 405
