"""Walks every address: who may not come in, does not, and no address is forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from config.api import api
from curation.models import (
    ContextEntry,
    ContextLibrary,
    Example,
    Exposure,
    GateCheck,
    GateFinding,
    LibraryVersion,
    Probe,
    Proposal,
    TrainingSet,
)
from feedback.authentication import create_own_key
from feedback.models import Membership, Project, Tag, User
from review import queues
from review.models import (
    Annotation,
    Claim,
    Comment,
    Evidence,
    QueueItem,
    QueueReviewer,
    Skip,
)
from tests.factories import (
    NOW,
    make_candidate,
    make_delivery,
    make_erasure,
    make_escalation,
    make_group,
    make_handover,
    make_issue,
    make_item,
    make_job,
    make_key,
    make_news,
    make_output,
    make_project,
    make_promotion,
    make_queue,
    make_review,
    make_rule,
    make_session,
    make_theme,
    make_tracker,
    make_user,
    make_view,
)

pytestmark = pytest.mark.django_db

# Addresses outside projects, and who may use them.
# A digest is stopped by the token in a mail.
ANYBODY = {"login", "health", "digest_stop"}
SIGNED_IN = {
    "home",
    "theme_switch",
    "patterns",
    "logout",
    "demo",
    "inbox",
    "inbox_read",
    "inbox_open",
    "own_keys",
    "own_key_revoke",
    "notification_choices",
}
# Their own rules: the admin site asks for staff, the API for keys (below).
ELSEWHERE = ("admin/", "api/v1/")
DOCUMENTATION = {"api/v1/", "api/v1/docs", "api/v1/openapi.json"}
VERBS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Address:
    """One address: its route, name, view, and the names of what it needs filled in."""

    route: str
    name: str
    view: Callable[..., Any]
    parts: tuple[str, ...]


def addresses() -> list[Address]:
    return list(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[Any], prefix: str, before: tuple[str, ...] = ()) -> Iterator[Address]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        parts = (*before, *pattern.pattern.converters)
        if isinstance(pattern, URLResolver):
            if not route.startswith("admin/"):
                yield from _walk(pattern.url_patterns, route, parts)
        elif isinstance(pattern, URLPattern) and pattern.callback is not None:
            yield Address(route, pattern.name or route, pattern.callback, parts)


PAGES = [one for one in addresses() if not one.route.startswith(ELSEWHERE)]
IN_PROJECTS = [one for one in PAGES if "project" in one.parts]
ENDPOINTS = [one for one in addresses() if one.route.startswith("api/v1/")]


@dataclass
class Filled:
    """A project with one of everything an address can name."""

    project: Project
    parts: dict[str, object] = field(default_factory=dict)

    def url(self, address: Address) -> str:
        missing = set(address.parts) - self.parts.keys()
        assert not missing, f"Say in this test what {missing} of {address.route} may be."
        return reverse(address.name, kwargs={name: self.parts[name] for name in address.parts})


@pytest.fixture
def filled(project: Project) -> Filled:
    session = make_session(project, external_id="s/1")
    output = make_output(project, session, external_id="o/1 ?")
    queue = make_queue(project)
    item = make_item(queue, output)
    author = make_user(project)
    review = make_review(output, author, correction="Better.")
    library = ContextLibrary.objects.create(project=project, slug="library", name="Library")
    entry = ContextEntry.objects.create(
        library=library, query="q", answer="a", created_by=author, created_at=NOW
    )
    training_set = TrainingSet.objects.create(project=project, slug="set", name="Set")
    example = Example.objects.create(
        training_set=training_set, prompt=[], chosen="a", created_by=author, created_at=NOW
    )
    finding = GateFinding.objects.create(
        check_run=GateCheck.objects.create(
            training_set=training_set, status="done", asked_by=author, asked_at=NOW, finished_at=NOW
        ),
        gate="exact",
        example=example,
        why="says the same",
    )
    annotation = Annotation.objects.create(
        project=project,
        output=output,
        output_version=1,
        author=author,
        comment="x",
        start=0,
        end=1,
        exact="B",
        text_sha256="0" * 64,
        renderer_version=1,
        created_at=NOW,
    )
    evidence = Evidence.objects.create(
        annotation=annotation,
        document=0,
        start=0,
        end=1,
        exact="B",
        text_sha256="0" * 64,
        added_by=author,
        created_at=NOW,
    )
    reply = Comment.objects.create(
        project=project, annotation=annotation, author=author, text="x", created_at=NOW
    )
    version = LibraryVersion.objects.create(
        library=library, number=1, content_hash="0" * 64, published_by=author, published_at=NOW
    )
    probe = Probe.objects.create(library=library, query="q", created_by=author, created_at=NOW)
    proposal = Proposal.objects.create(
        library=library, content_hash="", proposed_by=author, proposed_at=NOW
    )
    exposure = Exposure.objects.create(
        project=project, version=version, num_tokens=0, served_at=NOW
    )
    return Filled(
        project,
        {
            "project": project.slug,
            "session": session.external_id,
            "output": output.external_id,
            "answer": output.pk,
            "queue": queue.slug,
            "group": make_group(item).pk,
            "item": item.pk,
            "review": review.pk,
            "library": library.slug,
            "entry": entry.pk,
            "probe": probe.pk,
            "proposal": proposal.pk,
            "training_set": training_set.slug,
            "example": example.pk,
            "finding": finding.pk,
            "annotation": annotation.pk,
            "reply": reply.pk,
            "evidence": evidence.pk,
            "text": "system",
            "token": exposure.token,
            "erasure": make_erasure(project).pk,
            "job": make_job(project, author).pk,
            "candidate": make_candidate(project).pk,
            "promotion": make_promotion(project, author).pk,
            "escalation": make_escalation(project).pk,
            "handover": make_handover(project, route="issue").pk,
            "issue": (issue := make_issue(project)).number,
            "tracker": (tracker := make_tracker(project)).pk,
            "hook": tracker.hook,
            "delivery": make_delivery(issue, tracker).pk,
            "route": "library",
            "rule": make_rule(project).pk,
            "notification": make_news(project, author).pk,
            "view": make_view(project, author).pk,
            "number": make_theme(project).number,
            "tag": Tag.objects.create(project=project, name="x").pk,
            "conversation": session.pk,
            "release": 1,
            "split": "train",
            "path": "manifest.json",
        },
    )


def roles_below(role: str) -> list[str]:
    order = list(Membership.Role.values)
    return order[: order.index(role)]


def statuses(client: Client, url: str) -> dict[str, int]:
    return {verb: getattr(client, verb)(url).status_code for verb in VERBS}


class TestPages:
    def test_outside_projects_are_all_known(self) -> None:
        outside = {one.name for one in PAGES if "project" not in one.parts}
        assert outside == ANYBODY | SIGNED_IN

    def test_in_projects_all_say_who_may(self) -> None:
        silent = [one.route for one in IN_PROJECTS if not hasattr(one.view, "required_role")]
        assert silent == []

    @pytest.mark.parametrize("address", IN_PROJECTS, ids=lambda one: one.name)
    def test_send_strangers_to_sign_in(
        self, client: Client, filled: Filled, address: Address
    ) -> None:
        for status in statuses(client, filled.url(address)).values():
            assert status == 302

    @pytest.mark.parametrize("address", IN_PROJECTS, ids=lambda one: one.name)
    def test_do_not_exist_for_members_of_other_projects(
        self, client: Client, filled: Filled, address: Address
    ) -> None:
        """Complaint 23."""
        other = make_project()
        client.force_login(make_user(other, role="admin"))
        for status in statuses(client, filled.url(address)).values():
            assert status in {404, 405}
        # The same thing asked for through the project one is in.
        if set(address.parts) - {"project", "split", "release", "number", "route"}:
            inside = Filled(other, filled.parts | {"project": other.slug})
            for status in statuses(client, inside.url(address)).values():
                assert status in {404, 405}

    @pytest.mark.parametrize("address", IN_PROJECTS, ids=lambda one: one.name)
    def test_refuse_members_without_the_role(
        self, client: Client, filled: Filled, address: Address
    ) -> None:
        """Complaint 22."""
        for role in roles_below(address.view.required_role):  # type: ignore[attr-defined]
            client.force_login(make_user(filled.project, role=role))
            found = statuses(client, filled.url(address))
            assert set(found.values()) <= {403, 405}, (role, found)
            assert 403 in found.values()

    @pytest.mark.parametrize("address", IN_PROJECTS, ids=lambda one: one.name)
    def test_know_their_verbs(self, client: Client, filled: Filled, address: Address) -> None:
        client.force_login(make_user(filled.project, role="admin"))
        url = filled.url(address)
        assert {getattr(client, verb)(url).status_code for verb in ("put", "patch", "delete")} == {
            405
        }


# Endpoints that ask for something other than a key.
BY_TOKEN = {
    "api/v1/collect",
    "api/v1/collect/reasons",
    "api/v1/trackers/<uuidstr:hook>/report",
}
WITH_KEYS = sorted({one.route for one in ENDPOINTS} - DOCUMENTATION - BY_TOKEN)
# Those that name something of a project.
NAMING = [route for route in WITH_KEYS if "<" in route]
DOCUMENT: Any = api.get_openapi_schema()
SLUGS = {"queues": "queue", "libraries": "library", "training-sets": "training_set"}
# Those whose body names something besides, which is looked for first, and not there either.
NAMED_BESIDE = {
    "api/v1/escalations/<int:escalation>/return",
    "api/v1/issues/<int:number>/handovers",
    "api/v1/issues/<int:number>/send",
}
# What a viewer may read.
VIEWED = {
    "api/v1/annotations",
    "api/v1/annotations/<int:annotation>",
    "api/v1/bulk/<int:job>",
    "api/v1/candidates",
    "api/v1/corrections",
    "api/v1/groups/<int:group>",
    "api/v1/issues",
    "api/v1/issues/<int:number>",
    "api/v1/libraries/<slug:library>/versions/<int:number>/effect",
    "api/v1/libraries/<slug>/draft",
    "api/v1/libraries/<slug>/proposals",
    "api/v1/libraries/<slug>/proposals/<int:proposal>",
    "api/v1/outputs",
    "api/v1/outputs/<path:output>",
    "api/v1/my-work",
    "api/v1/my-work/reviews",
    "api/v1/my-work/skips",
    "api/v1/notification-choices",
    "api/v1/notifications",
    "api/v1/promotions/<int:promotion>",
    "api/v1/promotions/<int:promotion>/effect",
    "api/v1/queues",
    "api/v1/queues/<slug>",
    "api/v1/queues/<slug>/groups",
    "api/v1/queues/<slug>/items",
    "api/v1/queues/<slug>/shares",
    "api/v1/rankings",
    "api/v1/reviews/<int:review>/effect",
    "api/v1/search",
    "api/v1/search/annotations",
    "api/v1/sessions/<path:session>",
    "api/v1/tags",
    "api/v1/themes",
    "api/v1/themes/<int:number>",
    "api/v1/themes/<int:number>/effect",
    "api/v1/themes/<int:number>/feedback",
    "api/v1/views",
    "api/v1/views/<int:view>",
}

# What every member may do, with what is their own.
EVERYBODYS = {
    "api/v1/notification-choices",
    "api/v1/notifications/<int:notification>/read",
    "api/v1/notifications/read",
    "api/v1/views",
}


def own_key(user: User) -> str:
    return create_own_key(membership=user.memberships.get(), name="x", now=timezone.now())[1]


def asked(client: Client, filled: Filled, route: str, key: str) -> dict[str, int]:
    """What each verb that the endpoint knows answers to a key."""
    kind = route.split("/")[2]
    samples = filled.parts | {"slug": filled.parts.get(SLUGS.get(kind, ""), "")}
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda part: quote(str(samples[part[1]]), safe=""), route)
    found = {}
    for verb in VERBS:
        got = getattr(client, verb)(
            f"/{path}",
            **(
                {"data": example(route, verb), "content_type": "application/json"}
                if verb != "get"
                else {}
            ),
            headers={"authorization": f"Bearer {key}"},
        )
        if got.status_code != 405:
            found[verb] = got.status_code
    return found


def example(route: str, verb: str) -> Any:
    """The body that the API's own document gives as an example, else what it says is required."""
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{route}")
    operation = DOCUMENT["paths"].get(path, {}).get(verb, {})
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    wanted = DOCUMENT["components"]["schemas"].get(name, {})
    kinds = {one: wanted["properties"][one].get("type") for one in wanted.get("required", ())}
    filled = {one: 1 if kind == "integer" else "said" for one, kind in kinds.items()}
    return wanted.get("example", filled)


