"""axe-core walks every page and every state of the desk: nothing serious or critical."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse
from playwright.sync_api import Page, expect

from curation import context_libraries, gating, promotion, promotion_jobs, releasing
from curation.experiments import Trial
from curation.placing import Places
from feedback.embedding import Encoder
from feedback.models import Project
from review import digests
from review.demo import SLUG
from review.filters import ReviewFilter
from tests.browser.axe import COLOURS, findings, settle
from tests.browser.conftest import Pages
from tests.browser.states import STATES
from tests.browser.test_frame import width_over
from tests.factories import (
    NOW,
    make_candidate,
    make_delivery,
    make_entry,
    make_erasure,
    make_escalation,
    make_handover,
    make_issue,
    make_library,
    make_output,
    make_project,
    make_review,
    make_rule,
    make_session,
    make_tracker,
    make_training_set,
    make_user,
)
from tests.scenes import Scene, make_scene

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EXPECTED = ("404", "403", "500", "429")


def in_both_themes(page: Page) -> list[str]:
    """All findings in the theme the page has, then those of contrast in the other."""
    found = findings(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    settle(page)
    return found + findings(page, *COLOURS)


class TestFindings:
    def test_name_what_is_wrong(self, page_for: Pages) -> None:
        page = page_for(make_user())
        page.goto("/")
        page.evaluate("document.body.append(document.createElement('button'))")
        [found] = findings(page)
        assert found.startswith("button-name (critical)")


class TestDesk:
    @pytest.mark.parametrize("name", STATES)
    def test_has_no_grave_finding_in_this_state(self, page_for: Pages, name: str) -> None:
        scene = make_scene()
        page = page_for(scene.expert, theme="light", expected=EXPECTED)
        STATES[name](page, scene)
        assert in_both_themes(page) == []

    @pytest.mark.parametrize("name", STATES)
    def test_has_none_on_a_phone_either(self, page_for: Pages, name: str) -> None:
        scene = make_scene()
        page = page_for(scene.expert, width=390, height=844, theme="light", expected=EXPECTED)
        STATES[name](page, scene)
        assert findings(page) == []


def pages(scene: Scene, encoder: Encoder) -> dict[str, str]:
    """The address of every other page, with something on it."""
    project = scene.project
    review = make_review(make_output(project), scene.expert, correction="Better.")
    library = make_library(project)
    entry = make_entry(library, created_by=scene.expert)
    for trial in (None, Trial(stages=[10, 90], held_out=5)):
        context_libraries.publish(
            library=library, encoder=encoder, by=scene.expert, now=NOW, trial=trial
        )
        make_entry(library, answer="Ask anna@example.org.", created_by=scene.expert)
    context_libraries.keep_probe(
        library=library, query="When?", role="", expected=[entry], by=scene.expert, now=NOW
    )
    training_set = make_training_set(project)
    for _ in range(3):
        accepted = make_review(make_output(project), scene.expert, verdict="accept")
        promotion.promote_to_training_set(
            review=accepted, training_set=training_set, by=scene.expert, now=NOW
        )
    releasing.release(training_set=training_set, by=scene.expert, now=NOW)
    check = gating.ask(training_set=training_set, by=scene.expert, now=NOW)
    gating.run(check=check, vectors=encoder.model_id, clock=lambda: NOW)
    failing = training_set.gate_checks.get().findings.filter(gate="exact").first()
    assert failing
    gating.let_pass(finding=failing, reason="Asked so often.", by=scene.expert, now=NOW)
    assert scene.item.theme
    issue = make_issue(project, theme=scene.item.theme)
    for kind in ("webhook", "jira"):
        tracker = make_tracker(project, kind=kind)
        make_delivery(issue, tracker, status="failed", finished_at=NOW)
    make_tracker(project)
    job = promotion_jobs.start(
        project=project,
        wanted=ReviewFilter(),
        places=Places(libraries=[library], training_sets=[training_set]),
        by=make_user(project),
        now=NOW,
    )
    promotion_jobs.work_off(now=NOW)

    waiting = make_candidate(project, similarity=0.61, nearest_entry=entry)
    make_candidate(project, status="unfit", unfit_why="Its answer has an e-mail address.")
    decided = make_candidate(
        project, status="rejected", reason="said", decided_by=scene.expert, decided_at=NOW
    )

    def address(name: str, *parts: object) -> str:
        return reverse(name, args=[project.slug, *parts])

    return {
        "home": "/",
        "patterns": reverse("patterns"),
        "queues": address("queue_list"),
        "new queue": address("queue_create"),
        "inbox": reverse("inbox"),
        "notifications": reverse("notification_choices"),
        "no more mails": reverse("digest_stop", args=[digests.token(to=scene.expert)]),
        "own keys": reverse("own_keys"),
        "my work": address("my_work"),
        "board": address("board"),
        "rules of a queue": address("queue_edit", scene.item.queue.slug),
        "shares of a queue": address("queue_shares", scene.item.queue.slug),
        "comments found": address("search_comments") + "?q=first",
        "bulk acts": address("bulk_list"),
        "agreement": address("agreement"),
        "disputes": address("dispute_list"),
        "escalations": address("escalation_list"),
        "escalation": address("escalation", make_escalation(project).pk),
        "routed": address("handover_list", make_handover(project).route),
        "routing": address("rule_list"),
        "issues": address("issue_list"),
        "issue": address("issue", issue.number),
        "trackers": address("tracker_list"),
        "new issue": address("issue_create")
        + f"?handover={make_handover(project, route='issue').pk}",
        "routing rule": address("rule_edit", make_rule(project, routes=["issue"]).pk),
        "new routing rule": address("rule_create"),
        "tags": address("tag_list"),
        "order of the queues": address("triage"),
        "queue": address("queue", scene.item.queue.slug),
        "queue, flat": address("queue", scene.item.queue.slug) + "?group=flat",
        "search": address("search") + "?q=physiotherapy",
        "themes": address("theme_list"),
        "theme": address("theme", scene.item.theme.number),
        "ingestion": address("ingestion"),
        "erasures": address("erasure_list"),
        "erasure": address("erasure", make_erasure(project).pk),
        "session": address("session", scene.output.session.external_id),
        "output": address("output", scene.output.external_id),
        "reviews": address("review_list"),
        "promote": address("promote", review.pk),
        "candidates": address("candidate_list"),
        "candidates passed over": address("candidate_list") + "?show=passed-over",
        "decided candidates": address("candidate_list") + f"?show=decided&done={decided.pk}",
        "candidate": address("candidate_edit", waiting.pk),
        "bulk promotions": address("promotion_list"),
        "promote many": address("promotion_create") + "?filter=verdict:fix",
        "bulk promotion": address("promotion_job", job.pk),
        "libraries": address("library_list"),
        "library": address("library", library.slug),
        "new library": address("library_create"),
        "draft": address("library_draft", library.slug),
        "entry": address("entry_edit", library.slug, entry.pk),
        "version": address("library_version", library.slug, 1),
        "use": address("library_connect", library.slug),
        "effect of a version": address("version_effect", library.slug, 1),
        "entries of a version": address("version_entries", library.slug, 1),
        "effect on a theme": address("theme_effect", scene.item.theme.number),
        "training sets": address("training_set_list"),
        "training set": address("training_set", training_set.slug),
        "new training set": address("training_set_create"),
        "release": address("release", training_set.slug, 1),
        "training file": address("training_file"),
        "checks of a training set": address("training_set_gates", training_set.slug),
        "rules of a training set": address("gates_rules", training_set.slug),
        "nothing there": "/nothing-here/",
    }


class TestPages:
    @pytest.mark.parametrize("width", [1440, 390])
    def test_have_no_grave_finding(self, page_for: Pages, encoder: Encoder, width: int) -> None:
        scene = make_scene()
        found = {}
        admin = make_user(scene.project, "admin")
        page = page_for(admin, width=width, theme="light", expected=EXPECTED)
        for name, address in pages(scene, encoder).items():
            page.goto(address)
            # A narrow page has the colours of the wide one, and a head and a foot that are on all.
            but = () if name == "home" else COLOURS
            found[name] = in_both_themes(page) if width == 1440 else findings(page, but=but)
            if over := width_over(page):
                found[name] = [*found[name], f"{over} pixels wider than its window"]
        assert {name: lines for name, lines in found.items() if lines} == {}

    @pytest.mark.usefixtures("encoder")
    def test_have_none_when_there_is_nothing_to_show(self, page_for: Pages) -> None:
        project = make_project()
        page = page_for(make_user(project), theme="light")
        found = {}
        names = (
            "queue_list",
            "theme_list",
            "library_list",
            "training_set_list",
            "review_list",
            "candidate_list",
        )
        for name in (*names, "candidate_list", "search", "ingestion"):
            page.goto(reverse(name, args=[project.slug]))
            found[name] = in_both_themes(page)
        assert {name: lines for name, lines in found.items() if lines} == {}

    def test_of_strangers_have_none(self, page_for: Pages) -> None:
        page = page_for(theme="light")
        page.goto(reverse("login"))
        page.get_by_label("User name").fill("nobody")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert in_both_themes(page) == []

    def test_of_the_demo_have_none(self, page_for: Pages) -> None:
        cache.clear()
        project = make_project(SLUG)
        _talk(project)
        page = page_for(make_user(project), theme="light")
        page.goto(reverse("demo"))
        assert in_both_themes(page) == []


def _talk(project: Project) -> None:
    session = make_session(project)
    for number in range(2):
        make_output(project, session, at=NOW + timedelta(minutes=number))
