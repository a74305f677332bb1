"""The demo project's library: house rules that helped, and examples of which nothing is known yet.

What it says comes from what reviewers corrected; the rules, and who was served them, are invented.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import cycle

from curation import context_libraries, demo_traffic, experiments, promotion
from curation.demo_reviews import Reviewer, work
from curation.experiments import Trial
from curation.models import ContextLibrary, EntryKind
from feedback.embedding import get_encoder
from feedback.models import Project, User
from review.models import Queue, Review

# So long ago somebody reviewed for the first time, and what came of it was published two days on.
FOUNDED = timedelta(days=58)
PUBLISHED = FOUNDED - timedelta(days=2)
FOLLOWED = timedelta(days=7)
NUM_FIRST = 10
# Examples of the second version, and how long a correction may be to be one.
NUM_EXAMPLES, LONGEST = 6, 600
NOTE = "Demo data: which sessions were served and which held out is invented."
RULES = (
    (
        "Say only what the passages say. Where they do not answer the question, say that.",
        "Most of what was corrected had been added to the passages.",
    ),
    (
        "Answer what was asked in the first sentence, with the names and years as they stand.",
        "People asked again where the answer came late.",
    ),
)
WHYS = (
    "Says only what the passages say.",
    "Names the sources' years and names as they stand.",
    "Answers what was asked first, then adds the rest.",
)
FIRST_TRIAL = Trial(stages=[60], held_out=40)
NEXT_TRIAL = Trial(stages=[30, 70], held_out=30, hours_per_stage=60)


def found(*, project: Project, queue: Queue, reviewer: Reviewer, by: User, now: datetime) -> None:
    """Review some answers of the queue, make house rules of what was wrong, and publish them.

    `now` is when the reviewing begins.
    """
    work(queue=queue, by=reviewer, num=NUM_FIRST, start=now)
    library = context_libraries.create_library(
        project=project,
        name="House style",
        description="How Almanac answers from documents, by what reviewers corrected. Demo data.",
        by=by,
        now=now + timedelta(hours=6),
    )
    at = now + timedelta(days=1)
    for review, (rule, why) in zip(_settled(project), RULES, strict=False):
        entry = promotion.promote_to_library(
            review=review, library=library, kind=EntryKind.EXAMPLE, why=why, by=by, now=at
        )
        context_libraries.edit_entry(
            entry=entry,
            kind=EntryKind.INSTRUCTION,
            query="",
            answer=rule,
            why=why,
            roles=[],
            environments=[],
            models=[],
            owner=by,
            by=by,
            now=at + timedelta(minutes=9),
        )
    _promote(library, _settled(project)[len(RULES) :], by, at)
    context_libraries.publish(
        library=library,
        encoder=get_encoder(),
        by=by,
        now=now + FOUNDED - PUBLISHED,
        note=f"House rules. {NOTE}",
        trial=FIRST_TRIAL,
    )


def follow(*, project: Project, by: User, now: datetime, newest: datetime) -> None:
    """Publish examples beside the rules, serve both versions, and leave one entry for the next.

    `newest` is when the last one was promoted.
    """
    library = project.context_libraries.get()
    first = library.versions.get()
    since = now - FOLLOWED
    reviews = [one for one in _settled(project) if len(one.correction) < LONGEST]
    early = [one for one in reviews if one.created_at < since - timedelta(hours=1)]
    taken = early[:NUM_EXAMPLES]
    _promote(library, taken, by, since - timedelta(hours=1))
    second = context_libraries.publish(
        library=library,
        encoder=get_encoder(),
        by=by,
        now=since,
        note=f"Examples of what people asked for. {NOTE}",
        trial=NEXT_TRIAL,
    )
    experiments.widen(
        experiment=second.experiment,
        now=since + timedelta(hours=NEXT_TRIAL.hours_per_stage),
    )
    _promote(library, [one for one in reviews if one not in taken][:1], by, newest)
    demo_traffic.expose(version=first, since=first.published_at, until=since)
    demo_traffic.expose(version=second, since=since, until=now)


def _settled(project: Project) -> list[Review]:
    """Reviews that count and hold a better answer, and are in no library; the oldest first."""
    reviews = Review.objects.authoritative().filter(
        project=project, verdict=Review.Verdict.FIX, context_entries=None
    )
    return list(
        reviews.exclude(correction="").select_related("output").order_by("created_at", "pk")
    )


def _promote(library: ContextLibrary, reviews: list[Review], by: User, now: datetime) -> None:
    for review, why in zip(reviews, cycle(WHYS), strict=False):
        promotion.promote_to_library(
            review=review, library=library, kind=EntryKind.EXAMPLE, why=why, by=by, now=now
        )
