from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from feedback import ingestion, wire
from feedback.ingestion import Report, ingest
from feedback.models import (
    AnswerVersion,
    Embedding,
    Feedback,
    Output,
    Project,
    RejectedRecord,
    Session,
    WaitingRecord,
)
from tests.factories import NOW, make_project

SESSION = {
    "type": "session",
    "id": "s",
    "environment": "production",
    "user": {"id": "u", "role": "student"},
}
OUTPUT = {
    "type": "output",
    "id": "o",
    "session": "s",
    "query": "When?",
    "text": "On 1 May.\r\nYes.",
}
FEEDBACK = {
    "type": "feedback",
    "id": "f",
    "output": "o",
    "name": "rating",
    "score": -1,
    "annotator_kind": "HUMAN",
}
SIGNAL = {
    "type": "signal",
    "session": "s",
    "output": "o",
    "kind": "copy",
    "at": "2026-11-02T09:00:00Z",
}
RANK = {
    "type": "feedback",
    "output": "o",
    "name": "rank",
    "value": 1,
    "annotator_kind": "HUMAN",
    "author": {"id": "ada"},
}
TIME, LATE = "2026-11-02T09:00:00Z", "2026-11-03T09:00:00Z"
ALL: list[dict[str, Any]] = [SESSION, OUTPUT, FEEDBACK, SIGNAL]


def send(project: Project, *records: object) -> Report:
    return ingest(project=project, records=records, now=NOW)


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.accepted, report.updated, report.unchanged, len(report.rejected)


def side_by_side(work: Callable[[], object], num: int) -> None:
    """Run the work in so many threads at once; raise what any of them raises."""
    barrier, errors = threading.Barrier(num), []

    def run() -> None:
        try:
            barrier.wait()
            work()
        except BaseException as error:  # noqa: BLE001  (told to the test below)
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(num)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class TestIngest:
    def test_stores_the_whole_trail(self, project: Project) -> None:
        assert counts(send(project, *ALL)) == (4, 0, 0, 0)
        signal, feedback = Feedback.objects.order_by("-is_implicit")
        assert (signal.name, signal.is_implicit, signal.output) == ("copy", True, feedback.output)
        assert feedback.session.user_role == "student"
        assert feedback.at == NOW
        assert feedback.output is not None
        assert feedback.output.text == "On 1 May.\r\nYes."

    def test_changes_nothing_when_sent_twice(self, project: Project) -> None:
        send(project, *ALL)
        assert counts(send(project, *ALL)) == (0, 0, 4, 0)
        assert counts(send(project, *ALL, *ALL)) == (0, 0, 8, 0)

    def test_takes_a_repeat_within_one_request(self, project: Project) -> None:
        louder = FEEDBACK | {"score": -2}
        assert counts(send(project, *ALL, FEEDBACK, louder)) == (4, 1, 1, 0)
        assert Feedback.objects.explicit().get().score == -2

    def test_replaces_sent_fields_and_keeps_absent_ones(self, project: Project) -> None:
        send(project, *ALL)
        change = {"type": "session", "id": "s", "environment": "staging", "user": None}
        assert counts(send(project, change)) == (0, 1, 0, 0)
        session = Session.objects.get()
        assert (session.environment, session.user_role) == ("staging", "student")

    def test_a_changed_answer_becomes_a_version_and_the_old_one_stays(
        self, project: Project
    ) -> None:
        send(project, *ALL)
        assert counts(send(project, OUTPUT | {"text": "On 2 May."})) == (0, 1, 0, 0)
        output = Output.objects.get()
        assert (output.version, output.text) == (2, "On 2 May.")
        former = AnswerVersion.objects.get()
        assert (former.number, former.text) == (1, OUTPUT["text"])

    def test_rejects_one_record_and_takes_the_rest(self, project: Project) -> None:
        report = send(project, SESSION, {"type": "output", "id": "x"}, "no object", OUTPUT)
        assert counts(report) == (2, 0, 0, 2)
        first, second = report.rejected
        assert (first.index, first.id) == (1, "x")
        assert [fault.path for fault in first.errors] == ["session", "query", "text"]
        assert (second.index, second.id) == (2, None)
        kept = RejectedRecord.objects.get(external_id="x")
        assert (kept.project, kept.type) == (project, "output")

    def test_names_the_known_reasons_when_one_is_unknown(self, project: Project) -> None:
        report = send(project, SESSION, OUTPUT, FEEDBACK | {"reasons": ["too-vague", "boring"]})
        [fault] = report.rejected[0].errors
        assert fault.path == "reasons[1]"
        assert "factually-incorrect" in fault.message

    def test_sets_the_reasons_that_were_sent(self, project: Project) -> None:
        send(project, SESSION, OUTPUT, FEEDBACK | {"reasons": ["too-vague", "unsafe"]})
        assert counts(send(project, FEEDBACK | {"reasons": ["unsafe"]})) == (0, 1, 0, 0)
        assert counts(send(project, FEEDBACK)) == (0, 0, 1, 0)
        assert [reason.slug for reason in Feedback.objects.get().reasons.all()] == ["unsafe"]

    def test_feedback_without_id_is_one_per_target_name_author_and_identifier(
        self, project: Project
    ) -> None:
        """Complaint 14."""
        bare = {name: value for name, value in FEEDBACK.items() if name != "id"}
        send(project, SESSION, OUTPUT, bare)
        assert counts(send(project, bare | {"score": 1})) == (0, 1, 0, 0)
        others = [
            bare | {"author": {"id": "v"}},
            bare | {"identifier": "2"},
            bare | {"name": "tone"},
        ]
        assert counts(send(project, *others)) == (3, 0, 0, 0)

    def test_refuses_to_move_an_output_or_feedback(self, project: Project) -> None:
        send(project, *ALL, SESSION | {"id": "t"}, OUTPUT | {"id": "p"})
        report = send(project, OUTPUT | {"session": "t"}, FEEDBACK | {"output": "p"})
        assert [one.errors[0].path for one in report.rejected] == ["session", "output"]

    def test_keeps_projects_apart(self, project: Project) -> None:
        send(project, *ALL)
        other = make_project()
        assert counts(send(other, OUTPUT, FEEDBACK)) == (2, 0, 0, 0)
        assert not Output.objects.filter(project=other).exists()
        assert counts(send(other, SESSION)) == (1, 0, 0, 0)
        assert Output.objects.filter(project=other).get().session.project == other


