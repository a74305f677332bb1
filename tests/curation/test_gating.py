"""Training sets held to their gates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from curation import (
    duplicates,
    gate_runs,
    gating,
    promotion,
    releasing,
    tokens,
    training_sets,
)
from curation.gates import Gate, Rules
from curation.gating import GateError
from curation.models import Example, GateCheck, GateFinding, GatePass, TrainingSet
from curation.splits import split_of
from feedback.embedding import model_id
from feedback.models import Embedding, Output, Project, SessionTag, Tag, User
from review.models import Event, QueueItem, ThemeMembership, ThemeRun
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_session,
    make_theme,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db

VALIDATION = [name for name in map(str, range(200)) if split_of(name) == "validation"]
TRAIN = [name for name in map(str, range(200)) if split_of(name) == "train"]


@pytest.fixture
def training_set(project: Project) -> TrainingSet:
    return make_training_set(project, is_gated=True)


def add(
    training_set: TrainingSet, by: User, query: str, session: str = "", **fields: Any
) -> Example:
    """An example of a session of its own, or of the one named."""
    project = training_set.project
    row = project.sessions.filter(external_id=session).first() if session else None
    if row is None:
        named = {"external_id": session} if session else {}
        row = make_session(project, **named, **fields.pop("of_session", {}))
    fields.setdefault("text", f"The answer to: {query}")
    output = make_output(project, row, query=query, **fields)
    return promotion.promote_to_training_set(
        review=make_review(output, by, verdict="accept"), training_set=training_set, by=by, now=NOW
    )


def check(training_set: TrainingSet, by: User) -> gating.Report:
    made = gating.ask(training_set=training_set, by=by, now=NOW)
    gating.run(check=made, vectors=model_id(), clock=lambda: NOW)
    return gating.report(training_set=training_set)


def check_few(training_set: TrainingSet, by: User) -> None:
    gating.check_few(training_set=training_set, by=by, vectors=model_id(), clock=lambda: NOW)


def found(training_set: TrainingSet, gate: Gate) -> list[tuple[int, int | None]]:
    findings = GateFinding.objects.filter(check_run__training_set=training_set, gate=gate)
    return list(findings.open().order_by("pk").values_list("example", "other"))


def embed(output: Output | None, *direction: float) -> None:
    assert output is not None
    Embedding.objects.create(
        project=output.project,
        output=output,
        part="query",
        model=model_id(),
        text_sha256="0" * 64,
        vector=[*direction, *[0.0] * (384 - len(direction))],
    )


class TestRun:
    def test_a_sound_set_passes_and_nothing_holds_it_up(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        for question in ("Where is my card?", "Who wrote Bloom?", "May I keep chickens?"):
            add(training_set, curator, question)
        report = check(training_set, curator)
        assert report.is_current
        assert {one.gate for one in report.results} == set(Gate)
        assert {one.gate for one in report.results if one.num_open} == {Gate.CONSENT}
        assert gating.holds_up(training_set=training_set) == ""
        assert report.last is not None
        assert report.last.num_examples == report.last.num_done == 3

    def test_names_exact_and_near_duplicates_with_their_double(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        long = "Where is the card that I ordered from you three weeks ago on a rainy Monday?"
        first = add(training_set, curator, long, text="On its way.")
        copied = add(training_set, curator, long.upper(), text="On its  way!")
        near = add(training_set, curator, f"Hi! {long}", text="Ask the post office.")
        add(training_set, curator, long.replace("three", "four"))
        check(training_set, curator)
        assert found(training_set, Gate.EXACT) == [(copied.pk, first.pk)]
        assert found(training_set, Gate.NEAR) == [(near.pk, first.pk)]
        assert "3 rows" not in gating.holds_up(training_set=training_set)
        assert "2 rows fail a gate" in gating.holds_up(training_set=training_set)

    def test_finds_by_meaning_what_is_worded_otherwise(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        one = add(training_set, curator, "Where is my card?")
        other = add(training_set, curator, "Has the plastic been posted?")
        apart = add(training_set, curator, "Is it raining?")
        embed(one.output, 1)
        embed(other.output, 0.96, 0.28)
        embed(apart.output, 0, 1)
        report = check(training_set, curator)
        assert found(training_set, Gate.NEAR) == [(other.pk, one.pk)]
        [near] = [one for one in report.results if one.gate == Gate.NEAR]
        assert near.figures == {"num_embedded": 3}

    def test_names_rows_over_the_limit_disputed_and_of_one_user(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        gating.set_rules(
            training_set=training_set, rules=Rules(token_limit=60), by=curator, now=NOW
        )
        long = add(training_set, curator, "Where is it?", text="Somewhere. " * 40)
        disputed = add(training_set, curator, "Why so?")
        assert disputed.output is not None
        make_review(disputed.output, make_user(), verdict="reject", is_authoritative=False)
        session = {"user_external_id": "ann"}
        for number in range(20):
            add(training_set, curator, f"Who is {number:03x}?", of_session=session)
        check(training_set, curator)
        assert found(training_set, Gate.TOKENS) == [(long.pk, None)]
        assert found(training_set, Gate.AGREEMENT) == [(disputed.pk, None)]
        assert len(found(training_set, Gate.USER)) == 20 - 4
        assert len(found(training_set, Gate.REVIEWER)) == 22 - 13

    def test_consent_is_a_tag_of_the_session_or_its_metadata(
        self, training_set: TrainingSet, curator: User, project: Project
    ) -> None:
        tagged = add(training_set, curator, "Where is my card?")
        add(training_set, curator, "Who wrote Bloom?", of_session={"metadata": {"consent": "yes"}})
        without = add(training_set, curator, "May I keep chickens?")
        assert tagged.output is not None
        tag = Tag.objects.create(project=project, name="Consent")
        SessionTag.objects.create(session=tagged.output.session, tag=tag)
        check(training_set, curator)
        assert found(training_set, Gate.CONSENT) == [(without.pk, None)]

    def test_a_failure_is_told_and_the_set_can_be_checked_again(
        self, training_set: TrainingSet, curator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add(training_set, curator, "Where is my card?")
        with monkeypatch.context() as patch:
            patch.setattr(tokens, "count", lambda text: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                check(training_set, curator)
        assert GateCheck.objects.get().status == "failed"
        assert check(training_set, curator).is_current

    def test_costs_the_same_for_many(self, training_set: TrainingSet, curator: User) -> None:
        costs = []
        for num in range(3):
            for number in range(6):
                add(training_set, curator, f"Who is {num:03x}{number:03x}?")
            made = gating.ask(training_set=training_set, by=curator, now=NOW)
            with CaptureQueriesContext(connection) as counted:
                gating.run(check=made, vectors=model_id(), clock=lambda: NOW)
            costs.append(len(counted))
        # The first has no former check to delete.
        assert costs[1] == costs[2]

    def test_finds_in_small_batches_what_it_finds_at_once(
        self, training_set: TrainingSet, curator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        questions = [f"Who is {number:03x}?" for number in range(7)]
        for question in [*questions, *questions[:3]]:
            add(training_set, curator, question)
        check(training_set, curator)
        at_once = found(training_set, Gate.EXACT)
        monkeypatch.setattr(gate_runs, "BATCH", 2)
        check(training_set, curator)
        assert len(at_once) == 3
        assert found(training_set, Gate.EXACT) == at_once


class TestSplits:
    def test_what_asks_the_same_or_shares_a_theme_is_put_on_one_side(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        one = add(training_set, curator, "Where is my card?", VALIDATION[0])
        add(training_set, curator, "Where is my card??", TRAIN[0], text="Lost.")
        themed = [
            add(training_set, curator, "Who wrote Bloom?", VALIDATION[1]),
            add(training_set, curator, "May I keep chickens?", TRAIN[1]),
        ]
        for number in range(9):
            add(training_set, curator, f"Who is {number:03x}?", TRAIN[2 + number])
        theme = make_theme(training_set.project)
        run = ThemeRun.objects.create(
            project=training_set.project,
            model="m",
            algorithm="a",
            num_feedback=2,
            num_themes=1,
            started_at=NOW,
            finished_at=NOW,
        )
        for row in themed:
            assert row.output is not None
            ThemeMembership.objects.create(
                theme=theme, feedback=make_feedback(row.output), run=run, similarity=1
            )
        check(training_set, curator)
        pairs = [(VALIDATION[0], TRAIN[0]), (VALIDATION[1], TRAIN[1])]
        placed = dict(gating.placed(training_set=training_set))
        for pair in pairs:
            assert len({placed.get(name, split_of(name)) for name in pair}) == 1
        assert found(training_set, Gate.LEAK) == []
        assert one.pk

    def test_a_release_splits_as_it_was_checked(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        first = add(training_set, curator, "Where is my card?", TRAIN[0])
        second = add(training_set, curator, "Where is my card now?", VALIDATION[0], text="Lost.")
        embed(first.output, 1)
        embed(second.output, 0.88, 0.475)
        for number in range(9):
            add(training_set, curator, f"Who is {number:03x}?", TRAIN[1 + number])
        check(training_set, curator)
        made = releasing.release(training_set=training_set, by=curator, now=NOW)
        rows = made.examples.filter(example__in=[first, second])
        assert len(set(rows.values_list("split", flat=True))) == 1
        assert split_of(TRAIN[0]) != split_of(VALIDATION[0])

    def test_what_earlier_releases_put_on_both_sides_is_a_leak(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        add(training_set, curator, "Who wrote Bloom?", TRAIN[0])
        tested = add(training_set, curator, "Where is my card?", VALIDATION[0])
        check(training_set, curator)
        releasing.release(training_set=training_set, by=curator, now=NOW)
        trained = add(training_set, curator, "Where is my card?", TRAIN[0], text="Lost.")
        check(training_set, curator)
        assert found(training_set, Gate.LEAK) == [(tested.pk, trained.pk)]


class TestHoldsUp:
    def test_a_release_until_no_row_fails(self, training_set: TrainingSet, curator: User) -> None:
        for _ in range(2):
            add(training_set, curator, "Where is my card?")
        for why in ("Check the examples before", "1 row fails a gate"):
            with pytest.raises(training_sets.TrainingSetError, match=why):
                releasing.release(training_set=training_set, by=curator, now=NOW)
            report = check(training_set, curator)
        assert report.last is not None
        gating.let_all_pass(check=report.last, gate="exact", reason="Fine.", by=curator, now=NOW)
        assert releasing.release(training_set=training_set, by=curator, now=NOW).num_train == 2

    def test_a_set_to_evaluate_by_is_not_split(self, project: Project, curator: User) -> None:
        cases = make_training_set(project, is_gated=True, purpose="evaluation")
        add(cases, curator, "Where is my card?")
        report = check(cases, curator)
        [leak] = [one for one in report.results if one.gate == Gate.LEAK]
        assert leak.figures["splits"] == {"test": 1}
        assert dict(gating.placed(training_set=cases)) == {}

    def test_a_set_that_was_never_checked_or_has_changed(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        add(training_set, curator, "Where is my card?")
        assert gating.holds_up(training_set=training_set).startswith("Check the examples before")
        check(training_set, curator)
        assert gating.holds_up(training_set=training_set) == ""
        added = add(training_set, curator, "Who wrote Bloom?")
        assert "again" in gating.holds_up(training_set=training_set)
        training_sets.remove_example(example=added, by=curator, now=NOW)
        assert gating.holds_up(training_set=training_set) == ""
        gating.set_rules(
            training_set=training_set, rules=Rules(token_limit=9_000), by=curator, now=NOW
        )
        assert "again" in gating.holds_up(training_set=training_set)

    @pytest.mark.parametrize("recorded_in", ["metadata of the session", "of the answer", "a tag"])
    def test_a_set_for_whose_use_a_consent_was_withdrawn(
        self, training_set: TrainingSet, curator: User, recorded_in: str
    ) -> None:
        rules = Rules(blocking=["consent"])
        gating.set_rules(training_set=training_set, rules=rules, by=curator, now=NOW)
        example = add(training_set, curator, "Where is my card?")
        assert example.output is not None
        session = example.output.session
        tag = Tag.objects.create(project=training_set.project, name="consent")
        SessionTag.objects.create(session=session, tag=tag)
        check(training_set, curator)
        assert gating.holds_up(training_set=training_set) == ""
        if recorded_in == "a tag":
            session.tags.clear()
        else:
            row = session if recorded_in.startswith("metadata") else example.output
            row.metadata = {"consent": "withdrawn"}
            row.save()
        assert "again" in gating.holds_up(training_set=training_set)
        check_few(training_set, curator)
        assert "1 row fails a gate" in gating.holds_up(training_set=training_set)

    def test_a_large_set_that_pages_look_through_once_a_minute(
        self, training_set: TrainingSet, curator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gating, "MOST_TOLD_EACH_TIME", 1)
        example = add(training_set, curator, "Who wrote Bloom?")
        add(training_set, curator, "When was Loveless released?")
        assert check(training_set, curator).is_current
        assert example.output is not None
        make_review(example.output, make_user(), verdict="reject", is_authoritative=False)
        assert gating.report(training_set=training_set).is_current
        assert "again" in gating.holds_up(training_set=training_set)
        assert check(training_set, curator).is_current
        add(training_set, curator, "Who sings it?")
        assert not gating.report(training_set=training_set).is_current

    def test_what_is_to_be_judged_blindly_is_disputed_once_it_is_judged(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        example = add(training_set, curator, "Why so?")
        assert example.output is not None
        item = make_item(make_queue(training_set.project, reviewers_per_item=2), example.output)
        make_review(example.output, make_user(), verdict="reject", is_authoritative=False)
        assert check(training_set, curator).is_current
        assert found(training_set, Gate.AGREEMENT) == []
        QueueItem.objects.filter(pk=item.pk).update(status="done", closed_at=NOW)
        assert not gating.report(training_set=training_set).is_current
        check(training_set, curator)
        assert found(training_set, Gate.AGREEMENT) == [(example.pk, None)]

    def test_a_set_whose_verdicts_were_disputed_since(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        example = add(training_set, curator, "Where is my card?")
        check(training_set, curator)
        assert gating.holds_up(training_set=training_set) == ""
        assert example.output is not None
        make_review(example.output, make_user(), verdict="reject", is_authoritative=False)
        assert "again" in gating.holds_up(training_set=training_set)
        check_few(training_set, curator)
        assert "1 row fails a gate" in gating.holds_up(training_set=training_set)

    def test_a_small_set_by_what_is_found_when_it_is_released(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        add(training_set, curator, "Where is my card?")
        other = add(training_set, curator, "Has the plastic been posted?")
        check(training_set, curator)
        for example in training_set.examples.all():
            embed(example.output, 1)
        check_few(training_set, curator)
        assert found(training_set, Gate.NEAR)[0][0] == other.pk

    def test_a_gate_that_only_tells_holds_nothing_up(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        for _ in range(2):
            add(training_set, curator, "Where is my card?")
        check(training_set, curator)
        assert "1 row fails a gate" in gating.holds_up(training_set=training_set)
        gating.set_rules(training_set=training_set, rules=Rules(blocking=()), by=curator, now=NOW)
        assert gating.holds_up(training_set=training_set) == ""


class TestLetPass:
    @pytest.fixture
    def finding(self, training_set: TrainingSet, curator: User) -> GateFinding:
        for _ in range(2):
            add(training_set, curator, "Where is my card?")
        check(training_set, curator)
        return GateFinding.objects.get(gate=Gate.EXACT)

    def test_with_a_reason_that_is_recorded(self, finding: GateFinding, curator: User) -> None:
        training_set = finding.check_run.training_set
        for _ in range(2):
            made = gating.let_pass(finding=finding, reason=" Asked often. ", by=curator, now=NOW)
        assert (made.reason, made.passed_by) == ("Asked often.", curator)
        assert gating.holds_up(training_set=training_set) == ""
        report = check(training_set, curator)
        [exact] = [one for one in report.results if one.gate == Gate.EXACT]
        assert (exact.num_open, exact.num_passed) == (0, 1)
        event = Event.objects.get(verb="passed_gate")
        assert event.data == {"example": finding.example_id, "gate": "exact"}

    def test_not_without_a_reason(self, finding: GateFinding, curator: User) -> None:
        with pytest.raises(GateError, match="Say why"):
            gating.let_pass(finding=finding, reason="  ", by=curator, now=NOW)

    def test_holds_for_that_cause_only(self, finding: GateFinding, curator: User) -> None:
        training_set = finding.check_run.training_set
        gating.let_pass(finding=finding, reason="Fine.", by=curator, now=NOW)
        first = finding.other
        assert first is not None
        training_sets.remove_example(example=first, by=curator, now=NOW)
        add(training_set, curator, "Where is my card?")
        check(training_set, curator)
        assert len(found(training_set, Gate.EXACT)) == 1

    def test_is_taken_back(self, finding: GateFinding, curator: User) -> None:
        made = gating.let_pass(finding=finding, reason="Fine.", by=curator, now=NOW)
        gating.take_back(gate_pass=made, by=curator, now=NOW)
        assert not GatePass.objects.exists()
        assert gating.holds_up(training_set=finding.check_run.training_set) != ""
        assert Event.objects.filter(verb="took_back_gate_pass").exists()


class TestWork:
    def test_one_check_of_a_set_at_a_time(self, training_set: TrainingSet, curator: User) -> None:
        with pytest.raises(GateError, match="no examples"):
            gating.ask(training_set=training_set, by=curator, now=NOW)
        add(training_set, curator, "Where is my card?")
        made = gating.ask(training_set=training_set, by=curator, now=NOW)
        assert gating.ask(training_set=training_set, by=curator, now=NOW) == made

    def test_a_worker_takes_what_waits_and_what_another_let_lie(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        add(training_set, curator, "Where is my card?")
        made = gating.ask(training_set=training_set, by=curator, now=NOW)
        GateCheck.objects.update(status="running", fence=1, lease_until=NOW)
        assert not gating.work_off(vectors=model_id(), clock=lambda: NOW)
        assert gating.work_off(vectors=model_id(), clock=lambda: NOW + timedelta(seconds=1))
        made.refresh_from_db()
        assert (made.status, made.fence) == ("done", 2)
        assert not gating.work_off(vectors=model_id(), clock=lambda: NOW)

    @pytest.mark.parametrize("saw_it_wait", [True, False])
    def test_a_check_that_runs_is_not_run_beside_itself(
        self,
        training_set: TrainingSet,
        curator: User,
        monkeypatch: pytest.MonkeyPatch,
        saw_it_wait: bool,
    ) -> None:
        """Somebody else presses *Check now* when it runs, or at the same moment."""
        for _ in range(2):
            add(training_set, curator, "Where is my card?")
        made = gating.ask(training_set=training_set, by=curator, now=NOW)
        seen = GateCheck.objects.get()
        find, runs = duplicates.find, []

        def pressed_again(*args: Any, **more: Any) -> Any:
            runs.append(args)
            if len(runs) == 1:
                asked = gating.ask(training_set=training_set, by=curator, now=NOW)
                again = seen if saw_it_wait else asked
                gating.run(check=again, vectors=model_id(), clock=lambda: NOW)
            return find(*args, **more)

        monkeypatch.setattr(duplicates, "find", pressed_again)
        gating.run(check=made, vectors=model_id(), clock=lambda: NOW)
        made.refresh_from_db()
        assert (len(runs), made.status, made.fence) == (1, "done", 1)
        assert len(found(training_set, Gate.EXACT)) == 1

    def test_a_check_that_is_stopped_ends(
        self, training_set: TrainingSet, curator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add(training_set, curator, "Where is my card?")
        made = gating.ask(training_set=training_set, by=curator, now=NOW)
        find = duplicates.find

        def stopped(*args: Any, **more: Any) -> Any:
            gating.stop(check=made, by=curator, now=NOW)
            return find(*args, **more)

        monkeypatch.setattr(duplicates, "find", stopped)
        gating.run(check=made, vectors=model_id(), clock=lambda: NOW)
        made.refresh_from_db()
        assert made.status == "stopped"
        assert not gating.report(training_set=training_set).is_current
        assert make_project().pk
