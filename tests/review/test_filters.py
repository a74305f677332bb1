"""A filter means the same wherever it is used, and the same as in plain Python."""

from __future__ import annotations

import operator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedback.filter_syntax import Term, Word
from feedback.models import Feedback, FeedbackReason, Output, Project, Reason, SessionTag, Tag
from review import bulk, intake, worklist
from review.filters import ReviewFilter
from review.models import Queue, ThemeMembership, ThemeRun
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_key,
    make_output,
    make_project,
    make_provisional,
    make_queue,
    make_review,
    make_session,
    make_theme,
    make_user,
)

WORDS = ("bread", "yeast", "oven", "sugar")
FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAYS = [(FIRST + timedelta(days=number)).date().isoformat() for number in range(4)]

# What each output of `filled` has, by its id.
Known = dict[str, dict[str, Any]]


@pytest.fixture
def filled(project: Project) -> Known:
    """Forty-eight outputs that differ in everything a filter can ask for."""
    reviewer = make_user(project)
    reasons = {reason.slug: reason for reason in Reason.objects.filter(taxonomy__project=project)}
    slugs = sorted(reasons)[:2]
    tags = {name: Tag.objects.create(project=project, name=name) for name in ("x", "a, b")}
    themes = [make_theme(project, number=number) for number in (1, 2)]
    run = ThemeRun.objects.create(
        project=project, model="m", algorithm="a", num_feedback=1, num_themes=2,
        started_at=NOW, finished_at=NOW,
    )  # fmt: skip
    queue = make_queue(project, slug="there")
    make_output(make_project(), text="bread yeast", model="a")
    known = {}
    for number in range(48):
        said = [word for place, word in enumerate(WORDS) if number >> place & 1]
        facts: dict[str, Any] = {
            "words": said,
            "model": ["a", "b", ""][number % 3],
            "environment": ["live", "test"][number % 2],
            "confidence": [None, 0.2, 0.5, 0.9][number % 4],
            "day": DAYS[number % 4],
            "tag": {name for place, name in enumerate(tags) if number % 5 == place},
            "reason": {slug for place, slug in enumerate(slugs) if number % 7 == place},
            "signal": {"copy"} if number % 6 == 0 else set(),
            "score": {1: {"positive"}, 2: {"negative"}}.get(number % 8, set()),
            "theme": {str(number % 5 + 1)} if number % 5 < 2 else set(),
            "verdict": {["accept", "fix"][number % 2]} if number % 4 == 1 else set(),
        }
        session = make_session(project, environment=facts["environment"])
        output = make_output(
            project, session, external_id=str(number), query=" ".join(said[:2]) or "none",
            text=" ".join(said[2:]) or "none", model=facts["model"],
            confidence=facts["confidence"], at=FIRST + timedelta(days=number % 4),
        )  # fmt: skip
        for name in facts["tag"]:
            SessionTag.objects.create(session=session, tag=tags[name])
        for _ in facts["signal"]:
            make_feedback(output, name="copy", is_implicit=True)
        scores = {"positive": 1.0, "negative": -1.0}
        rating = make_feedback(output, score=next((scores[one] for one in facts["score"]), None))
        for slug in facts["reason"]:
            FeedbackReason.objects.create(feedback=rating, reason=reasons[slug])
        for theme in facts["theme"]:
            ThemeMembership.objects.create(
                theme=themes[int(theme) - 1], feedback=rating, run=run, similarity=1
            )
        for verdict in facts["verdict"]:
            make_review(output, reviewer, verdict=verdict)
        is_reviewed = bool(facts["verdict"])
        facts["state"] = {"reviewed" if is_reviewed else "unreviewed"}
        if number % 9 == 0:
            make_item(queue, output)
            facts["state"].add("open")
        elif number % 10 == 4:
            make_provisional(make_item(queue, output), reviewer)
            facts["state"].add("provisional")
        known[output.external_id] = facts
    return known


def is_meant(facts: dict[str, Any], wanted: ReviewFilter) -> bool:
    """The oracle: whether an output with these facts matches."""
    there = " ".join(facts["words"])
    for word in wanted.words:
        has = f" {word.text} " in f" {there} " if word.is_exact else word.text in facts["words"]
        if has == word.is_excluded:
            return False
    return all(_satisfies(facts, term) for term in wanted.terms)


