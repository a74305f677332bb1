"""A filter means the same wherever it is used, and the same as in plain Python."""

from __future__ import annotations

from typing import Any

import orjson
from django.test import Client
from hypothesis import HealthCheck, given, settings

from feedback.embedding import Encoder, embed_pending
from feedback.models import Feedback, Output, Project
from review import bulk, intake, worklist
from review.facets import facets
from review.filters import ReviewFilter
from review.models import Queue, QueueItem
from review.saved_views import save_view
from review.views.asking import opened
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_key,
    make_output,
    make_queue,
    make_review,
    make_user,
)
from tests.filtered import BOUNDS, CHOICES, EACH, fill, filters, is_meant


def test_means_the_same_everywhere(client: Client, project: Project, encoder: Encoder) -> None:
    """Complaints 10 and 11: page, view, queue, bulk act, export and API against plain Python."""
    filled = fill(project)
    embed_pending(encoder=encoder)
    everything = make_queue(project)
    intake.feed(queue=everything, now=NOW)
    moderator = make_user(project, role="moderator")
    client.force_login(moderator)
    key = {"authorization": f"Bearer {make_key(project, ['read'])}"}
    address = f"/p/{project.slug}/queues/{everything.slug}/"
    # The queue of everything has opened every output; every third is done there by now.
    waiting = {output for number, output in enumerate(filled) if number % 3}
    for output in waiting:
        filled[output]["state"].add("open")
    done = everything.items.exclude(output__external_id__in=waiting)
    done.update(status=QueueItem.Status.DONE, closed_at=NOW)

    def compare(wanted: ReviewFilter) -> None:
        meant = {key for key, facts in filled.items() if is_meant(facts, wanted)}
        outputs = Output.objects.filter(project=project)
        assert _ids(wanted.apply(outputs)) == meant
        assert ReviewFilter.parse(str(wanted)) == wanted
        assert ReviewFilter.from_json(wanted.to_json()) == wanted
        items = worklist.open_items(queue=everything, narrowed=wanted)
        listed = {item.output.external_id for item in items.select_related("output")}
        assert listed == meant & waiting
        shown = client.get(address, {"words": str(wanted), "group": "flat"})
        rows = shown.context["listing"].rows
        assert {row.item.output.external_id for row in rows} == meant & waiting
        fed = make_queue(project, filter=wanted.to_json())
        intake.feed(queue=fed, now=NOW)
        assert _ids(Output.objects.filter(queue_items__queue=fed)) == meant
        fed.delete()
        view = save_view(
            project=project, name="Kept", wanted=wanted, mode="words", listing="output",
            by=moderator, now=NOW,
        )  # fmt: skip
        found, chosen = _explored(client, f"/p/{project.slug}/search/{opened(view).link}")
        assert found == meant
        view.delete()
        job = bulk.start(
            project=project, wanted=ReviewFilter.parse(chosen), act="tag_add", tags=["y"],
            by=moderator, now=NOW,
        )  # fmt: skip
        assert _ids(bulk.meant(job=job)) == meant
        assert _exported(client, project, chosen) == meant
        assert _listed(client, str(wanted), key) == meant
        assert _found(client, str(wanted), key) == meant
        for facet in facets(project=project, wanted=wanted):
            for choice in facet.choices:
                alone = wanted.with_values(facet.name, [choice.value])
                expected = sum(is_meant(facts, alone) for facts in filled.values())
                assert choice.number == expected, (facet.name, choice)

    @settings(
        max_examples=16, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(filters)
    def check(wanted: ReviewFilter) -> None:
        compare(wanted)

    # Lists are asked alike however many terms there are; what terms mean together is drawn often.
    @settings(
        max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(filters)
    def query(wanted: ReviewFilter) -> None:
        meant = {key for key, facts in filled.items() if is_meant(facts, wanted)}
        assert _ids(wanted.apply(Output.objects.filter(project=project))) == meant

    query()
    check()
    assert {*CHOICES, *BOUNDS} == {*ReviewFilter.fields}
    for wanted in EACH:
        compare(wanted)
    assert Queue.objects.count() == 2


def _explored(client: Client, address: str) -> tuple[set[str], str]:
    """What Explore lists over all its pages, none twice, and the filter that its acts send."""
    found: list[str] = []
    more = address
    while more:
        shown = client.get(more)
        assert shown.status_code == 200
        found += [hit.target.external_id for hit in shown.context["page"].hits]
        more = shown.context["more"] and f"{address.partition('?')[0]}{shown.context['more']}"
    assert len(found) == len(set(found)) == shown.context["page"].counts["output"]
    return set(found), shown.context["bulk_filter"]


def _found(client: Client, text: str, key: dict[str, str]) -> set[str]:
    """What the API finds by meaning, where everything has some."""
    asked = {"q": "loaf", "filter": text, "mode": "meaning", "list": "output", "limit": "100"}
    reply = client.get("/api/v1/search", asked, headers=key).json()
    return {hit["id"] for hit in reply["results"]}


def _exported(client: Client, project: Project, text: str) -> set[str]:
    file = client.post(f"/p/{project.slug}/export/", {"filter": text})
    lines = b"".join(file.streaming_content).splitlines()  # type: ignore[attr-defined]
    return {orjson.loads(line)["id"] for line in lines}


def _listed(client: Client, text: str, key: dict[str, str]) -> set[str]:
    """What the API lists over all its pages; none twice."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = {"filter": text, "limit": "20", "cursor": cursor}
        page = client.get("/api/v1/outputs", asked, headers=key).json()
        found += [output["id"] for output in page["outputs"]]
        cursor = page["next_cursor"]
    assert len(found) == len(set(found))
    return set(found)


def _ids(outputs: Any) -> set[str]:
    return set(outputs.values_list("external_id", flat=True))


def test_hides_verdicts_from_who_is_still_to_judge(project: Project) -> None:
    output = make_output(project)
    item = make_item(make_queue(project, reviewers_per_item=2), output)
    make_review(output, make_user(project), verdict="fix", item=item)
    outputs = Output.objects.filter(project=project)
    assert not ReviewFilter.parse("verdict:fix").apply(outputs).exists()
    assert not ReviewFilter.parse("state:reviewed").apply(outputs).exists()
    assert ReviewFilter.parse("state:unreviewed").apply(outputs).exists()


def test_leaves_signals_out_of_ratings(project: Project) -> None:
    make_feedback(make_output(project), name="dwell", is_implicit=True, score=-1)
    outputs = Output.objects.filter(project=project)
    assert Feedback.objects.count() == 1
    assert not ReviewFilter.parse("score:negative").apply(outputs).exists()
