"""The pages on agreement and disputes, and the desk of who decides."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project, Reason, User
from review import queues, triage
from review.agreeing import report
from review.models import Claim, Notification, Queue, QueueItem, Review
from tests.factories import make_item, make_output, make_project, make_queue, make_user


def as_user(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def judge(item: QueueItem, by: User, verdict: str, **more: Any) -> Review:
    now = timezone.now()
    held = queues.claim(item=item, by=by, now=now)
    comment = "" if verdict == "accept" else "No."
    return triage.submit_review(
        item=item, by=by, fence=held.fence, verdict=verdict, comment=comment, now=now, **more
    )


def judged(queue: Queue, ann: User, ben: User, verdicts: str) -> list[QueueItem]:
    """An item for each pair of letters, the first by Ann: a for accept, f for fix, r for reject."""
    names = {"a": "accept", "f": "fix", "r": "reject"}
    items = []
    for pair in verdicts.split():
        item = make_item(queue)
        for by, letter in zip((ann, ben), pair, strict=True):
            judge(item, by, names[letter])
        items.append(item)
    return items


@pytest.fixture
def ann(project: Project) -> User:
    return make_user(project, "expert", username="ann")


@pytest.fixture
def ben(project: Project) -> User:
    return make_user(project, "expert", username="ben")


@pytest.fixture
def moderator(project: Project) -> User:
    return make_user(project, "moderator", username="mia")


class TestReport:
    def test_compares_only_what_nobody_is_still_to_judge(
        self, project: Project, ann: User, ben: User
    ) -> None:
        queue = make_queue(project, reviewers_per_item=2)
        judged(queue, ann, ben, "aa ff fa")
        judge(make_item(queue), ann, "reject")
        judge(make_item(make_queue(project)), ann, "reject")
        judged(make_queue(make_project(), reviewers_per_item=2), ann, ben, "rr")
        [of_queue] = report(project=project).queues
        assert (of_queue.agreement.num_items, of_queue.num_disputed) == (3, 1)
        [pair] = report(project=project).pairs
        assert (pair.first, pair.second, pair.agreement.num_items) == ("ann", "ben", 3)
        assert pair.agreement.share == pytest.approx(2 / 3)

    def test_leaves_out_who_decided_with_the_others_before_them(
        self, project: Project, ann: User, ben: User, moderator: User
    ) -> None:
        [item] = judged(make_queue(project, reviewers_per_item=2), ann, ben, "ra")
        now = timezone.now()
        held = queues.adjudicate(item=item, by=moderator, now=now)
        triage.submit_review(item=item, by=moderator, fence=held.fence, verdict="accept", now=now)
        assert [(pair.first, pair.second) for pair in report(project=project).pairs] == [
            ("ann", "ben")
        ]

    def test_compares_no_two_versions_of_an_answer(
        self, project: Project, ann: User, ben: User
    ) -> None:
        [item] = judged(make_queue(project, reviewers_per_item=2), ann, ben, "aa")
        Review.objects.filter(item=item, reviewer=ben).update(output_version=2)
        assert report(project=project).pairs == []

    def test_tells_reasons_apart(self, project: Project, ann: User, ben: User) -> None:
        queue = make_queue(project, reviewers_per_item=2)
        slugs = list(
            Reason.objects.current()
            .filter(taxonomy__project=project)
            .values_list("slug", flat=True)[:2]
        )
        for both in (True, True, False):
            item = make_item(queue)
            judge(item, ann, "fix", reasons=slugs[:1])
            judge(item, ben, "fix", reasons=slugs[:1] if both else slugs[1:])
        for _ in range(3):
            judged(queue, ann, ben, "aa")
        first, second = report(project=project, queue=queue).reasons
        assert (first.reason.slug, first.num_given) == (slugs[0], 5)
        assert first.agreement.value is not None
        assert second.agreement.value is not None
        assert second.agreement.value == 0 < first.agreement.value < 1

    def test_of_one_queue_leaves_the_others_pairs_out(
        self, project: Project, ann: User, ben: User
    ) -> None:
        queue, other = (make_queue(project, reviewers_per_item=2) for _ in range(2))
        judged(queue, ann, ben, "aa ff")
        judged(other, ann, ben, "ra")
        assert report(project=project, queue=queue).pairs[0].agreement.num_items == 2
        assert len(report(project=project, queue=queue).queues) == 2


class TestAgreementPage:
    def test_shows_figures_and_why_there_are_none(
        self, project: Project, ann: User, ben: User, moderator: User
    ) -> None:
        judged(make_queue(project, name="Mixed", reviewers_per_item=2), ann, ben, "aa ff fa")
        judged(make_queue(project, name="All good", reviewers_per_item=2), ann, ben, "aa aa")
        page = as_user(moderator).get(reverse("agreement", args=[project.slug]))
        text = page.content.decode()
        assert "undefined because everybody gave the same value throughout" in text
        assert "Krippendorff" in text
        assert as_user(ann).get(reverse("agreement", args=[project.slug])).status_code == 403

    def test_takes_as_many_queries_for_many_as_for_few(
        self,
        project: Project,
        ann: User,
        ben: User,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        reason = Reason.objects.current().filter(taxonomy__project=project)[0].slug
        for _ in range(3):
            queue = make_queue(project, reviewers_per_item=2)
            judged(queue, ann, ben, "aa ff fa rr")
            item = make_item(queue)
            for by in (ann, ben):
                judge(item, by, "fix", reasons=[reason])
        with django_assert_num_queries(5):
            report(project=project)


class TestDisputes:
    def test_lists_what_each_said_and_leads_to_the_decision(
        self, project: Project, ann: User, ben: User, moderator: User
    ) -> None:
        output = make_output(project, query="<b>When?</b>")
        item = make_item(make_queue(project, reviewers_per_item=2), output)
        judge(item, ann, "accept")
        judge(item, ben, "reject")
        client = as_user(moderator)
        listed = client.get(reverse("dispute_list", args=[project.slug])).content.decode()
        assert "&lt;b&gt;When?" in listed
        assert "Decide" in listed
        address = reverse("item", args=[project.slug, item.pk])
        assert "ann</bdi> says Good" in client.get(address).content.decode()
        client.post(reverse("item_claim", args=[project.slug, item.pk]))
        place = Claim.objects.get(item=item, place=Claim.ADJUDICATION)
        assert place.reviewer == moderator
        sent = {"fence": place.fence, "verdict": "fix", "comment": "Half."}
        client.post(reverse("item_submit", args=[project.slug, item.pk]), sent)
        assert Review.objects.authoritative().get().reviewer == moderator
        listed = client.get(reverse("dispute_list", args=[project.slug])).content.decode()
        assert "No dispute" in listed

    def test_an_expert_reads_that_a_moderator_decides(
        self, project: Project, ann: User, ben: User
    ) -> None:
        [item] = judged(make_queue(project, reviewers_per_item=2), ann, ben, "ra")
        client = as_user(make_user(project, "expert"))
        page = client.get(reverse("item", args=[project.slug, item.pk])).content.decode()
        assert "A moderator who is none of them decides." in page
        claimed = client.post(reverse("item_claim", args=[project.slug, item.pk]))
        assert claimed.status_code == 403

    def test_a_moderator_among_those_who_disagree_does_not_decide(
        self, project: Project, ann: User, moderator: User
    ) -> None:
        [item] = judged(make_queue(project, reviewers_per_item=2), ann, moderator, "ra")
        client = as_user(moderator)
        listed = client.get(reverse("dispute_list", args=[project.slug])).content.decode()
        assert "You are one of them" in listed
        claimed = client.post(reverse("item_claim", args=[project.slug, item.pk]))
        assert claimed.status_code == 409

    def test_takes_as_many_queries_for_many_as_for_few(
        self,
        project: Project,
        ann: User,
        ben: User,
        moderator: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        judged(make_queue(project, reviewers_per_item=2), ann, ben, "ra fa rf af fr")
        client = as_user(moderator)
        with django_assert_max_num_queries(12):
            client.get(reverse("dispute_list", args=[project.slug]))


class TestSteal:
    def test_a_moderator_takes_over_and_the_holder_is_told(
        self, project: Project, ann: User, moderator: User
    ) -> None:
        """Complaint 2."""
        item = make_item(make_queue(project))
        queues.claim(item=item, by=ann, now=timezone.now())
        client = as_user(moderator)
        address = reverse("item", args=[project.slug, item.pk])
        assert "Take over" in client.get(address).content.decode()
        client.post(reverse("item_steal", args=[project.slug, item.pk]))
        assert Claim.objects.get(item=item).reviewer == moderator
        told = Notification.objects.seen_by(ann).get()
        inbox = as_user(ann).get(reverse("inbox")).content.decode()
        assert "took this item over from you" in inbox
        opened = as_user(ann).post(reverse("inbox_open", args=[told.pk]))
        assert opened.headers["location"] == address

    def test_an_expert_is_not_offered_it(self, project: Project, ann: User, ben: User) -> None:
        item = make_item(make_queue(project))
        queues.claim(item=item, by=ann, now=timezone.now())
        address = reverse("item", args=[project.slug, item.pk])
        assert "Take over" not in as_user(ben).get(address).content.decode()