def _satisfies(facts: dict[str, Any], term: Term) -> bool:
    bounds = {
        "min_confidence": ("confidence", operator.ge),
        "max_confidence": ("confidence", operator.le),
        "since": ("day", operator.ge),
        "until": ("day", operator.le),
    }
    if term.name in bounds:
        name, holds = bounds[term.name]
        value = float(term.values[0]) if name == "confidence" else term.values[0]
        return facts[name] is not None and holds(facts[name], value)
    has = facts[term.name]
    has = has if isinstance(has, set) else {has}
    return bool(has & set(term.values)) != term.is_excluded


CHOICES = {
    "model": ["a", "b", "zebra"],
    "environment": ["live", "test"],
    "tag": ["x", "a, b"],
    "signal": ["copy", "edit"],
    "score": ["negative", "positive"],
    "theme": ["1", "2"],
    "verdict": ["accept", "fix"],
    "state": ["open", "reviewed", "unreviewed", "provisional"],
}
BOUNDS = {
    "min_confidence": ["0.2", "0.5"],
    "max_confidence": ["0.2", "0.9"],
    "since": DAYS,
    "until": DAYS,
}
several = st.sampled_from(sorted(CHOICES)).flatmap(
    lambda name: st.builds(
        Term,
        st.just(name),
        st.lists(st.sampled_from(CHOICES[name]), min_size=1, max_size=2, unique=True).map(tuple),
        st.booleans(),
    )
)
bounds = st.sampled_from(sorted(BOUNDS)).flatmap(
    lambda name: st.builds(Term, st.just(name), st.sampled_from(BOUNDS[name]).map(lambda v: (v,)))
)
words = st.one_of(
    st.builds(Word, st.sampled_from(WORDS), st.just(False), st.booleans()),
    st.builds(Word, st.sampled_from(["bread yeast", "oven sugar"]), st.just(True), st.booleans()),
)
filters = st.builds(
    lambda terms, words: ReviewFilter().also(ReviewFilter(words=tuple(words), terms=tuple(terms))),
    st.lists(st.one_of(several, bounds), max_size=4, unique_by=lambda term: term.key),
    st.lists(words, max_size=2, unique=True),
)


def test_means_the_same_everywhere(client: Client, project: Project, filled: Known) -> None:
    """Complaints 10 and 11: page, queue, bulk act, export and API against plain Python."""
    everything = make_queue(project)
    intake.feed(queue=everything, now=NOW)
    moderator = make_user(project, role="moderator")
    client.force_login(moderator)
    key = {"authorization": f"Bearer {make_key(project, ['read'])}"}
    address = f"/p/{project.slug}/queues/{everything.slug}/"
    # The queue of everything has opened every output.
    for facts in filled.values():
        facts["state"].add("open")

    @settings(
        max_examples=24, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(filters)
    def check(wanted: ReviewFilter) -> None:
        meant = {key for key, facts in filled.items() if is_meant(facts, wanted)}
        outputs = Output.objects.filter(project=project)
        assert _ids(wanted.apply(outputs)) == meant
        assert ReviewFilter.parse(str(wanted)) == wanted
        assert ReviewFilter.from_json(wanted.to_json()) == wanted
        items = worklist.open_items(queue=everything, narrowed=wanted)
        assert {item.output.external_id for item in items.select_related("output")} == meant
        shown = client.get(address, {"words": str(wanted), "group": "flat"})
        assert {row.item.output.external_id for row in shown.context["listing"].rows} == meant
        fed = make_queue(project, filter=wanted.to_json())
        intake.feed(queue=fed, now=NOW)
        assert _ids(Output.objects.filter(queue_items__queue=fed)) == meant
        fed.delete()
        explored = client.get(
            f"/p/{project.slug}/search/", {"q": str(wanted), "mode": "words", "list": "output"}
        )
        assert explored.context["page"].counts["output"] == len(meant)
        chosen = ReviewFilter.parse(explored.context["bulk_filter"])
        job = bulk.start(
            project=project, wanted=chosen, act="tag_add", tags=["y"], by=moderator, now=NOW
        )
        assert _ids(bulk.meant(job=job)) == meant
        assert _exported(client, project, explored.context["bulk_filter"]) == meant
        assert _listed(client, str(wanted), key) == meant

    check()
    assert Queue.objects.count() == 2


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
