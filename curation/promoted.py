"""Tells of what was promoted whether it helped, in each place that it went to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, Max, Min, QuerySet

from curation import acts, effects, entry_effects
from curation.acts import Act
from curation.effects import Effect
from curation.entry_effects import EntryEffect
from curation.models import (
    ContextEntry,
    ContextLibrary,
    Example,
    Issue,
    LibraryVersion,
    PromotionJob,
    PublishedEntry,
    Release,
    ReleasedExample,
    TrainingSet,
)
from curation.readings import Reading
from feedback.timeouts import time_limit
from review.models import Review, Theme

Ids = Iterable[int | None]

# Of the themes of a bulk promotion, so many of the most frequent are told of.
MOST_THEMES = 3

UNPUBLISHED = Reading(
    kind="unknown",
    words="not published yet",
    why="Nothing of it is served before the library's draft is published.",
)
UNRELEASED = Reading(
    kind="unknown",
    words="not in a release yet",
    why="Nothing is trained on it before the training set is released.",
)
NOT_TRAINED_ON = Reading(
    kind="unknown",
    words="not trained on",
    why="Its releases hold it back to validate or test by, or it was erased from them.",
)
EVALUATES = Reading(
    kind="unknown", words="not trained on", why="An evaluation set tests by it: nothing is served."
)
OPEN = Reading(
    kind="unknown", words="the issue is open", why="Before it is closed there is nothing after it."
)
DROPPED = Reading(kind="unknown", words="not to be fixed", why="It was closed with nothing done.")
NO_THEME = Reading(
    kind="unknown",
    words="has no theme",
    why="What was said of it is in no theme, so that there are no complaints to compare.",
)


@dataclass(frozen=True, kw_only=True)
class Destination:
    """One place that something was promoted to: a library, a training set or an issue.

    `effects` are what was done there, by theme; without any, `state` says why. `entry` is what the
    entry itself does in its latest version.
    """

    place: ContextLibrary | TrainingSet | Issue
    effects: Sequence[Effect] = ()
    state: Reading | None = None
    entry: EntryEffect | None = None

    @property
    def kind(self) -> acts.Kind:
        """What is done there."""
        if isinstance(self.place, ContextLibrary):
            return "version"
        return "release" if isinstance(self.place, TrainingSet) else "issue"


def of_review(*, review: Review, theme: Theme | None, now: datetime) -> list[Destination]:
    """Where the review was promoted to, and what that did to the theme of its answer.

    Of a library the first version that has the entry and the latest, of a training set the first
    release that teaches the example, of an issue its last closing, by the issue's own theme. The
    queries grow with the places alone. Raises TooSlowError.
    """
    entries = review.context_entries.kept().select_related("library").defer("vector")
    examples = review.training_examples.kept().select_related("training_set")
    issues = Issue.objects.filter(sources__handover__review=review).select_related("theme")
    themes = [theme] if theme else []
    with time_limit(effects.TIME_LIMIT_MS, altogether=effects.ALTOGETHER_MS):
        found = [_of_entry(one, themes, now) for one in entries.order_by("pk")]
        found += [_of_example(one, themes, now) for one in examples.order_by("pk")]
        return found + [_of_issue(one, now) for one in issues.distinct().order_by("number")]


def of_job(*, job: PromotionJob, now: datetime) -> list[Destination]:
    """Where a bulk promotion went, and what that did to the MOST_THEMES themes most promoted of.

    Of each library the first version, and of each training set the first release, with any of it
    that was not taken back, and nothing of places where all was. The queries grow with the places
    alone. Raises TooSlowError.
    """
    placings = job.placings.in_force()
    with time_limit(effects.TIME_LIMIT_MS, altogether=effects.ALTOGETHER_MS):
        themes = list(
            Theme.objects.filter(
                memberships__feedback__output__reviews__in=placings.values("review")
            )
            .annotate(num_said=Count("memberships__feedback__output", distinct=True))
            .order_by("-num_said", "pk")
            .defer("centroid")[:MOST_THEMES]
        )
        found = []
        libraries = job.libraries.filter(pk__in=placings.values("library"))
        for library in libraries.order_by("name", "pk"):
            entries = placings.filter(library=library).values_list("entry", flat=True)
            carrying = _carrying(entries).order_by("number")[:1]
            found.append(_told(library, acts.published(carrying), themes, UNPUBLISHED, now))
        training_sets = job.training_sets.filter(pk__in=placings.values("training_set"))
        for training_set in training_sets.order_by("name", "pk"):
            examples = placings.filter(training_set=training_set).values_list("example", flat=True)
            found.append(_of_examples(training_set, examples, themes, now))
    return found


def _of_entry(entry: ContextEntry, themes: Sequence[Theme], now: datetime) -> Destination:
    carrying = _carrying([entry.pk])
    ends = carrying.aggregate(first=Min("number"), latest=Max("number"))
    done = acts.published(carrying.filter(number__in=ends.values()).order_by("-number"))
    told = _told(entry.library, done, themes, UNPUBLISHED, now)
    if not done or done[0].version is None:
        return told
    alone = entry_effects.of_entries(version=done[0].version, only=entry.pk).effects
    return replace(told, entry=next(iter(alone), None))


def _of_example(example: Example, themes: Sequence[Theme], now: datetime) -> Destination:
    return _of_examples(example.training_set, [example.pk], themes, now)


def _of_examples(
    training_set: TrainingSet, examples: Ids, themes: Sequence[Theme], now: datetime
) -> Destination:
    done = acts.released(
        acts.teaching(examples).filter(training_set=training_set).order_by("number")[:1]
    )
    state = UNRELEASED
    if training_set.purpose == TrainingSet.Purpose.EVALUATION:
        state = EVALUATES
    elif not done and _released(examples).exists():
        state = NOT_TRAINED_ON
    return _told(training_set, done, themes, state, now)


def _released(examples: Ids) -> QuerySet[ReleasedExample]:
    """What these examples are in whole releases, erased or not."""
    whole = Release.objects.done()
    return ReleasedExample.objects.filter(example__in=examples, release__in=whole)


def _of_issue(issue: Issue, now: datetime) -> Destination:
    done = acts.closed(Issue.objects.filter(pk=issue.pk), most=1)
    state = DROPPED if issue.status == Issue.Status.CLOSED else OPEN
    return _told(issue, done, [issue.theme] if issue.theme else [], state, now)


def _carrying(entries: Ids) -> QuerySet[LibraryVersion]:
    """The versions that one of these entries is published in."""
    published = PublishedEntry.objects.filter(entry__in=entries)
    return LibraryVersion.objects.filter(pk__in=published.values("version"))


def _told(
    place: ContextLibrary | TrainingSet | Issue,
    done: Sequence[Act],
    themes: Sequence[Theme],
    state: Reading,
    now: datetime,
) -> Destination:
    """What was done there did to the themes; `state` is what to say while nothing was."""
    if not done or not themes:
        return Destination(place=place, state=NO_THEME if done else state)
    return Destination(
        place=place,
        effects=[one for act in done for one in effects.of_act(act=act, themes=themes, now=now)],
    )