class TestSpans:
    @pytest.mark.parametrize(
        ("span", "words"),
        [
            ({"start": 3, "end": 8, "exact": "1 May"}, "1 May"),
            ({"start": 9, "end": 11, "exact": "\r\n"}, "\r\n"),
            ({"start": 11, "end": 14}, "Yes"),
        ],
    )
    def test_count_in_the_answer_as_sent(
        self, project: Project, span: dict[str, Any], words: str
    ) -> None:
        assert counts(send(project, SESSION, OUTPUT, FEEDBACK | {"span": span})) == (3, 0, 0, 0)
        feedback = Feedback.objects.get()
        assert str(OUTPUT["text"])[feedback.span_start : feedback.span_end] == words

    def test_in_utf16_are_turned_into_code_points(self, project: Project) -> None:
        output = OUTPUT | {"text": "\N{ROCKET}\N{ROCKET} lift-off"}
        span = {"start": 5, "end": 9, "unit": "utf16", "exact": "lift"}
        send(project, SESSION, output, FEEDBACK | {"span": span})
        feedback = Feedback.objects.get()
        assert (feedback.span_start, feedback.span_end) == (3, 7)

    @pytest.mark.parametrize(
        ("span", "path"),
        [
            ({"start": 3, "end": 8, "exact": "2 May"}, "span.exact"),
            ({"start": 3, "end": 800}, "span.end"),
            ({"start": 1, "end": 2, "unit": "utf16"}, None),
        ],
    )
    def test_that_do_not_fit_are_rejected(
        self, project: Project, span: dict[str, Any], path: str | None
    ) -> None:
        report = send(project, SESSION, OUTPUT, FEEDBACK | {"span": span})
        assert [one.errors[0].path for one in report.rejected] == ([path] if path else [])

    def test_stay_with_the_version_they_were_made_on(self, project: Project) -> None:
        marked = FEEDBACK | {"span": {"start": 0, "end": 2, "exact": "On"}}
        send(project, SESSION, OUTPUT, marked)
        send(project, OUTPUT | {"text": "On 2 May."})
        assert counts(send(project, marked)) == (0, 0, 1, 0)
        assert Feedback.objects.get().output_version == 1


