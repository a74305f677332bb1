"""What a decision asks for is done by its promotion."""

from __future__ import annotations

from datetime import timedelta

from curation.promotion import promote_to_library, promote_to_training_set
from feedback.models import Project
from review.handovers import hand_over
from review.models import Event, Handover, Review
from tests.factories import (
    NOW,
    make_library,
    make_output,
    make_review,
    make_training_set,
    make_user,
)

LATER = NOW + timedelta(days=1)


def routed(project: Project, *routes: str) -> Review:
    review = make_review(
        make_output(project), make_user(project), verdict="accept", routes=list(routes)
    )
    hand_over(review=review)
    return review


def states(review: Review) -> dict[str, str]:
    return dict(Handover.objects.filter(review=review).values_list("route", "status"))


class TestPromotion:
    def test_is_done_by_being_promoted(self, project: Project) -> None:
        review, curator = routed(project, "library", "training"), make_user(project)
        promote_to_library(
            review=review,
            library=make_library(project),
            kind="example",
            why="",
            by=curator,
            now=NOW,
        )
        assert states(review) == {"library": "done", "training": "open"}
        promote_to_training_set(
            review=review, training_set=make_training_set(project), by=curator, now=LATER
        )
        done = Handover.objects.get(route="training")
        assert (done.is_promoted, done.done_by, done.done_at) == (True, curator, LATER)
        assert Event.objects.filter(verb="closed_the_loop", actor=curator).count() == 2

    def test_a_second_one_changes_nothing(self, project: Project) -> None:
        review, curator = routed(project, "library"), make_user(project)
        for now in (NOW, LATER):
            promote_to_library(
                review=review,
                library=make_library(project),
                kind="example",
                why="",
                by=curator,
                now=now,
            )
        assert Handover.objects.get().done_at == NOW
