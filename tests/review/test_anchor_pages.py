"""Comments whose words are in another version of the answer, over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from feedback.models import AnswerVersion, Project, User
from review.models import Anchor, Annotation, QueueItem
from tests.factories import NOW, make_item, make_output, make_queue, make_user
from tests.review.test_desk_pages import HTMX, comment, put, signed_in, url
from tests.review.test_places import become

pytestmark = pytest.mark.django_db

TEXT = "Bloom came out on 31 August 2018. It was well received by everybody."


@pytest.fixture
def item(project: Project) -> QueueItem:
    return make_item(make_queue(project), make_output(project, text=TEXT))


@pytest.fixture
def expert(project: Project) -> User:
    return make_user(project, "expert")


class TestAFormerVersion:
    def test_is_refused_with_where_the_selected_words_are_now(
        self, expert: User, item: QueueItem
    ) -> None:
        become(item.output, "The album " + TEXT)
        page = put(signed_in(expert), item, headers=HTMX)
        assert page.status_code == 409
        assert "re-attached" in page.content.decode()
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.content.decode()))
        assert fields == {"version": "2", "start": "10", "end": "15", "exact": "Bloom"}
        assert not Annotation.objects.exists()
        assert put(signed_in(expert), item, headers=HTMX, **fields).status_code == 200
        written = Annotation.objects.get()
        assert (written.output_version, written.exact, written.comment) == (2, "Bloom", "Who?")

    def test_says_when_they_are_gone(self, expert: User, item: QueueItem) -> None:
        become(item.output, "Another answer altogether.")
        page = put(signed_in(expert), item, headers=HTMX)
        assert page.status_code == 409
        assert "could not be re-attached" in page.content.decode()
        assert "hx-swap-oob" not in page.content.decode()

    def test_words_that_never_were_there_are_not_attached(
        self, expert: User, item: QueueItem
    ) -> None:
        become(item.output, "The album " + TEXT)
        page = put(signed_in(expert), item, exact="Gloom", headers=HTMX)
        assert "could not be re-attached" in page.content.decode()

    def test_without_a_script_the_form_has_the_words_and_what_was_typed(
        self, expert: User, item: QueueItem
    ) -> None:
        become(item.output, "The album " + TEXT)
        page = put(signed_in(expert), item)
        assert page.status_code == 409
        shown = page.content.decode()
        assert '<input type="hidden" name="start" value="10">' in shown
        assert "Who?" in shown

    def test_a_hostile_quote_stays_text(self, expert: User, item: QueueItem) -> None:
        AnswerVersion.objects.create(
            output=item.output, number=1, text="</mark><img src=x onerror=y>", superseded_at=NOW
        )
        item.output.text, item.output.version = "So </mark><img src=x onerror=y>", 2
        item.output.save()
        words = "</mark><img src=x onerror=y>"
        page = put(signed_in(expert), item, end=len(words), exact=words, headers=HTMX)
        assert "<img" not in page.content.decode()


class TestActs:
    def act(self, expert: User, written: Annotation, name: str, **sent: object) -> Any:
        target = reverse(name, args=[written.project.slug, written.pk])
        return signed_in(expert).post(target, {"version": 2} | sent, headers=HTMX)

    def test_a_place_is_confirmed(self, expert: User, item: QueueItem) -> None:
        written = comment(item, expert, "came out on 31")
        become(item.output, TEXT.replace("31", "1"))
        before = signed_in(expert).get(url("item", item)).content.decode()
        assert 'data-act="confirm"' in before
        page = self.act(expert, written, "annotation_confirm")
        assert page.status_code == 200
        assert 'data-act="confirm"' not in page.content.decode()
        assert Anchor.objects.get().confirmed_by == expert

    def test_other_words_are_chosen(self, expert: User, item: QueueItem) -> None:
        written = comment(item, expert, "well received")
        become(item.output, TEXT.replace("well received", "hated"))
        before = signed_in(expert).get(url("item", item)).content.decode()
        assert 'data-act="confirm"' not in before
        assert 'data-act="reattach"' in before
        start = TEXT.index("well")
        sent = {"start": start, "end": start + 5, "exact": "hated"}
        assert self.act(expert, written, "annotation_reattach", **sent).status_code == 200
        assert Anchor.objects.get().exact == "hated"

    @pytest.mark.parametrize("sent", [{}, {"start": 0, "end": 5, "exact": "Gloom"}])
    def test_words_that_are_not_there_are_refused(
        self, expert: User, item: QueueItem, sent: dict[str, object]
    ) -> None:
        written = comment(item, expert, "well received")
        become(item.output, TEXT.replace("well received", "hated"))
        assert self.act(expert, written, "annotation_reattach", **sent).status_code == 422

    @pytest.mark.parametrize("name", ["annotation_confirm", "annotation_reattach"])
    def test_a_version_that_is_not_current_is_refused(
        self, expert: User, item: QueueItem, name: str
    ) -> None:
        written = comment(item, expert, "came out on 31")
        become(item.output, TEXT.replace("31", "1"))
        page = self.act(expert, written, name, version=1)
        assert page.status_code == 409
        assert not Anchor.objects.filter(confirmed_at__isnull=False).exists()


class TestWordsThatAreTyped:
    def test_must_be_there_once(self, expert: User, item: QueueItem) -> None:
        item.output.text = "Bloom, said Bloom."
        item.output.save()
        page = signed_in(expert).get(url("item", item) + "?words=Bloom").content.decode()
        assert "there 2 times" in page
        page = signed_in(expert).get(url("item", item) + "?words=said+bloom").content.decode()
        assert 'value="said Bloom"' in page
