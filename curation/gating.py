"""Holds a training set to its gates before a release, and lets rows pass with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet

from curation.gate_rows import contents_of, lately_of
from curation.gate_runs import BATCH, LEASE, LostError, Run, alive, as_json, rules_of
from curation.gates import Gate, Rules
from curation.models import GateCheck, GateFinding, GatePass, GateRules, TrainingSet
from feedback.models import User
from review.models import Event

# Up to so many examples are checked while somebody waits for it.
MOST_AT_ONCE = 300
# To tell what is recorded beside an example takes 11 µs.
MOST_TOLD_EACH_TIME = 10_000

Status = GateCheck.Status


class GateError(Exception):
    """Nothing was changed; the message says why."""


@dataclass(frozen=True)
class Result:
    """What a check found at one gate. `num_open` rows fail it, `num_passed` more were let pass."""

    gate: Gate
    figures: Mapping[str, object]
    num_open: int
    num_passed: int
    is_blocking: bool


@dataclass(frozen=True)
class Report:
    """The last check that ended, and the one that waits or runs.

    `is_current` says that the set, and what is recorded of its examples, is still what was checked,
    by the rules of now.
    """

    last: GateCheck | None
    running: GateCheck | None
    results: Sequence[Result]
    is_current: bool

    @property
    def num_blocking(self) -> int:
        """Rows that hold a release up; one counts for each gate that it fails."""
        return sum(result.num_open for result in self.results if result.is_blocking)


@transaction.atomic
def set_rules(*, training_set: TrainingSet, rules: Rules, by: User, now: datetime) -> None:
    """Hold a set to other rules; what was checked by the former ones has to be checked again."""
    GateRules.objects.update_or_create(training_set=training_set, defaults=as_json(rules))
    _record(training_set, "set_gate_rules", by, now)


@transaction.atomic
def ask(*, training_set: TrainingSet, by: User, now: datetime) -> GateCheck:
    """Have a worker check the kept examples; raises GateError when there are none to check.

    A check that waits or runs is returned instead of a second one.
    """
    TrainingSet.objects.select_for_update(no_key=True).get(pk=training_set.pk)
    running = training_set.gate_checks.unfinished().first()
    if running is not None:
        return running
    num_examples = training_set.examples.kept().count()
    if not num_examples:
        raise GateError("The training set has no examples. Promote a review into it first.")
    made = GateCheck.objects.create(
        training_set=training_set, num_examples=num_examples, asked_by=by, asked_at=now
    )
    _record(training_set, "asked_gates", by, now, check=made.pk)
    return made


@transaction.atomic
def stop(*, check: GateCheck, by: User, now: datetime) -> None:
    """End a check that waits or runs; one that is over stays as it is."""
    if GateCheck.objects.unfinished().filter(pk=check.pk).update(status=Status.STOPPED):
        _record(check.training_set, "stopped_gates", by, now, check=check.pk)


def work_off(*, vectors: str, clock: Callable[[], datetime]) -> bool:
    """Do the check that waits longest, by the vectors of that model; return whether there was one.

    A check whose worker has said nothing for LEASE is done again from the start.
    """
    with transaction.atomic():
        now = clock()
        check = (
            GateCheck.objects.filter(
                Q(status=Status.WAITING) | Q(status=Status.RUNNING, lease_until__lt=now)
            )
            .select_for_update(skip_locked=True)
            .order_by("pk")
            .first()
        )
        if check is None:
            return False
        check.status, check.fence, check.lease_until = Status.RUNNING, check.fence + 1, now + LEASE
        check.save(update_fields=["status", "fence", "lease_until"])
    _run(check, vectors, clock)
    return True


def run(*, check: GateCheck, vectors: str, clock: Callable[[], datetime]) -> None:
    """Check all kept examples here and now; what it finds is there once it is done.

    A check that does not wait any more is left to whoever has begun it.
    """
    claimed = GateCheck.objects.filter(pk=check.pk, status=Status.WAITING).update(
        status=Status.RUNNING, fence=F("fence") + 1, lease_until=clock() + LEASE
    )
    if claimed:
        check.refresh_from_db()
        _run(check, vectors, clock)


def check_few(
    *, training_set: TrainingSet, by: User, vectors: str, clock: Callable[[], datetime]
) -> None:
    """Check the set here and now, if it is so small that it takes no time."""
    if 0 < training_set.examples.kept()[: MOST_AT_ONCE + 1].count() <= MOST_AT_ONCE:
        asked = ask(training_set=training_set, by=by, now=clock())
        run(check=asked, vectors=vectors, clock=clock)


def report(*, training_set: TrainingSet, is_exact: bool = False) -> Report:
    """What the last check found, with what was let pass since. Ten queries at most.

    What is recorded beside many examples may have changed within the last minute, unless exact.
    """
    last = training_set.gate_checks.done().order_by("-pk").first()
    running = training_set.gate_checks.unfinished().first()
    if last is None:
        return Report(None, running, [], is_current=False)
    rules = rules_of(training_set=training_set)
    still = _by_gate(last.findings.still_there())
    open_ = _by_gate(last.findings.open())
    results = [
        Result(
            gate=gate,
            figures=last.figures.get(gate, {}),
            num_open=open_[gate],
            num_passed=still[gate] - open_[gate],
            is_blocking=gate in rules.blocking,
        )
        for gate in Gate
    ]
    return Report(last, running, results, is_current=_is_current(last, rules, is_exact=is_exact))


def holds_up(*, training_set: TrainingSet, found: Report | None = None) -> str:
    """Say in words what holds a release of the set up, "" when nothing does.

    `found` is its exact report, if it is at hand.
    """
    if not rules_of(training_set=training_set).blocking:
        return ""
    found = found or report(training_set=training_set, is_exact=True)
    if not found.is_current:
        again = " again" if found.last else ""
        return f"Check the examples{again} before the release: the gates have not seen all of them."
    if found.num_blocking:
        plural = "" if found.num_blocking == 1 else "s"
        return (
            f"{found.num_blocking:,} row{plural} fail{'' if plural else 's'} a gate. "
            "Remove them, or let them pass with a reason."
        )
    return ""


def told(*, found: Report) -> dict[str, object] | None:
    """What a release tells of its gates, in numbers alone; None unless they have seen all of it.

    `failing` are the rows of gates that only tell.
    """
    if found.last is None or not found.is_current:
        return None
    figures = {one.gate: one.figures for one in found.results}
    agreement = figures[Gate.AGREEMENT]
    return {
        "checked": found.last.num_examples,
        "consent_recorded": figures[Gate.CONSENT].get("num_recorded", 0),
        "agreement": {
            "alpha": agreement.get("value"),
            "answers": agreement.get("num_items", 0),
        },
        "let_pass": {one.gate.value: one.num_passed for one in found.results if one.num_passed},
        "failing": {one.gate.value: one.num_open for one in found.results if one.num_open},
    }


def placed(*, training_set: TrainingSet) -> Iterator[tuple[str, str]]:
    """The groups for which the last check has another split than their hash, and that split."""
    last = training_set.gate_checks.done().order_by("-pk").first()
    if last is not None:
        yield from last.groups.order_by("pk").values_list("group", "split").iterator()


@transaction.atomic
def let_pass(*, finding: GateFinding, reason: str, by: User, now: datetime) -> GatePass:
    """Let a row pass the gate it fails. Raises GateError without a reason.

    It holds in later checks too, for as long as the row fails for the same cause. A second pass
    changes nothing.
    """
    if not reason.strip():
        raise GateError("Say why this row may pass.")
    made, is_new = GatePass.objects.get_or_create(
        example=finding.example,
        gate=finding.gate,
        key=finding.key,
        defaults={"reason": reason.strip(), "passed_by": by, "passed_at": now},
    )
    if is_new:
        _record(
            finding.example.training_set, "passed_gate", by, now, example=finding.example_id,
            gate=finding.gate,
        )  # fmt: skip
    return made


@transaction.atomic
def let_all_pass(*, check: GateCheck, gate: str, reason: str, by: User, now: datetime) -> int:
    """Let all rows pass that fail one gate, and return how many. Raises GateError, as let_pass."""
    if not reason.strip():
        raise GateError("Say why these rows may pass.")
    failing = check.findings.open().filter(gate=gate).values_list("example", "key").distinct()
    made = GatePass.objects.bulk_create(
        (
            GatePass(
                example_id=example,
                gate=gate,
                key=key,
                reason=reason.strip(),
                passed_by=by,
                passed_at=now,
            )
            for example, key in failing.order_by("example", "key").iterator()
        ),
        batch_size=BATCH,
        ignore_conflicts=True,
    )
    if made:
        _record(check.training_set, "passed_gate_for_all", by, now, gate=gate, num_rows=len(made))
    return len(made)


@transaction.atomic
def take_back(*, gate_pass: GatePass, by: User, now: datetime) -> None:
    """Have a row that was let pass fail again; a second time changes nothing."""
    if GatePass.objects.filter(pk=gate_pass.pk).delete()[0]:
        example = gate_pass.example
        _record(
            example.training_set, "took_back_gate_pass", by, now, example=example.pk,
            gate=gate_pass.gate,
        )  # fmt: skip


def _run(check: GateCheck, vectors: str, clock: Callable[[], datetime]) -> None:
    """Do a check that is this worker's.

    Reads in batches: what stays in memory for each row is its words' and its vector's digest, its
    session and its themes. A check that is stopped meanwhile ends; one that raises has failed.
    """
    try:
        Run(check, vectors, clock).whole()
    except LostError:
        return
    except Exception:
        alive(check).update(status=Status.FAILED, finished_at=clock())
        raise


def _is_current(check: GateCheck, rules: Rules, *, is_exact: bool) -> bool:
    held_to = {name: value for name, value in as_json(rules).items() if name != "blocking"}
    checked = {name: value for name, value in check.rules.items() if name != "blocking"}
    if checked != held_to:
        return False
    if is_exact or check.num_examples <= MOST_TOLD_EACH_TIME:
        return check.contents == contents_of(check.training_set)
    return check.contents == lately_of(check)


def _by_gate(findings: QuerySet[GateFinding]) -> Counter[str]:
    return Counter(dict(findings.order_by().values_list("gate").annotate(Count("pk"))))


def _record(
    training_set: TrainingSet, verb: str, by: User, now: datetime, **data: int | str
) -> None:
    Event.objects.create(
        project_id=training_set.project_id,
        actor=by,
        verb=verb,
        target_type="training_set",
        target_id=training_set.pk,
        data=data,
        at=now,
    )
