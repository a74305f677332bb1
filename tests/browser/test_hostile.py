"""Whatever senders and users write is inert on every page."""

from __future__ import annotations

import pytest
from django.test import Client
from playwright.sync_api import expect

from curation.models import ContextEntry, ContextLibrary, Example, TrainingSet
from feedback.ingestion import ingest
from feedback.models import Feedback, Output, Project, Reason, Session
from review.models import Annotation, Evidence, Queue, Review, Theme, ThemeMembership, ThemeRun
from tests.browser.conftest import Pages
from tests.factories import NOW, make_feedback, make_user
from tests.test_access import IN_PROJECTS, Address, Filled, filled

__all__ = ["filled"]

pytestmark = pytest.mark.browser

OWN = "document.title='owned'"
HOSTILE = (
    f'"><script>{OWN}</script><img src=x onerror="{OWN}"></mark></textarea><svg onload={OWN}>'
    f"[x](javascript:{OWN}) ![y](http://127.0.0.1:9/x.png) `{{{{ 7|add:1 }}}}` {{% now 'Y' %}}"
)
# Data that the page hands its own script is no script.
FOREIGN = 'img, script:not([src], [type="application/json"])'
READABLE = [one for one in IN_PROJECTS if "post" not in one.name]


@pytest.fixture
def project(transactional_db: None) -> Project:
    from tests.factories import make_project

    return make_project(name=HOSTILE[:120])


@pytest.fixture
def poisoned(filled: Filled) -> Filled:
    """A project in which every text that somebody else writes is hostile."""
    project = filled.project
    output = Output.objects.get(project=project, external_id=filled.parts["output"])
    said = make_feedback(output, comment=HOSTILE, correction=HOSTILE, label=HOSTILE[:200])
    Feedback.objects.update(author_external_id=HOSTILE[:200], author_role=HOSTILE[:200])
    Session.objects.update(
        user_external_id=HOSTILE[:200], user_role=HOSTILE[:200], environment=HOSTILE[:200]
    )
    Output.objects.update(
        query=HOSTILE,
        text=f"{HOSTILE}\n\n{HOSTILE}",
        system=HOSTILE,
        documents=[{"id": HOSTILE, "title": HOSTILE, "text": HOSTILE}],
        messages=[{"role": "user", "content": HOSTILE}],
        exposure={HOSTILE: HOSTILE},
        model=HOSTILE[:200],
        model_version=HOSTILE[:200],
        prompt_version=HOSTILE[:200],
    )
    Review.objects.update(comment=HOSTILE, correction=HOSTILE)
    Annotation.objects.update(
        comment=HOSTILE, exact=HOSTILE, replacement=HOSTILE, edit_start=0, edit_end=1
    )
    Evidence.objects.update(exact=HOSTILE)
    Queue.objects.update(name=HOSTILE[:120])
    Theme.objects.update(name=HOSTILE[:200], terms=[HOSTILE[:60]], size=1)
    ContextLibrary.objects.update(name=HOSTILE[:120], description=HOSTILE)
    ContextEntry.objects.update(query=HOSTILE, answer=HOSTILE, why=HOSTILE)
    TrainingSet.objects.update(name=HOSTILE[:120], description=HOSTILE)
    Example.objects.update(
        chosen=HOSTILE, rejected=HOSTILE + "!", prompt=[{"role": "user", "content": HOSTILE}]
    )
    Reason.objects.update(definition=HOSTILE)
    theme = Theme.objects.get()
    run = ThemeRun.objects.create(
        project=project,
        model="m",
        algorithm="a",
        num_feedback=1,
        num_themes=1,
        started_at=NOW,
        finished_at=NOW,
    )
    ThemeMembership.objects.create(theme=theme, feedback=said, run=run, similarity=1)
    refused = {"type": HOSTILE, "id": HOSTILE, HOSTILE: HOSTILE}
    ingest(project=project, records=[refused], now=NOW)
    return filled


class TestEveryPage:
    def test_shows_hostile_text_as_text(self, page_for: Pages, poisoned: Filled) -> None:
        admin = make_user(poisoned.project, role="admin")
        client = Client()
        client.force_login(admin)
        page = page_for(admin, expected=("status of 404",))
        seen = 0
        for address in self.pages(client, poisoned):
            page.goto(address)
            expect(page.locator(".htmx-request")).to_have_count(0)
            assert page.title() != "owned", address
            foreign = f"[...document.querySelectorAll('{FOREIGN}')].map(one => one.outerHTML)"
            assert page.evaluate(foreign) == [], address
            assert page.locator("[href^='javascript:' i]").count() == 0
            seen += 1
        assert seen > 15

    def pages(self, client: Client, poisoned: Filled) -> list[str]:
        """The addresses that answer a GET with a page."""
        found = []
        for address in READABLE:
            url = self.url(poisoned, address)
            response = client.get(url)
            if response.status_code == 200 and "html" in response.headers["Content-Type"]:
                found.append(url)
        return found

    def url(self, poisoned: Filled, address: Address) -> str:
        url = poisoned.url(address)
        return f"{url}?q=x" if address.name == "search" else url
