"""The tags of sessions and of a project, by script."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.models import Project, Session, SessionTag, Tag
from review import tags, tags_api
from tests.calling import Caller
from tests.factories import make_key, make_project, make_session, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="ann"))


@pytest.fixture
def session(project: Project) -> Session:
    return make_session(project, external_id="s/1")


def tagged(ann: Caller, session: Session, *names: str) -> list[Tag]:
    tags.tag_sessions(
        project=session.project, sessions=[session], add=names, by=ann.user, now=timezone.now()
    )
    return [Tag.objects.get(name=name) for name in names]


class TestTagging:
    def test_are_put_on_and_taken_off(self, ann: Caller, session: Session) -> None:
        ann.post("tags", {"session": "s/1", "add": ["new"]})
        reply = ann.post("tags", {"session": "s/1", "add": ["Billing", "NEW"], "remove": ["none"]})
        assert reply.status_code == 200
        assert reply.json() == {
            "session": "s/1",
            "tags": ["Billing", "new"],
            "added": ["Billing"],
            "removed": [],
        }
        again = ann.post("tags", {"session": "s/1", "remove": ["billing"]}).json()
        assert (again["tags"], again["removed"]) == (["new"], ["Billing"])
        assert SessionTag.objects.get().added_by == ann.user

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"add": ["x" * 61]}, "add"),
            ({"remove": ["a\x00"]}, "remove"),
            ({"add": ["a"], "remove": ["A"]}, "remove"),
            ({"add": "a"}, "add"),
            ({"add": [1]}, "add.0"),
        ],
    )
    def test_name_the_field_that_cannot_be(
        self, ann: Caller, session: Session, body: dict[str, Any], path: str
    ) -> None:
        ann.post("tags", {"session": "s/1", "add": ["a"]})
        reply = ann.post("tags", {"session": "s/1", **body})
        assert (reply.status_code, [one["path"] for one in reply.json()["errors"]]) == (422, [path])
        assert SessionTag.objects.count() == 1


class TestTags:
    def test_are_listed_in_pages_with_their_sessions(
        self, ann: Caller, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tags_api, "PAGE_SIZE", 1)
        billing, _ = tagged(ann, session, "billing", "new")
        tagged(ann, make_session(session.project), "new")
        tags.rename(tag=billing, name="refunds", by=ann.user, now=timezone.now())
        first = ann.get("tags").json()
        second = ann.get("tags", cursor=first["next_cursor"]).json()
        found = first["tags"] + second["tags"]
        assert [(one["name"], one["sessions"], one["former_names"]) for one in found] == [
            ("new", 2, []),
            ("refunds", 1, ["billing"]),
        ]
        assert second["next_cursor"] is None
        for text in ("FUND", " fund ", "fund\x00"):
            assert [one["name"] for one in ann.get("tags", containing=text).json()["tags"]] == [
                "refunds"
            ]
        assert ann.get("tags", cursor="x").json()["errors"][0]["path"] == "cursor"

    def test_take_as_many_queries_for_many(
        self, ann: Caller, session: Session, django_assert_num_queries: Any
    ) -> None:
        for one in tagged(ann, session, *"abcdefghi"):
            tags.rename(tag=one, name=f"{one.name}2", by=ann.user, now=timezone.now())
        ann.get("tags")
        with django_assert_num_queries(3):
            ann.get("tags")


class TestRename:
    def test_leaves_the_old_name_meaning_the_tag_as_the_page_does(
        self, ann: Caller, client: Client, session: Session
    ) -> None:
        by_script, by_page = tagged(ann, session, "billing", "new")
        reply = ann.post(f"tags/{by_script.pk}/rename", {"name": " refunds "})
        assert reply.json() == {
            "tag": by_script.pk,
            "name": "refunds",
            "sessions": 1,
            "former_names": ["billing"],
        }
        client.force_login(ann.user)
        url = reverse("tag_rename", args=[session.project.slug, by_page.pk])
        client.post(url, {"name": "fresh"})
        former = Tag.objects.exclude(alias_of=None).order_by("pk")
        assert list(former.values_list("name", "alias_of")) == [
            ("billing", by_script.pk),
            ("new", by_page.pk),
        ]

    @pytest.mark.parametrize("name", ["", "x" * 61, "new", "a\x00"])
    def test_refuses_a_name_that_cannot_be(self, ann: Caller, session: Session, name: str) -> None:
        billing, _ = tagged(ann, session, "billing", "new")
        refused = ann.post(f"tags/{billing.pk}/rename", {"name": name})
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "name")


class TestMerge:
    def test_answers_with_the_tag_that_is_left(self, ann: Caller, session: Session) -> None:
        billing, refunds = tagged(ann, session, "billing", "refunds")
        reply = ann.post(f"tags/{billing.pk}/merge", {"into": "Refunds"})
        assert (reply.status_code, reply.json()["tag"]) == (200, refunds.pk)
        assert (reply.json()["sessions"], reply.json()["former_names"]) == (1, ["billing"])
        for act, body in (("rename", {"name": "x"}), ("merge", {"into": "refunds"})):
            late = ann.post(f"tags/{billing.pk}/{act}", body)
            assert (late.status_code, late.json()["message"]) == (409, "This tag is refunds now.")

    @pytest.mark.parametrize("name", ["none", "", "a\x00", "billing"])
    def test_wants_another_tag(self, ann: Caller, session: Session, name: str) -> None:
        [billing] = tagged(ann, session, "billing")
        refused = ann.post(f"tags/{billing.pk}/merge", {"into": name})
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "into")


ACTS = (("rename", {"name": "x"}), ("merge", {"into": "new"}))


class TestWhoMay:
    def test_experts_read_and_tag_but_change_no_tag(
        self, ann: Caller, client: Client, session: Session
    ) -> None:
        one, _ = tagged(ann, session, "billing", "new")
        expert = Caller(client, session.project, make_user(session.project, "expert"))
        viewer = Caller(client, session.project, make_user(session.project, "viewer"))
        assert len(viewer.get("tags").json()["tags"]) == 2
        assert viewer.post("tags", {"session": "s/1", "add": ["x"]}).status_code == 403
        for act, body in ACTS:
            assert expert.post(f"tags/{one.pk}/{act}", body).status_code == 403
        assert Tag.objects.count() == 2

    def test_products_and_other_projects_do_not(
        self, ann: Caller, client: Client, session: Session
    ) -> None:
        """Complaint 23."""
        one, _ = tagged(ann, session, "billing", "new")
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        [mine] = tagged(stranger, make_session(other), "mine")
        assert [tag["name"] for tag in stranger.get("tags").json()["tags"]] == ["mine"]
        refused = stranger.post(f"tags/{mine.pk}/merge", {"into": "billing"})
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "into")
        product = {"authorization": f"Bearer {make_key(session.project)}"}
        assert client.get("/api/v1/tags", headers=product).status_code == 403
        for act, body in ACTS:
            assert stranger.post(f"tags/{one.pk}/{act}", body).status_code == 404
            path = f"/api/v1/tags/{one.pk}/{act}"
            sent = client.post(path, body, content_type="application/json", headers=product)
            assert sent.status_code == 403
        assert set(Tag.objects.values_list("name", flat=True)) == {"billing", "new", "mine"}
