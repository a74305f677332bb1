"""Test cases of other sets, which a training set must not hold."""

from __future__ import annotations

import pytest

from curation import gating, training_sets
from curation.gates import Gate
from curation.models import GateFinding, TrainingSet
from feedback.models import Project, User
from tests.curation.test_gating import add, check, embed, found
from tests.factories import NOW, make_project, make_training_set, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def training_set(project: Project) -> TrainingSet:
    return make_training_set(project, is_gated=True)


class TestTestCases:
    @pytest.fixture
    def cases(self, project: Project) -> TrainingSet:
        return make_training_set(project, slug="cases", purpose="evaluation")

    def test_are_kept_out_of_training(
        self, training_set: TrainingSet, cases: TrainingSet, curator: User
    ) -> None:
        long = "Where is the card that I ordered from you three weeks ago on a rainy Monday?"
        case = add(cases, curator, long)
        same = add(training_set, curator, long.upper())
        nearly = add(training_set, curator, f"Hi! {long}")
        add(training_set, curator, long.replace("three", "four"))
        talk = add(cases, curator, "Who wrote Bloom?", session="talk")
        later = add(training_set, curator, "And when was that?", session="talk")
        report = check(training_set, curator)
        found_ = found(training_set, Gate.TESTED)
        assert found_ == [(same.pk, case.pk), (nearly.pk, case.pk), (later.pk, talk.pk)]
        [gate] = [one for one in report.results if one.gate == Gate.TESTED]
        assert (gate.is_blocking, gate.figures) == (True, {"num_cases": 2})
        whys = GateFinding.objects.filter(gate=Gate.TESTED).order_by("pk")
        assert [one.why.split(" ")[1] for one in whys] == ["the", "nearly", "from"]
        # Among themselves they are told as before.
        assert found(training_set, Gate.NEAR) == [(nearly.pk, same.pk)]

    def test_are_found_by_meaning(
        self, training_set: TrainingSet, cases: TrainingSet, curator: User
    ) -> None:
        case = add(cases, curator, "Where is my card?")
        row = add(training_set, curator, "Has the plastic been posted?")
        embed(case.output, 1)
        embed(row.output, 0.96, 0.28)
        check(training_set, curator)
        assert found(training_set, Gate.TESTED) == [(row.pk, case.pk)]

    def test_that_come_later_have_the_set_checked_again(
        self, training_set: TrainingSet, cases: TrainingSet, curator: User
    ) -> None:
        add(training_set, curator, "Where is my card?")
        assert check(training_set, curator).is_current
        case = add(cases, curator, "Where is my card?")
        assert not gating.report(training_set=training_set).is_current
        assert check(training_set, curator).num_blocking == 1
        training_sets.remove_example(example=case, by=curator, now=NOW)
        assert check(training_set, curator).num_blocking == 0

    def test_may_be_like_each_other_and_those_of_other_projects(
        self, training_set: TrainingSet, cases: TrainingSet, curator: User
    ) -> None:
        add(cases, curator, "Where is my card?")
        other = make_training_set(make_project(), purpose="evaluation")
        add(other, make_user(other.project), "Who wrote Bloom?")
        add(training_set, curator, "Who wrote Bloom?")
        check(training_set, curator)
        assert found(training_set, Gate.TESTED) == []
        again = make_training_set(cases.project, slug="again", purpose="evaluation")
        add(again, curator, "Where is my card?")
        check(again, curator)
        assert found(again, Gate.TESTED) == []
