"""Sessions that were served a version or held out from it, and what was complained of in them."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from curation.models import ContextLibrary, Exposure, LibraryVersion
from feedback.models import Feedback, Output, Project, Session
from review.models import Theme, ThemeMembership, ThemeRun
from tests.factories import NOW, make_entry, make_feedback, make_output, make_user

_numbers = itertools.count(1)


def publish(
    library: ContextLibrary, *themes: Theme, number: int = 1, at: datetime = NOW, **fields: Any
) -> LibraryVersion:
    """A version with an entry for each theme, made from a feedback in it."""
    author = make_user(library.project)
    version = LibraryVersion.objects.create(
        library=library,
        number=number,
        content_hash="0" * 64,
        published_by=author,
        published_at=at,
        **fields,
    )
    for position, theme in enumerate(themes):
        said = make_feedback(make_output(library.project, at=at - timedelta(days=90)), score=-1)
        put_in(theme, [said])
        entry = make_entry(library, created_by=author)
        entry.feedback.add(said)
        version.entries.create(
            entry=entry,
            position=position,
            kind="example",
            query="q",
            answer="a",
            model="m",
            vector=[1.0],
        )
    return version


def answer(
    project: Project,
    number: int,
    *,
    at: datetime,
    per_session: int = 1,
    bad: int = 0,
    theme: Theme | None = None,
    others: int = 0,
    version: LibraryVersion | None = None,
    held_out: bool = False,
) -> list[Output]:
    """So many sessions with outputs; the first output of the first `bad` is complained of.

    Those after them by `others` are complained of outside the theme. With a version all sessions
    are exposed to it, or held out.
    """
    sessions = Session.objects.bulk_create(
        Session(project=project, external_id=f"exposed-{next(_numbers)}", started_at=at)
        for _ in range(number)
    )
    if version:
        Exposure.objects.bulk_create(
            Exposure(
                project=project,
                version=version,
                session_external_id=session.external_id,
                is_held_out=held_out,
                num_tokens=0,
                served_at=at,
            )
            for session in sessions
        )
    outputs = Output.objects.bulk_create(
        Output(
            project=project,
            session=session,
            external_id=f"{session.external_id}/{turn}",
            at=at + timedelta(seconds=turn),
            query="q",
            text="a",
        )
        for session in sessions
        for turn in range(per_session)
    )
    firsts = outputs[::per_session]
    said = complain(firsts[: bad + others])
    if theme:
        put_in(theme, said[:bad])
    return outputs


def complain(outputs: list[Output], **fields: float | str) -> list[Feedback]:
    """Each of the outputs is rated down."""
    return Feedback.objects.bulk_create(
        Feedback(
            **{
                "project_id": output.project_id,
                "session_id": output.session_id,
                "output": output,
                "external_id": f"said-{(number := next(_numbers))}",
                "key": f"said-{number}",
                "name": "rating",
                "annotator_kind": "HUMAN",
                "score": -1.0,
                "at": output.at,
                **fields,
            }
        )
        for output in outputs
    )


def put_in(theme: Theme, said: list[Feedback]) -> None:
    """Make the feedback members of the theme."""
    run = ThemeRun.objects.create(
        project_id=theme.project_id,
        model="m",
        algorithm="a",
        num_feedback=0,
        num_themes=0,
        started_at=NOW,
        finished_at=NOW,
    )
    ThemeMembership.objects.bulk_create(
        ThemeMembership(theme=theme, feedback=one, run=run, similarity=0.9) for one in said
    )
    Theme.objects.filter(pk=theme.pk).update(size=theme.memberships.count())