class TestRanks:
    """Which version of an answer a rank that is sent again is of."""

    @pytest.fixture
    def version_of(self, project: Project) -> Callable[[dict[str, Any], dict[str, Any]], int]:
        """Of a rank that was sent before the answer changed, and as something after it."""

        def found(before: dict[str, Any], after: dict[str, Any]) -> int:
            send(project, SESSION, OUTPUT, before, OUTPUT | {"text": "On 2 May."}, after)
            version = Feedback.objects.get().output_version
            assert version is not None
            return version

        return found

    @pytest.mark.parametrize("after", [{}, {"value": 2}, {"label": "best"}, {"score": 0.5}])
    def test_without_id_and_time_it_is_of_the_answer_as_it_is_now(
        self, version_of: Callable[..., int], after: dict[str, Any]
    ) -> None:
        assert version_of(RANK, RANK | after) == 2

    @pytest.mark.parametrize("named", [{"id": "r"}, {"at": TIME}, {"id": "r", "at": TIME}])
    def test_the_same_again_by_its_id_or_time_stays_with_its_version(
        self, project: Project, version_of: Callable[..., int], named: dict[str, Any]
    ) -> None:
        assert version_of(RANK | named, RANK | named) == 1
        assert counts(send(project, RANK | named)) == (0, 0, 1, 0)

    @pytest.mark.parametrize(
        "after", [{"value": 2}, {"score": 0.5}, {"label": "best"}, {"at": LATE}]
    )
    def test_with_another_place_or_time_it_was_ranked_anew(
        self, version_of: Callable[..., int], after: dict[str, Any]
    ) -> None:
        named = RANK | {"id": "r", "at": TIME}
        assert version_of(named, named | after) == 2

    def test_a_comment_added_to_it_ranks_nothing_anew(self, version_of: Callable[..., int]) -> None:
        named = RANK | {"id": "r"}
        assert version_of(named, named | {"comment": "Shorter."}) == 1

    def test_what_a_model_ranked_and_what_is_no_rank_stays(
        self, version_of: Callable[..., int]
    ) -> None:
        assert version_of(RANK | {"annotator_kind": "LLM"}, RANK | {"annotator_kind": "LLM"}) == 1

    def test_ranked_anew_after_a_change_it_makes_no_second_row_and_is_told_as_changed(
        self, project: Project
    ) -> None:
        send(project, SESSION, OUTPUT, RANK, OUTPUT | {"text": "On 2 May."})
        assert counts(send(project, RANK)) == (0, 1, 0, 0)
        assert counts(send(project, RANK)) == (0, 0, 1, 0)


class TestWaiting:
    def test_records_in_any_order_end_up_the_same(self, project: Project) -> None:
        assert counts(send(project, SIGNAL, FEEDBACK)) == (2, 0, 0, 0)
        assert counts(send(project, FEEDBACK)) == (0, 0, 1, 0)
        assert counts(send(project, FEEDBACK | {"score": 0.5, "comment": "Well"})) == (0, 1, 0, 0)
        assert counts(send(project, OUTPUT)) == (1, 0, 0, 0)
        assert WaitingRecord.objects.count() == 3
        assert counts(send(project, SESSION)) == (1, 0, 0, 0)
        assert not WaitingRecord.objects.exists()
        feedback = Feedback.objects.explicit().get()
        assert (feedback.score, feedback.comment) == (0.5, "Well")
        assert Feedback.objects.signals().get().output == Output.objects.get()

    def test_what_turns_out_wrong_is_rejected_when_joined(self, project: Project) -> None:
        send(project, SESSION, FEEDBACK | {"span": {"start": 0, "end": 99}})
        send(project, OUTPUT)
        assert RejectedRecord.objects.get().errors[0]["path"] == "span.end"
        assert not WaitingRecord.objects.exists()

    def test_expires_after_its_days(self, project: Project) -> None:
        send(project, FEEDBACK)
        assert ingestion.expire(now=NOW + timedelta(days=settings.WAITING_DAYS - 1)) == 0
        assert ingestion.expire(now=NOW + timedelta(days=settings.WAITING_DAYS, hours=1)) == 1
        assert RejectedRecord.objects.get().errors[0]["path"] == "output"

    def test_the_sweeper_joins_what_both_requests_missed(self, project: Project) -> None:
        send(project, FEEDBACK)
        other = make_project()
        send(other, SESSION, OUTPUT)
        # As if the two requests had committed at the same moment.
        Session.objects.update(project=project)
        Output.objects.update(project=project)
        assert ingestion.join_waiting(now=NOW) == 1
        assert Feedback.objects.get().output == Output.objects.get()


