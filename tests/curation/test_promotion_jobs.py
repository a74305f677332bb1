from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from curation import promotion, promotion_jobs
from curation.models import (
    ContextEntry,
    ContextLibrary,
    Example,
    LibraryVersion,
    Placing,
    PromotionJob,
    PublishedEntry,
    TrainingSet,
)
from curation.placing import Places
from feedback.models import Project, User
from review.filters import ReviewFilter
from review.models import Event, Handover, Notification, Review
from review.stored_rows import told
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_feedback,
    make_handover,
    make_item,
    make_library,
    make_output,
    make_project,
    make_promotion,
    make_queue,
    make_review,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


@pytest.fixture
def places(project: Project) -> Places:
    return Places(
        libraries=[make_library(project), make_library(project, name="More")],
        training_sets=[make_training_set(project)],
        why="Dates",
    )


def settled(project: Project, by: User, **fields: Any) -> Review:
    fields = {"correction": "Bloom came out in 2018."} | fields
    return make_review(make_output(project), by, **fields)


def started(project: Project, by: User, places: Places, text: str = "", **more: Any) -> Any:
    return promotion_jobs.start(
        project=project,
        wanted=ReviewFilter.parse(text),
        places=places,
        by=by,
        now=LATER,
        **more,
    )


def done(job: PromotionJob) -> PromotionJob:
    while promotion_jobs.work_off(now=LATER):
        pass
    job.refresh_from_db()
    return job


