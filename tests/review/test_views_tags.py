"""Tags beside a conversation, and the page of a project's tags."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from feedback.embedding import Encoder, embed_pending, model_id
from feedback.models import Project, Session, Tag, User
from review import tag_reports
from review.tags import rename, tag_sessions
from tests.factories import (
    NOW,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_session,
    make_user,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def tagger(client: Client, project: Project) -> User:
    user = make_user(project, role="tagger")
    client.force_login(user)
    return user


@pytest.fixture
def session(project: Project) -> Session:
    return make_session(project, external_id="s/1")


def tagged(session: Session, by: User, *names: str) -> None:
    tag_sessions(project=session.project, sessions=[session], add=names, by=by, now=NOW)


def names(session: Session) -> list[str]:
    return sorted(session.tags.values_list("name", flat=True))


def url(name: str, session: Session) -> str:
    return reverse(name, args=[session.project.slug, session.pk])


class TestOnASession:
    def test_are_put_on_with_commas_between_and_taken_off_without_a_script(
        self, client: Client, session: Session, tagger: User
    ) -> None:
        back = reverse("session", args=[session.project.slug, session.external_id])
        sent = {"add": "billing, Big  refund,,", "next": back}
        assert client.post(url("session_tag", session), sent)["Location"] == back
        assert names(session) == ["Big refund", "billing"]
        page = client.get(back).content.decode()
        assert "Take off the tag Big refund" in page
        client.post(url("session_tag", session), {"remove": "billing", "next": "//evil.example"})
        assert names(session) == ["Big refund"]

    def test_leads_nowhere_else(self, client: Client, session: Session, tagger: User) -> None:
        there = client.post(url("session_tag", session), {"next": "https://evil.example/"})
        assert there["Location"].startswith(f"/p/{session.project.slug}/")

    def test_are_put_on_while_inside_the_queue_view(
        self, client: Client, session: Session, tagger: User
    ) -> None:
        """Complaint 15."""
        item = make_item(make_queue(session.project), make_output(session.project, session))
        desk = reverse("item", args=[session.project.slug, item.pk])
        queue = reverse("queue", args=[session.project.slug, item.queue.slug])
        page = client.get(desk).content.decode()
        assert f'action="{url("session_tag", session)}"' in page
        assert f'name="next" value="{desk}"' in page
        sent = {"add": "billing", "next": desk, "at": queue}
        assert client.post(url("session_tag", session), sent)["Location"] == desk
        part = client.post(url("session_tag", session), sent | {"add": "x"}, headers=HTMX)
        assert f'href="{queue}?tag=x"' in part.content.decode()
        assert "<html" not in part.content.decode()
        item.refresh_from_db()
        assert item.status == "open"

    def test_that_cannot_be_stay_typed(
        self, client: Client, session: Session, tagger: User
    ) -> None:
        part = client.post(url("session_tag", session), {"add": "x" * 61}, headers=HTMX)
        assert part.status_code == 422
        assert f'value="{"x" * 61}"' in part.content.decode()
        assert 'id="tag-error"' in part.content.decode()

    def test_are_hostile_text(self, client: Client, session: Session, tagger: User) -> None:
        tagged(session, tagger, "<script>alert(1)</script>", '"><img src=x>')
        page = client.get(reverse("session", args=[session.project.slug, "s/1"])).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page

    def test_are_only_read_by_those_who_may_not_tag(
        self, client: Client, session: Session, tagger: User
    ) -> None:
        tagged(session, tagger, "billing")
        client.force_login(make_user(session.project, role="viewer"))
        page = client.get(reverse("session", args=[session.project.slug, "s/1"])).content.decode()
        assert "billing" in page
        assert "Take off" not in page
        assert 'id="tag-add"' not in page

    def test_lead_to_a_search_for_them(
        self, client: Client, session: Session, tagger: User
    ) -> None:
        make_output(session.project, session, external_id="found")
        tagged(session, tagger, 'big "refund", now')
        page = client.get(reverse("session", args=[session.project.slug, "s/1"])).content.decode()
        [link] = [
            part.partition('"')[0] for part in page.split('href="') if "search/?q=tag" in part
        ]
        assert "/outputs/found" in client.get(link.replace("&amp;", "&")).content.decode()


class TestHints:
    def filled(self, project: Project, by: User, encoder: Encoder) -> Session:
        def one(query: str, *tags: str) -> Session:
            session = make_session(project)
            make_output(project, session, query=query, text="Yes.")
            tagged(session, by, *tags)
            return session

        asked = one("How do I get my money back?", "known")
        one("How can I get a refund?", "refund", "known")
        one("I want my money refunded.", "refund", "urgent")
        one("Which dinosaurs had feathers?", "science")
        embed_pending(encoder=encoder)
        return asked

    def test_are_the_tags_of_similar_sessions_with_counts(
        self, project: Project, tagger: User, encoder: Encoder
    ) -> None:
        asked = self.filled(project, tagger, encoder)
        other = make_project()
        strange = make_session(other)
        make_output(other, strange, query="How do I get my money back?")
        tagged(strange, tagger, "theirs")
        embed_pending(encoder=encoder)
        found = tag_reports.hints(session=asked, model=model_id())
        assert found.num_sessions == 2
        assert [(hint.name, hint.number) for hint in found.tags] == [("refund", 2), ("urgent", 1)]

    def test_come_when_they_are_asked_for(
        self,
        client: Client,
        project: Project,
        tagger: User,
        encoder: Encoder,
        django_assert_max_num_queries: Any,
    ) -> None:
        asked = self.filled(project, tagger, encoder)
        with django_assert_max_num_queries(14):
            part = client.get(url("tag_hints", asked), headers=HTMX).content.decode()
        assert 'value="refund"' in part
        there = client.get(url("tag_hints", asked), follow=True).content.decode()
        assert 'value="refund"' in there
        assert "<html" in there

    def test_are_silent_about_what_resembles_nothing(
        self, client: Client, session: Session, tagger: User
    ) -> None:
        assert not client.get(url("tag_hints", session), headers=HTMX).content.strip()

    def test_complete_what_is_typed_also_by_former_names(
        self, client: Client, session: Session, tagger: User
    ) -> None:
        tagged(session, tagger, "billing", "bill <b>", "other")
        rename(tag=Tag.objects.get(name="billing"), name="Invoices", by=tagger, now=NOW)
        tagged(make_session(make_project()), tagger, "bilberries")
        typed = {"add": "x, BIL"}
        part = client.get(url("tag_hints", session), typed, headers=HTMX).content.decode()
        offered = [one.partition('"')[0] for one in part.split('value="')[1:]]
        assert offered == ["x, bill &lt;b&gt;", "x, Invoices"]
        empty = client.get(url("tag_hints", session), {"add": " "}, headers=HTMX)
        assert not empty.content.strip()


class TestList:
    def test_counts_sessions_and_tells_former_names(
        self, client: Client, project: Project, tagger: User, django_assert_num_queries: Any
    ) -> None:
        first, second = make_session(project), make_session(project)
        tagged(first, tagger, "billing", "urgent")
        tagged(second, tagger, "billing")
        rename(tag=Tag.objects.get(name="billing"), name="Invoices", by=tagger, now=NOW)
        tagged(make_session(make_project()), tagger, "theirs")
        address = reverse("tag_list", args=[project.slug])
        with django_assert_num_queries(6):
            page = client.get(address).content.decode()
        rows = page.partition("<tbody>")[2].split("<tr>")[1:]
        assert ["Invoices" in rows[0], "billing" in rows[0], ">2<" in rows[0]] == [True] * 3
        assert ["urgent" in rows[1], ">1<" in rows[1], len(rows)] == [True, True, 2]
        assert "theirs" not in page
        assert "Merge" not in page
        found = client.get(address, {"q": "URG"}).content.decode()
        assert "urgent" in found
        assert "Invoices" not in found

    def test_comes_in_pages(
        self, client: Client, project: Project, tagger: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("review.views.tags.PAGE_SIZE", 2)
        tagged(make_session(project), tagger, "a", "b", "c")
        address = reverse("tag_list", args=[project.slug])
        page = client.get(address).content.decode()
        [more] = [part.partition('"')[0] for part in page.split('href="') if "cursor=" in part[:9]]
        assert ">c</a>" in client.get(f"{address}{more}").content.decode()
        assert client.get(address, {"cursor": "x"}).status_code == 400

    def test_lets_moderators_rename_and_merge(
        self, client: Client, project: Project, tagger: User
    ) -> None:
        session = make_session(project)
        tagged(session, tagger, "a", "b")
        client.force_login(make_user(project, role="moderator"))
        there = reverse("tag_list", args=[project.slug])
        a, b = Tag.objects.get(name="a"), Tag.objects.get(name="b")
        taken = client.post(reverse("tag_rename", args=[project.slug, a.pk]), {"name": "B"})
        assert taken.status_code == 422
        assert "Merge them instead." in taken.content.decode()
        done = client.post(reverse("tag_rename", args=[project.slug, a.pk]), {"name": "c"})
        assert done["Location"] == there
        missing = client.post(reverse("tag_merge", args=[project.slug, b.pk]), {"into": "none"})
        assert missing.status_code == 422
        client.post(reverse("tag_merge", args=[project.slug, b.pk]), {"into": " A "})
        assert names(session) == ["c"]
        again = client.post(reverse("tag_merge", args=[project.slug, b.pk]), {"into": "c"})
        assert again["Location"] == there
        gone = client.post(reverse("tag_rename", args=[project.slug, b.pk]), {"name": "d"})
        assert "This tag is c now." in client.get(gone["Location"]).content.decode()
