from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Exists, OuterRef
from django.test import Client
from django.utils import timezone

from curation import demo, demo_records, effects, entry_effects
from curation.demo_reviews import Reviewer, judge, work
from curation.effects import HeldOut
from curation.management.commands import load_demo
from curation.models import ContextEntry, Exposure, LibraryVersion, Release
from curation.promotion import unpromoted
from feedback.embedding import embed_rows, get_encoder
from feedback.ingestion import Rejection, Report
from feedback.models import (
    Embedding,
    Feedback,
    Output,
    Project,
    RejectedRecord,
    User,
    WaitingRecord,
)
from feedback.wire import Fault
from review import audits, handovers, routing, trail
from review.models import Annotation, Claim, Queue, QueueItem, Review
from review.suggestions import accept
from tests.factories import (
    NOW,
    make_annotation,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_user,
)

pytestmark = pytest.mark.django_db


def snapshot() -> dict[str, int]:
    """How many rows each table holds."""
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        counts = {}
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608
            counts[table] = cursor.fetchone()[0]
    return counts


def by_lot(version: LibraryVersion) -> HeldOut:
    """What the version did to all complaints, beside sessions held out."""
    found = effects.of_version(version=version, now=timezone.now()).effects[0].held_out
    assert found is not None
    return found


class TestLoadDemo:
    def test_loads_a_project_to_try_everything_in_once(
        self, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audits, "TIME_LIMIT_MS", 60_000)
        make_user(username="curator")
        path = tmp_path / "access.json"
        before = timezone.now()
        call_command("load_demo", "--access", str(path))

        access = json.loads(path.read_text())
        assert path.stat().st_mode & 0o777 == 0o600
        assert access.keys() == {"username", "password", "api_key", "project"}
        user = authenticate(username=access["username"], password=access["password"])
        assert isinstance(user, User)
        project = Project.objects.visible_to(user).get(slug=access["project"])
        assert (project.slug, project.name) == ("almanac", "Almanac")
        self.check_records(project, before)
        self.check_reviews(project, user)
        self.check_a_queue_of_some_people(project, user)
        self.check_shares(project)
        self.check_routes(project)
        left = unpromoted(Review.objects.authoritative().filter(project=project, verdict="fix"))
        same = Review.objects.filter(
            output=OuterRef("output"), verdict="fix", is_authoritative=False
        )
        # For workers to propose, once their questions are embedded.
        assert left.exclude(correction="").filter(Exists(same)).count() >= 5
        self.check_what_was_kept(project)
        self.check_effects(project)
        self.check_simulated(project)
        minted = client.post(
            "/api/v1/feedback-tokens",
            {"output": Output.objects.latest("at").external_id},
            content_type="application/json",
            headers={"authorization": f"Bearer {access['api_key']}"},
        )
        assert minted.status_code == 200

        loaded, text = snapshot(), path.read_text()
        call_command("load_demo", "--access", str(path))
        assert snapshot() == loaded
        assert path.read_text() == text
        assert [one.name for one in tmp_path.iterdir()] == ["access.json"]

    def check_records(self, project: Project, before: Any) -> None:
        outputs = Output.objects.filter(project=project)
        simulated = outputs.filter(session__environment="simulation")
        said = Feedback.objects.explicit()
        assert outputs.difference(simulated).count() == 541
        assert said.exclude(output__in=simulated).count() == 2559
        assert said.filter(output__in=simulated).count() == simulated.count() == 236
        assert not RejectedRecord.objects.exists()
        assert not WaitingRecord.objects.exists()
        newest = said.latest("at").at
        assert before - timedelta(minutes=5) < newest <= timezone.now()

    def check_reviews(self, project: Project, user: User) -> None:
        reviews = Review.objects.filter(project=project)
        assert set(reviews.values_list("verdict", flat=True)) == {"accept", "fix", "reject"}
        assert not reviews.filter(reviewer=user).exists()
        assert all(review.created_at > review.output.at for review in reviews)
        annotations = Annotation.objects.filter(project=project)
        assert len({one.reason_id for one in annotations}) > 3
        for one in annotations:
            assert one.output.text[one.source_start : one.source_end].strip()
        others = User.objects.filter(memberships__project=project).exclude(pk=user.pk)
        assert [other.has_usable_password() for other in others] == [False] * 4
        for queue in Queue.objects.filter(project=project):
            assert queue.items.open().count() > 20
            assert Claim.objects.filter(item__queue=queue, finished_at__isnull=False).exists()
        assert Claim.objects.filter(lease_until__gt=timezone.now(), finished_at=None).count() == 1

    def check_a_queue_of_some_people(self, project: Project, user: User) -> None:
        queue = Queue.objects.get(project=project, is_restricted=True)
        named = User.objects.filter(named_in__queue=queue)
        assert sorted(named.values_list("username", flat=True)) == ["amara", "ines"]
        seeing = [
            one.username
            for one in User.objects.filter(memberships__project=project).order_by("username")
            if queue.is_seen_by(one)
        ]
        assert seeing == ["amara", user.username, "ines", "tomas"]
        assert queue.items.count() < 40
        judged = Review.objects.filter(item__queue=queue)
        assert set(judged.values_list("reviewer__username", flat=True)) == {"amara", "ines"}

    def check_shares(self, project: Project) -> None:
        found = audits.audit(queue=Queue.objects.get(project=project, slug="spot-checks"))
        assert found.why == ""
        assert [one.stratum.name for one in found.strata if one.stratum] == [
            "Thumbs down",
            "All others",
        ]
        assert 400 < found.size < 541
        assert all(one.counted.num_decided > 5 for one in found.strata)
        assert found.faulty is not None
        assert found.faulty.value is not None
        assert 0.1 < found.faulty.low < found.faulty.value < found.faulty.high < 0.9
        assert found.reasons

    def check_routes(self, project: Project) -> None:
        rules = routing.listed(project=project)
        assert len(rules) == 3
        assert all(num for _, num, _ in rules)
        assert any(num_overruled for _, _, num_overruled in rules)
        now = timezone.now()
        found = {one.route.value: one for one in handovers.on_routes(project=project, now=now)}
        assert all(one.num_open for one in found.values())
        assert all(found[route].num_done for route in ("training", "issue", "escalate"))
        assert found["issue"].num_taken == 1
        assert all(one.next_due or one.num_overdue for one in found.values())
        issue, back = project.issues.order_by("number")
        num_sources = issue.sources.count() + back.sources.count()
        assert num_sources >= found["issue"].num_done > 1
        assert (issue.evidence["num_outputs"], issue.status) == (1, "open")
        kinds = list(back.changes.order_by("at").values_list("kind", flat=True))
        assert kinds[:2] == ["opened", "closed"]
        closed = back.changes.get(kind="closed")
        asked = back.sources.values_list("handover__opened_at", flat=True)
        assert any(at < closed.at for at in asked)
        # Ids are lots: beside other projects it may be that nobody asks for it afterwards.
        is_back = any(at > closed.at for at in asked)
        assert kinds[2:] == ["reopened"] * is_back
        assert (back.status == "reopened") == is_back

    def check_what_was_kept(self, project: Project) -> None:
        assert LibraryVersion.objects.filter(library__project=project).count() == 5
        assert all(entry.feedback.exists() for entry in ContextEntry.objects.all())
        release = Release.objects.get(training_set__project=project)
        assert release.num_train > 20
        for row in release.examples.all():
            assert row.chosen != row.rejected

    def check_effects(self, project: Project) -> None:
        first, second = LibraryVersion.objects.filter(library__slug="house-style").order_by(
            "number"
        )
        helped, unknown = (by_lot(one) for one in (first, second))
        assert (helped.reading.kind, unknown.reading.kind) == ("works", "inconclusive")
        assert 0.85 < helped.held_out.rate < 0.97
        assert unknown.held_out.outputs
        assert all("Demo data" in one.note for one in (first, second))
        told = Output.objects.exclude(exposure=None).latest("at")
        token = trail.exposure_tokens(told.exposure)
        served = Exposure.objects.get(token__in=token)
        assert served.session_external_id == told.session.external_id

    def check_simulated(self, project: Project) -> None:
        versions = LibraryVersion.objects.filter(library__slug="asked-often").order_by("number")
        first, second, third = versions
        harmed, helped, unknown = (by_lot(one) for one in versions)
        assert harmed.reading.words == "made it worse"
        assert helped.reading.words == "works"
        assert re.fullmatch(r"inconclusive: \d\d+ more sessions needed", unknown.reading.words)
        assert (first.experiment.status, first.experiment.ended_by) == ("stopped", None)
        assert (second.experiment.status, third.experiment.status) == ("ended", "running")
        assert all("simulated" in one.note for one in versions)
        simulated = Output.objects.filter(session__environment="simulation")
        assert not QueueItem.objects.filter(output__in=simulated).exists()
        for output in simulated:
            exposure = Exposure.objects.get(token__in=trail.exposure_tokens(output.exposure))
            assert exposure.session_external_id == output.session.external_id
            assert not (exposure.is_held_out and exposure.entry_ids)
        embed_rows(
            rows=simulated,
            table=Embedding,
            target="output",
            parts={"query": Embedding.Part.QUERY},
            encoder=get_encoder(),
            limit=simulated.count(),
        )
        entries = entry_effects.of_entries(version=second).effects
        assert sorted(one.reading.words for one in entries) == ["harms", *["helps"] * 3]
        harmful = next(one.entry for one in entries if one.reading.words == "harms")
        assert not third.entries.filter(entry=harmful.entry_id).exists()

    def test_leaves_nothing_when_it_cannot_write_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def load(**_: object) -> demo.Demo:
            return demo.Demo(project=make_project(), username="curator", api_key="")

        monkeypatch.setattr(load_demo, "load", load)
        with pytest.raises(CommandError, match="gone"):
            call_command("load_demo", "--access", str(tmp_path / "gone" / "access.json"))
        assert not Project.objects.exists()

    def test_leaves_nothing_when_a_record_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = Report(rejected=[Rejection(0, "r", [Fault("at", "No.")])])
        monkeypatch.setattr(demo, "ingest", lambda **_: refused)
        with pytest.raises(CommandError, match="refused"):
            call_command("load_demo", "--access", str(tmp_path / "access.json"))
        assert not Project.objects.exists()
        assert not list(tmp_path.iterdir())


