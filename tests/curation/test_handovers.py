"""What a decision asks for is done by its promotion."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection

from curation.context_libraries import remove_entry
from curation.models import ContextEntry
from curation.promotion import promote_to_library, promote_to_training_set
from curation.training_sets import remove_example
from feedback.models import Project, User
from review import handovers
from review.handovers import hand_over
from review.models import Event, Handover, Review
from tests.factories import (
    NOW,
    make_entry,
    make_library,
    make_output,
    make_project,
    make_review,
    make_training_set,
    make_user,
)
from tests.threads import at_once

LATER = NOW + timedelta(days=1)


def routed(project: Project, *routes: str) -> Review:
    review = make_review(
        make_output(project), make_user(project), verdict="accept", routes=list(routes)
    )
    hand_over(review=review)
    return review


def to_library(review: Review, by: User) -> ContextEntry:
    return promote_to_library(
        review=review,
        library=make_library(review.project),
        kind="example",
        why="",
        by=by,
        now=NOW,
    )


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


class TestRemoval:
    def test_has_it_wait_again_on_its_route(self, project: Project) -> None:
        review, curator = routed(project, "library", "training"), make_user(project)
        entry = to_library(review, curator)
        example = promote_to_training_set(
            review=review, training_set=make_training_set(project), by=curator, now=NOW
        )
        remove_entry(entry=entry, by=curator, now=LATER)
        assert states(review) == {"library": "open", "training": "done"}
        waiting = Handover.objects.get(route="library")
        assert (waiting.opened_at, waiting.is_promoted, waiting.done_by) == (LATER, False, None)
        [event] = Event.objects.filter(verb="reopened")
        assert (event.actor, event.target_id, event.output) == (curator, waiting.pk, review.output)
        for _ in range(2):
            remove_example(example=example, by=curator, now=LATER)
        assert states(review) == {"library": "open", "training": "open"}
        assert Event.objects.filter(verb="reopened").count() == 2
        to_library(review, curator)
        assert states(review) == {"library": "done", "training": "open"}

    def test_of_one_of_two_changes_nothing(self, project: Project) -> None:
        review, curator = routed(project, "library"), make_user(project)
        first, second = to_library(review, curator), to_library(review, curator)
        remove_entry(entry=first, by=curator, now=LATER)
        assert states(review) == {"library": "done"}
        remove_entry(entry=second, by=curator, now=LATER)
        assert states(review) == {"library": "open"}

    def test_leaves_alone_what_was_closed_with_why(self, project: Project) -> None:
        review, curator = routed(project, "library"), make_user(project)
        handovers.close(handover=Handover.objects.get(), by=curator, comment="No.", now=NOW)
        remove_entry(entry=to_library(review, curator), by=curator, now=LATER)
        assert states(review) == {"library": "done"}
        remove_entry(entry=make_entry(make_library(project)), by=curator, now=LATER)

    def test_stays_undone_when_it_cannot_wait_again(self, project: Project) -> None:
        review, curator = routed(project, "library"), make_user(project)
        entry = to_library(review, curator)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(
                "ALTER TABLE review_event ADD CONSTRAINT unheard CHECK (verb <> 'reopened')"
            )
        with pytest.raises(DatabaseError):
            remove_entry(entry=entry, by=curator, now=LATER)
        entry.refresh_from_db()
        assert entry.removed_at is None
        assert states(review) == {"library": "done"}

    @pytest.mark.django_db(transaction=True)
    def test_of_several_at_once_has_it_wait(self) -> None:
        project = make_project()
        review, curator = routed(project, "library"), make_user(project)
        entries = [to_library(review, curator) for _ in range(4)]
        at_once(
            *[lambda one=one: remove_entry(entry=one, by=curator, now=LATER) for one in entries]
        )
        assert states(review) == {"library": "open"}
        assert Event.objects.filter(verb="reopened").count() == 1
