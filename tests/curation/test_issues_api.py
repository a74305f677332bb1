from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import pytest
from django.test import Client

from curation import issues_api
from curation.models import Issue, Ticket
from feedback.models import Project
from review.models import Theme
from tests.calling import Caller
from tests.curation.exposed import complain, put_in
from tests.factories import (
    NOW,
    make_handover,
    make_issue,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_theme,
    make_ticket,
    make_tracker,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def cu(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, username="cu"))


@pytest.fixture
def theme(project: Project) -> Theme:
    theme = make_theme(project)
    put_in(theme, complain([make_output(project, model_version="m-2")], comment="Which year?"))
    return theme


class TestIssues:
    def test_are_opened_closed_and_opened_again(
        self, cu: Caller, project: Project, theme: Theme
    ) -> None:
        make_tracker(project, name="Always", is_default=True)
        made = cu.post("issues", {"title": "Say when", "theme": theme.number})
        assert made.status_code == 201
        told = made.json()
        assert (told["number"], told["status"], told["theme"]) == (1, "open", theme.number)
        assert told["evidence"]["models"] == told["live"]["models"] == [["m-2", 1]]
        assert len(told["examples"]) == 1
        assert told["tickets"][0]["tracker"] == "Always"
        assert cu.post("issues", {"title": "x", "theme": theme.number}).status_code == 409
        closed = cu.post("issues/1/close", {"resolution": "fixed", "comment": "v2"})
        assert closed.json()["changes"][0]["comment"] == "v2"
        assert cu.post("issues/1/close", {"resolution": "fixed"}).status_code == 409
        assert cu.post("issues/1/reopen", {}).json()["status"] == "reopened"
        assert cu.get("issues/1").json()["changes"][0]["by"] == "cu"

    def test_are_sent_by_name(self, cu: Caller, project: Project, theme: Theme) -> None:
        make_tracker(project, name="Always", is_default=True)
        make_tracker(project, name="Hook")
        body = {"title": "x", "theme": theme.number, "trackers": []}
        assert cu.post("issues", body).json()["tickets"] == []
        sent = cu.post("issues/1/send", {"trackers": ["Hook", "Hook"]}).json()
        assert [one["tracker"] for one in sent["tickets"]] == ["Hook"]
        wrong = cu.post("issues/1/send", {"trackers": ["None"]})
        assert wrong.json()["errors"][0]["path"] == "trackers"
        cu.post("issues/1/close", {"resolution": "fixed"})
        assert cu.post("issues/1/send", {"trackers": ["Hook"]}).status_code == 409

    def test_take_in_decisions(self, cu: Caller, project: Project, theme: Theme) -> None:
        one, two = (make_handover(project, route="issue") for _ in range(2))
        assert cu.post("issues", {"title": "x", "handover": one.pk}).status_code == 201
        assert cu.post("issues/1/handovers", {"handover": two.pk}).status_code == 200
        assert cu.post("issues/1/handovers", {"handover": two.pk}).status_code == 409
        blind = make_handover(project, route="issue")
        # The caller is still to judge its answer without knowing the decision.
        make_item(make_queue(project, reviewers_per_item=2), blind.review.output)
        other = make_handover(make_project(), route="issue")
        for hidden in (blind, other):
            assert cu.post("issues/1/handovers", {"handover": hidden.pk}).status_code == 422

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"title": ""}, "title"),
            ({"title": "x"}, "theme"),
            ({"title": "x", "theme": 999}, "theme"),
            ({"title": "x", "theme": "1"}, "theme"),
            ({"title": "x", "handover": 999}, "handover"),
            ({"title": "x", "more": 1}, "more"),
            ({"title": "x", "theme": 1, "trackers": ["None"]}, "trackers"),
            ({"title": "a\x00", "theme": 1}, "title"),
        ],
    )
    def test_name_the_field_that_cannot_be(
        self, cu: Caller, project: Project, body: dict[str, Any], path: str
    ) -> None:
        make_theme(project, number=1)
        answer = cu.post("issues", body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["path"] == path

    def test_come_in_pages(
        self,
        cu: Caller,
        project: Project,
        monkeypatch: pytest.MonkeyPatch,
        django_assert_num_queries: Any,
    ) -> None:
        monkeypatch.setattr(issues_api, "PAGE_SIZE", 2)
        for number in range(1, 4):
            issue = make_issue(project, number=number, theme=make_theme(project))
            make_ticket(issue, make_tracker(project))
        cu.get("issues")
        with django_assert_num_queries(4):
            first = cu.get("issues").json()
        second = cu.get("issues", cursor=first["next_cursor"]).json()
        found = [one["number"] for one in first["issues"] + second["issues"]]
        assert found == [3, 2, 1]
        assert cu.get("issues", state="closed").json()["issues"] == []
        assert len(cu.get("issues", state="all").json()["issues"]) == 2
        assert cu.get("issues", cursor="x").status_code == 422

    def test_are_for_those_who_may(self, client: Client, project: Project, theme: Theme) -> None:
        make_issue(project, number=1)
        mo = Caller(client, project, make_user(project, "moderator"))
        assert mo.get("issues/1").status_code == 200
        assert mo.post("issues", {"title": "x", "theme": theme.number}).status_code == 403
        key = {"authorization": f"Bearer {make_key(project)}"}
        assert client.get("/api/v1/issues", headers=key).status_code == 200
        other = make_project()
        cu = Caller(client, other, make_user(other))
        assert cu.get("issues/1").status_code == 404
        assert cu.post("issues/1/close", {"resolution": "fixed"}).status_code == 404


class TestReports:
    def _post(self, client: Client, hook: object, body: bytes, headers: dict[str, str]) -> int:
        return client.post(
            f"/api/v1/trackers/{hook}/report",
            body,
            content_type="application/json",
            headers=headers,
        ).status_code

    def test_close_an_issue(self, client: Client, project: Project) -> None:
        issue, tracker = make_issue(project, number=3), make_tracker(project)
        make_ticket(issue, tracker)
        body = b'{"issue": 3, "state": "closed"}'
        stamp = str(int(time.time()))
        signed = hmac.new(b"secret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {"Postil-Timestamp": stamp, "Postil-Signature": f"v1={signed}"}
        assert self._post(client, tracker.hook, body, {}) == 401
        assert self._post(client, tracker.hook, body + b" ", headers) == 401
        assert self._post(client, issue.project_id, body, headers) == 404
        assert self._post(client, tracker.hook, body, headers) == 202
        assert Issue.objects.get().status == "closed"
        other = make_tracker(make_project())
        assert self._post(client, other.hook, body, headers) == 422
        type(tracker).objects.filter(pk=tracker.pk).update(
            removed_at=NOW, sealed_secret="", sealed_token=""
        )
        assert self._post(client, tracker.hook, body, headers) == 401

    def test_ring_for_a_tracker(self, client: Client, project: Project) -> None:
        tracker = make_tracker(project, kind="github")
        make_ticket(make_issue(project), tracker)
        body = b'{"zen": "Keep it"}'
        signed = "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()
        assert self._post(client, tracker.hook, body, {"X-Hub-Signature-256": signed}) == 202
        assert Ticket.objects.get().read_after > NOW
