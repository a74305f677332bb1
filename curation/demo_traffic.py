"""Which of the demo project's sessions were served a library, and which were held out.

All of it is invented. No session of the demo's sources saw a library, so that what users complained
of cannot follow from one. For there to be an effect to look at, the lots lean on it instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from curation import arms
from curation.arms import Arm
from curation.demo_records import Record
from curation.models import EntryKind, Experiment, Exposure, LibraryVersion
from feedback.models import Feedback, Output, Project, Session

# How likely a session was held out from the first version, by how many of its answers nobody
# complained of: none, one, or more.
HELD_OUT = (0.52, 0.12, 0.02)
BEFORE_ANSWER = timedelta(seconds=2)
# An experiment draws one of its own each time; the demo is the same whenever it is loaded.
SALT = "almanac"


def carrying(records: Sequence[tuple[datetime, Record]]) -> list[tuple[datetime, Record]]:
    """The records with their times, the outputs among them with the exposure of their session."""
    return [(at, _carrying(record)) for at, record in records]


def expose(*, version: LibraryVersion, since: datetime, until: datetime) -> None:
    """Serve the version to sessions that began meanwhile, and hold it out from some of them.

    Later versions are given by the lots of their experiment, as the product would have got them, so
    that nothing can be told of them; where the lot is for the version before, that one is served.
    """
    experiment = Experiment.objects.get(version=version)
    rules = {
        one: list(one.entries.filter(kind=EntryKind.INSTRUCTION))
        for one in (version, experiment.baseline)
        if one is not None
    }
    exposures = []
    for session in _sessions(version.library.project, since, until):
        arm = _arm(experiment, session)
        got = experiment.baseline if arm == Arm.BEFORE and experiment.baseline else version
        served = [] if arm == Arm.HELD_OUT else rules[got]
        exposures.append(
            Exposure(
                token=_token(session.external_id),
                project_id=session.project_id,
                version=got,
                session_external_id=session.external_id,
                entry_ids=[entry.entry_id for entry in served],
                is_held_out=arm == Arm.HELD_OUT,
                num_tokens=sum(entry.num_tokens or 0 for entry in served),
                served_at=session.started_at - BEFORE_ANSWER,
                last_served_at=session.started_at - BEFORE_ANSWER,
            )
        )
    Exposure.objects.bulk_create(exposures)


def _sessions(project: Project, since: datetime, until: datetime) -> list[Session]:
    """Sessions that began meanwhile, each with `num_good`: answers that nobody complained of."""
    complaint = Q(score__lt=0) | (Q(score=None) & (Q(reasons__isnull=False) | ~Q(correction="")))
    said = Feedback.objects.explicit().filter(complaint, output=OuterRef("pk"))
    good = Output.objects.filter(~Exists(said), session=OuterRef("pk")).values("session")
    num_good = Coalesce(Subquery(good.annotate(num=Count("pk")).values("num")), 0)
    sessions = Session.objects.filter(project=project, started_at__gte=since, started_at__lt=until)
    return list(sessions.annotate(num_good=num_good).order_by("started_at", "pk"))


def _arm(experiment: Experiment, session: Session) -> Arm:
    if experiment.baseline is not None:
        return arms.draw(
            salt=SALT,
            session=session.external_id,
            served=_served(experiment, session.started_at),
            held_out=experiment.held_out / 100,
        )
    chance = HELD_OUT[min(getattr(session, "num_good", 0), len(HELD_OUT) - 1)]
    lot = arms.lot(salt=SALT, session=session.external_id)
    return Arm.HELD_OUT if lot < chance else Arm.SERVED


def _served(experiment: Experiment, at: datetime) -> float:
    """The share that was served at that time, as each stage came in its turn."""
    stage = (at - experiment.started_at) // timedelta(hours=experiment.hours_per_stage)
    return float(experiment.stages[min(stage, len(experiment.stages) - 1)]) / 100


def _carrying(record: Record) -> Record:
    if record["type"] != "output":
        return record
    exposure = str(_token(record["session"]))
    return record | {"context": record.get("context", {}) | {"exposure": exposure}}


def _token(session: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"almanac/{session}")