class TestEndpoints:
    @pytest.mark.parametrize("route", sorted({one.route for one in ENDPOINTS} - DOCUMENTATION))
    def test_want_a_key_or_a_token(self, client: Client, filled: Filled, route: str) -> None:
        samples = filled.parts | {"slug": "set", "split": "train"}
        path = re.sub(
            r"<(?:\w+:)?(\w+)>", lambda part: quote(str(samples[part[1]]), safe=""), route
        )
        found = statuses(client, f"/{path}")
        assert set(found.values()) <= {400, 401, 403, 405}, found
        assert {"put", "patch", "delete"} <= {verb for verb, got in found.items() if got == 405}

    @pytest.mark.parametrize("route", NAMING)
    def test_know_nothing_of_other_projects(
        self, client: Client, filled: Filled, route: str
    ) -> None:
        """Complaint 23."""
        other = make_project()
        for key in (make_key(other), own_key(make_user(other, "admin"))):
            found = asked(client, filled, route, key)
            assert found
            assert set(found.values()) <= {403, 422 if route in NAMED_BESIDE else 404}, found

    @pytest.mark.parametrize("route", WITH_KEYS)
    def test_refuse_a_key_without_the_scope_or_role(
        self, client: Client, filled: Filled, route: str
    ) -> None:
        viewer = asked(client, filled, route, own_key(make_user(filled.project, "viewer")))
        assert (viewer.pop("get", 403) != 403) == (route in VIEWED)
        if route in EVERYBODYS:
            assert 403 not in viewer.values(), viewer
        else:
            assert set(viewer.values()) <= {403}, viewer
        if route != "api/v1/feedback-tokens":
            product = asked(client, filled, route, make_key(filled.project, ["feedback"]))
            assert set(product.values()) == {403}, product


