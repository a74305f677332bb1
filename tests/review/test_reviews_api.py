"""Reviewing by script, with a person's own key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.models import Membership, Project, User
from review import queues
from review.models import Claim, Draft, Event, Queue, QueueItem, Review
from tests.calling import Caller
from tests.factories import (
    make_annotation,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "expert", username="ann"))


@pytest.fixture
def queue(project: Project) -> Queue:
    return make_queue(project, slug="all")


class TestReview:
    def send(self, ann: Caller, **body: Any) -> Any:
        claim = ann.post("queues/all/claim").json()
        return ann.post(f"items/{claim['item']}/review", {"fence": claim["fence"], **body})

    def test_is_stored_as_from_the_desk(self, ann: Caller, queue: Queue, project: Project) -> None:
        item = make_item(queue)
        reply = self.send(
            ann,
            verdict="fix",
            severity="major",
            reasons=["incomplete"],
            confidence=0.75,
            comment="Wrong year.",
            correction="Bloom came out on 31 August 2019.",
            routes=["library"],
        )
        assert reply.status_code == 201, reply.json()
        told = reply.json()
        review = Review.objects.get(item=item)
        assert (told["id"], told["verdict"], told["severity"]) == (review.pk, "fix", "major")
        assert (told["reviewer"], told["reasons"], told["counts"]) == ("ann", ["incomplete"], True)
        assert told["correction"] == review.correction == "Bloom came out on 31 August 2019."
        item.refresh_from_db()
        assert item.status == QueueItem.Status.DONE
        assert Event.objects.filter(verb="reviewed", actor=ann.user).count() == 1

    def test_sent_again_after_a_lost_answer_never_doubles(
        self, ann: Caller, queue: Queue, project: Project
    ) -> None:
        item = make_item(queue)
        claim = ann.post("queues/all/claim").json()
        body = {"fence": claim["fence"], "verdict": "reject", "comment": "No."}
        first = ann.post(f"items/{item.pk}/review", body)
        again = ann.post(f"items/{item.pk}/review", body)
        assert (again.status_code, again.json()) == (201, first.json())
        other = ann.post(f"items/{item.pk}/review", {**body, "verdict": "fix"})
        assert other.status_code == 409
        assert Review.objects.get().verdict == "reject"

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"verdict": "maybe"}, "verdict"),
            ({}, "verdict"),
            ({"verdict": "fix"}, "reasons"),
            ({"verdict": "fix", "reasons": ["none-such"]}, "reasons"),
            ({"verdict": "accept", "confidence": 2}, "confidence"),
            ({"verdict": "accept", "severity": "huge"}, "severity"),
            ({"verdict": "fix", "comment": "a\x00b"}, "comment"),
            ({"verdict": "accept", "version": 9}, "version"),
            ({"verdict": "accept", "routes": ["nowhere"]}, "routes.0"),
            ({"verdict": "accept", "more": 1}, "more"),
        ],
    )
    def test_names_the_field_that_cannot_be(
        self, ann: Caller, queue: Queue, body: dict[str, Any], path: str
    ) -> None:
        make_item(queue)
        reply = self.send(ann, **body)
        assert reply.status_code == 422
        assert [one["path"] for one in reply.json()["errors"]] == [path]
        assert not Review.objects.exists()


class TestUndo:
    def test_takes_ones_decision_back_as_the_page_does(
        self, ann: Caller, client: Client, queue: Queue, project: Project
    ) -> None:
        def decided() -> QueueItem:
            item = make_item(queue, make_output(project))
            held = queues.claim(item=item, by=ann.user, now=timezone.now())
            body = {"fence": held.fence, "verdict": "reject", "comment": "No."}
            assert ann.post(f"items/{item.pk}/review", body).status_code == 201
            return item

        by_script, by_page = decided(), decided()
        reply = ann.post(f"items/{by_script.pk}/undo")
        assert (reply.status_code, reply.json()["item"]) == (200, by_script.pk)
        client.force_login(ann.user)
        client.post(reverse("item_undo", args=[project.slug, by_page.pk]))
        assert not Review.objects.exists()
        drafts = Draft.objects.order_by("item").values_list("item", "fields__comment")
        assert list(drafts) == [(by_script.pk, "No."), (by_page.pk, "No.")]
        # The reply's fence holds the item.
        body = {"fence": reply.json()["fence"], "verdict": "accept"}
        assert ann.post(f"items/{by_script.pk}/review", body).status_code == 201

    def test_is_refused_where_a_decision_stands_or_there_is_none(
        self, ann: Caller, queue: Queue, project: Project
    ) -> None:
        item = make_item(queue)
        held = queues.claim(item=item, by=ann.user, now=timezone.now())
        assert ann.post(f"items/{item.pk}/undo").status_code == 409
        ann.post(f"items/{item.pk}/review", {"fence": held.fence, "verdict": "accept"})
        bob = Caller(ann.client, project, make_user(project, "admin"))
        none = bob.post(f"items/{item.pk}/undo")
        assert (none.status_code, none.json()["message"]) == (
            409,
            "You have not reviewed this item.",
        )
        Review.objects.update(created_at=timezone.now() - timedelta(hours=25))
        refused = ann.post(f"items/{item.pk}/undo")
        assert refused.status_code == 409
        assert refused.json()["message"] == "A decision can be taken back for 24 hours."
        assert Review.objects.filter(item=item).exists()


ACTS: list[tuple[str, str, dict[str, Any], str]] = [
    ("get", "queues", {}, "viewer"),
    ("post", "queues/all/claim", {}, "expert"),
    ("post", "items/{item}/heartbeat", {"fence": 0}, "expert"),
    ("post", "items/{item}/release", {"fence": 0}, "expert"),
    ("post", "items/{item}/skip", {"fence": 0, "reason": "x"}, "expert"),
    ("post", "items/{item}/review", {"fence": 0, "verdict": "accept"}, "expert"),
    ("post", "items/{item}/claim", {}, "expert"),
    ("post", "items/{item}/steal", {}, "moderator"),
    ("post", "items/{item}/unskip", {}, "expert"),
    ("post", "items/{item}/undo", {}, "expert"),
]


class TestWhoMay:
    @pytest.mark.parametrize(("verb", "path", "body", "role"), ACTS)
    def test_each_act_asks_for_its_role_and_a_person(
        self, client: Client, project: Project, verb: str, path: str, body: Any, role: str
    ) -> None:
        item = make_item(make_queue(project, slug="all"))
        path = path.format(item=item.pk)
        order = list(Membership.Role.values)
        for other in order:
            caller = Caller(client, project, make_user(project, other))
            got = caller.get(path) if verb == "get" else caller.post(path, body)
            if order.index(other) < order.index(role):
                assert got.status_code == 403, other
            else:
                assert got.status_code in {200, 204, 409}, other
        product = {"authorization": f"Bearer {make_key(project)}"}
        send = getattr(client, verb)
        reply = send(f"/api/v1/{path}", body, content_type="application/json", headers=product)
        assert reply.status_code == 403

    @pytest.mark.parametrize(("verb", "path", "body", "role"), ACTS)
    def test_nothing_of_another_project_is_there(
        self, client: Client, project: Project, verb: str, path: str, body: Any, role: str
    ) -> None:
        """Complaint 23."""
        item = make_item(make_queue(project, slug="all", name="Secret queue"))
        other = make_project()
        caller = Caller(client, other, make_user(other, "admin"))
        path = path.format(item=item.pk)
        got = caller.get(path) if verb == "get" else caller.post(path, body)
        assert got.status_code in {200, 404}
        assert b"Secret" not in got.content
        if got.status_code == 200:
            assert got.json() == {"queues": []}
        assert Claim.objects.get(item=item).reviewer is None

    def test_a_changed_role_counts_from_the_next_request_on(
        self, ann: Caller, queue: Queue, project: Project
    ) -> None:
        """Complaint 22."""
        make_item(queue)
        assert ann.post("queues/all/claim").status_code == 200
        membership = Membership.objects.filter(user=ann.user)
        membership.update(role="viewer")
        assert ann.post("queues/all/claim").status_code == 403
        assert ann.get("queues").status_code == 200
        membership.get().delete()
        assert ann.get("queues").status_code == 401

    def test_somebody_who_may_not_sign_in_is_out(self, ann: Caller) -> None:
        User.objects.filter(pk=ann.user.pk).update(is_active=False)
        assert ann.get("queues").status_code == 401


class TestBlind:
    def test_others_decisions_stay_hidden_until_ones_own(
        self, ann: Caller, client: Client, project: Project
    ) -> None:
        """Complaint 24."""
        output = make_output(project, external_id="o")
        queue = make_queue(project, slug="two", reviewers_per_item=2)
        item = make_item(queue, output)
        bob = make_user(project, "expert", username="bob")
        held = queues.claim(item=item, by=bob, now=timezone.now())
        caller = Caller(client, project, bob)
        body = {"fence": held.fence, "verdict": "reject", "comment": "Bad."}
        assert caller.post(f"items/{item.pk}/review", body).status_code == 201
        make_annotation(output, bob, "Bloom", comment="Hidden.")
        own = make_annotation(output, ann.user, "August", comment="Mine.")

        def said(by: Caller) -> list[tuple[str, object]]:
            trail = by.get("outputs/o").json()["trail"]
            return [(one["type"], one["comment"]) for one in trail]

        assert said(ann) == [("annotation", own.comment)]
        assert ann.get("outputs", filter="verdict:reject").json()["outputs"] == []
        claim = ann.post("queues/two/claim").json()
        ann.post(f"items/{item.pk}/review", {"fence": claim["fence"], "verdict": "accept"})
        assert ("review", "Bad.") in said(ann)
        assert ("annotation", "Hidden.") in said(ann)

    def test_a_key_of_a_product_sees_what_everybody_may(
        self, client: Client, project: Project
    ) -> None:
        output = make_output(project, external_id="o")
        make_review(output, make_user(project), comment="Open.")
        headers = {"authorization": f"Bearer {make_key(project)}"}
        trail = client.get("/api/v1/outputs/o", headers=headers).json()["trail"]
        assert [one["comment"] for one in trail] == ["Open."]


def test_the_document_describes_every_act_with_an_example(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    schemas = document["components"]["schemas"]
    acts = [
        act
        for of_path in document["paths"].values()
        for act in of_path.values()
        if act.get("tags") == ["review"]
    ]
    sent = {
        act["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for act in acts
        if "requestBody" in act
    }
    assert {"ReviewRequest", "AnnotationRequest", "TagsRequest", "BulkRequest"} <= sent
    assert [name for name in sorted(sent) if "example" not in schemas[name]] == []
    for act in acts:
        assert act["security"] == [{"OwnKeyAuth": []}]
        assert {"401", "403"} <= set(act["responses"])
        assert "422" in act["responses"] or "requestBody" not in act, act["operationId"]
    claim = document["paths"]["/api/v1/queues/{slug}/claim"]["post"]["responses"]
    assert {"200", "204", "404"} <= set(claim)
    assert set(schemas["ClaimReply"]["properties"]) == {"item", "output", "lease_until", "fence"}
    lost = document["paths"]["/api/v1/items/{item}/review"]["post"]["responses"]["409"]
    assert "holder" in str(
        schemas[lost["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    )
