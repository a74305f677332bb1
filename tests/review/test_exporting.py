from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.test import Client

from feedback.models import Project
from review import exporting
from review.exporting import ExportError
from review.filters import ReviewFilter
from review.models import Event
from tests.factories import NOW, make_key, make_output, make_project, make_user


@pytest.fixture(autouse=True)
def chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "ROWS", 2)


class TestExport:
    def test_has_what_the_filter_means_and_nothing_else(
        self, client: Client, project: Project
    ) -> None:
        """Complaint 11."""
        for number in range(5):
            make_output(project, external_id=str(number), model="ab"[number % 2])
        make_output(make_project(), model="a")
        client.force_login(make_user(project, role="moderator"))
        file = client.post(f"/p/{project.slug}/export/", {"filter": "model:a"})
        lines = b"".join(file.streaming_content).splitlines()  # type: ignore[attr-defined]
        assert [orjson.loads(line)["id"] for line in lines] == ["0", "2", "4"]
        assert Event.objects.get(verb="exported").target_id == project.pk

    def test_keeps_hostile_text_on_its_line(self, client: Client, project: Project) -> None:
        text = '=cmd()\n{"id": 1}\u2028</script>\r\n'
        make_output(project, text=text)
        client.force_login(make_user(project, role="moderator"))
        file = client.post(f"/p/{project.slug}/export/")
        [line] = b"".join(file.streaming_content).split(b"\n")[:-1]  # type: ignore[attr-defined]
        assert orjson.loads(line)["text"] == text
        assert file.headers["Content-Type"] == "application/x-ndjson"
        assert file.headers["Content-Disposition"].startswith("attachment")

    def test_is_for_moderators(self, project: Project) -> None:
        with pytest.raises(ExportError):
            exporting.export_lines(
                project=project,
                wanted=ReviewFilter(),
                by=make_user(project, role="expert"),
                now=NOW,
            )

    def test_refuses_a_filter_that_means_nothing(self, client: Client, project: Project) -> None:
        client.force_login(make_user(project, role="moderator"))
        assert client.post(f"/p/{project.slug}/export/", {"filter": "x:y"}).status_code == 422


class TestApi:
    def test_costs_the_same_for_many(
        self, client: Client, project: Project, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(20):
            make_output(project)
        key = {"authorization": f"Bearer {make_key(project)}"}
        with django_assert_max_num_queries(5):
            page = client.get("/api/v1/outputs", headers=key).json()
        assert len(page["outputs"]) == 20
        assert page["next_cursor"] is None
        for wrong in ({"filter": "x:y"}, {"cursor": "x"}):
            assert client.get("/api/v1/outputs", wrong, headers=key).status_code == 422
