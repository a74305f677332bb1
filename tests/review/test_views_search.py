from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from feedback.embedding import Encoder, embed_pending
from feedback.models import Project
from tests.factories import make_feedback, make_output, make_project, make_user


@pytest.fixture
def address(project: Project) -> str:
    return f"/p/{project.slug}/search/"


class TestSearchPage:
    def test_shows_hits_and_nothing_of_other_projects(
        self, client: Client, project: Project, address: str, encoder: Encoder
    ) -> None:
        make_output(project, text="Bread needs <b>yeast</b>.", external_id="a/b")
        make_output(make_project(), text="Bread of another project")
        embed_pending(encoder=encoder)
        client.force_login(make_user(project, role="viewer"))
        page = client.get(address, {"q": "baking"}).content.decode()
        assert "&lt;b&gt;yeast&lt;/b&gt;" in page
        assert "another project" not in page

    def test_costs_the_same_for_many_hits(
        self,
        client: Client,
        project: Project,
        address: str,
        encoder: Encoder,
        django_assert_max_num_queries: Any,
    ) -> None:
        for number in range(12):
            make_feedback(make_output(project, text=f"Answer {number}"), comment=f"Wrong {number}")
        embed_pending(encoder=encoder)
        client.force_login(make_user(project))
        with django_assert_max_num_queries(26):
            page = client.get(address, {"q": "wrong answer"})
        assert len(page.context["page"].hits) == 20
        more = client.get(
            address, {"q": "wrong answer", "cursor": page.context["page"].next_cursor}
        )
        assert len(more.context["page"].hits) == 4

    def test_is_for_members(self, client: Client, project: Project, address: str) -> None:
        assert client.get(address).status_code == 302
        client.force_login(make_user(make_project(), role="admin"))
        assert client.get(address).status_code == 404
        client.force_login(make_user(project, role="viewer"))
        assert client.get(address).status_code == 200
        assert client.get(address, {"q": "x", "cursor": "nonsense"}).status_code == 400
        assert client.get(address, {"q": "\x00"}).status_code == 200
        assert client.post(address).status_code == 405
