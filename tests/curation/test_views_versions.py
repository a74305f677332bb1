from __future__ import annotations

import pytest
from django.db import transaction
from django.test import Client

from curation import context_libraries, erasure, experiments
from curation.experiments import Trial
from curation.models import ContextLibrary
from feedback.embedding import Encoder
from feedback.models import Project, User
from tests.factories import NOW, make_entry, make_library, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(project: Project, curator: User, encoder: Encoder) -> ContextLibrary:
    """Two versions, of which the second is tried."""
    library = make_library(project, slug="facts")
    for trial in (None, Trial(stages=[10, 90], held_out=5)):
        make_entry(library, answer=str(trial), created_by=curator)
        context_libraries.publish(
            library=library, encoder=encoder, by=curator, now=NOW, trial=trial
        )
    return library


@pytest.fixture
def address(library: ContextLibrary) -> str:
    return f"/p/{library.project.slug}/libraries/facts/"


class TestVersionLive:
    def test_goes_back_to_a_former_version(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        client.force_login(curator)
        assert 'aria-label="Make v1 live"' in client.get(address).content.decode()
        assert client.post(f"{address}versions/1/live/", {"reason": "x"})["Location"] == address
        library.refresh_from_db()
        assert library.live is not None
        assert library.live.number == 1
        assert (
            "live already"
            in client.post(f"{address}versions/1/live/", follow=True).content.decode()
        )
        assert client.post(f"{address}versions/3/live/").status_code == 404
        assert client.post(f"{address}versions/1/live/", {"reason": "x" * 501}).status_code == 400


class TestExperimentEnd:
    def test_gives_it_to_all(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        client.force_login(curator)
        page = client.get(address).content.decode()
        assert "10 %" in page
        assert "stage 1 of 2" in page
        end = f"{address}versions/2/experiment/"
        assert client.post(end, {"act": "all"})["Location"] == address
        assert "experiment</span>" not in client.get(address).content.decode()
        assert "ended already" in client.post(end, {"act": "all"}, follow=True).content.decode()
        assert client.post(end, {"act": "x"}).status_code == 400
        assert client.post(f"{address}versions/1/experiment/").status_code == 404

    def test_stops_it_and_says_so(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        client.force_login(curator)
        client.post(f"{address}versions/2/experiment/", {"act": "stop", "reason": "<b>Wrong"})
        library.refresh_from_db()
        assert library.live is not None
        assert library.live.number == 1
        page = client.get(address).content.decode()
        assert "v2 was stopped" in page
        assert "&lt;b&gt;Wrong" in page


class TestStopped:
    def test_first_version_is_said_to_serve_nothing(
        self, client: Client, project: Project, curator: User, encoder: Encoder
    ) -> None:
        library = make_library(project, slug="facts", name="Facts")
        make_entry(library, created_by=curator)
        version = context_libraries.publish(
            library=library, encoder=encoder, by=curator, now=NOW, trial=Trial(stages=[90])
        )
        experiments.stop(experiment=version.experiment, reason="Worse.", by=None, now=NOW)
        client.force_login(curator)
        address = f"/p/{project.slug}/libraries/"
        listed = client.get(address).content.decode()
        assert "v1 stopped" in listed
        page = client.get(f"{address}facts/").content.decode()
        assert "Nothing is served until" in page
        assert 'badge badge--good">live' not in page
        assert 'aria-label="Make v1 live"' in page
        tried = client.post(
            f"{address}facts/try/", {"question": "What?", "k": 4, "token_budget": 500, "of": "live"}
        )
        assert tried.status_code == 422
        assert "v1 was stopped" in tried.content.decode()

    def test_version_stays_so_once_something_of_it_was_erased(
        self, client: Client, project: Project, curator: User, encoder: Encoder
    ) -> None:
        library = make_library(project, slug="facts")
        entry = make_entry(library, created_by=curator)
        make_entry(library, query="Which label?", created_by=curator)
        version = context_libraries.publish(
            library=library, encoder=encoder, by=curator, now=NOW, trial=Trial(stages=[90])
        )
        experiments.stop(experiment=version.experiment, reason="Worse.", by=None, now=NOW)
        entry.delete()
        with transaction.atomic():
            erasure.publish_without(library=library.pk, by=curator, now=NOW)
        client.force_login(curator)
        page = client.get(f"/p/{project.slug}/libraries/facts/").content.decode()
        assert "v2 was stopped" in page
        assert 'badge badge--good">live' not in page

    def test_version_is_marked_among_the_others(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        client.force_login(curator)
        assert "the rest v1" in client.get(address).content.decode()
        client.post(f"{address}versions/2/experiment/", {"act": "stop"})
        page = client.get(address).content.decode()
        assert page.count('badge badge--bad">stopped') == 1
        assert page.count('badge badge--good">live') == 1


class TestConnect:
    def test_shows_code_for_the_library(
        self, client: Client, library: ContextLibrary, project: Project, address: str
    ) -> None:
        client.force_login(make_user(project, role="viewer"))
        page = client.get(f"{address}use/").content.decode()
        assert "http://testserver/api/v1/context" in page
        assert page.count("&quot;facts&quot;") >= 4
