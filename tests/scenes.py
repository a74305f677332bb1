"""One answer with everything that can be said about it, as rows: the desk in use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from feedback.models import Feedback, Output, Project, User
from review.models import Anchor, Annotation, Comment, Evidence, QueueItem
from tests.factories import (
    NOW,
    make_annotation,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_session,
    make_theme,
    make_user,
)

ASKED = "Is it only 6 sessions, and can I claim the two I paid for in October?"
ANSWER = """**Yes, that is right.** Family Plus covers 6 physiotherapy sessions per calendar year, \
and the two October sessions can be claimed under your new plan at 80 %.

## What your plan covers

Family Plus reimburses 80 % of the invoiced amount, directly to your account. \
You do not need a referral.

| Physiotherapy | Basic | Family Plus |
|---|---|---|
| Sessions per calendar year | 6 | 12 |
| Reimbursed | 60 % | 80 % |
| Referral | from session 1 | from session 7 |

## Your October sessions

As your policy clearly states, changing plan does not affect invoices you have already paid. \
Send us both invoices and they will be processed within a reasonable time.

## How to claim

1. Open **Claims**, then **New claim**, in the app or on the website.
2. Upload the invoice and the proof of payment.
3. Choose the account for the reimbursement and submit.

**Note:** keep the originals until the claim is settled. You can see the state of every claim \
under **Claims**, then **History**.

```
POST /claims  { "plan": "family-plus", "sessions": 2 }
```

The phone line is open from nine to five. Ask for the physiotherapy desk.
"""
# What the sender's first version said where the current one differs.
FORMER = ANSWER.replace("from nine to five", "at all times").replace(
    "Upload the invoice and the proof of payment.",
    "Upload the invoice, the proof of payment and a letter from your doctor.",
)
SYSTEM = "You are the assistant of a health insurer. Answer from the documents. Name the document."
DOCUMENTS = [
    {
        "id": "KB-2214",
        "title": "Benefit table 2026",
        "score": 0.82,
        "text": "Physiotherapy. Basic: 6 sessions per calendar year at 60 %. "
        "Family Plus: 12 sessions per calendar year at 80 %, referral from session 7.",
    },
    {
        "id": "KB-1870",
        "title": "Changing plan mid-year",
        "score": 0.77,
        "text": "Care is reimbursed under the plan that held on the day of treatment.",
    },
    {
        "id": "KB-0931",
        "title": "Claim time limits",
        "score": 0.41,
        "text": "Claims are settled within 10 working days.",
    },
]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The item on the desk and the people at it; `notes` are the annotations by what they show."""

    project: Project
    item: QueueItem
    expert: User
    other: User
    notes: dict[str, Annotation]

    @property
    def output(self) -> Output:
        return self.item.output


def make_scene() -> Scene:
    """A desk in use: marks of every kind, threads in every state, a whole session beside it."""
    project = make_project(name="Almanac Health")
    expert = make_user(project, "moderator", first_name="Mira", last_name="Okafor")
    other = make_user(project, "expert", first_name="Jonas", last_name="Feld")
    output = _output(project)
    queue = make_queue(project, name="High-risk health")
    for number in range(2):
        make_item(queue, make_output(project, query=f"And what about plan {number + 1}?"))
    theme = make_theme(project, name="Physio limits after a plan change")
    item = make_item(queue, output, theme=theme, priority=100)
    return Scene(
        project=project,
        item=item,
        expert=expert,
        other=other,
        notes=_threads(output, expert, other)
        | _suggestions(output, expert, other)
        | _places(output, other),
    )


def _output(project: Project) -> Output:
    session = make_session(
        project,
        external_id="7c41e9",
        user_role="member",
        environment="production",
        started_at=NOW,
    )
    first = make_output(
        project,
        session,
        query="does family plus cover physio?",
        text="Yes. Family Plus reimburses physiotherapy.",
        at=NOW + timedelta(seconds=3),
    )
    _signal(first, "dwell", value=6)
    output = make_output(
        project,
        session,
        query=ASKED,
        text=ANSWER,
        version=2,
        system=SYSTEM,
        documents=DOCUMENTS,
        model="assistant",
        model_version="assistant-2026-10",
        confidence=0.62,
        latency_ms=2_300,
        at=NOW + timedelta(seconds=40),
    )
    output.former_versions.create(number=1, text=FORMER, superseded_at=NOW + timedelta(minutes=1))
    _signal(output, "copy")
    said = make_feedback(
        output, score=-1, author_external_id="u-1182", at=NOW + timedelta(minutes=2)
    )
    said.comment = "My physio says twelve. Which is it?"
    start = ANSWER.index("physiotherapy sessions per")
    said.span_start, said.span_end, said.output_version = start, start + 22, 2
    said.save()
    return output


def _signal(output: Output, name: str, **fields: object) -> Feedback:
    return make_feedback(output, name=name, is_implicit=True, annotator_kind="CODE", **fields)