# What names something of a queue.
OF_A_QUEUE = {"queue", "item", "group"}
WORD = "zebrafish"


@dataclass
class Hidden:
    """A queue that names one of two experts, who did the same in it before; `items` are its own."""

    filled: Filled
    named: User
    other: User
    items: list[int]

    def is_told(self, text: str) -> bool:
        """Whether a page or reply tells that there is the queue."""
        low = text.lower()
        return WORD in low or any(
            found in low
            for pk in self.items
            for found in (f"/items/{pk}/", f'"item": {pk},', f'"item":{pk},')
        )


@pytest.fixture
def hidden(filled: Filled) -> Hidden:
    project = filled.project
    item = QueueItem.objects.get(pk=int(str(filled.parts["item"])))
    theme = make_theme(project)
    item.theme = theme
    item.save(update_fields=["theme"])
    queue = item.queue
    job = make_job(project, make_user(project), act="queue_add", tags=[], queue=queue)
    people = [make_user(project, "expert") for _ in range(2)]
    for user in people:
        for _ in range(2):
            held = make_item(queue, theme=theme)
            queues.claim(item=held, by=user, now=timezone.now())
        Claim.objects.filter(item=held).update(finished_at=NOW, lease_until=NOW)
        decided = make_review(held.output, user, item=held)
        make_escalation(project, item=held, review=decided, output=held.output)
        Skip.objects.create(item=item, reviewer=user, reason="x", skipped_at=NOW)
        make_news(project, user, kind="taken", job=None, item=held, output=held.output)
        make_news(project, user, job=job)
    queue.name, queue.slug, queue.is_restricted = "Zebrafish", WORD, True
    queue.save()
    QueueReviewer.objects.create(project=project, queue=queue, user=people[0])
    filled.parts |= {"queue": queue.slug, "number": theme.number, "job": job.pk}
    named, other = people
    return Hidden(filled, named, other, list(queue.items.values_list("pk", flat=True)))


