"""Promotions and training sets mean by a filter what every list means by it."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings

from curation import promotion_jobs, releasing
from curation.models import PromotionJob
from curation.training_sets import TrainingSetError
from feedback.authentication import create_own_key
from feedback.models import Project
from review.filters import ReviewFilter
from review.models import Review
from tests.factories import NOW, make_training_set, make_user
from tests.filtered import EACH, fill, filters, is_meant

LATER = NOW + timedelta(days=1)


def test_means_the_same_to_promotions_and_training_sets(client: Client, project: Project) -> None:
    """Page, API and a release take those of plain Python that were reviewed."""
    filled = fill(project)
    Review.objects.filter(verdict="fix").update(correction="Better.")
    curator = make_user(project, role="curator")
    client.force_login(curator)
    key = create_own_key(membership=curator.memberships.get(), name="x", now=NOW)[1]
    into = make_training_set(project)

    def compare(wanted: ReviewFilter) -> None:
        meant = {
            key for key, facts in filled.items() if facts["verdict"] and is_meant(facts, wanted)
        }
        address = f"/p/{project.slug}/new-promotion/"
        assert client.get(address, {"filter": str(wanted)}).context["counts"]["all"] == len(meant)
        places = {"into": f"training:{into.slug}", "kind": "example", "request_key": uuid4()}
        sent = {"filter": str(wanted), "all": "1", "start": "1", **places}
        assert client.post(address, sent).status_code == 302
        assert _promoted() == meant
        for written in (str(wanted), wanted.to_json()):
            reply = client.post(
                "/api/v1/promotions",
                {"filter": written, "training_sets": [into.slug]},
                content_type="application/json",
                headers={"authorization": f"Bearer {key}"},
            )
            assert reply.status_code == 202
            assert _promoted() == meant
        fed = make_training_set(project)
        releasing.set_filter(training_set=fed, wanted=wanted, by=curator, now=LATER)
        # Of few there is nothing to train on, but they are taken in.
        with transaction.atomic(), suppress(TrainingSetError):
            releasing.release(training_set=fed, by=curator, now=LATER, formats=["evaluation"])
        assert set(fed.examples.values_list("output__external_id", flat=True)) == meant

    @settings(
        max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(filters)
    def check(wanted: ReviewFilter) -> None:
        compare(wanted)

    check()
    for wanted in EACH:
        compare(wanted)


def _promoted() -> set[str]:
    """The outputs whose reviews the newest promotion is about."""
    reviews = promotion_jobs.meant(job=PromotionJob.objects.latest("pk"))
    return set(reviews.values_list("output__external_id", flat=True))
