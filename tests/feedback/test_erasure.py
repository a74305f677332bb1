"""What was erased does not come back, not even as what was refused."""

from __future__ import annotations

from typing import Any

import pytest

from feedback import erasure, ingestion
from feedback.ingestion import Report
from feedback.models import Output, Project, RejectedRecord
from feedback.wire import Fault, Unreadable
from tests.factories import NOW, make_feedback, make_output, make_project, make_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def erased(project: Project) -> Project:
    """A project whose session `s-gone` was erased, with output `o-gone` and feedback `f-gone`."""
    output = make_output(project, make_session(project, external_id="s-gone"), external_id="o-gone")
    make_feedback(output, key="i:f-gone", external_id="f-gone")
    part = erasure.part_of(
        project=project, scope="session", subject="s-gone", sessions=[output.session_id]
    )
    erasure.erase(part, may_return=False)
    project.refresh_from_db()
    return project


def send(project: Project, *records: object, collected_for: str | None = None) -> Report:
    return ingestion.ingest(project=project, records=records, now=NOW, collected_for=collected_for)


class TestFaultyRecords:
    @pytest.mark.parametrize(
        "record",
        [
            {"type": "session", "id": "s-gone", "mood": "sad"},
            {"type": "sessoin", "id": "s-gone"},
            {"type": "output", "id": "o-gone", "query": "What?"},
            {"type": "output", "id": "o-new", "session": "s-gone"},
            {"type": "feedback", "id": "f-gone", "comment": "No."},
            {"type": "feedback", "output": "o-gone", "name": 3},
            {"type": "signal", "session": "s-gone", "kind": "copy", "at": "today"},
        ],
    )
    @pytest.mark.parametrize("is_readable", [True, False])
    def test_of_what_was_erased_are_told_of_and_not_kept(
        self, erased: Project, record: dict[str, Any], *, is_readable: bool
    ) -> None:
        fault = Fault("comment", "Holds a NUL character.")
        sent = record if is_readable else Unreadable([fault], record)
        [told] = send(erased, sent).rejected
        assert told.errors
        assert not RejectedRecord.objects.exists()

    def test_of_others_are_kept(self, erased: Project) -> None:
        there = [
            {"type": "session", "id": "s-kept", "mood": "sad"},
            {"type": "feedback", "output": "s-gone", "name": 3},
            {"type": "session", "id": ["s-gone", "\ud800"]},
            {"type": "session", "id": "\ud800"},
            "s-gone",
        ]
        assert len(send(erased, *there).rejected) == len(there)
        assert RejectedRecord.objects.count() == len(there)
        other = make_project()
        send(other, {"type": "session", "id": "s-gone", "mood": "sad"})
        assert RejectedRecord.objects.filter(project=other).exists()

    def test_from_a_browser_are_not_kept_where_the_answer_was_erased(self, erased: Project) -> None:
        """They do not name it themselves: their token does."""
        kept = make_output(erased)
        for output in ("o-gone", kept.external_id):
            send(erased, {"type": "feedback", "nmae": "rating"}, "?", collected_for=output)
        assert RejectedRecord.objects.count() == 2
        assert Output.objects.get() == kept