def told(client: Client, hidden: Hidden) -> set[str]:
    """The pages of the project, and of the person, that tell of the queue."""
    found = set()
    for address in PAGES:
        role = getattr(address.view, "required_role", Membership.Role.VIEWER)
        is_above = role in Membership.reaching(Membership.Role.MODERATOR)
        if is_above or set(address.parts) - hidden.filled.parts.keys():
            continue
        response = client.get(hidden.filled.url(address))
        text = response.getvalue().decode() + response.headers.get("Location", "")
        # What is not there may name what was asked for.
        if response.status_code != 404 and hidden.is_told(text):
            found.add(address.name)
    return found


class TestQueuesOfSome:
    """Complaint 23."""

    @pytest.mark.parametrize(
        "address",
        [one for one in IN_PROJECTS if OF_A_QUEUE & {*one.parts}],
        ids=lambda one: one.name,
    )
    def test_do_not_exist_for_others_at_any_address_under_them(
        self, client: Client, hidden: Hidden, address: Address
    ) -> None:
        url = hidden.filled.url(address)
        is_experts = address.view.required_role not in Membership.reaching("moderator")  # type: ignore[attr-defined]
        client.force_login(hidden.other)
        found = set(statuses(client, url).values())
        assert found <= {404, 405} if is_experts else found <= {403, 405}
        assert {404, 403} & found
        client.force_login(hidden.named)
        if is_experts:
            assert 404 not in statuses(client, url).values()

    def test_are_told_of_on_no_page(self, client: Client, hidden: Hidden) -> None:
        client.force_login(hidden.named)
        assert told(client, hidden) >= {
            "queue_list", "queue", "item", "alike", "output", "theme", "my_work", "inbox",
            "bulk_list", "bulk_job",
        }  # fmt: skip
        client.force_login(hidden.other)
        assert told(client, hidden) == set()

    @pytest.mark.parametrize(
        "route",
        [
            one
            for one in NAMING
            if re.search(r"/queues/<slug>|<int:(item|group)>", one)
            or one == "api/v1/bulk/<int:job>"
        ],
    )
    def test_do_not_exist_for_others_at_any_endpoint_under_them(
        self, client: Client, hidden: Hidden, route: str
    ) -> None:
        found = asked(client, hidden.filled, route, own_key(hidden.other))
        assert found
        assert set(found.values()) <= {403, 404}, found
        named = asked(client, hidden.filled, route, own_key(hidden.named))
        assert 404 not in named.values(), named

    def test_are_told_of_by_no_endpoint(self, client: Client, hidden: Hidden) -> None:
        samples = hidden.filled.parts | {"slug": "library"}
        told: dict[User, set[str]] = {}
        for user in (hidden.named, hidden.other):
            key = own_key(user)
            told[user] = set()
            for route in WITH_KEYS:
                path = re.sub(
                    r"<(?:\w+:)?(\w+)>",
                    lambda part: quote(str(samples[part[1]]), safe=""),
                    route.replace("queues/<slug>", f"queues/{WORD}"),
                )
                response = client.get(f"/{path}", headers={"authorization": f"Bearer {key}"})
                if response.status_code == 200 and hidden.is_told(response.getvalue().decode()):
                    told[user].add(route)
        assert told[hidden.named] >= {
            "api/v1/queues",
            "api/v1/queues/<slug>",
            "api/v1/themes/<int:number>",
            "api/v1/my-work",
            "api/v1/my-work/reviews",
            "api/v1/my-work/skips",
            "api/v1/bulk/<int:job>",
            "api/v1/notifications",
        }
        assert told[hidden.other] == set()