def _threads(output: Output, expert: User, other: User) -> dict[str, Annotation]:
    """Comments: with replies, edited, overlapping, resolved, deleted, with evidence."""
    notes = {
        "replied": make_annotation(
            output,
            other,
            "6 physiotherapy sessions per calendar year",
            reason="factually-incorrect",
            comment="6 is the Basic limit. Family Plus pays for 12, says the table below.",
        ),
        "overlapping": make_annotation(
            output,
            expert,
            "per calendar year, and the two October sessions can be claimed under your new plan",
            reason="misread-intent",
            comment="The question is about care before the switch. Until 31 October the Basic "
            "rules apply: 60 %.",
            created_at=NOW + timedelta(minutes=1),
        ),
        "third": make_annotation(
            output, other, "calendar year, and the two", reason="too-vague", comment="Which year?"
        ),
        "fourth": make_annotation(output, expert, "year, and", reason="formatting"),
        "edited": make_annotation(
            output,
            other,
            "You do not need a referral.",
            reason="incomplete",
            comment="A referral is needed from session 7.",
            edited_at=NOW + timedelta(hours=1),
        ),
        "resolved": make_annotation(
            output,
            other,
            "Note:",
            reason="formatting",
            comment="Printed with its asterisks on the website.",
            resolved_by=expert,
            resolved_at=NOW + timedelta(hours=2),
        ),
        "deleted": make_annotation(
            output, other, "settled", comment="", deleted_at=NOW + timedelta(hours=1)
        ),
        "evidence": make_annotation(
            output,
            expert,
            "12",
            reason="unsupported",
            comment="The table of 2026 says so; the sentence above does not follow it.",
        ),
        "code": make_annotation(output, other, '"sessions": 2', comment="Shown to members?"),
    }
    for author, text, fields in (
        (expert, "Same mix-up as in T-118. The table was retrieved at 0.82.", {}),
        (other, "So this is reading, not retrieval.", {"edited_at": NOW + timedelta(hours=1)}),
        (other, "", {"deleted_at": NOW + timedelta(hours=1)}),
    ):
        _reply(notes["replied"], author, text, **fields)
    _reply(notes["deleted"], expert, "Kept, since the thread goes on.")
    document = DOCUMENTS[0]["text"]
    exact = "12 sessions per calendar year"
    start = str(document).index(exact)
    Evidence.objects.create(
        annotation=notes["evidence"],
        document=0,
        start=start,
        end=start + len(exact),
        exact=exact,
        text_sha256="0" * 64,
        added_by=expert,
        created_at=NOW,
    )
    return notes


def _reply(annotation: Annotation, author: User, text: str, **fields: object) -> None:
    number = annotation.replies.count() + 1
    Comment.objects.create(
        project=annotation.project,
        annotation=annotation,
        author=author,
        text=text,
        created_at=NOW + timedelta(minutes=5 * number),
        **fields,
    )


def _suggestions(output: Output, expert: User, other: User) -> dict[str, Annotation]:
    """Suggestions: undecided, accepted, rejected, and two that are in each other's way."""
    decided = {"decided_by": expert, "decided_at": NOW + timedelta(hours=1)}
    return {
        "suggested": make_annotation(
            output,
            other,
            "within a reasonable time",
            reason="too-vague",
            comment="Say how long: KB-0931, section 2.",
            replacement="within 10 working days",
        ),
        "conflicting": make_annotation(
            output, expert, "processed within a reasonable time", replacement="settled in time"
        ),
        "accepted": make_annotation(
            output,
            other,
            "As your policy clearly states, changing",
            reason="wrong-tone",
            comment="Reads as a rebuke.",
            replacement="Changing",
            decision="accepted",
            **decided,
        ),
        "rejected": make_annotation(
            output,
            other,
            "in the app or on the website",
            replacement="in the app",
            decision="rejected",
            **decided,
        ),
    }


def _places(output: Output, author: User) -> dict[str, Annotation]:
    """Comments on the former version: changed, moved and detached in the current one."""

    def former(words: str, **fields: object) -> Annotation:
        return make_annotation(output, author, words, text=FORMER, output_version=1, **fields)

    changed = former("Upload the invoice, the proof of payment", comment="Of each session?")
    moved = former("Ask for the physiotherapy desk.", comment="There is no such desk.")
    detached = former("at all times", reason="factually-incorrect", comment="Not on Sundays.")
    now = make_annotation(output, author, "Upload the invoice and the proof of payment")
    there = make_annotation(output, author, "physiotherapy desk")
    places = ((changed, "changed", now, 0.8), (moved, "moved", there, 1.0))
    for annotation, state, at, score in places:
        Anchor.objects.create(
            annotation=annotation,
            output_version=2,
            state=state,
            start=at.start,
            end=at.end,
            source_start=at.source_start,
            source_end=at.source_end,
            exact=at.exact,
            score=score,
            renderer_version=at.renderer_version,
            created_at=NOW,
        )
        at.delete()
    Anchor.objects.create(
        annotation=detached,
        output_version=2,
        state="detached",
        score=0,
        renderer_version=detached.renderer_version,
        created_at=NOW,
    )
    return {"changed": changed, "moved": moved, "detached": detached}
