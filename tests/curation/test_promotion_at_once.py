"""What holds when curators promote the same review at the same moment, on real connections."""

from __future__ import annotations

import pytest

from curation import promotion
from curation.models import ContextEntry, ContextLibrary, Example, TrainingSet
from feedback.models import User
from review.models import Event, Review
from tests.factories import (
    NOW,
    make_library,
    make_output,
    make_project,
    make_review,
    make_training_set,
    make_user,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def promote(review: Review, into: ContextLibrary | TrainingSet, by: User) -> bool:
    """Whether it went through."""
    try:
        if isinstance(into, ContextLibrary):
            promotion.promote_to_library(
                review=review, library=into, kind="example", why="", by=by, now=NOW
            )
        else:
            promotion.promote_to_training_set(review=review, training_set=into, by=by, now=NOW)
    except promotion.AlreadyPromotedError:
        return False
    return True


class TestPromote:
    def test_goes_through_once_into_each_place(self) -> None:
        project = make_project()
        curator = make_user(project)
        review = make_review(make_output(project), curator, verdict="accept")
        for into in (make_library(project), make_training_set(project)):
            done = at_once(*[lambda into=into: promote(review, into, curator)] * 6)
            assert sorted(done) == [False] * 5 + [True]
        assert (ContextEntry.objects.count(), Example.objects.count()) == (1, 1)
        assert Event.objects.count() == 2