class TestCollected:
    def test_cannot_change_what_the_product_sent(self, project: Project) -> None:
        send(project, *ALL)
        theirs = {"type": "feedback", "id": "f", "name": "rating", "score": 1}
        report = ingest(project=project, records=[theirs], now=NOW, collected_for="o")
        assert counts(report) == (1, 0, 0, 0)
        assert Feedback.objects.explicit().get(score=-1).external_id == "f"
        assert Feedback.objects.explicit().count() == 2

    @pytest.mark.parametrize(
        ("record", "path"),
        [
            ({"type": "session", "id": "s"}, "type"),
            ({"type": "feedback", "name": "x", "output": "o"}, "output"),
            ({"type": "signal", "kind": "copy", "session": "s", "at": SIGNAL["at"]}, "session"),
            ({"type": "feedback", "name": "x", "annotator_kind": "CODE"}, "annotator_kind"),
        ],
    )
    def test_may_only_be_of_people_about_their_output(
        self, project: Project, record: dict[str, Any], path: str
    ) -> None:
        report = ingest(project=project, records=[record], now=NOW, collected_for="o")
        assert report.rejected[0].errors[0].path == path


class TestEmptiedText:
    def test_loses_its_vector(self, project: Project, encoder: Any) -> None:
        from feedback.embedding import embed_pending

        send(project, SESSION, OUTPUT, FEEDBACK | {"comment": "Wrong day"})
        embed_pending(encoder=encoder)
        assert sorted(Embedding.objects.values_list("part", flat=True)) == [
            "answer",
            "comment",
            "query",
        ]
        send(project, FEEDBACK | {"comment": ""})
        assert not Embedding.objects.filter(part="comment").exists()


@pytest.mark.django_db(transaction=True)
class TestSideBySide:
    def test_the_same_batch_from_eight_senders_is_stored_once(self) -> None:
        project = make_project()
        reports: list[Report] = []
        side_by_side(lambda: reports.append(send(project, *ALL)), 8)
        assert sum(report.accepted for report in reports) == 4
        assert sum(report.unchanged for report in reports) == 7 * 4
        assert Feedback.objects.count() == 2

    def test_halves_of_a_pair_find_each_other(self) -> None:
        project = make_project()
        send(project, SESSION)
        for number in range(20):
            halves = iter(
                [
                    OUTPUT | {"id": f"o{number}"},
                    FEEDBACK | {"id": f"f{number}", "output": f"o{number}"},
                ]
            )
            side_by_side(partial(lambda left: send(project, next(left)), halves), 2)
        assert not WaitingRecord.objects.exists()
        assert Feedback.objects.count() == 20

    def test_batches_in_opposite_order_do_not_lock_each_other_out(self) -> None:
        project = make_project()
        send(project, SESSION, OUTPUT)
        records = [FEEDBACK | {"id": f"f{number}", "score": 0} for number in range(50)]
        send(project, *records)
        orders = iter([records, records[::-1]] * 2)
        scores = iter([1, 2, 3, 4])

        def work() -> None:
            score = next(scores)
            send(project, *[record | {"score": score} for record in next(orders)])

        side_by_side(work, 4)
        assert Feedback.objects.values("score").distinct().count() == 1


class TestRealRecords:
    def test_of_the_demo_project_are_all_taken_once(self, project: Project) -> None:
        body = (Path(settings.BASE_DIR) / "feedback/demo/oasst-trees.ndjson.gz").read_bytes()
        records = wire.read_lines(gzip.decompress(body))
        assert counts(send(project, *reversed(records))) == (len(records), 0, 0, 0)
        assert not WaitingRecord.objects.exists()
        assert counts(send(project, *records)) == (0, 0, len(records), 0)
