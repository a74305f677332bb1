"""Outputs that differ in all that a filter asks for, filters over them, and what these mean."""

from __future__ import annotations

import operator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from feedback.filter_syntax import Term, Word
from feedback.models import FeedbackReason, Project, Reason, SessionTag, Tag
from review.filters import ReviewFilter
from review.models import ThemeMembership, ThemeRun
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
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
SLUGS = ("factually-incorrect", "formatting")
FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAYS = [(FIRST + timedelta(days=number)).date().isoformat() for number in range(4)]
# Of every so many outputs, by the remainder of their number.
VERDICTS = {1: "accept", 5: "fix", 9: "reject"}
SEVERITIES = {5: "minor", 17: "major", 9: "major"}

# A tag in another case, and by a former name.
SAME_TAG = {"A, B": "a, b", "X": "x", "formerly": "x"}

# What each output of `fill` has, by its id.
Known = dict[str, dict[str, Any]]


def fill(project: Project) -> Known:
    """Forty-eight outputs that differ in everything a filter can ask for.

    All were reviewed by one person where there is a verdict, and answered in sessions of their own.
    """
    reviewer = make_user(project)
    reasons = {reason.slug: reason for reason in Reason.objects.filter(taxonomy__project=project)}
    tags = {name: Tag.objects.create(project=project, name=name) for name in ("x", "a, b")}
    Tag.objects.create(project=project, name="formerly", alias_of=tags["x"])
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
            "model_version": ["1", "2", ""][number // 3 % 3],
            "prompt_version": ["p1", "p, 2"][number // 2 % 2],
            "environment": ["live", "test"][number % 2],
            "role": ["guest", "staff", ""][number // 5 % 3],
            "session": f"s-{number}",
            "output": str(number),
            "confidence": [None, 0.2, 0.5, 0.9][number % 4],
            "day": DAYS[number % 4],
            "tag": {name for place, name in enumerate(tags) if number % 5 == place},
            "reason": {slug for place, slug in enumerate(SLUGS) if number % 7 == place},
            "signal": {"copy"} if number % 6 == 0 else set(),
            "score": {1: {"positive"}, 2: {"negative"}}.get(number % 8, set()),
            "theme": {str(number % 5 + 1)} if number % 5 < 2 else set(),
            "verdict": {"accept", "fix", "reject"} & {VERDICTS.get(number % 12)},
            "severity": {"minor", "major"} & {SEVERITIES.get(number % 24)},
        }
        session = make_session(
            project, external_id=facts["session"], environment=facts["environment"],
            user_role=facts["role"],
        )  # fmt: skip
        output = make_output(
            project, session, external_id=facts["output"], query=" ".join(said[:2]) or "none",
            text=" ".join(said[2:]) or "none", model=facts["model"],
            model_version=facts["model_version"], prompt_version=facts["prompt_version"],
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
            make_review(
                output, reviewer, verdict=verdict, severity=next(iter(facts["severity"]), "")
            )
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
    wanted = {SAME_TAG.get(value, value) if term.name == "tag" else value for value in term.values}
    return bool(has & wanted) != term.is_excluded


CHOICES = {
    "model": ["a", "b", "zebra"],
    "model_version": ["1", "2"],
    "prompt_version": ["p1", "p, 2"],
    "environment": ["live", "test"],
    "role": ["guest", "staff"],
    "session": ["s-1", "s-2", "s-40"],
    "output": ["1", "3", "99"],
    "reason": [*SLUGS, "too-vague"],
    "tag": ["x", "a, b", *SAME_TAG],
    "signal": ["copy", "edit"],
    "score": ["negative", "positive"],
    "theme": ["1", "2"],
    "verdict": ["accept", "fix", "reject"],
    "severity": ["minor", "major", "critical"],
    "state": ["open", "reviewed", "unreviewed", "provisional"],
}
BOUNDS = {
    "min_confidence": ["0.2", "0.5"],
    "max_confidence": ["0.2", "0.9"],
    "since": DAYS,
    "until": DAYS,
}
# A filter for each field alone, with its first value.
EACH = [
    ReviewFilter().also(ReviewFilter(terms=(Term(name, tuple(values[:1])),)))
    for name, values in (CHOICES | BOUNDS).items()
]
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
