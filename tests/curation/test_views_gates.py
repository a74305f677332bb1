"""The page of a training set's gates."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from curation import gating, promotion, tasks
from curation.gate_runs import rules_of
from curation.gates import Gate
from curation.models import GateCheck, GateFinding, GatePass, TrainingSet
from feedback.models import Project, User
from tests.factories import (
    NOW,
    make_item,
    make_output,
    make_queue,
    make_review,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def training_set(project: Project) -> TrainingSet:
    return make_training_set(project, slug="answers", is_gated=True)


@pytest.fixture
def address(training_set: TrainingSet) -> str:
    return f"/p/{training_set.project.slug}/training-sets/answers/gates/"


def add(training_set: TrainingSet, by: User, num: int, query: str) -> None:
    """So many examples that say the same."""
    for _ in range(num):
        output = make_output(training_set.project, query=query)
        review = make_review(output, by, verdict="accept")
        promotion.promote_to_training_set(review=review, training_set=training_set, by=by, now=NOW)


class TestGates:
    def test_checks_few_at_once_and_shows_the_rows_that_fail(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        add(training_set, curator, 3, "Where is <b>my</b> card?")
        client.force_login(curator)
        assert "not been checked" in client.get(address).content.decode()
        assert client.post(f"{address}check/").status_code == 302
        response = client.get(address)
        assert response.context["line"].gate == "exact"
        assert [one.finding.gate for one in response.context["failing"]] == ["exact", "exact"]
        shown = response.content.decode()
        assert "says the same as" in shown
        assert "<b>my</b>" not in shown

    def test_tells_no_verdict_of_what_its_reader_is_to_judge_since(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        add(training_set, curator, 1, "Where is my card?")
        output = training_set.examples.get().output
        assert output is not None
        make_review(output, make_user(), verdict="reject", is_authoritative=False)
        client.force_login(curator)
        client.post(f"{address}check/")
        listed = f"{address}?gate=agreement"
        assert "1 of 2 reviewers" in client.get(listed).content.decode()
        make_item(make_queue(training_set.project, reviewers_per_item=2), output)
        assert "1 of 2 reviewers" not in client.get(listed).content.decode()

    def test_more_wait_for_a_worker_and_can_be_stopped(
        self,
        client: Client,
        training_set: TrainingSet,
        curator: User,
        address: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        rung: list[dict[str, object]] = []
        monkeypatch.setattr(tasks.check_gates, "apply_async", lambda **how: rung.append(how))
        monkeypatch.setattr(gating, "MOST_AT_ONCE", 1)
        add(training_set, curator, 2, "Where is my card?")
        client.force_login(curator)
        client.post(f"{address}check/")
        assert rung
        assert 'hx-trigger="every 2s"' in client.get(address).content.decode()
        client.post(f"{address}stop/")
        assert GateCheck.objects.get().status == "stopped"
        assert "every 2s" not in client.get(address).content.decode()

    def test_refuses_to_check_nothing_and_an_unknown_gate(
        self, client: Client, curator: User, address: str
    ) -> None:
        client.force_login(curator)
        assert client.post(f"{address}check/").status_code == 409
        assert client.get(f"{address}?gate=none").status_code == 400
        assert client.get(f"{address}?gate=near&cursor=x").status_code in {200, 400}

    def test_costs_the_same_for_many(
        self,
        client: Client,
        training_set: TrainingSet,
        curator: User,
        address: str,
        django_assert_max_num_queries: Any,
    ) -> None:
        add(training_set, curator, 30, "Where is my card?")
        client.force_login(curator)
        client.post(f"{address}check/")
        with django_assert_max_num_queries(17):
            response = client.get(address)
        assert len(response.context["failing"]) == 25
        following = client.get(f"{address}?gate=exact&cursor={response.context['next_cursor']}")
        assert len(following.context["failing"]) == 4

    def test_a_viewer_looks_and_does_nothing(
        self,
        client: Client,
        training_set: TrainingSet,
        curator: User,
        project: Project,
        address: str,
    ) -> None:
        add(training_set, curator, 2, "Where is my card?")
        made = gating.ask(training_set=training_set, by=curator, now=NOW)
        gating.run(check=made, vectors="m", clock=lambda: NOW)
        client.force_login(make_user(project, role="viewer"))
        shown = client.get(address).content.decode()
        assert "says the same as" in shown
        assert "Let pass" not in shown
        assert "Check now" not in shown


class TestPass:
    @pytest.fixture
    def finding(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> GateFinding:
        add(training_set, curator, 2, "Where is my card?")
        client.force_login(curator)
        client.post(f"{address}check/")
        return GateFinding.objects.get(gate=Gate.EXACT)

    def test_is_recorded_shown_and_taken_back(
        self, client: Client, finding: GateFinding, curator: User, address: str
    ) -> None:
        response = client.post(
            f"{address}findings/{finding.pk}/pass/", {"reason": "Asked so often."}
        )
        assert response["Location"] == f"{address}?gate=exact"
        assert GatePass.objects.get().passed_by == curator
        shown = client.get(f"{address}?gate=exact").content.decode()
        assert "Asked so often." in shown
        assert "1 let pass" in shown
        client.post(f"{address}findings/{finding.pk}/take-back/")
        client.post(f"{address}findings/{finding.pk}/take-back/")
        assert not GatePass.objects.exists()

    def test_wants_a_reason_and_says_so_beside_the_row(
        self, client: Client, finding: GateFinding, address: str
    ) -> None:
        response = client.post(f"{address}findings/{finding.pk}/pass/", {"reason": " "})
        assert response.status_code == 422
        assert f'aria-describedby="e{finding.pk}"' in response.content.decode()
        assert not GatePass.objects.exists()

    def test_of_all_rows_of_a_gate_for_one_reason(
        self, client: Client, training_set: TrainingSet, finding: GateFinding, address: str
    ) -> None:
        assert client.post(f"{address}pass/?gate=exact", {"reason": ""}).status_code == 409
        client.post(f"{address}pass/?gate=exact", {"reason": "Weighted on purpose."})
        assert [one.example_id for one in GatePass.objects.all()] == [finding.example_id]
        assert gating.holds_up(training_set=training_set) == ""
        assert client.post(f"{address}pass/?gate=none", {"reason": "x"}).status_code == 404


class TestRules:
    def test_are_shown_as_percentages_and_kept(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        client.force_login(curator)
        form = client.get(f"{address}rules/").context["form"]
        assert form["most_of_user"].value() == "20"
        entered = {
            "token_limit": 2_048,
            "least_agreement": 75,
            "most_of_user": 12.5,
            "most_of_reviewer": 50,
            "consent_names": "consent, dpa",
            "blocking": ["exact", "consent"],
        }
        assert client.post(f"{address}rules/", entered).status_code == 302
        rules = rules_of(training_set=training_set)
        assert (rules.token_limit, rules.most_of_user) == (2_048, 0.125)
        assert rules.consent_names == ("consent", "dpa")
        assert rules.blocking == ("exact", "consent")
        assert not rules.split_by_theme

    def test_refuse_what_is_no_share(self, client: Client, curator: User, address: str) -> None:
        client.force_login(curator)
        response = client.post(f"{address}rules/", {"token_limit": 0, "least_agreement": 120})
        assert response.status_code == 422
        assert {"token_limit", "least_agreement"} <= set(response.context["form"].errors)
