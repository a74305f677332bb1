"""Releases whose filter took in what the gates had not seen."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from curation import gating, releasing, training_sets
from curation.models import Release, TrainingSet
from feedback.embedding import model_id
from feedback.models import Project, User
from review.filters import ReviewFilter
from tests.factories import NOW, make_output, make_review, make_training_set

pytestmark = pytest.mark.django_db

LONG = "Where is the card that I ordered from you three weeks ago on a rainy Monday?"


@pytest.fixture
def held(project: Project, curator: User) -> Release:
    """A release that took in two that ask the same."""
    training_set = make_training_set(project, slug="answers", is_gated=True)
    releasing.set_filter(training_set=training_set, wanted=ReviewFilter(), by=curator, now=NOW)
    for query in (LONG, LONG.upper(), "Why?"):
        make_review(make_output(project, query=query), curator, verdict="accept")
    releasing.start(training_set=training_set, by=curator, now=NOW)
    work_off()
    return training_set.releases.get()


def work_off() -> None:
    while releasing.work_off(now=NOW):
        pass


def check(release: Release, by: User) -> Release:
    asked = releasing.check_again(release=release, by=by, now=NOW)
    # A worker that looks too early leaves it.
    work_off()
    release.refresh_from_db()
    assert release.is_checked_again
    gating.run(check=asked, vectors=model_id(), clock=lambda: NOW)
    work_off()
    release.refresh_from_db()
    return release


class TestCheckAgain:
    def test_goes_on_once_nothing_fails(self, held: Release, curator: User) -> None:
        assert (held.status, held.problem[:18]) == ("held", "Check the examples")
        assert held.is_held
        again = check(held, curator)
        assert (again.status, again.problem[:18]) == ("held", "1 row fails a gate")
        assert not again.is_checked_again
        failing = held.training_set.examples.order_by("pk")[1]
        training_sets.remove_example(example=failing, by=curator, now=NOW)
        again = check(again, curator)
        assert (again.status, again.problem) == ("done", "")
        assert not again.examples.filter(example=failing).exists()
        assert again.examples.count() == 2
        with pytest.raises(releasing.OverError):
            releasing.check_again(release=again, by=curator, now=NOW)

    def test_no_other_is_begun_until_it_is_stopped(self, held: Release, curator: User) -> None:
        training_set: TrainingSet = held.training_set
        with pytest.raises(training_sets.TrainingSetError, match="Release 1 waits"):
            releasing.start(training_set=training_set, by=curator, now=NOW)
        releasing.cancel(release=held, by=curator, now=NOW)
        work_off()
        held.refresh_from_db()
        assert (held.status, held.checkpoint) == ("cancelled", {})


class TestReleaseCheck:
    def test_is_one_button_on_the_page(self, client: Client, held: Release, curator: User) -> None:
        client.force_login(curator)
        address = reverse("release", args=[held.training_set.project.slug, "answers", 1])
        body = client.get(address).content.decode()
        assert "r1 is to be checked again" in body
        assert "Check again and go on" in body
        [failing, *_] = held.training_set.examples.order_by("-pk")[1:]
        training_sets.remove_example(example=failing, by=curator, now=NOW)
        response = client.post(f"{address}check/")
        assert response["Location"] == address
        work_off()
        assert "r1 is whole" in client.get(address).content.decode()
        assert "does not wait" in client.post(f"{address}check/", follow=True).content.decode()
