"""The demo project's second library, and simulated users who ask again what it answers.

Who asks, when, and what they think of it is invented, by a hash of the session's name. Context is
fetched, drawn by lot, logged and counted as in earnest: what the effects show is told from that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import cycle, islice

from curation import arms, context_libraries, promotion, serving, watching
from curation.demo_records import Record
from curation.experiments import Trial
from curation.models import ContextEntry, ContextLibrary, EntryKind, Experiment, LibraryVersion
from curation.serving import FLOORS, Asked
from curation.shelves import Audience
from feedback.embedding import Encoder, get_encoder
from feedback.models import Project, User
from review.models import Review

# What tells the simulated sessions from recorded ones, on every page and in every filter.
ENVIRONMENT = "simulation"
# How long before the end each version was published, and how many sessions came until the next.
FIRST, SECOND, THIRD = timedelta(days=9), timedelta(days=7), timedelta(days=2)
NUM_FIRST, NUM_SECOND, NUM_THIRD = 44, 176, 16
# How long a correction may be that is given as an answer.
LONGEST = 600
TRIAL = Trial(stages=[50], held_out=50)
# How likely a user complains of the recorded answer, and of the one that the library gives.
HELPS, HARMS, HARDLY = (0.75, 0.08), (0.05, 0.85), (0.5, 0.4)
# An experiment draws one of its own each time; the demo is the same whenever it is loaded.
SALT = "almanac"
NOTE = "Demo data: those who ask, and what they say, are simulated."
ANSWERED_AFTER, JUDGED_AFTER = timedelta(seconds=2), timedelta(seconds=40)
Receive = Callable[[Sequence[Record], datetime], None]


class _Remembering:
    """An encoder that reads each text once: few questions are asked, and often."""

    def __init__(self, encoder: Encoder) -> None:
        self.model_id = encoder.model_id
        self._encoder = encoder
        self._known: dict[str, list[float]] = {}

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        for text in texts:
            if text not in self._known:
                self._known[text] = self._encoder.encode([text])[0]
        return [self._known[text] for text in texts]


def simulate(*, project: Project, by: User, now: datetime, receive: Receive) -> None:
    """Publish a library three times and let users ask; their sessions go to `receive`.

    The first version does harm and is stopped. The second helps, for all that one of its entries
    does harm, which the third leaves out: too little is known of that one. The last come before
    midnight in UTC: sessions are compared day by day, and so it is told alike at any hour.
    """
    now = now.replace(hour=0, minute=0, second=0, microsecond=0)
    encoder = _Remembering(get_encoder())
    library = context_libraries.create_library(
        project=project,
        name="Asked often",
        description="Answers to questions that come again, as reviewers corrected them. "
        "Those who ask are simulated. Demo data.",
        by=by,
        now=now - FIRST - timedelta(hours=6),
    )
    ask = _Asking(library, encoder, by, receive)
    harmful = ask.promote(2, HARMS, at=now - FIRST)
    version = ask.publish("Two answers.", at=now - FIRST)
    ask.during(version, NUM_FIRST, since=now - FIRST, until=now - SECOND - timedelta(hours=12))
    watching.step(experiment=version.experiment, now=now - SECOND - timedelta(hours=11))

    ask.remove(harmful, at=now - SECOND)
    ask.promote(3, HELPS, at=now - SECOND)
    harmful = ask.promote(1, HARMS, at=now - SECOND)
    version = ask.publish("Four others, as users complained of those.", at=now - SECOND)
    ask.during(version, NUM_SECOND, since=now - SECOND, until=now - THIRD)

    ask.remove(harmful, at=now - THIRD)
    ask.promote(2, HARDLY, at=now - THIRD)
    version = ask.publish("Without the answer that did harm, and two new ones.", at=now - THIRD)
    ask.during(version, NUM_THIRD, since=now - THIRD, until=now)


@dataclass
class _Asking:
    """The library as it is, by what its entries do to users: how likely one complains."""

    library: ContextLibrary
    encoder: Encoder
    by: User
    receive: Receive
    chances: dict[ContextEntry, tuple[float, float]] = field(default_factory=dict)

    def promote(
        self, number: int, chances: tuple[float, float], *, at: datetime
    ) -> list[ContextEntry]:
        """Take so many corrections, the newest, an hour before that time."""
        entries = [
            promotion.promote_to_library(
                review=review,
                library=self.library,
                kind=EntryKind.EXAMPLE,
                why="",
                by=self.by,
                now=at - timedelta(hours=1),
            )
            for review in islice(self._apart(at - timedelta(hours=1)), number)
        ]
        self.chances |= dict.fromkeys(entries, chances)
        return entries

    def _apart(self, until: datetime) -> Iterator[Review]:
        """Corrections of questions that no other entry is near to, so that each is told apart."""
        there = [entry.query for entry in self.chances]
        for review in _settled(self.library.project, until=until):
            question = review.output.query
            [asked, *others] = self.encoder.encode([question, *there])
            near = (sum(a * b for a, b in zip(asked, other, strict=True)) for other in others)
            if max(near, default=0.0) < FLOORS[EntryKind.EXAMPLE]:
                there.append(question)
                yield review

    def remove(self, entries: Sequence[ContextEntry], *, at: datetime) -> None:
        for entry in entries:
            context_libraries.remove_entry(entry=entry, by=self.by, now=at - timedelta(hours=1))
            del self.chances[entry]

    def publish(self, note: str, *, at: datetime) -> LibraryVersion:
        version = context_libraries.publish(
            library=self.library,
            encoder=self.encoder,
            by=self.by,
            now=at,
            note=f"{note} {NOTE}",
            trial=TRIAL,
        )
        Experiment.objects.filter(version=version).update(salt=f"{SALT} {version.number}")
        return version

    def during(
        self, version: LibraryVersion, number: int, *, since: datetime, until: datetime
    ) -> None:
        """Let so many users ask, one after the other, what the entries answer in turn."""
        pace = (until - since) / (number + 1)
        turns = islice(cycle(self.chances), number)
        asked = [
            record
            for turn, entry in enumerate(turns, start=1)
            for record in self._session(f"{version.number}-{turn}", entry, since + turn * pace)
        ]
        self.receive(asked, until)

    def _session(self, number: str, entry: ContextEntry, at: datetime) -> Iterator[Record]:
        """What the product sends of a session in which somebody asks what the entry answers."""
        output = entry.output
        if output is None:
            return
        name = f"simulated-{number}"
        user = {"id": f"simulated-{number.partition('-')[2]}", "role": "visitor"}
        served = serving.serve_context(
            project=self.library.project,
            library_slug=self.library.slug,
            asked=Asked(
                messages=[{"role": "user", "content": output.query}],
                session=name,
                audience=Audience(role="visitor", environment=ENVIRONMENT, model=output.model),
            ),
            encoder=self.encoder,
            now=at,
        )
        picks = served.prompt.picks if served.prompt else []
        is_given = any(pick.entry.id == entry.pk for pick in picks)
        yield {
            "type": "session",
            "id": name,
            "started_at": at.isoformat(),
            "user": user,
            "environment": ENVIRONMENT,
            "tags": ["simulated"],
        }
        yield {
            "type": "output",
            "id": f"{name}-answer",
            "session": name,
            "at": (at + ANSWERED_AFTER).isoformat(),
            "query": output.query,
            "text": entry.answer if is_given else output.text,
            "model": output.model,
            "model_version": output.model_version,
            "prompt_version": output.prompt_version,
            "context": {"documents": output.documents, "exposure": str(served.exposure)},
        }
        lot = arms.lot(salt=f"{SALT}, content", session=name)
        yield {
            "type": "feedback",
            "id": f"{name}-rating",
            "output": f"{name}-answer",
            "name": "rating",
            "score": -1 if lot < self.chances[entry][is_given] else 1,
            "annotator_kind": "HUMAN",
            "author": user,
            "at": (at + JUDGED_AFTER).isoformat(),
        }


def _settled(project: Project, *, until: datetime) -> list[Review]:
    """Corrections of that time that are in no library, one a question; the newest first."""
    reviews = Review.objects.authoritative().filter(
        project=project,
        verdict=Review.Verdict.FIX,
        context_entries=None,
        created_at__lt=until,
    )
    found = reviews.exclude(correction="").select_related("output").order_by("created_at", "pk")
    by_question = {one.output.query: one for one in found if len(one.correction) < LONGEST}
    return list(by_question.values())[::-1]
