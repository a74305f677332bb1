"""Erasures as their tests ask for them, and what they find there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from curation import context_libraries, erasing, releasing
from curation.models import ContextLibrary, Example, LibraryVersion, Release, TrainingSet
from feedback.models import Erasure, Project, Session, User
from tests.curation.planted import Stub
from tests.factories import NOW, make_entry, make_output

LATER = NOW + timedelta(hours=1)


def work_off(now: datetime = LATER) -> None:
    while erasing.work_off(now=now):
        pass
    while releasing.work_off(now=now):
        pass


def whole(made: Erasure) -> Erasure:
    """Let a worker do all of an erasure."""
    for minutes in range(5):
        work_off(LATER + timedelta(minutes=2 * minutes))
    made.refresh_from_db()
    return made


def ask(project: Project, by: User, subject: str, scope: str = "session", **more: Any) -> Erasure:
    given: dict[str, Any] = {"confirmed": subject, "now": LATER} | more
    return erasing.start(project=project, scope=scope, subject=subject, by=by, **given)


def entry_of(library: ContextLibrary, session: Session, number: int = 1) -> None:
    for _ in range(number):
        output = make_output(library.project, session)
        make_entry(library, output=output, query=f"What of {output.external_id}?")


def published(library: ContextLibrary, by: User, **more: Any) -> LibraryVersion:
    return context_libraries.publish(library=library, encoder=Stub(), by=by, now=NOW, **more)


def filled(training_set: TrainingSet, by: User, session: Session, number: int = 3) -> list[int]:
    """Examples made of a session's outputs, by their ids."""
    return [
        Example.objects.create(
            training_set=training_set,
            prompt=[{"role": "user", "content": f"Q {session.external_id} {place}"}],
            chosen=f"A {session.external_id} {place}",
            output=make_output(session.project, session),
            created_by=by,
            created_at=NOW,
        ).pk
        for place in range(number)
    ]


def lines_of(release: Release, name: str = "examples/train.jsonl") -> list[str]:
    return releasing.folder_of(release).path(name).read_text().splitlines()
