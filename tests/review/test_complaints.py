"""What reviewers complain of in other tools, where no other test is about it.

All are listed in docs/reference/complaints.md, with the tests that show they do not hold here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.models import Project, User
from review import drafts, queues, rules, triage, worklist
from review.models import Claim, QueueItem, Review, Skip
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_annotation,
    make_item,
    make_output,
    make_queue,
    make_review,
    make_user,
)

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
LISTED = ROOT / "docs/reference/complaints.md"
NUMBERS = [*range(1, 20), *range(22, 25)]


@pytest.fixture
def ann(project: Project) -> User:
    return make_user(project, "expert", username="ann")


class TestHolding:
    def test_what_the_holder_says_meanwhile_does_not_cost_them_the_item(
        self, client: Client, project: Project, ann: User
    ) -> None:
        """Complaint 4."""
        output = make_output(project, external_id="o")
        item = make_item(make_queue(project, slug="all", reviewers_per_item=2), output)
        bob = make_user(project, "expert")
        other = queues.claim(item=item, by=bob, now=timezone.now())
        Claim.objects.filter(pk=other.pk).update(finished_at=timezone.now())
        make_review(output, bob, item=item, place=other.place)
        caller = Caller(client, project, ann)
        held = caller.post("queues/all/claim").json()
        fence = {"fence": held["fence"]}
        said = {"output": "o", "start": 0, "end": 5, "exact": "Bloom", "comment": "x"}
        assert caller.post("annotations", said).status_code == 201
        drafts.save(
            item=item, by=ann, revision=0, version=1, fields={"comment": "y"}, now=timezone.now()
        )
        assert caller.post(f"items/{item.pk}/heartbeat", fence).status_code == 200
        assert (
            caller.post(f"items/{item.pk}/review", {**fence, "verdict": "accept"}).status_code
            == 201
        )

    def test_a_queue_is_through_only_when_every_place_is(self, project: Project) -> None:
        """Complaint 4."""
        queue = make_queue(project, reviewers_per_item=2)
        item = make_item(queue)
        for number in range(2):
            now = timezone.now()
            assert worklist.counts(queues=[queue], now=now)[queue.pk].open == 1, number
            reviewer = make_user(project)
            held = queues.claim_next(queue=queue, by=reviewer, now=now)
            assert held is not None
            triage.submit_review(
                item=item, by=reviewer, fence=held.fence, verdict="accept", now=now
            )
        assert worklist.counts(queues=[queue], now=timezone.now())[queue.pk].open == 0

    def test_one_project_is_split_among_people_who_see_their_own_part_alone(
        self, client: Client, project: Project, ann: User
    ) -> None:
        """Complaint 4."""
        people = {"a": ann, "b": make_user(project, "expert", email="bob@example.org")}
        for number in range(6):
            make_output(project, model="ab"[number % 2])
        mod = Caller(client, project, make_user(project, "moderator"))
        for name, address in (("a", "ann"), ("b", "bob@example.org")):
            asked = {"name": name, "filter": f"model:{name}", "reviewers": [address]}
            assert mod.post("queues", asked).status_code == 201
        for name, user in people.items():
            caller = Caller(client, project, user)
            [own] = caller.get("queues").json()["queues"]
            assert (own["slug"], own["open"]) == (name, 3)
            taken = [caller.post(f"queues/{one}/claim").status_code for one in "ab"]
            assert taken == [200 if one == name else 404 for one in "ab"]
            held = Claim.objects.get(reviewer=user)
            assert held.item.output.model == name


class TestTheirQueues:
    def test_a_reviewer_sees_only_their_queues(
        self, client: Client, project: Project, ann: User
    ) -> None:
        """Complaint 22."""
        theirs, others, plain = (
            make_queue(project, name=name) for name in ("Of Ann", "Of others", "Of all")
        )
        for queue, wanted in ((theirs, ["ann"]), (others, [])):
            rules.edit_queue(
                queue=queue,
                rules=replace(rules.rules_of(queue=queue), reviewers=wanted),
                by=make_user(project),
                now=NOW,
            )
        client.force_login(ann)
        page = client.get(reverse("queue_list", args=[project.slug])).content.decode()
        assert [one.name in page for one in (theirs, plain, others)] == [True, True, False]
        for queue in (theirs, plain, others):
            got = client.get(reverse("queue", args=[project.slug, queue.slug]))
            assert got.status_code == (404 if queue == others else 200)
        listed = Caller(client, project, ann).get("queues").json()["queues"]
        assert {one["slug"] for one in listed} == {theirs.slug, plain.slug}

    def test_naming_somebody_by_email_is_all_it_takes_for_them_to_review(
        self, client: Client, project: Project
    ) -> None:
        """Complaint 23."""
        bob = make_user(project, "expert", email="bob@example.org")
        queue = make_queue(project, slug="risky", is_restricted=True)
        item = make_item(queue)
        caller = Caller(client, project, bob)
        assert caller.post("queues/risky/claim").status_code == 404
        mod = Caller(client, project, make_user(project, "moderator"))
        changed = mod.post("queues/risky", {"reviewers": ["bob@example.org"]}).json()
        assert changed["reviewers"] == ["bob@example.org"]
        held = caller.post("queues/risky/claim").json()
        decision = {"fence": held["fence"], "verdict": "accept"}
        assert caller.post(f"items/{item.pk}/review", decision).status_code == 201
        assert Review.objects.get().reviewer == bob


class TestOneAnswerToOneQuestion:
    def test_only_the_last_choice_is_stored(
        self, client: Client, project: Project, ann: User
    ) -> None:
        """Complaint 9."""
        item = make_item(make_queue(project))
        fence = queues.claim(item=item, by=ann, now=timezone.now()).fence
        revision = 0
        for verdict, severity in (("reject", "critical"), ("accept", ""), ("fix", "minor")):
            revision = drafts.save(
                item=item,
                by=ann,
                revision=revision,
                version=1,
                fields={"verdict": verdict, "severity": severity},
                now=timezone.now(),
            ).revision
        client.force_login(ann)
        form = {"fence": fence, "verdict": ["reject", "fix"], "severity": ["critical", "minor"]}
        client.post(
            reverse("item_submit", args=[project.slug, item.pk]), {**form, "comment": "Too long."}
        )
        stored = Review.objects.get()
        assert (stored.verdict, stored.severity) == ("fix", "minor")


class TestNothingIsStuck:
    def test_every_open_item_is_on_some_page_of_its_queue(
        self, client: Client, project: Project, ann: User
    ) -> None:
        """Complaint 13."""
        queue = make_queue(project)
        odd = ["", "\u202e", "<script>", "x" * 5_000, "👩‍🚀", "```\n{", " "]
        for number in range(120):
            text = odd[number % len(odd)]
            make_item(queue, make_output(project, query=text, text=text), priority=number % 3)
        client.force_login(ann)
        url: str | None = reverse("queue", args=[project.slug, queue.slug]) + "?group=flat"
        seen: list[int] = []
        while url:
            page = client.get(url).content.decode()
            seen += map(int, re.findall(r'class="q__text" href="[^"]*/items/(\d+)/"', page))
            found = re.search(r'href="([^"]*cursor=[^"]+)" rel="next"', page)
            url = (
                reverse("queue", args=[project.slug, queue.slug]) + found[1].replace("&amp;", "&")
                if found
                else None
            )
        assert sorted(seen) == sorted(QueueItem.objects.values_list("pk", flat=True))


class TestSkipping:
    def test_leaves_the_item_untouched_for_others_and_for_later(
        self, project: Project, ann: User
    ) -> None:
        """Complaint 17."""
        queue = make_queue(project)
        item = make_item(queue)
        held = queues.claim(item=item, by=ann, now=NOW)
        queues.skip(item=item, by=ann, reason="Not my field", fence=held.fence, now=NOW)
        assert not Review.objects.exists()
        item.refresh_from_db()
        assert item.status == "open"
        assert queues.claim_next(queue=queue, by=ann, now=NOW) is None
        assert queues.unskip(item=item, by=ann, now=NOW)
        assert not Skip.objects.exists()
        other = queues.claim_next(queue=queue, by=ann, now=NOW)
        assert other is not None
        assert other.item_id == item.pk


class TestReading:
    def test_what_was_sent_is_shown_as_text_and_never_as_json(
        self, client: Client, project: Project, ann: User
    ) -> None:
        """Complaint 18."""
        output = make_output(
            project,
            query="Which month?",
            text="It was **August**:\n\n| year | month |\n|---|---|\n| 2018 | August |",
            system="Answer from the documents.",
            documents=[{"title": "Bloom", "text": "Released on 31 August 2018."}],
            messages=[{"role": "user", "content": "Who made Bloom?"}],
        )
        item = make_item(make_queue(project), output)
        client.force_login(ann)
        url = reverse("item", args=[project.slug, item.pk])
        page = client.get(url).content.decode()
        assert "<strong>August</strong>" in page
        assert "<table>" in page
        for raw in ('{"role"', "{&quot;role&quot;", "&#x27;role&#x27;", "**August**", "|---|"):
            assert raw not in page, raw
        for text in ("Which month?", "Answer from the documents.", "Released on 31 August 2018."):
            assert text in page, text

    def test_one_answer_is_shown_in_several_ways(
        self, client: Client, project: Project, ann: User
    ) -> None:
        """Complaint 18."""
        output = make_output(project, text="Bloom came out in **2018**.")
        item = make_item(make_queue(project), output)
        make_annotation(
            output, ann, "2018", replacement="2019", decision="accepted", decided_by=ann,
            decided_at=NOW,
        )  # fmt: skip
        client.force_login(ann)
        url = reverse("item", args=[project.slug, item.pk])
        for show, shown in (
            ("answer", "<strong"),
            ("corrected", "2019"),
            ("changes", "</ins>"),
            ("markdown", "**2018**"),
        ):
            assert shown in client.get(url, {"show": show}).content.decode(), show


class TestDeleting:
    def test_no_member_deletes_a_project(self, client: Client, project: Project) -> None:
        """Complaint 24."""
        document = client.get("/api/v1/openapi.json").json()
        assert not [path for path, acts in document["paths"].items() if "delete" in acts]
        client.force_login(make_user(project, "admin"))
        address = f"/admin/feedback/project/{project.pk}/delete/"
        assert client.post(address, {"post": "yes"}).status_code in {302, 403, 404}
        assert Project.objects.filter(pk=project.pk).exists()


def test_each_has_tests_that_are_there() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\|(.*)\|$", LISTED.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == NUMBERS
    for number, told in rows:
        tests = re.findall(r"`([^`]+\.py)::([^`]+)`", told)
        assert tests, number
        for path, name in tests:
            source = (ROOT / "tests" / path).read_text(encoding="utf-8")
            missing = [
                part for part in name.split("::")
                if not re.search(rf"(class|def) {part}\b", source)
            ]  # fmt: skip
            assert not missing, f"{number}: {path} has no {missing}"
