"""Tags and bulk acts by script, with a person's own key."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.models import Membership, Output, Project, SessionTag
from review import bulk
from review.models import Annotation, BulkJob, QueueItem
from tests.calling import Caller
from tests.factories import (
    make_item,
    make_job,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_session,
    make_user,
)

pytestmark = pytest.mark.django_db

TEXT = "**Bloom** \N{ROCKET} came out on *31 August 2017*."


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="ann"))


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(
        project, make_session(project, external_id="s/1"), external_id="o/1", text=TEXT
    )


def span(words: str, text: str = TEXT) -> dict[str, Any]:
    start = text.index(words)
    return {"output": "o/1", "start": start, "end": start + len(words), "exact": words}


class TestBulk:
    def test_is_a_job_to_ask_for_and_to_undo(self, ann: Caller, output: Output) -> None:
        make_output(output.project, query="Q", text="Other")
        started = ann.post(
            "bulk",
            {"filter": "Bloom", "act": "tag_add", "tags": ["music"]},
            **{"Idempotency-Key": "k"},
        )
        assert (started.status_code, started.json()["status"]) == (202, "waiting")
        number = started.json()["job"]
        again = ann.post(
            "bulk",
            {"filter": "Bloom", "act": "tag_add", "tags": ["music"]},
            **{"Idempotency-Key": "k"},
        )
        assert again.json()["job"] == number
        assert ann.post(f"bulk/{number}/undo").status_code == 409
        bulk.work_off(now=timezone.now())
        told = ann.get(f"bulk/{number}").json()
        assert (told["status"], told["matching"], told["changed"]) == ("done", 1, 1)
        assert SessionTag.objects.get().session == output.session
        assert ann.post(f"bulk/{number}/undo").json()["status"] == "undoing"
        bulk.work_off(now=timezone.now())
        assert ann.get(f"bulk/{number}").json()["undone"] == 1
        assert not SessionTag.objects.exists()

    def test_can_be_cancelled_until_it_has_ended(
        self, ann: Caller, output: Output, client: Client
    ) -> None:
        job = ann.post("bulk", {"filter": "", "act": "tag_add", "tags": ["x"]}).json()["job"]
        other = Caller(client, output.project, make_user(output.project, "tagger"))
        assert other.post(f"bulk/{job}/cancel").status_code == 403
        told = ann.post(f"bulk/{job}/cancel")
        assert (told.status_code, told.json()["status"]) == (200, "cancelled")
        again = ann.post(f"bulk/{job}/cancel")
        assert (again.status_code, again.json()["message"]) == (409, "This has ended already.")
        bulk.work_off(now=timezone.now())
        assert not SessionTag.objects.exists()

    def test_tells_why_it_failed(self, ann: Caller, output: Output) -> None:
        job = make_job(output.project, ann.user, status="failed", problem="It stopped.")
        told = ann.get(f"bulk/{job.pk}").json()
        assert (told["status"], told["problem"]) == ("failed", "It stopped.")

    def test_takes_the_filter_as_json_too_and_fills_queues(
        self, ann: Caller, output: Output
    ) -> None:
        queue = make_queue(output.project, slug="q")
        body = {"filter": {"output": "o/1"}, "act": "queue_add", "queue": "q"}
        assert ann.post("bulk", body).status_code == 202
        bulk.work_off(now=timezone.now())
        assert QueueItem.objects.get(queue=queue).output == output

    def test_gives_decisions_a_reason_and_a_route_that_their_records_tell(
        self, client: Client, output: Output
    ) -> None:
        mod = Caller(client, output.project, make_user(output.project, "moderator"))
        make_review(output, make_user(output.project), routes=["issue"])
        for given in (
            {"act": "reason_add", "reason": "factually-incorrect"},
            {"act": "route_add", "route": "training"},
        ):
            started = mod.post("bulk", {"filter": "", **given})
            assert started.status_code == 202
            assert given.items() <= started.json().items()
        bulk.work_off(now=timezone.now())
        [review] = [
            one for one in mod.get("outputs/o/1").json()["trail"] if one["type"] == "review"
        ]
        assert (review["reasons"], review["added_reasons"]) == ([], ["factually-incorrect"])
        assert (review["routes"], review["added_routes"]) == (["issue"], ["training"])

    @pytest.mark.parametrize(
        ("more", "path"),
        [
            ({"act": "reason_add", "tags": [], "reason": "none"}, "reason"),
            ({"act": "route_add", "tags": []}, "route"),
            ({"act": "route_add", "tags": [], "route": "escalate"}, "route"),
            ({"filter": "nothing:x"}, "filter"),
            ({"filter": {"nothing": "x"}}, "filter"),
            ({"filter": {"model": "\ud800"}}, "filter"),
            ({"filter": {"\ud800": "x"}}, "filter"),
            ({"act": "delete"}, "act"),
            ({"tags": []}, "tags"),
            ({"act": "queue_add", "queue": "none"}, "queue"),
        ],
    )
    def test_names_the_field_that_cannot_be(
        self, ann: Caller, more: dict[str, Any], path: str
    ) -> None:
        reply = ann.post("bulk", {"filter": "", "act": "tag_add", "tags": ["x"], **more})
        assert (reply.status_code, [one["path"] for one in reply.json()["errors"]]) == (422, [path])
        assert not BulkJob.objects.exists()

    @pytest.mark.parametrize(
        "body",
        [
            {"act": "queue_add", "queue": "q"},
            {"act": "reason_add", "reason": "factually-incorrect"},
            {"act": "route_add", "route": "issue"},
        ],
    )
    def test_beyond_tags_is_for_moderators(
        self, client: Client, project: Project, body: dict[str, str]
    ) -> None:
        make_queue(project, slug="q")
        caller = Caller(client, project, make_user(project, "expert"))
        body = {"filter": "", **body}
        assert caller.post("bulk", body).status_code == 403


ACTS: list[tuple[str, str, dict[str, Any], str]] = [
    ("post", "annotations", {**span("Bloom"), "comment": "x"}, "expert"),
    ("post", "tags", {"session": "s/1", "add": ["x"]}, "tagger"),
    ("post", "bulk", {"filter": "", "act": "tag_add", "tags": ["x"]}, "tagger"),
    ("get", "bulk/{job}", {}, "viewer"),
    ("post", "bulk/{job}/cancel", {}, "moderator"),
]


class TestWhoMay:
    @pytest.mark.parametrize(("verb", "path", "body", "role"), ACTS)
    def test_each_act_asks_for_its_role_and_a_person(
        self, client: Client, output: Output, verb: str, path: str, body: Any, role: str
    ) -> None:
        project = output.project
        order = list(Membership.Role.values)
        for other in order:
            caller = Caller(client, project, make_user(project, other))
            one = path.format(job=make_job(project, make_user(project)).pk)
            got = caller.get(one) if verb == "get" else caller.post(one, body)
            is_let_in = order.index(other) >= order.index(role)
            assert (got.status_code < 300) == is_let_in, (other, got.content)
            assert is_let_in or got.status_code == 403
        product = {"authorization": f"Bearer {make_key(project)}"}
        send = getattr(client, verb)
        reply = send(f"/api/v1/{one}", body, content_type="application/json", headers=product)
        assert reply.status_code == 403

    @pytest.mark.parametrize(("verb", "path", "body", "role"), ACTS)
    def test_nothing_of_another_project_is_there(
        self, client: Client, output: Output, verb: str, path: str, body: Any, role: str
    ) -> None:
        """Complaint 23."""
        other = make_project()
        caller = Caller(client, other, make_user(other, "admin"))
        path = path.format(job=make_job(output.project, make_user(output.project)).pk)
        got = caller.get(path) if verb == "get" else caller.post(path, body)
        if path == "bulk":
            assert got.json()["matching"] == 0
        else:
            assert got.status_code == 404
        bulk.work_off(now=timezone.now())
        assert not Annotation.objects.exists()
        assert not SessionTag.objects.filter(session=output.session, added_by=caller.user).exists()


def test_outputs_are_those_of_the_filter_on_the_page(
    ann: Caller, output: Output, client: Client
) -> None:
    other = make_output(output.project, external_id="other", query="Q", text="Nothing.")
    make_item(make_queue(output.project), output)
    client.force_login(ann.user)
    for text in ("Bloom", "-Bloom", "state:open", "output:o/1"):
        told = [one["id"] for one in ann.get("outputs", filter=text).json()["outputs"]]
        url = reverse("search", args=[output.project.slug])
        page = client.get(url, {"q": text, "mode": "words"}).content.decode()
        shown = [one for one in (output, other) if f"/outputs/{one.external_id}" in page]
        assert told == [one.external_id for one in shown], text