class TestStart:
    def test_takes_what_counts_and_matches_by_now(
        self, project: Project, curator: User, places: Places
    ) -> None:
        settled(project, curator)
        settled(project, curator, verdict="accept", correction="")
        settled(project, curator, is_authoritative=False)
        settled(make_project(), curator)
        job = started(project, curator, places, "verdict:fix")
        settled(project, curator)
        assert job.num_matching == 1
        assert done(job).num_seen == 1

    def test_never_looked_at_more_than_match(
        self, project: Project, curator: User, places: Places
    ) -> None:
        settled(project, curator)
        first = done(started(project, curator, places))
        settled(project, curator)
        job = started(project, curator, places, only_unpromoted=True)
        promotion_jobs.undo(job=first, by=curator, now=LATER)
        assert job.num_matching == 1
        job = done(job)
        assert (job.num_matching, job.num_seen) == (2, 2)

    def test_gives_the_same_job_for_the_same_key(
        self, project: Project, curator: User, places: Places
    ) -> None:
        key = uuid.uuid4()
        first = started(project, curator, places, request_key=key)
        assert started(project, curator, places, request_key=key) == first

    @pytest.mark.parametrize(
        ("more", "path"),
        [
            ({"reviews": []}, "reviews"),
            ({"reviews": list(range(1_001))}, "reviews"),
            ({"places": Places()}, "into"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, project: Project, curator: User, places: Places, more: dict[str, Any], path: str
    ) -> None:
        with pytest.raises(promotion_jobs.JobError) as caught:
            started(project, curator, **({"places": places} | more))
        assert caught.value.path == path

    def test_takes_no_place_of_another_project(self, project: Project, curator: User) -> None:
        with pytest.raises(promotion_jobs.JobError):
            started(project, curator, Places(libraries=[make_library(make_project())]))

    def test_is_for_curators(self, project: Project, places: Places) -> None:
        with pytest.raises(promotion_jobs.NotAllowedError):
            started(project, make_user(project, "moderator"), places)


class TestWorkOff:
    def test_puts_each_review_into_each_place_with_its_lineage(
        self, project: Project, curator: User, places: Places
    ) -> None:
        review = settled(project, curator)
        said = make_feedback(review.output, score=-1)
        job = done(started(project, curator, places))
        assert (job.status, job.num_made, job.num_refused) == ("done", 3, 0)
        assert {one.library for one in ContextEntry.objects.all()} == set(places.libraries)
        for made in [*ContextEntry.objects.all(), *Example.objects.all()]:
            assert (made.review, made.output, made.created_by) == (review, review.output, curator)
            assert list(made.feedback.all()) == [said]
        assert {one.entry_id or one.example_id for one in job.placings.all()} == {
            *ContextEntry.objects.values_list("pk", flat=True),
            *Example.objects.values_list("pk", flat=True),
        }

    def test_tells_who_started_it_that_it_is_through(
        self, client: Client, project: Project, curator: User, places: Places
    ) -> None:
        settled(project, curator)
        job = done(started(project, curator, places))
        line = Notification.objects.get()
        assert (line.user, line.kind) == (curator, "promoted")
        assert line.title.startswith("3 into Facts, More")
        client.force_login(curator)
        assert "Your bulk promotion has ended" in client.get("/inbox/").content.decode()
        assert line.path == f"/p/{project.slug}/promotions/{job.pk}/"

    def test_says_what_could_not_be_and_goes_on(
        self, project: Project, curator: User, places: Places
    ) -> None:
        open_ = settled(project, curator, correction="")
        rejected = settled(project, curator, verdict="reject", correction="")
        again = settled(project, curator)
        promotion.promote_to_library(
            review=again, library=places.libraries[0], kind="example", why="", by=curator, now=NOW
        )
        job = done(started(project, curator, places))
        assert (job.num_made, job.num_refused) == (3, 6)
        why = {
            (one.review_id, one.library_id or 0): one.problem
            for one in job.placings.exclude(problem="")
        }
        assert "no corrected answer" in why[open_.pk, 0]
        assert "was rejected" in why[rejected.pk, places.libraries[0].pk]
        assert "already" in why[again.pk, places.libraries[0].pk]
        assert not Placing.objects.made().filter(review=open_).exists()

    def test_goes_on_from_chunk_to_chunk(
        self,
        project: Project,
        curator: User,
        places: Places,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(promotion_jobs, "CHUNK", 2)
        for _ in range(5):
            settled(project, curator)
        job = started(project, curator, places)
        assert promotion_jobs.work_off(now=LATER, most=1)
        job.refresh_from_db()
        assert (job.status, job.num_seen) == ("running", 2)
        promotion_jobs.cancel(job=job, by=curator, now=LATER)
        assert done(job).num_made == 6
        promotion_jobs.undo(job=job, by=curator, now=LATER)
        assert (done(job).status, job.num_undone) == ("undone", 6)

    def test_fails_after_some_tries_and_says_so(
        self,
        project: Project,
        curator: User,
        places: Places,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settled(project, curator)

        def broken(**_: object) -> list[Placing]:
            raise RuntimeError("Broken.")

        job = started(project, curator, places)
        monkeypatch.setattr(promotion_jobs, "place", broken)
        for _ in range(promotion_jobs.MOST_TRIES):
            with pytest.raises(RuntimeError):
                promotion_jobs.work_off(now=LATER)
        job.refresh_from_db()
        assert job.status == "failed"
        assert "RuntimeError" in job.problem


class TestUndo:
    def test_restores_everything_bit_for_bit(
        self, project: Project, curator: User, places: Places
    ) -> None:
        review = settled(project, curator)
        handover = make_handover(project, review=review, status="taken", taken_at=NOW)
        before = told(Handover, [handover.pk])
        job = done(started(project, curator, places))
        handover.refresh_from_db()
        assert (handover.status, handover.is_promoted) == ("done", True)
        promotion_jobs.undo(job=job, by=curator, now=LATER)
        job = done(job)
        assert (job.status, job.num_undone, job.num_conflicts) == ("undone", 3, 0)
        assert told(Handover, [handover.pk]) == before
        assert not ContextEntry.objects.exists()
        assert not Example.objects.exists()
        assert Event.objects.filter(verb="took_back").count() == 3

    def change(self, entry: ContextEntry, by: User) -> None:
        ContextEntry.objects.filter(pk=entry.pk).update(answer="Other.")

    def remove(self, entry: ContextEntry, by: User) -> None:
        ContextEntry.objects.filter(pk=entry.pk).update(removed_at=LATER)

    def publish(self, entry: ContextEntry, by: User) -> None:
        version = LibraryVersion.objects.create(
            library=entry.library, number=1, content_hash="0", published_by=by, published_at=NOW
        )
        PublishedEntry.objects.create(
            version=version, entry=entry, position=1, answer="a", model="m", vector=[0.0, 1.0]
        )

    @pytest.mark.parametrize(
        ("act", "why"), [(change, "edited"), (remove, "removed"), (publish, "published")]
    )
    def test_leaves_what_others_changed_since(
        self,
        project: Project,
        curator: User,
        places: Places,
        act: Callable[..., None],
        why: str,
    ) -> None:
        handover = make_handover(project, review=settled(project, curator))
        job = done(started(project, curator, Places(libraries=places.libraries)))
        entry = ContextEntry.objects.get(library=places.libraries[0])
        act(self, entry, curator)
        promotion_jobs.undo(job=job, by=curator, now=LATER)
        job = done(job)
        assert (job.num_undone, job.num_conflicts) == (1, 1)
        assert why in job.placings.get(outcome="conflict").conflict
        assert ContextEntry.objects.get().pk == entry.pk
        handover.refresh_from_db()
        # Where one removed it, removing it has opened what asked for it, or has not: not this.
        assert handover.status == "done" or why == "removed"

    def test_does_not_mind_that_it_was_embedded(
        self, project: Project, curator: User, places: Places
    ) -> None:
        settled(project, curator)
        job = done(started(project, curator, places))
        ContextEntry.objects.update(vector=[0.0, 1.0], embedded_with="m")
        promotion_jobs.undo(job=job, by=curator, now=LATER)
        assert done(job).num_undone == 3

    def test_is_refused_twice_and_before_the_end(
        self, project: Project, curator: User, places: Places
    ) -> None:
        job = started(project, curator, places)
        with pytest.raises(promotion_jobs.OverError):
            promotion_jobs.undo(job=job, by=curator, now=LATER)
        job = done(job)
        with pytest.raises(promotion_jobs.OverError):
            promotion_jobs.cancel(job=job, by=curator, now=LATER)
        promotion_jobs.undo(job=job, by=curator, now=LATER)
        with pytest.raises(promotion_jobs.OverError):
            promotion_jobs.undo(job=job, by=curator, now=LATER)


class TestConstraints:
    @pytest.mark.parametrize(
        "fields",
        [
            {"status": "failed"},
            {"problem": "It stopped."},
        ],
    )
    def test_of_a_job(self, project: Project, curator: User, fields: dict[str, str]) -> None:
        with pytest.raises(IntegrityError, match="says_why_it_failed"), transaction.atomic():
            make_promotion(project, curator, **fields)

    def test_of_a_placing(self, project: Project, curator: User) -> None:
        job, review = make_promotion(project, curator), settled(project, curator)
        library, training_set = make_library(project), make_training_set(project)
        for fields, name in (
            ({}, "one_place"),
            ({"library": library, "training_set": training_set}, "one_place"),
            ({"library": library, "problem": "x", "outcome": "undone"}, "refused_makes_nothing"),
        ):
            with pytest.raises(IntegrityError, match=name), transaction.atomic():
                Placing.objects.create(job=job, review=review, **fields)


@pytest.fixture
def library(project: Project) -> ContextLibrary:
    return make_library(project, slug="facts")


@pytest.fixture
def training_set(project: Project) -> TrainingSet:
    return make_training_set(project, slug="answers")


class TestPages:
    def test_promotes_what_is_picked_into_several_places(
        self,
        client: Client,
        project: Project,
        curator: User,
        library: ContextLibrary,
        training_set: TrainingSet,
    ) -> None:
        review, other = settled(project, curator), settled(project, curator)
        client.force_login(curator)
        address = f"/p/{project.slug}/new-promotion/"
        # As Explore sends it, by outputs; a session stands for its outputs.
        shown = client.post(
            address, {"output": review.output_id, "session": other.output.session_id}
        )
        assert shown.context["counts"]["all"] == 2
        assert shown.context["picked"] == [review.pk, other.pk]
        sent = {
            "start": "on",
            "review": [review.pk],
            "into": ["library:facts", "training:answers"],
            "kind": "example",
            "why": "Dates",
        }
        refused = client.post(address, sent | {"into": []})
        assert refused.status_code == 422
        assert "Choose at least one library" in refused.content.decode()
        assert f'name="review" value="{review.pk}"' in refused.content.decode()
        response = client.post(address, sent)
        job = PromotionJob.objects.get()
        assert response["Location"] == f"/p/{project.slug}/promotions/{job.pk}/"
        assert "Cancel" in client.get(response["Location"]).content.decode()
        done(job)
        page = client.get(response["Location"]).content.decode()
        assert "Undo all 2" in page
        part = client.get(response["Location"], headers={"hx-request": "true"}).content.decode()
        assert part.lstrip().startswith('<div id="job"')
        client.post(f"/p/{project.slug}/promotions/{job.pk}/undo/")
        assert done(job).status == "undone"

    def test_another_promotion_of_a_page_that_back_showed_again_is_another_job(
        self,
        client: Client,
        project: Project,
        curator: User,
        library: ContextLibrary,
        training_set: TrainingSet,
    ) -> None:
        """The browser shows it with the key that was sent already."""
        reviews = [settled(project, curator) for _ in range(2)]
        client.force_login(curator)
        address, key = f"/p/{project.slug}/new-promotion/", uuid.uuid4()

        def led(sent: dict[str, Any]) -> str:
            given = {"start": "on", "kind": "example", "into": ["library:facts"]}
            return client.post(address, given | sent).headers["Location"]

        forms = [
            client.post(address, {"output": review.output_id, "request_key": key}).context
            for review in reviews
        ]
        sent = [{"review": one["picked"], "request_key": one["request_key"]} for one in forms]
        assert led(sent[0]) != led(sent[1])
        assert led(sent[0]) == led(sent[0]) != led({**sent[0], "into": ["training:answers"]})
        assert PromotionJob.objects.count() == 3

    def test_promotes_all_that_match(
        self, client: Client, project: Project, curator: User, library: ContextLibrary
    ) -> None:
        settled(project, curator)
        promoted = settled(project, curator)
        promotion.promote_to_library(
            review=promoted,
            library=make_library(project),
            kind="example",
            why="",
            by=curator,
            now=NOW,
        )
        client.force_login(curator)
        address = f"/p/{project.slug}/new-promotion/"
        shown = client.get(address, {"filter": "verdict:fix", "promoted": "no"})
        assert shown.context["counts"] == {"all": 1, "settled": 1, "unlearnt": 0, "open": 0}
        client.post(
            address,
            {"start": "on", "all": "on", "filter": "verdict:fix", "promoted": "no",
             "into": "library:facts", "kind": "example"},
        )  # fmt: skip
        assert done(PromotionJob.objects.get()).num_made == 1

    def test_list_nothing_of_an_answer_that_the_reader_is_to_judge_unaware(
        self, client: Client, project: Project, curator: User, library: ContextLibrary
    ) -> None:
        review = settled(project, make_user(project, "expert"))
        places = Places(libraries=[library])
        done(started(project, curator, places))
        job = done(started(project, curator, places))
        caller = Caller(client, project, curator)
        link = reverse("promote", args=[project.slug, review.pk])
        page = caller.page("promotion_job", job.pk)
        assert link in page
        assert "has this answer already" in page
        reader = Caller(client, project, make_user(project, "viewer"))
        # Only curators promote.
        assert link not in (page := reader.page("promotion_job", job.pk))
        assert "has this answer already" in page
        make_item(make_queue(project, reviewers_per_item=2), review.output)
        assert "has this answer already" not in caller.page("promotion_job", job.pk)
        read = caller.get(f"promotions/{job.pk}").json()
        assert (read["refused"], read["placings"]) == (1, [])

    def test_promote_what_was_picked_where_its_comment_has_the_words(
        self, client: Client, project: Project, curator: User, library: ContextLibrary
    ) -> None:
        review = settled(project, curator)
        make_feedback(review.output, comment="Too late.")
        client.force_login(curator)
        sent = {"output": review.output_id, "filter": '"too late"'}
        shown = client.post(f"/p/{project.slug}/new-promotion/", sent)
        assert shown.context["counts"]["all"] == 1

    def test_say_when_nothing_is_meant(
        self, client: Client, project: Project, curator: User, library: ContextLibrary
    ) -> None:
        client.force_login(curator)
        address = f"/p/{project.slug}/new-promotion/"
        assert "No review is meant" in client.get(address).content.decode()
        assert "Nothing reviewed is picked" in client.post(address).content.decode()
        assert client.get(address, {"filter": "verdict:nonsense"}).status_code == 422
        settled(project, curator)
        library.delete()
        assert "nowhere to promote" in client.get(address).content.decode()

    def test_list_costs_the_same_for_many(
        self,
        client: Client,
        project: Project,
        curator: User,
        library: ContextLibrary,
        django_assert_num_queries: Any,
    ) -> None:
        client.force_login(curator)
        address = f"/p/{project.slug}/promotions/"
        assert "Nothing was promoted in bulk yet" in client.get(address).content.decode()
        for _ in range(60):
            make_promotion(project, curator).libraries.add(library)
        with django_assert_num_queries(7):
            first = client.get(address)
        assert len(first.context["jobs"]) == 50
        assert len(client.get(address + first.context["more"]).context["jobs"]) == 10


class TestApi:
    def test_promotes_asks_and_undoes(
        self,
        client: Client,
        project: Project,
        curator: User,
        library: ContextLibrary,
        training_set: TrainingSet,
    ) -> None:
        review = settled(project, curator)
        caller = Caller(client, project, curator)
        body = {"reviews": [review.pk], "libraries": ["facts"], "training_sets": ["answers"]}
        told_ = caller.post("promotions", body, **{"Idempotency-Key": "one"})
        assert told_.status_code == 202
        again = caller.post("promotions", body, **{"Idempotency-Key": "one"})
        assert again.json()["promotion"] == told_.json()["promotion"]
        done(PromotionJob.objects.get())
        path = f"promotions/{told_.json()['promotion']}"
        read = caller.get(path).json()
        assert (read["status"], read["made"]) == ("done", 2)
        assert [one["state"] for one in read["placings"]] == ["in_force", "in_force"]
        assert read["placings"][0]["entry"] == ContextEntry.objects.get().pk
        assert caller.post(f"{path}/cancel").status_code == 409
        assert caller.post(f"{path}/undo").status_code == 202
        done(PromotionJob.objects.get())
        assert {one["state"] for one in caller.get(path).json()["placings"]} == {"undone"}

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"libraries": ["none"]}, "libraries"),
            ({"libraries": []}, "libraries"),
            ({"training_sets": ["none\0"]}, "training_sets"),
            ({"reviews": None}, "reviews"),
            ({"filter": "verdict:fix"}, "reviews"),
            ({"reviews": None, "filter": "verdict:none"}, "filter"),
            ({"reviews": []}, "reviews"),
            ({"reviews": [1, 10**30]}, "reviews.1"),
            ({"kind": "poem"}, "kind"),
            ({"why": "\0"}, "why"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self,
        client: Client,
        project: Project,
        curator: User,
        library: ContextLibrary,
        change: dict[str, Any],
        path: str,
    ) -> None:
        sent = {"reviews": [1], "libraries": ["facts"]} | change
        response = Caller(client, project, curator).post("promotions", sent)
        assert response.status_code == 422
        assert response.json()["errors"][0]["path"] == path

    def test_is_for_curators_of_the_project(
        self, client: Client, project: Project, curator: User
    ) -> None:
        caller = Caller(client, project, make_user(project, "moderator"))
        assert caller.post("promotions", {"filter": ""}).status_code == 403
        job = make_promotion(make_project(), curator)
        assert Caller(client, project, curator).get(f"promotions/{job.pk}").status_code == 404
