"""Rules of what closes the loop: what they propose, and how often they are overruled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Output, Project, Reason, User
from review import queues, routing, triage
from review.models import Event, Review, RoutingRule
from review.routing import RoutingError, Rule
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_rule,
    make_user,
)
from tests.meanwhile import meanwhile

LATER = NOW + timedelta(days=1)


@pytest.fixture
def moderator(project: Project) -> User:
    return make_user(project, "moderator")


def decide(project: Project, output: Output | None = None, **decision: Any) -> Review:
    item = make_item(make_queue(project), output)
    by = make_user(project, "expert")
    held = queues.claim(item=item, by=by, now=NOW)
    for name, value in {"verdict": "fix", "comment": "Wrong.", "now": NOW}.items():
        decision.setdefault(name, value)
    return triage.submit_review(item=item, by=by, fence=held.fence, **decision)


def names(project: Project) -> list[str]:
    rules = RoutingRule.objects.filter(project=project).order_by("position")
    return list(rules.values_list("name", flat=True))


class TestPropose:
    def test_asks_filter_verdict_severity_and_reasons_in_order(
        self, project: Project, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        make_rule(project, name="Rated down", filter={"score": "negative"}, routes=["issue"])
        make_rule(project, name="Elsewhere", filter={"model": "other"}, routes=["escalate"])
        make_rule(project, name="Severe", severities=["critical"], routes=["escalate", "issue"])
        make_rule(project, name="Good", verdicts=["accept"], routes=[])
        make_rule(make_project(), name="Theirs", routes=["library"])
        plain, down = make_output(project), make_output(project)
        make_feedback(down, score=-1)

        def proposed(output: Output, **decision: Any) -> tuple[str, list[str]] | None:
            with django_assert_num_queries(2):
                found = routing.propose(output=output, **decision)
            return (found.rule.name, list(found.routes)) if found else None

        assert proposed(down, verdict="fix") == ("Rated down", ["issue"])
        assert proposed(plain, verdict="fix", severity="critical") == (
            "Severe",
            ["escalate", "issue"],
        )
        assert proposed(plain, verdict="accept") == ("Good", [])
        assert proposed(plain, verdict="fix") is None

    def test_one_that_is_switched_off_is_not_asked(self, project: Project, moderator: User) -> None:
        rule = make_rule(project, routes=["issue"])
        routing.switch_rule(rule=rule, is_on=False, by=moderator, now=NOW)
        assert routing.propose(output=make_output(project), verdict="fix") is None
        routing.switch_rule(rule=rule, is_on=True, by=moderator, now=NOW)
        routing.switch_rule(rule=rule, is_on=True, by=moderator, now=NOW)
        assert routing.propose(output=make_output(project), verdict="fix")
        verbs = Event.objects.filter(target_type="routing_rule").values_list("verb", flat=True)
        assert list(verbs.order_by("pk")) == ["switched_off", "switched_on"]


class TestSubmitReview:
    def test_takes_what_the_rules_propose_where_nothing_was_chosen(self, project: Project) -> None:
        rule = make_rule(project, reasons=["unsafe"], routes=["issue", "library"])
        review = decide(project, reasons=["unsafe"])
        review.refresh_from_db()
        assert (review.routes, review.proposed_routes) == (["issue", "library"],) * 2
        assert review.routing_rule == rule
        assert not Review.objects.overruled().exists()

    def test_keeps_what_was_proposed_beside_what_was_chosen(self, project: Project) -> None:
        make_rule(project, routes=["issue", "library"])
        none = decide(project, routes=[])
        assert (none.routes, none.proposed_routes) == ([], ["issue", "library"])
        turned = decide(project, routes=["library", "issue"])
        more = decide(project, routes=["library", "issue", "training"])
        assert set(Review.objects.overruled()) == {none, more}
        assert turned not in Review.objects.overruled()

    def test_without_a_rule_nothing_is_proposed(self, project: Project) -> None:
        make_rule(project, verdicts=["accept"], routes=["training"])
        review = decide(project)
        assert (review.routes, review.proposed_routes, review.routing_rule) == ([], None, None)

    def test_taken_back_it_is_the_rules_again_or_the_persons(self, project: Project) -> None:
        make_rule(project, routes=["issue"])
        agreed, overruled = decide(project), decide(project, routes=["library"])
        for review, by in ((agreed, "rule"), (overruled, "person")):
            draft = triage.undo_review(review=review, by=review.reviewer, now=NOW)
            assert draft.fields["routes_by"] == by

    def test_a_rule_cannot_be_kept_without_what_it_proposed(self, project: Project) -> None:
        review = decide(project)
        review.routing_rule = make_rule(project)
        with pytest.raises(IntegrityError), transaction.atomic():
            review.save()


class TestApi:
    def test_without_routes_takes_the_proposal_and_says_so(
        self, client: Client, project: Project
    ) -> None:
        make_rule(project, verdicts=["reject"], routes=["issue"])
        ann = Caller(client, project, make_user(project, "expert"))
        queue = make_queue(project, slug="all")
        make_item(queue)
        held = ann.post("queues/all/claim").json()
        body = {"fence": held["fence"], "verdict": "reject", "comment": "No."}
        told = ann.post(f"items/{held['item']}/review", body).json()
        assert (told["routes"], told["proposed_routes"]) == (["issue"], ["issue"])
        again = ann.post(f"items/{held['item']}/review", body)
        assert (again.status_code, again.json()["id"]) == (201, told["id"])
        other = ann.post(f"items/{held['item']}/review", body | {"routes": []})
        assert other.status_code == 409


class TestRules:
    def test_are_asked_in_the_order_they_are_given(self, project: Project, moderator: User) -> None:
        made = [
            routing.create_rule(project=project, rule=Rule(name=name), by=moderator, now=NOW)
            for name in "abc"
        ]
        routing.move_rule(rule=made[2], is_up=True, by=moderator, now=NOW)
        assert names(project) == ["a", "c", "b"]
        routing.move_rule(rule=made[0], is_up=True, by=moderator, now=NOW)
        routing.move_rule(rule=made[0], is_up=False, by=moderator, now=NOW)
        assert names(project) == ["c", "a", "b"]

    @pytest.mark.parametrize(
        ("rule", "path"),
        [
            (Rule(name=" "), "name"),
            (Rule(name="x" * 61), "name"),
            (Rule(name="there"), "name"),
            (Rule(name="x", filter={"nothing": "x"}), "filter"),
            (Rule(name="x", filter={"verdict": "fix"}), "filter"),
            (Rule(name="x", filter={"-state": "open"}), "filter"),
            (Rule(name="x", verdicts=["maybe"]), "verdicts"),
            (Rule(name="x", severities=["huge"]), "severities"),
            (Rule(name="x", reasons=["unheard-of"]), "reasons"),
            (Rule(name="x", routes=["nowhere"]), "routes"),
        ],
    )
    def test_name_the_field_that_cannot_be(
        self, project: Project, moderator: User, rule: Rule, path: str
    ) -> None:
        make_rule(project, name="there")
        with pytest.raises(RoutingError) as error:
            routing.create_rule(project=project, rule=rule, by=moderator, now=NOW)
        assert error.value.path == path

    def test_may_keep_a_reason_that_is_no_more(self, project: Project, moderator: User) -> None:
        rule = make_rule(project, reasons=["bygone"])
        kept = {"name": "New name", "reasons": ["bygone"]}
        routing.edit_rule(edited=rule, changes=kept, by=moderator, now=LATER)
        rule.refresh_from_db()
        assert (rule.name, rule.reasons, rule.changed_at) == ("New name", ["bygone"], NOW)

    def test_stay_where_and_as_they_were_put_while_they_are_edited(
        self, project: Project, moderator: User
    ) -> None:
        make_rule(project, name="a")
        edited = make_rule(project, name="b")

        def move_and_switch() -> None:
            rule = RoutingRule.objects.get(name="b")
            routing.move_rule(rule=rule, is_up=True, by=moderator, now=NOW)
            routing.switch_rule(rule=rule, is_on=False, by=moderator, now=NOW)

        with meanwhile(move_and_switch, before="FOR NO KEY UPDATE"):
            routing.edit_rule(edited=edited, changes={"name": "B"}, by=moderator, now=NOW)
        assert names(project) == ["B", "a"]
        assert not RoutingRule.objects.get(name="B").is_active

    def test_no_two_are_in_one_place(self, project: Project) -> None:
        for _ in range(2):
            make_rule(project, position=1)
        with pytest.raises(IntegrityError), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class TestListed:
    def test_tells_how_often_each_was_overruled_since_it_changed(
        self,
        project: Project,
        moderator: User,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        rule = make_rule(project, name="a", routes=["issue"])
        make_rule(project, name="b")
        decide(project)
        decide(project, routes=["library"])
        decide(project, routes=[])
        with django_assert_num_queries(3):
            found = routing.listed(project=project)
        assert [(one.name, num, over) for one, num, over in found] == [("a", 3, 2), ("b", 0, 0)]
        routing.edit_rule(edited=rule, changes={"routes": ["training"]}, by=moderator, now=LATER)
        assert routing.listed(project=project)[0][1:] == (0, 0)


class TestPreview:
    def test_counts_past_decisions_and_what_earlier_rules_take(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        unsafe = Reason.objects.current().get(taxonomy__project=project, slug="unsafe")
        reviewer = make_user(project)
        for verdict, severity, routes in (
            ("fix", "major", ["issue"]),
            ("fix", "minor", ["issue", "library"]),
            ("reject", "critical", ["escalate"]),
            ("accept", "", []),
        ):
            review = make_review(
                make_output(project, model="m"),
                reviewer,
                verdict=verdict,
                severity=severity,
                routes=routes,
            )
            if verdict != "accept":
                review.reasons.add(unsafe)
        make_review(make_output(project, model="other"), reviewer, verdict="fix")
        make_rule(project, name="Severe", severities=["critical"])
        asked = Rule(name="", filter={"model": "m"}, reasons=["unsafe"], routes=["issue"])
        with django_assert_max_num_queries(7):
            past = routing.preview(project=project, rule=asked)
        assert (past.num, past.num_before, past.num_same) == (2, 1, 1)


class TestPages:
    def test_make_change_order_and_switch(
        self, client: Client, project: Project, moderator: User
    ) -> None:
        client.force_login(moderator)
        sent = {
            "name": "<b>Severe</b>",
            "words": "score:negative",
            "verdicts": ["fix", "reject"],
            "severities": ["critical"],
            "reasons": ["unsafe"],
            "routes": ["escalate"],
        }
        client.post(reverse("rule_create", args=[project.slug]), sent)
        rule = RoutingRule.objects.get()
        assert (rule.filter, rule.routes) == ({"score": "negative"}, ["escalate"])
        page = client.get(reverse("rule_list", args=[project.slug])).content.decode()
        assert "&lt;b&gt;Severe" in page
        assert "Fix or Reject, Critical" in page
        url = reverse("rule_edit", args=[project.slug, rule.pk])
        assert "score:negative" in client.get(url).content.decode()
        client.post(url, sent | {"name": "Severe", "routes": []})
        rule.refresh_from_db()
        assert (rule.name, rule.routes) == ("Severe", [])
        client.post(reverse("rule_switch", args=[project.slug, rule.pk]), {"to": "off"})
        rule.refresh_from_db()
        assert not rule.is_active
        move = reverse("rule_move", args=[project.slug, rule.pk])
        assert client.post(move, {"to": "away"}).status_code == 400

    def test_overwrite_no_change_that_their_reader_has_not_seen(
        self, client: Client, project: Project, moderator: User
    ) -> None:
        rule = make_rule(project, name="Severe", routes=["issue"])
        client.force_login(moderator)
        url = reverse("rule_edit", args=[project.slug, rule.pk])
        seen = client.get(url).context["seen"]
        other = make_user(project, "moderator")
        routing.edit_rule(edited=rule, changes={"routes": ["escalate"]}, by=other, now=NOW)
        mine = {"name": "Mine", "routes": ["library"]}
        # What is wrong by itself tells nothing of the change.
        wrong = client.post(url, mine | {"name": "", "seen": seen})
        refused = client.post(url, mine | {"seen": wrong.context["seen"]})
        assert refused.status_code == 422
        page = refused.content.decode()
        assert "Somebody has changed this rule meanwhile" in page
        assert 'value="Mine"' in page
        rule.refresh_from_db()
        assert (rule.name, rule.routes) == ("Severe", ["escalate"])
        assert client.post(url, mine | {"seen": refused.context["seen"]}).status_code == 302
        rule.refresh_from_db()
        assert (rule.name, rule.routes) == ("Mine", ["library"])
        # Pressed twice.
        assert client.post(url, mine | {"seen": refused.context["seen"]}).status_code == 302

    def test_say_what_is_wrong_where_it_is(
        self, client: Client, project: Project, moderator: User
    ) -> None:
        client.force_login(moderator)
        url = reverse("rule_create", args=[project.slug])
        for sent, said in (
            ({"name": "x", "words": "verdict:fix"}, "choose it below"),
            ({"name": "x", "words": "nothing:there"}, "There is no filter"),
            ({"name": ""}, "This field is required"),
        ):
            page = client.post(url, sent)
            assert page.status_code == 422
            assert said in page.content.decode()
        assert not RoutingRule.objects.exists()

    def test_preview_what_a_rule_would_have_done(
        self, client: Client, project: Project, moderator: User
    ) -> None:
        make_review(make_output(project), make_user(project), verdict="fix", routes=["issue"])
        client.force_login(moderator)
        url = reverse("rule_preview", args=[project.slug])
        page = client.get(url, {"verdicts": "fix", "routes": "issue"}, headers={"hx-request": "1"})
        assert '<b class="num">1</b> past decision' in page.content.decode()
        assert "<html" in client.get(url).content.decode()
        assert client.get(url, {"words": "x:y"}).status_code == 422
        rule = make_rule(make_project())
        assert client.get(url, {"rule": rule.pk}).status_code == 404

    def test_take_as_many_queries_for_many_rules(
        self,
        client: Client,
        project: Project,
        moderator: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for number in range(12):
            make_rule(project, name=str(number), verdicts=["fix"])
        client.force_login(moderator)
        with django_assert_max_num_queries(9):
            client.get(reverse("rule_list", args=[project.slug]))


class TestDesk:
    def test_ticks_what_the_rules_propose_and_names_the_rule(
        self, client: Client, project: Project
    ) -> None:
        make_rule(project, name="<i>Severe</i>", severities=["critical"], routes=["escalate"])
        item = make_item(make_queue(project))
        client.force_login(make_user(project, "expert"))
        url = reverse("item_routes", args=[project.slug, item.pk])
        said = client.get(url, {"verdict": "fix", "severity": "critical"}).content.decode()
        assert 'data-routes="escalate"' in said
        assert "&lt;i&gt;Severe" in said
        assert 'data-routes=""' in client.get(url, {"verdict": "fix"}).content.decode()
        assert 'data-routes=""' in client.get(url).content.decode()

    @pytest.mark.parametrize(
        ("sent", "routes"),
        [
            ({}, ["issue"]),
            ({"routes": ["none"]}, []),
            ({"routes": ["library"]}, ["library"]),
            ({"routes": ["library"], "routes_by": "rule"}, ["issue"]),
            ({"routes": ["library"], "routes_by": "person"}, ["library"]),
            ({"routes_by": "person"}, []),
        ],
    )
    def test_a_choice_is_told_from_none_with_and_without_a_script(
        self, client: Client, project: Project, sent: dict[str, Any], routes: list[str]
    ) -> None:
        make_rule(project, routes=["issue"])
        item = make_item(make_queue(project))
        expert = make_user(project, "expert")
        held = queues.claim(item=item, by=expert, now=NOW)
        client.force_login(expert)
        url = reverse("item_submit", args=[project.slug, item.pk])
        client.post(url, {"verdict": "accept", "fence": held.fence} | sent)
        assert Review.objects.get().routes == routes
