"""What is learned from verdicts, and where it orders the items."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from feedback.models import Embedding, Feedback, Output, Project
from review import intake, priority, scoring, triage_models
from review.models import Event, QueueItem, Review, TriageModel
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_session,
    make_user,
)

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(hours=2)
VECTORS = "m"


def answer(project: Project, *, about: bool, chance: random.Random) -> Output:
    """An answer with vectors that tell what it is about; the rules know nothing of it."""
    output = make_output(project)
    turn = chance.gauss(0, 0.2)
    for part, vector in (("query", [1.0, turn] if about else [turn, 1.0]), ("answer", [1.0, 0.0])):
        Embedding.objects.create(
            project=project,
            output=output,
            part=part,
            model=VECTORS,
            text_sha256=f"{output.pk}{part}",
            vector=vector,
        )
    Output.objects.filter(pk=output.pk).update(embedded_with=VECTORS)
    return output


def judged(project: Project, number: int = 90, *, by_chance: bool = False) -> list[Review]:
    """Verdicts that mostly follow from what is asked, or from nothing."""
    chance = random.Random(1)  # noqa: S311
    reviewer = make_user(project)
    reviews = []
    for place in range(number):
        about = place % 2 == 0
        output = answer(project, about=about, chance=chance)
        share = 0.5 if by_chance else 0.9 if about else 0.1
        verdict = "reject" if chance.random() < share else "accept"
        reviews.append(make_review(output, reviewer, verdict=verdict))
    return reviews


def retrain(project: Project) -> TriageModel | None:
    return triage_models.retrain(project=project, vectors=VECTORS, now=LATER)


class TestRetrain:
    def test_keeps_what_was_learned_with_how_good_it_is(self, project: Project) -> None:
        reviews = judged(project)

        made = retrain(project)

        assert made is not None
        assert (made.number, made.num_verdicts) == (1, 90)
        assert made.num_faulty == sum(review.verdict == "reject" for review in reviews)
        assert made.is_used
        assert made.quality["gain"]["low"] > 0
        assert made.quality["times"]["value"] > 1.5
        event = Event.objects.get(verb="trained")
        assert event.data == {"number": 1, "verdicts": 90, "used": True}

    def test_the_rules_stay_where_it_is_not_better_beyond_chance(self, project: Project) -> None:
        judged(project, by_chance=True)

        made = retrain(project)

        assert made is not None
        assert not made.is_used
        assert scoring.version(project=project) == priority.VERSION

    def test_waits_for_enough_verdicts(self, project: Project) -> None:
        judged(project, 40)

        assert retrain(project) is None

    def test_learns_anew_only_with_enough_news(self, project: Project) -> None:
        judged(project)
        first = retrain(project)
        assert retrain(project) is None
        judged(project, 10)
        assert retrain(project) is None
        judged(project, 20)

        second = retrain(project)

        assert first is not None
        assert second is not None
        assert second.number == 2

    def test_learns_anew_when_it_learned_from_as_many_as_it_ever_does(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(triage_models, "MOST_VERDICTS", 90)
        judged(project)
        retrain(project)
        for review in judged(project, 20):
            Review.objects.filter(pk=review.pk).update(created_at=LATER + timedelta(minutes=1))

        second = retrain(project)

        assert second is not None
        assert (second.number, second.num_verdicts) == (2, 90)

    def test_learns_from_people_whose_decision_counts_on_the_answer_as_it_is(
        self, project: Project
    ) -> None:
        judged(make_project(), 3)
        known, changed, said = judged(project, 3)
        Output.objects.filter(pk=changed.output_id).update(version=2)
        make_feedback(said.output, score=-1)
        Feedback.objects.update(received_at=LATER)
        make_review(known.output, make_user(project), verdict="accept", is_authoritative=False)
        blind = make_item(make_queue(project, reviewers_per_item=2))
        make_review(blind.output, make_user(project), item=blind)

        found = triage_models.standing(project=project)

        assert (found.num_verdicts, found.num_faulty) == (1, int(known.verdict == "reject"))

    def test_one_project_learns_nothing_from_another(self, project: Project) -> None:
        judged(make_project())

        assert retrain(project) is None


class TestOrder:
    def test_the_worker_ranks_open_items_by_what_was_learned(self, project: Project) -> None:
        queue, chance = make_queue(project), random.Random(2)  # noqa: S311
        good = make_item(queue, answer(project, about=False, chance=chance))
        bad = make_item(queue, answer(project, about=True, chance=chance))
        judged(project)
        retrain(project)

        intake.rerank(queue=queue, now=LATER)

        good.refresh_from_db()
        bad.refresh_from_db()
        assert bad.priority > 65
        assert good.priority < 35
        [part] = bad.priority_parts
        assert part["value"] == bad.priority
        assert part["words"].startswith(f"Learned: 0.{bad.priority:.0f}, mostly because ")
        assert "what is asked" in part["words"]
        assert bad.priority_version == "learned-1"

    def test_what_has_no_vectors_yet_is_looked_at_again(self, project: Project) -> None:
        judged(project)
        retrain(project)
        output = make_output(project)

        early = scoring.scores(project=project, outputs=[output], now=LATER)[output.pk]
        Output.objects.filter(pk=output.pk).update(embedded_with=VECTORS)
        late = scoring.scores(project=project, outputs=[output], now=LATER)[output.pk]

        assert early.look_again_at == LATER + timedelta(minutes=1)
        assert late.look_again_at is None

    def test_goes_back_to_the_rules_when_it_is_better_no_more(self, project: Project) -> None:
        queue = make_queue(project)
        item = make_item(queue)
        judged(project)
        retrain(project)
        intake.rerank(queue=queue, now=LATER)
        TriageModel.objects.update(is_used=False)

        intake.rerank(queue=queue, now=LATER)

        assert QueueItem.objects.get(pk=item.pk).priority_version == priority.VERSION

    def test_takes_as_many_queries_for_many_answers_as_for_one(
        self, project: Project, django_assert_num_queries: object
    ) -> None:
        judged(project)
        retrain(project)
        outputs = list(Output.objects.all())

        with django_assert_num_queries(9):  # type: ignore[operator]
            scoring.scores(project=project, outputs=outputs[:1], now=LATER)
        with django_assert_num_queries(9):  # type: ignore[operator]
            scoring.scores(project=project, outputs=outputs, now=LATER)

    def test_signals_of_every_kind_are_read(self, project: Project) -> None:
        from review.evidence import evidence_on
        from review.examples import examples_on

        session = make_session(project, user_role="clinician")
        output = make_output(project, session, model="m-7", confidence=0.3)
        down = make_feedback(output, score=-1, correction="Better.", author_role="nurse")
        down.feedback_reasons.create(
            reason=project.taxonomies.get().reasons.get(slug="factually-incorrect")
        )
        make_feedback(output, name="rephrase", is_implicit=True)
        make_feedback(output, name="hhem", score=0.25, annotator_kind="CODE")

        evidence = evidence_on(outputs=[output], now=LATER)
        one = examples_on(evidence=evidence, vectors=VECTORS)[output.pk]

        assert one.seen == {
            "rated down",
            "rated up",
            "a better answer offered",
            "answered by m-7",
            "asked by clinician",
            "said to be factually incorrect",
            "asked again",
            "complaint of nurse",
        }
        assert one.measured["model confidence"] == pytest.approx(0.3)
        assert one.measured["score hhem"] == pytest.approx(0.25)
        assert one.group == session.pk


class TestPage:
    def test_says_what_is_missing_before_anything_is_learned(
        self, client: Client, project: Project
    ) -> None:
        judged(project, 3)
        client.force_login(make_user(project, "viewer"))

        told = client.get(reverse("triage", args=[project.slug])).content.decode()

        assert "The rules order the items" in told
        assert "3 verdicts can be learned from" in told

    def test_says_which_orders_and_shows_the_figures_of_both(
        self, client: Client, project: Project
    ) -> None:
        judged(project)
        made = retrain(project)
        assert made is not None
        client.force_login(make_user(project, "viewer"))
        url = reverse("triage", args=[project.slug])

        told = client.get(url).content.decode()
        TriageModel.objects.update(is_used=False)
        untold = client.get(url).content.decode()

        assert "The learned model orders the items" in told
        assert "in use" in told
        for name in ("gain", "times", "rules_times", "precision", "rules_precision"):
            assert f"{made.quality[name]['value']:.2f}" in told
        assert "The rules order the items" in untold
        assert "not better than the rules beyond chance" in untold
