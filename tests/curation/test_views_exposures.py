"""What was served to one request, as the trail of its answer shows it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from curation.models import ContextLibrary, Exposure, LibraryVersion
from feedback.models import Project, User
from tests.factories import (
    NOW,
    make_entry,
    make_item,
    make_library,
    make_output,
    make_project,
    make_queue,
    make_user,
)

pytestmark = pytest.mark.django_db


def served(library: ContextLibrary, **fields: object) -> Exposure:
    author = make_user(library.project)
    version = LibraryVersion.objects.create(
        library=library, number=3, content_hash="0" * 64, published_by=author, published_at=NOW
    )
    return Exposure.objects.create(
        project=library.project, version=version, num_tokens=9, served_at=NOW, **fields
    )


def published(exposure: Exposure, query: str) -> int:
    """An entry of the exposure's version; return the entry's id."""
    entry = make_entry(exposure.version.library, query=query)
    exposure.version.entries.create(
        entry=entry,
        position=exposure.version.entries.count(),
        kind="example",
        query=query,
        answer="a",
        model="m",
        vector=[1.0],
    )
    return int(entry.pk)


@pytest.fixture
def viewer(project: Project) -> User:
    return make_user(project, "viewer")


class TestExposure:
    @pytest.mark.parametrize(
        ("session", "says"), [("s-1", "Nothing, on purpose"), ("", "this version was stopped")]
    )
    def test_says_why_there_was_nothing(
        self, client: Client, project: Project, viewer: User, session: str, says: str
    ) -> None:
        exposure = served(make_library(project), is_held_out=True, session_external_id=session)
        client.force_login(viewer)
        page = client.get(reverse("exposure", args=[project.slug, exposure.token]))
        assert says in page.content.decode()

    def test_tells_what_was_erased_since_from_what_never_fitted(
        self, client: Client, project: Project, viewer: User
    ) -> None:
        exposure = served(make_library(project))
        url = reverse("exposure", args=[project.slug, exposure.token])
        client.force_login(viewer)
        assert "No entry fitted" in client.get(url).content.decode()
        Exposure.objects.update(entry_ids=[7])
        assert "erased since" in client.get(url).content.decode()

    def test_lists_the_entries_in_the_order_of_the_prompt(
        self, client: Client, project: Project, viewer: User
    ) -> None:
        exposure = served(make_library(project, name="House style"))
        first, second = published(exposure, "<b>One"), published(exposure, "Two")
        published(exposure, "Not served")
        Exposure.objects.update(entry_ids=[second, first])
        client.force_login(viewer)
        address = reverse("exposure", args=[project.slug, exposure.token])
        panel = client.get(address, headers={"HX-Request": "true"}).content.decode()
        assert "House style v3" in panel
        assert panel.index("Two") < panel.index("&lt;b&gt;One")
        assert "Not served" not in panel
        assert "<html" not in panel
        assert "<html" in client.get(address).content.decode()

    def test_says_beside_the_answer_that_an_exposure_is_not_known(
        self, client: Client, project: Project, viewer: User
    ) -> None:
        """Of another project's it tells no more than of one that never was."""
        other = served(make_library(make_project(), name="House style"))
        client.force_login(viewer)
        panels = []
        for token in (uuid4(), other.token):
            address = reverse("exposure", args=[project.slug, token])
            panel = client.get(address, headers={"HX-Request": "true"})
            panels.append((panel.status_code, panel.content))
            assert client.get(address).status_code == 404
        assert panels[0] == panels[1]
        assert b"none that this project served" in panels[0][1]

    def test_is_asked_for_by_the_page_of_the_answer(
        self, client: Client, project: Project, viewer: User
    ) -> None:
        exposure = served(make_library(project))
        output = make_output(project, exposure=str(exposure.token))
        item = make_item(make_queue(project), output)
        client.force_login(viewer)
        page = client.get(reverse("item", args=[project.slug, item.pk])).content.decode()
        assert f'hx-get="{reverse("exposure", args=[project.slug, exposure.token])}"' in page
