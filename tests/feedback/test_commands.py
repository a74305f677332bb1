from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from feedback import erasure, ingestion
from feedback.management.commands import import_records
from feedback.models import ApiKey, Membership, Output, Project, Reason
from tests.factories import make_session, make_user

pytestmark = pytest.mark.django_db

LINES = [
    {"type": "session", "id": "s"},
    {"type": "output", "id": "o", "session": "s", "query": "q", "text": "t"},
]


def run(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out, stderr=out)
    return out.getvalue()


class TestImportRecords:
    def test_takes_what_the_api_takes(self, project: Project, tmp_path: Path) -> None:
        path = tmp_path / "records.ndjson"
        path.write_text("\n\n".join(map(json.dumps, LINES)))
        assert "2 accepted" in run("import_records", str(path), "--project", project.slug)
        assert Output.objects.get().project == project
        assert "2 unchanged" in run("import_records", str(path), "--project", project.slug)

    def test_says_which_line_is_wrong_and_takes_the_rest(
        self, project: Project, tmp_path: Path
    ) -> None:
        path = tmp_path / "records.ndjson"
        path.write_text(json.dumps(LINES[0]) + "\n{\n" + '{"type":"output","id":"x"}\n')
        out = StringIO()
        with pytest.raises(CommandError, match="rejected"):
            call_command(
                "import_records", str(path), "--project", project.slug, stdout=out, stderr=out
            )
        assert "line 2, no id: The body is not JSON" in out.getvalue()
        assert "line 3, x: session: This field is required." in out.getvalue()
        assert project.sessions.count() == 1

    def test_names_a_missing_file_or_project(self, project: Project) -> None:
        with pytest.raises(CommandError, match="No such file"):
            run("import_records", "nowhere.ndjson", "--project", project.slug)
        with pytest.raises(CommandError, match="--project"):
            run("import_records", "nowhere.ndjson", "--project", "nobody")

    def test_takes_nothing_in_that_is_erased_meanwhile(
        self, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An import of hours has read its project long before."""
        erased = make_session(project, external_id="s-gone")
        path = tmp_path / "records.ndjson"
        path.write_text('{"type":"session","id":"s-kept"}\n{"type":"session","id":"s-gone"}\n')

        def ingest_then_erase(**given: Any) -> ingestion.Report:
            report = ingestion.ingest(**given)
            part = erasure.part_of(
                project=project, scope="session", subject="s-gone", sessions=[erased.pk]
            )
            erasure.erase(part, may_return=False)
            return report

        monkeypatch.setattr(import_records, "BATCH", 1)
        monkeypatch.setattr(import_records, "ingest", ingest_then_erase)
        with pytest.raises(CommandError, match="rejected"):
            run("import_records", str(path), "--project", project.slug)
        assert project.sessions.get().external_id == "s-kept"


class TestCreateProject:
    def test_makes_reasons_and_an_admin(self) -> None:
        user = make_user()
        run("create_project", "field-guide", "--admin", user.username)
        project = Project.objects.get(slug="field-guide")
        assert project.name == "Field Guide"
        assert Reason.objects.filter(taxonomy__project=project).count() == 8
        assert Membership.objects.get(project=project).role == "admin"

    def test_names_what_is_wrong(self, project: Project) -> None:
        user = make_user()
        for slug in (project.slug, "no slug"):
            with pytest.raises(CommandError, match="slug"):
                run("create_project", slug, "--admin", user.username)
        with pytest.raises(CommandError, match="--admin"):
            run("create_project", "x", "--admin", "nobody")


class TestCreateKey:
    def test_prints_a_key_that_works(self, client: Client, project: Project) -> None:
        key = run("create_key", project.slug, "--name", "web", "--scope", "read").strip()
        assert ApiKey.objects.get(project=project).scopes == ["read"]
        headers = {"authorization": f"Bearer {key}"}
        assert client.get("/api/v1/search?q=x", headers=headers).status_code == 200
        assert client.post("/api/v1/ingest", headers=headers).status_code == 403


class TestAdmin:
    def test_revokes_a_key_at_once(self, client: Client, project: Project) -> None:
        key = run("create_key", project.slug, "--name", "web", "--scope", "read").strip()
        client.force_login(make_user(is_staff=True, is_superuser=True))
        chosen = {"action": "revoke", "_selected_action": [ApiKey.objects.get(project=project).pk]}
        assert client.post("/admin/feedback/apikey/", chosen).status_code == 302
        headers = {"authorization": f"Bearer {key}"}
        assert client.get("/api/v1/search?q=x", headers=headers).status_code == 401

    @pytest.mark.parametrize("page", ["apikey", "project", "user"])
    def test_opens(self, client: Client, project: Project, page: str) -> None:
        client.force_login(make_user(is_staff=True, is_superuser=True))
        assert client.get(f"/admin/feedback/{page}/").status_code == 200

    def test_does_not_forget_that_something_was_erased(
        self, client: Client, project: Project
    ) -> None:
        client.force_login(make_user(is_staff=True, is_superuser=True))
        address = f"/admin/feedback/project/{project.pk}/change/"
        form = client.get(address).context["adminform"].form
        given = {name: form[name].value() for name in form.fields} | {
            "name": "Renamed",
            "allowed_origins": "",
            "memberships-TOTAL_FORMS": 0,
            "memberships-INITIAL_FORMS": 0,
        }
        Project.objects.filter(pk=project.pk).update(has_erased=True)
        assert client.post(address, given).status_code == 302
        project.refresh_from_db()
        assert (project.name, project.has_erased) == ("Renamed", True)

    def test_is_for_staff(self, client: Client, project: Project) -> None:
        client.force_login(make_user(project, role="admin"))
        assert client.get("/admin/feedback/apikey/").status_code == 302