class TestRead:
    def test_moves_all_times_alike(self) -> None:
        records = demo_records.read(newest=NOW)
        times = [at for at, _ in records]
        assert times == sorted(times)
        assert times[-1] == NOW
        assert timedelta(days=60) < times[-1] - times[0] < timedelta(days=80)
        assert records[0][1]["started_at"] == records[0][0].isoformat()


class TestJudge:
    @pytest.fixture
    def said(self, project: Project) -> list[Feedback]:
        output = make_output(project)
        reasons = {one.slug: one for one in project.taxonomies.get().reasons.all()}
        error = make_feedback(output, name="error", comment="The documents say: 2019.")
        error.reasons.add(reasons["unsupported"])
        return [error, make_feedback(output, name="correction", correction="In 2019.")]

    def test_accepts_what_a_reviewer_tolerates(self, said: list[Feedback]) -> None:
        assert judge(said, tolerance=14).verdict == "accept"

    def test_fixes_what_has_a_correction(self, said: list[Feedback]) -> None:
        judgement = judge(said, tolerance=13)
        assert (judgement.verdict, judgement.severity) == ("fix", "minor")
        assert (judgement.correction, judgement.reasons) == ("In 2019.", ("unsupported",))
        assert judgement.comment == "The documents say: 2019."

    def test_rejects_what_has_none(self, said: list[Feedback]) -> None:
        assert judge(said[:1], tolerance=0).verdict == "reject"

    def test_rejects_what_volunteers_ranked_last(self, project: Project) -> None:
        last = make_feedback(make_output(project), name="rank", score=-1, label="number 3 of 3")
        judgement = judge([last], tolerance=20)
        assert (judgement.verdict, judgement.severity) == ("reject", "major")
        assert judgement.comment == "Volunteers put it at number 3 of 3."


class TestWork:
    def test_takes_an_answer_that_others_corrected_as_corrected(self) -> None:
        project = make_project()
        output = make_output(project, text="Out on 30 August.")
        other, user = make_user(project), make_user(project)
        suggestion = make_annotation(output, other, "30 August", replacement="31 August")
        accept(annotation=suggestion, by=other, now=NOW)
        queue = make_queue(project)
        make_item(queue, output)
        work(queue=queue, by=Reviewer(user, tolerance=1_000), num=1, start=NOW)
        review = Review.objects.get()
        assert (review.verdict, review.correction) == ("fix", "Out on 31 August.")
