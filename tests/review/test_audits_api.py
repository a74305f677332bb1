"""How common faults are, by script."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.models import Project
from review import intake, queues
from review.models import Queue, Stratum
from tests.calling import Caller
from tests.factories import NOW, make_key, make_output, make_project, make_queue, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "expert", username="ann"))


@pytest.fixture
def queue(project: Project) -> Queue:
    """A random half of 40 answers."""
    queue = make_queue(project, slug="audited")
    for _ in range(40):
        make_output(project)
    Stratum.objects.create(queue=queue, position=1, name="Audit", rate=0.5, is_audit=True)
    intake.feed(queue=queue, now=NOW)
    return queue


class TestShares:
    def test_are_told_as_on_the_page(
        self, ann: Caller, client: Client, queue: Queue, project: Project
    ) -> None:
        for number in range(8):
            held = queues.claim_next(queue=queue, by=ann.user, now=timezone.now())
            assert held is not None
            body = {"fence": held.fence, "verdict": "accept"}
            if number < 2:
                body = {"fence": held.fence, "verdict": "fix", "reasons": ["incomplete"]}
            assert ann.post(f"items/{held.item_id}/review", body).status_code == 201
        found = ann.get("queues/audited/shares").json()
        client.force_login(ann.user)
        page = client.get(reverse("queue_shares", args=[project.slug, "audited"]))
        shown = page.context["audit"]
        assert found["strata"] == [
            {
                "stratum": "Audit",
                "is_audit": True,
                "size": 40,
                "decided": 8,
                "faulty": 2,
                "undecided": 0,
            }
        ]
        assert found["faulty"] == vars(shown.faulty)
        assert found["faulty"]["value"] == found["among_decided"] == 0.25
        [reason] = found["reasons"]
        assert (reason["reason"], reason["given"]) == ("incomplete", 2)
        assert reason["share"] == vars(shown.reasons[0].share)
        assert found["undefined_because"] is None

    def test_say_why_there_are_none(self, ann: Caller, project: Project) -> None:
        make_queue(project, slug="fixed", filter={"verdict": "fix"})
        found = ann.get("queues/fixed/shares").json()
        assert (found["faulty"], found["strata"]) == (None, [])
        assert found["undefined_because"].startswith("The filter asks for what reviews said")

    def test_are_for_members_alone(self, client: Client, queue: Queue, project: Project) -> None:
        """Complaint 23."""
        viewer = Caller(client, project, make_user(project, "viewer"))
        assert viewer.get("queues/audited/shares").status_code == 200
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        for slug in ("audited", "nowhere", "a%00"):
            assert stranger.get(f"queues/{slug}/shares").status_code == 404
        product = {"authorization": f"Bearer {make_key(project)}"}
        assert client.get("/api/v1/queues/audited/shares", headers=product).status_code == 403
