"""Erases what was promoted of somebody's sessions: from drafts, versions, sets and releases.

A version keeps its number and its hash, and loses the entries. An example keeps its row, which says
nothing any more, as what the list of revocations names; releases are written anew without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from curation import experiments, issue_erasure, publishing
from curation.context_libraries import content_hash, next_number
from curation.experiments import Trial
from curation.models import (
    Candidate,
    ContextEntry,
    ContextLibrary,
    Example,
    Experiment,
    Exposure,
    GateCheck,
    GatePass,
    GroupSplit,
    LibraryVersion,
    Placing,
    Probe,
    PromotionJob,
    Proposal,
    PublishedEntry,
    Release,
    ReleasedExample,
    Revocation,
    TrainingSet,
)
from curation.rewriting import told_filter, without_erased
from feedback import erasure
from feedback.erasure import Part
from feedback.models import Output, Project, User
from review.erasure import clear_filters
from review.models import Event

NOTE = "Data was erased."
# Checks whose words are a user's id, or a question that was kept.
TELLING = ("share", "probe")


@dataclass
class Touched:
    """What has to follow once the rows are gone: by ids, libraries that serve and releases."""

    libraries: set[int] = field(default_factory=set)
    releases: set[int] = field(default_factory=set)


def count(part: Part) -> dict[str, int]:
    """How many rows of each kind this package erases with a part."""
    entries, examples = _entries(part), _examples(part)
    released = ReleasedExample.objects.there().filter(example__in=examples)
    probes = _probes(part, entries)
    concerned = Q(library__in=entries.values("library")) | Q(library__in=probes.values("library"))
    proposals = Proposal.objects.filter(concerned, status=Proposal.Status.WAITING)
    return {
        "candidates": Candidate.objects.filter(review__output__in=part.outputs).count(),
        "library entries": entries.count(),
        "published entries": PublishedEntry.objects.filter(entry__in=entries).count(),
        "withdrawn proposals": proposals.count(),
        "test questions": probes.count(),
        "exposures": _exposures(part).count(),
        "training examples": examples.count(),
        "released examples": released.count(),
    }


def num_releases(part: Part) -> int:
    """How many whole releases have to be written anew."""
    rows = ReleasedExample.objects.there().filter(example__in=_examples(part))
    erased = set(rows.order_by().values_list("release", flat=True).distinct())
    whole = Release.objects.done().filter(training_set__project=part.project)
    return sum(one.pk in erased or _is_named_by(one, part.ids) for one in whole)


def hold(part: Part) -> None:
    """Wait for the steps of jobs and releases, and for who decides on candidates of a part.

    They hold their own row before what they take in, so it is locked before that here too.
    Expects a transaction.
    """
    for rows in (
        PromotionJob.objects.filter(project=part.project),
        Candidate.objects.filter(review__output__in=part.outputs),
        Release.objects.filter(training_set__project=part.project),
    ):
        list(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk"))


def erase(part: Part, *, by: User, now: datetime) -> Touched:
    """Take a part out of libraries and training sets.

    Expects the transaction that deletes it, and that it is held.
    """
    touched = Touched()
    _from_libraries(part, by, now, touched)
    _exposures(part).delete()
    issue_erasure.erase(part)
    clear_filters(PromotionJob.objects.filter(project=part.project), part.ids)
    _from_sets(part, by, now, touched)
    return touched


def publish_without(*, library: int, by: User, now: datetime) -> LibraryVersion | None:
    """Publish what is live of a library, less what was erased, as its next version.

    What is tried with some sessions goes on being tried with the same ones. None where nothing is
    live. Expects a transaction.
    """
    held = ContextLibrary.objects.select_for_update(no_key=True, of=("self",)).get(pk=library)
    former = held.live
    if former is None:
        return None
    entries = list(former.entries.order_by("position"))
    model = entries[0].model if entries else ""
    said = [_as_draft(one) for one in entries]
    made = LibraryVersion.objects.create(
        library=held,
        number=next_number(held),
        content_hash=content_hash(said, model=model),
        published_by=by,
        published_at=now,
        note=NOTE,
        follows_erasure=True,
    )
    for position, one in enumerate(entries, start=1):
        one.pk, one.version, one.position = None, made, position
        one._state.adding = True  # noqa: SLF001  (a copy of a row, as Django documents it)
    PublishedEntry.objects.bulk_create(entries, batch_size=500)
    _go_on_trying(former, made, model, by, now)
    held.live = made
    held.save(update_fields=["live"])
    Event.objects.create(
        project_id=held.project_id,
        actor=by,
        verb="published",
        target_type="context_library",
        target_id=held.pk,
        data={"version": made.number, "erased": 1},
        at=now,
    )
    return made


def _as_draft(one: PublishedEntry) -> ContextEntry:
    return ContextEntry(
        pk=one.entry_id,
        kind=one.kind,
        query=one.query,
        answer=one.answer,
        why=one.why,
        roles=one.roles,
        environments=one.environments,
        for_models=one.for_models,
        expires_on=one.expires_on,
    )


def _go_on_trying(
    former: LibraryVersion, made: LibraryVersion, model: str, by: User, now: datetime
) -> None:
    before = Experiment.objects.filter(version=former).first()
    trial = None
    if before is not None and before.status != Experiment.Status.ENDED:
        trial = Trial(
            stages=before.stages, held_out=before.held_out, hours_per_stage=before.hours_per_stage
        )
    experiments.succeed(former=former, version=made, model=model, trial=trial, by=by, now=now)
    if before is None or trial is None:
        return
    # The same lots and the same stage, which begins anew as its evidence does, and a version that
    # was stopped as harmful stays stopped.
    Experiment.objects.filter(version=made).update(
        baseline=before.baseline,
        salt=before.salt,
        stage=before.stage,
        status=before.status,
        ended_at=before.ended_at,
        reason=before.reason,
    )


def _entries(part: Part) -> QuerySet[ContextEntry]:
    # By a subquery, since a join with the feedback would tell one row many times.
    said = ContextEntry.feedback.through.objects.filter(feedback__in=part.feedback)
    return ContextEntry.objects.filter(
        _of_outputs(part) | Q(pk__in=said.values("contextentry")), library__project=part.project
    )


def _examples(part: Part) -> QuerySet[Example]:
    said = Example.feedback.through.objects.filter(feedback__in=part.feedback)
    read = Q(output=None, group__in=part.session_ids)
    return Example.objects.filter(
        _of_outputs(part)
        | Q(rejected_output__in=part.outputs)
        | Q(pk__in=said.values("example"))
        | read,
        training_set__project=part.project,
        erased_at=None,
    )


def _of_outputs(part: Part) -> Q:
    return Q(output__in=part.outputs) | Q(review__output__in=part.outputs)


def _probes(part: Part, entries: QuerySet[ContextEntry]) -> QuerySet[Probe]:
    """Questions kept for such an entry, or that one of the outputs was asked."""
    asked = Output.objects.filter(pk__in=part.outputs).exclude(query="").values("query")
    of_entries = Probe.expected.through.objects.filter(contextentry__in=entries).values("probe")
    return Probe.objects.filter(
        Q(pk__in=of_entries) | Q(query__in=asked), library__project=part.project
    )


def unname(*, project: Project, since: datetime) -> None:
    """Take the ids of erased sessions off what was served since: its request had begun before."""
    served = Exposure.objects.filter(
        version__library__project=project, served_at__gte=since
    ).exclude(session_external_id="")
    sessions = served.order_by().values_list("session_external_id", flat=True).distinct()
    back = erasure.erased_among(project=project, sessions=sessions)
    if back:
        served.filter(session_external_id__in=back).update(session_external_id="")


def _exposures(part: Part) -> QuerySet[Exposure]:
    return Exposure.objects.filter(project=part.project, session_external_id__in=part.session_ids)


def _from_libraries(part: Part, by: User, now: datetime, touched: Touched) -> None:
    entries = dict(_entries(part).values_list("pk", "library"))
    probes = dict(_probes(part, _entries(part)).values_list("pk", "library"))
    libraries = set(entries.values()) | set(probes.values())
    # Whoever publishes waits, or we wait for them.
    held = list(
        ContextLibrary.objects.select_for_update(no_key=True, of=("self",))
        .filter(pk__in=libraries)
        .order_by("pk")
    )
    Probe.objects.filter(pk__in=probes).delete()
    published = PublishedEntry.objects.filter(entry__in=entries)
    for version, number in published.values_list("version").annotate(Count("pk")):
        LibraryVersion.objects.filter(pk=version).update(num_erased=F("num_erased") + number)
        touched.libraries |= {one.pk for one in held if one.live_id == version}
    _clear_proposals(held, entries, by, now)
    # A hash of what it said, by which an undo would notice a change.
    Placing.objects.filter(entry__in=entries).update(made_sha256="")
    ContextEntry.objects.filter(pk__in=entries).delete()


def _clear_proposals(
    libraries: Iterable[ContextLibrary], entries: Collection[int], by: User, now: datetime
) -> None:
    """Withdraw what waits, and forget what checks said of the entries."""
    proposals = Proposal.objects.filter(library__in=libraries)
    for one in proposals.filter(status=Proposal.Status.WAITING).order_by("pk"):
        publishing.withdraw(proposal=one, by=by, now=now, remark=NOTE)
    for one in proposals.exclude(findings=[]):
        kept = [
            finding
            for finding in one.findings
            if finding.get("check") not in TELLING
            and finding.get("entry") not in entries
            and finding.get("other") not in entries
        ]
        if kept != one.findings:
            proposals.filter(pk=one.pk).update(findings=kept)


def _from_sets(part: Part, by: User, now: datetime, touched: Touched) -> None:
    found = dict(_examples(part).values_list("pk", "training_set"))
    concerned = set(found.values()) | _named(part)
    sets = list(TrainingSet.objects.select_for_update().filter(pk__in=concerned).order_by("pk"))
    for one in sets:
        if erasure.mentions(one.filter, part.ids):
            TrainingSet.objects.filter(pk=one.pk).update(
                filter=erasure.without(one.filter, part.ids)
            )
    in_project = Q(training_set__project=part.project)
    GroupSplit.objects.filter(in_project, group__in=part.session_ids).delete()
    # They name rows, users and sessions; the next check finds what there is then.
    GateCheck.objects.filter(training_set__in=sets).delete()
    GatePass.objects.filter(example__in=found).delete()
    Revocation.objects.bulk_create(
        (
            Revocation(
                example_id=one, reason=Revocation.Reason.ERASED, revoked_by=by, revoked_at=now
            )
            for one in found
        ),
        ignore_conflicts=True,
        batch_size=1_000,
    )
    Placing.objects.filter(example__in=found).update(made_sha256="")
    rows = ReleasedExample.objects.there().filter(example__in=found)
    erased = dict(rows.values_list("release").annotate(Count("pk")).order_by("release"))
    _empty(rows, now, lineage={})
    _empty(Example.objects.filter(pk__in=found), now, group="", removed_at=now)
    # Also of sets whose filter names nothing of it any more.
    for release in Release.objects.filter(in_project).order_by("pk"):
        number = erased.get(release.pk, 0)
        if number or _is_named_by(release, part.ids):
            without_erased(release=release, erased=number, ids=part.ids, now=now)
            touched.releases.add(release.pk)


def _empty(rows: QuerySet[Any], now: datetime, **more: object) -> None:
    rows.update(prompt=[], tools=[], chosen="", rejected="", erased_at=now, **more)


def _named(part: Part) -> set[int]:
    """Sets whose filter names one of the ids."""
    sets = TrainingSet.objects.filter(project=part.project).exclude(filter=None)
    return {one.pk for one in sets if erasure.mentions(one.filter, part.ids)}


def _is_named_by(release: Release, ids: frozenset[str]) -> bool:
    """Whether a release names one of the ids in the filter that it tells."""
    return erasure.mentions(told_filter(release), ids)


def unwritten(*, project: Project, releases: Collection[int]) -> int:
    """How many of the releases a worker is still to write anew, or to clear away."""
    found = Release.objects.filter(pk__in=releases, training_set__project=project)
    stopped = [Release.Status.CANCELLED, Release.Status.FAILED]
    return found.active().count() + found.filter(status__in=stopped).exclude(checkpoint={}).count()
