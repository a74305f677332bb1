from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from feedback.ingestion import ingest
from feedback.models import Project
from tests.factories import NOW, make_project, make_user


@pytest.fixture
def address(project: Project) -> str:
    return f"/p/{project.slug}/ingestion/"


class TestIngestionPage:
    def test_says_what_was_refused_and_why(
        self, client: Client, project: Project, address: str
    ) -> None:
        bad = {"type": "output", "id": "<script>", "text": "<img src=x onerror=alert(1)>"}
        ingest(project=project, records=[bad], now=NOW)
        client.force_login(make_user(project))
        page = client.get(address).content.decode()
        assert "<code>session</code>" in page
        assert "&lt;script&gt;" in page
        assert "<img src=x" not in page

    def test_says_what_waits_for_what(self, client: Client, project: Project, address: str) -> None:
        signal = {"type": "signal", "session": "late", "kind": "copy", "at": NOW.isoformat()}
        ingest(project=project, records=[signal], now=NOW)
        client.force_login(make_user(project))
        page = client.get(address, {"show": "waiting"}).content.decode()
        assert "late" in page

    def test_pages_in_a_fixed_number_of_queries(
        self, client: Client, project: Project, address: str, django_assert_max_num_queries: Any
    ) -> None:
        ingest(project=project, records=[{"type": str(n)} for n in range(60)], now=NOW)
        client.force_login(make_user(project))
        with django_assert_max_num_queries(9):
            first = client.get(address)
        assert first.content.decode().count("<tr>") == 51
        cursor = first.context["page"].next_cursor
        assert client.get(address, {"cursor": cursor}).content.decode().count("<tr>") == 11
        assert client.get(address, {"cursor": "nonsense"}).status_code == 400

    def test_is_for_curators_of_the_project(
        self, client: Client, project: Project, address: str
    ) -> None:
        assert client.get(address).status_code == 302
        client.force_login(make_user(project, role="moderator"))
        assert client.get(address).status_code == 403
        client.force_login(make_user(make_project(), role="admin"))
        assert client.get(address).status_code == 404
        client.force_login(make_user(project, role="curator"))
        assert client.get(address).status_code == 200
        assert client.post(address).status_code == 405
