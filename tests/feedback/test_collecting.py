from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as NoRedisError

from feedback import collecting, tokens
from feedback.ingestion import Report, ingest
from feedback.models import Feedback, Output, Project, RejectedRecord
from tests.factories import NOW, make_feedback, make_output, make_project

pytestmark = pytest.mark.django_db

THUMB = {"type": "feedback", "id": "f", "name": "rating", "score": -1}
COPIED = {"type": "signal", "kind": "copy", "value": 12, "at": NOW.isoformat()}


def token_for(output: Output, *, until: datetime = NOW + timedelta(hours=1)) -> str:
    return tokens.sign(project=output.project, output=output.external_id, expires_at=until)


def collect(output: Output, *records: object, **changed: Any) -> Report:
    told = {"token": token_for(output), "origin": None, "now": NOW} | changed
    return collecting.collect(records=records, **told)


@pytest.fixture
def output(project: Project) -> Output:
    # Tokens of one second are one to the counter, which outlives the database's rows.
    cache.clear()
    return make_output(project)


class TestCollect:
    def test_stores_feedback_and_signals_on_the_output(self, output: Output) -> None:
        assert collect(output, THUMB, COPIED).accepted == 2
        thumb, copied = Feedback.objects.order_by("is_implicit")
        assert (thumb.output, thumb.session, thumb.score) == (output, output.session, -1)
        assert thumb.annotator_kind == "HUMAN"
        assert (copied.output, copied.session, copied.name) == (output, output.session, "copy")

    def test_merges_what_comes_later_under_the_same_id(self, output: Output) -> None:
        collect(output, THUMB)
        more = {**THUMB, "reasons": ["incomplete"], "comment": "Nothing about 2019."}
        assert collect(output, more).updated == 1
        assert collect(output, more).unchanged == 1
        stored = Feedback.objects.get()
        assert (stored.score, stored.comment) == (-1, "Nothing about 2019.")
        assert [reason.slug for reason in stored.reasons.all()] == ["incomplete"]

    def test_takes_a_rating_back(self, output: Output) -> None:
        collect(output, {**THUMB, "reasons": ["incomplete"], "comment": "No."})
        undone = {**THUMB, "score": 0, "label": "withdrawn", "reasons": [], "comment": ""}
        assert collect(output, undone).updated == 1
        stored = Feedback.objects.get()
        assert (stored.score, stored.comment, stored.reasons.count()) == (0, "", 0)

    @pytest.mark.parametrize(
        ("record", "path"),
        [
            ({**THUMB, "output": "another"}, "output"),
            ({**THUMB, "session": "another"}, "session"),
            ({**COPIED, "session": "another"}, "session"),
            ({**THUMB, "annotator_kind": "CODE"}, "annotator_kind"),
            ({**THUMB, "annotator_kind": ["HUMAN"]}, "annotator_kind"),
            ({"type": "output", "id": "o", "session": "s", "query": "", "text": "Mine."}, "type"),
            ({"type": "session", "id": "s"}, "type"),
            ({"type": {}}, "type"),
            ({**THUMB, "reasons": ["no-such"]}, "reasons[0]"),
            ({**COPIED, "kind": "fainted"}, "kind"),
            ([], ""),
            (None, ""),
        ],
    )
    def test_refuses_alone_what_a_page_may_not_send(
        self, output: Output, record: object, path: str
    ) -> None:
        report = collect(output, record, COPIED)
        assert (report.accepted, len(report.rejected)) == (1, 1)
        assert report.rejected[0].errors[0].path == path
        assert Feedback.objects.get().name == "copy"
        assert RejectedRecord.objects.count() == 1

    def test_cannot_change_a_row_that_came_another_way(self, output: Output) -> None:
        sent = {**THUMB, "annotator_kind": "HUMAN", "output": output.external_id, "score": 1}
        without_id = {name: value for name, value in sent.items() if name != "id"}
        ingest(project=output.project, records=[sent, without_id], now=NOW)
        collected = {name: value for name, value in THUMB.items() if name != "id"}
        assert collect(output, THUMB, collected).accepted == 2
        scores = Feedback.objects.order_by("score").values_list("score", flat=True)
        assert list(scores) == [-1, -1, 1, 1]

    def test_cannot_take_the_key_of_a_row_that_came_another_way(self, output: Output) -> None:
        collect(output, THUMB)
        key = Feedback.objects.get().key
        sent = make_feedback(output, key="plain", score=1)
        for guess in (key, sent.key, f"i:{sent.key}", sent.external_id, str(sent.pk)):
            collect(output, {**THUMB, "id": guess})
        sent.refresh_from_db()
        assert sent.score == 1
        assert Feedback.objects.count() == 2 + 5

    def test_cannot_change_what_was_collected_for_another_output(self, output: Output) -> None:
        collect(make_output(output.project), THUMB)
        assert collect(output, {**THUMB, "score": 1}).accepted == 1
        assert Feedback.objects.count() == 2

    def test_waits_for_an_output_that_comes_later(self, project: Project) -> None:
        early = Output(project=project, external_id="early")
        assert collect(early, THUMB, COPIED).accepted == 2
        assert not Feedback.objects.exists()
        sent = {"type": "output", "id": "early", "session": "s", "query": "?", "text": "!"}
        ingest(project=project, records=[{"type": "session", "id": "s"}, sent], now=NOW)
        assert Feedback.objects.filter(output__external_id="early").count() == 2

    def test_refuses_a_wrong_token(self, output: Output) -> None:
        for token in ("", token_for(output, until=NOW), token_for(output)[:-1]):
            with pytest.raises(tokens.TokenError):
                collect(output, THUMB, token=token)
        assert not Feedback.objects.exists()

    def test_writes_into_the_project_of_the_token_only(self, output: Output) -> None:
        other = make_output(make_project(), external_id=output.external_id)
        collect(other, THUMB)
        assert Feedback.objects.get().output == other

    def test_refuses_the_token_of_a_project_that_is_gone(self, output: Output) -> None:
        token = token_for(output)
        output.project.delete()
        with pytest.raises(tokens.TokenError):
            collect(output, THUMB, token=token)

    def test_takes_a_page_the_project_lists_only(self, output: Output) -> None:
        make_project(allowed_origins=["https://else.example"])
        Project.objects.filter(pk=output.project.pk).update(allowed_origins=["https://a.example"])
        assert collect(output, THUMB, origin="https://a.example").accepted == 1
        near = ["https://a.example:444", "http://a.example", "https://a.example.evil", "null", ""]
        for origin in ["https://else.example", *near]:
            with pytest.raises(collecting.OriginError):
                collect(output, THUMB, origin=origin)

    def test_slows_down_who_sends_too_much(self, output: Output) -> None:
        now = NOW + timedelta(seconds=20)
        token = token_for(output)
        half = [COPIED] * (collecting.RECORDS_A_MINUTE // 2)
        collect(output, *half, token=token, now=now)
        collect(output, *half, token=token, now=now)
        with pytest.raises(collecting.TooManyRecordsError) as caught:
            collect(output, token=token, now=now)
        assert caught.value.retry_after == 40
        assert collect(make_output(output.project), THUMB, now=now).accepted == 1
        collect(output, THUMB, token=token, now=now + timedelta(seconds=40))

    def test_lets_all_in_without_redis(
        self, output: Output, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise NoRedisError

        monkeypatch.setattr(cache, "add", fail)
        assert collect(output, THUMB).accepted == 1


class TestReasonsFor:
    def test_returns_those_of_the_project(self, output: Output) -> None:
        make_project()
        reasons = collecting.reasons_for(token=token_for(output), origin=None, now=NOW)
        assert [reason.position for reason in reasons] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert {reason.taxonomy.project for reason in reasons} == {output.project}

    def test_refuses_a_wrong_token(self) -> None:
        with pytest.raises(tokens.TokenError):
            collecting.reasons_for(token="x", origin=None, now=NOW)
