#!/usr/bin/env python3
"""Rebuild the demo project's records in `feedback/demo/` from their original files.

    python docs/how-to/rebuild-demo.py dev_feedback.json en_100_tree.jsonl

The originals, their licences, and what here is real and what is invented are named in
`feedback/demo/NOTICE.md`. The same originals always give the same bytes: whatever is invented
follows from a hash of the record's own id.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

DEMO = Path(__file__).resolve().parents[2] / "feedback" / "demo"
# Records are dated up to this moment; whoever loads them shifts all by the same amount.
NEWEST_DAY = datetime(2026, 1, 4, tzinfo=UTC)
DAYS = 70

# The annotators' error types, as the default reasons call them.
REASONS = {
    "Irrelevant": "misread-intent",
    "Redundant": "formatting",
    "Incoherent": "formatting",
    "Wrong-Grounding": "factually-incorrect",
    "Unverifiable": "unsupported",
    "Missing-Answer": "incomplete",
    "Missing-Major-Auxiliary": "incomplete",
    "Missing-Minor-Auxiliary": "too-vague",
}
# How much each says against an answer; only used to invent what plausibly goes along with it.
WEIGHTS = {
    "Irrelevant": 0.06,
    "Redundant": 0.06,
    "Incoherent": 0.3,
    "Wrong-Grounding": 0.35,
    "Unverifiable": 0.3,
    "Missing-Answer": 0.45,
    "Missing-Major-Auxiliary": 0.12,
    "Missing-Minor-Auxiliary": 0.05,
}
ROLES = ["student"] * 6 + ["visitor"] * 5 + ["teacher"] * 4 + ["librarian"] * 3 + ["editor"] * 2
# The conversation trees told as sessions, by the start of their id.
TREES = (
    "054e1df3 44f6d71c 951cb256 4579bd71 c8ebb088 c63def7e 330fc1cf cc96dac3 9c0d39d3 "
    "289bf675 c9c2a22e af641aa7 250e1d51 4d1e7e40 f7a53981 6371394f d74daea2 89e90b65 "
    "656ebcc3 69acecd8 c03a88bf 8d133a5a 910da5c9 aade00fd 205dbcc9 da2a1a50 6dd82a26 "
    "0fba8d56 6957128e 2c2e976e d0cd72a2 2f0980cf 4a82465c 5f9037f4 ebe2ea19 83d3846e "
    "2af579e8 dede8aa2 1fcfd023 d201a061 6b05b1f6 2a20ba47 d2935380 65e4ec48"
)

Record = dict[str, Any]


def main() -> None:
    questions, trees = map(Path, sys.argv[1:])
    rows = [row for row in json.loads(questions.read_text()) if is_open(row["question"])]
    write("qa-feedback", answers(rows))
    lines = [json.loads(line) for line in trees.read_text().splitlines()]
    write("oasst-trees", conversations(lines))


def is_open(question: str) -> bool:
    """Two thirds of the questions: the others stay unseen, to measure on."""
    return int(hashlib.sha256(question.encode()).hexdigest(), 16) % 3 != 0


def write(name: str, records: Iterator[Record]) -> None:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path = DEMO / f"{name}.ndjson.gz"
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{path.name}: {text.count(chr(10))} records, {path.stat().st_size:,} bytes")


def unit(*what: object) -> float:
    """A number in [0, 1) that follows from what it is for."""
    digest = hashlib.sha256("/".join(map(str, what)).encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56


def answers(rows: list[Record]) -> Iterator[Record]:
    """Every question as an output, its annotation as feedback, signals that go along with it."""
    for row in rows:
        row["id"] = "qa-" + hashlib.sha256(row["question"].encode()).hexdigest()[:10]
        row["harm"] = harm(row)
    rows.sort(key=lambda row: unit(row["id"], "order") - 0.25 * row["harm"])
    session: Record = {}
    at = NEWEST_DAY
    for place, row in enumerate(rows):
        if session and unit(row["id"], "joins") < 0.3:
            at += timedelta(seconds=round(60 + 300 * unit(row["id"], "gap")))
        else:
            at = moment(row["id"], place / len(rows))
            session = make_session(row["id"], at)
            yield session
        yield from answer(row, session, at)


def harm(row: Record) -> float:
    """How bad the annotators found the answer, from 0 to 1."""
    found = row["feedback"]["errors"] + row["feedback"]["missing-info"]
    return float(min(1.0, sum(WEIGHTS[fault["error type"]] for fault in found)))


def moment(key: str, share: float) -> datetime:
    """A time of day that many days into the ten weeks; traffic grows a little."""
    day = int(share**0.85 * DAYS)
    seconds = 6.5 * 3600 + 15 * 3600 * (unit(key, "hour") + unit(key, "minute")) / 2
    return NEWEST_DAY - timedelta(days=DAYS - 1 - day) + timedelta(seconds=round(seconds))


def make_session(key: str, at: datetime) -> Record:
    role = ROLES[int(unit(key, "role") * len(ROLES))]
    client = "mobile" if unit(key, "client") < 0.35 else "web"
    return {
        "type": "session",
        "id": f"session-{hashlib.sha256(key.encode()).hexdigest()[:8]}",
        "started_at": at.isoformat(),
        "user": {"id": f"{role}-{int(unit(key, 'user') * 40) + 1}", "role": role},
        "environment": "beta" if unit(key, "environment") < 0.15 else "production",
        "tags": [client],
    }


def version(session: Record, at: datetime) -> str:
    """Three releases in ten weeks; beta gets each a week earlier."""
    lead = timedelta(days=7 if session["environment"] == "beta" else 0)
    age = (NEWEST_DAY - at - lead).days
    return "1.4" if age >= 45 else "1.5" if age >= 18 else "1.6"


def measured(key: str, text: str, prompt: str, bad: float) -> Record:
    """What a product would have measured beside an answer."""
    words = len(text.split())
    confidence = 0.93 - 0.45 * bad + 0.24 * (unit(key, "confidence") - 0.5)
    return {
        "confidence": round(min(0.99, max(0.15, confidence)), 2),
        "usage": {
            "input_tokens": round(1.35 * len(prompt.split())) + 120,
            "output_tokens": round(1.35 * words),
        },
        "latency_ms": round(350 + words * (14 + 10 * unit(key, "latency"))),
    }


def answer(row: Record, session: Record, at: datetime) -> Iterator[Record]:
    key, text = row["id"], row["prediction 1"]
    documents = [
        {"id": f"p{number}", "title": passage[0], "text": prose(passage)}
        for number, passage in enumerate(row["passages"], start=1)
    ]
    yield {
        "type": "output",
        "id": key,
        "session": session["id"],
        "at": at.isoformat(),
        "query": row["question"],
        "context": {"documents": documents},
        "text": text,
        "model": "almanac-answers",
        "model_version": version(session, at),
        "prompt_version": "cited-3" if version(session, at) == "1.6" else "cited-2",
        **measured(key, text, " ".join(document["text"] for document in documents), row["harm"]),
    }
    yield from annotations(row, at)
    yield from reactions(row, session, at)


def prose(passage: list[str]) -> str:
    """The passage without the title that its first sentence may repeat as a heading."""
    return " ".join(passage[1:]).removeprefix(f"{passage[0]}\n\n")


def sentences(row: Record, where: Record) -> str:
    passage = row["passages"][where["passage_id"] - 1]
    return " ".join(passage[number] for number in where["sentence_id"] if number)


def annotations(row: Record, at: datetime) -> Iterator[Record]:
    """What the annotators of the data set said about the answer."""
    key, text, found = row["id"], row["prediction 1"], row["feedback"]
    base = {
        "type": "feedback",
        "output": key,
        "annotator_kind": "HUMAN",
        "author": {"id": "qa-annotator", "role": "annotator"},
    }
    for number, error in enumerate(sorted(found["errors"], key=lambda e: e["start"]), start=1):
        yield base | {
            "id": f"{key}-error-{number}",
            "name": "error",
            "label": error["error type"],
            "reasons": [REASONS[error["error type"]]],
            **({"comment": said} if (said := explanation(row, error)) else {}),
            "span": {
                "start": error["start"],
                "end": error["end"],
                "exact": text[error["start"] : error["end"]],
                "unit": "codepoint",
            },
            "at": (at + timedelta(seconds=90 + 20 * number)).isoformat(),
        }
    for number, missing in enumerate(found["missing-info"], start=1):
        words = sentences(row, missing).strip()
        yield base | {
            "id": f"{key}-missing-{number}",
            "name": "missing",
            "label": missing["error type"],
            "reasons": [REASONS[missing["error type"]]],
            **({"comment": f"Left out: {words}"} if words else {}),
            "at": (at + timedelta(seconds=240 + 20 * number)).isoformat(),
        }
    better = (found.get("corrected-prediction") or "").strip()
    if better and better != text.strip():
        yield base | {
            "id": f"{key}-correction",
            "name": "correction",
            "correction": better,
            "at": (at + timedelta(seconds=400)).isoformat(),
        }
    yield base | preference(row) | {"at": (at + timedelta(seconds=420)).isoformat()}


def explanation(row: Record, error: Record) -> str:
    """The annotator's explanation; a pointer into the passages becomes the sentence it names."""
    said = error["explanation"].strip()
    if said.startswith("{"):
        return f"The documents say: {sentences(row, json.loads(said)).strip()}"
    if said and error["error type"] == "Redundant":
        return f"Said before: {said}"
    return str(said)


def preference(row: Record) -> Record:
    """The six pairwise verdicts over the shown answer and three others of the same model."""
    pairs = [(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]
    verdicts = [
        {"first": first, "second": second, "preferred": [None, first, second][verdict]}
        for (first, second), verdict in zip(pairs, row["preference"], strict=True)
    ]
    wins = sum(verdict["preferred"] == 1 for verdict in verdicts)
    return {
        "id": f"{row['id']}-preference",
        "name": "preference",
        "label": f"preferred to {wins} of 3 others",
        "value": {
            "verdicts": verdicts,
            "others": {str(n): row[f"prediction {n}"] for n in (2, 3, 4)},
        },
    }


def reactions(row: Record, session: Record, at: datetime) -> Iterator[Record]:
    """What a user might have done on reading it: invented, the likelier the worse the answer."""
    key, bad = row["id"], row["harm"]
    if unit(key, "rates") < 0.55:
        yield {
            "type": "feedback",
            "id": f"{key}-rating",
            "output": key,
            "name": "rating",
            "score": -1 if bad > 0.3 + 0.3 * unit(key, "mood") else 1,
            "annotator_kind": "HUMAN",
            "author": session["user"],
            "at": (at + timedelta(seconds=30)).isoformat(),
        }
    chances = {
        "copy": (0.5 - 0.45 * bad, 25),
        "rephrase": (0.45 * bad, 70),
        "abandon": (0.4 * bad, 35),
        "dwell": (0.5, 60),
    }
    for kind, (chance, seconds) in chances.items():
        if unit(key, kind) < chance:
            yield signal(key, session, kind, at + timedelta(seconds=seconds))


def signal(key: str, session: Record, kind: str, at: datetime) -> Record:
    record = {
        "type": "signal",
        "id": f"{key}-{kind}",
        "session": session["id"],
        "output": key,
        "kind": kind,
        "at": at.isoformat(),
    }
    if kind == "dwell":
        record["value"] = round(5 + 90 * unit(key, "dwell seconds"))
    return record


def conversations(lines: list[Record]) -> Iterator[Record]:
    """Each tree as one session: at every turn all replies, worst first, then on from the best."""
    chosen = [line for line in lines if line["message_tree_id"][:8] in TREES]
    chosen.sort(key=lambda line: unit(line["message_tree_id"], "order"))
    for place, line in enumerate(chosen):
        key = line["message_tree_id"]
        at = moment(key, place / len(chosen))
        session = make_session(key, at)
        yield session
        yield from conversation(line["prompt"], session, at)


def conversation(prompt: Record, session: Record, at: datetime) -> Iterator[Record]:
    history: list[dict[str, str]] = []
    turn: Record | None = prompt
    while turn is not None:
        replies = sorted(
            (reply for reply in turn["replies"] if not reply["deleted"]),
            key=lambda reply: -(reply.get("rank") or 0),
        )
        for reply in replies:
            yield from spoken(
                turn=turn,
                reply=reply,
                history=history,
                among=len(replies),
                session=session,
                at=at,
            )
            if reply is not replies[-1]:
                left = at + timedelta(seconds=45)
                yield signal(f"oasst-{reply['message_id']}", session, "regenerate", left)
            at += timedelta(seconds=round(50 + 100 * unit(reply["message_id"], "gap")))
        said = [{"role": "user", "content": turn["text"]}]
        said += [{"role": "assistant", "content": reply["text"]} for reply in replies[-1:]]
        history = [*history, *said]
        turn = next(iter(replies[-1]["replies"]), None) if replies else None
        turn = turn if turn and turn["replies"] else None


def spoken(
    *,
    turn: Record,
    reply: Record,
    history: list[dict[str, str]],
    among: int,
    session: Record,
    at: datetime,
) -> Iterator[Record]:
    key, rank = f"oasst-{reply['message_id']}", reply.get("rank")
    score = 1 - 2 * rank / (among - 1) if rank is not None and among > 1 else None
    yield {
        "type": "output",
        "id": key,
        "session": session["id"],
        "at": at.isoformat(),
        "query": turn["text"],
        **({"context": {"messages": history}} if history else {}),
        "text": reply["text"],
        "model": "almanac-chat",
        "model_version": version(session, at),
        **measured(key, reply["text"], turn["text"], 0.3 if score is None else (1 - score) / 2),
    }
    if score is not None:
        yield {
            "type": "feedback",
            "id": f"{key}-rank",
            "output": key,
            "name": "rank",
            "score": round(score, 2),
            "value": rank,
            "label": f"number {rank + 1} of {among}",
            "annotator_kind": "HUMAN",
            "author": {"id": "oasst-volunteers", "role": "volunteer"},
            "at": (at + timedelta(seconds=30)).isoformat(),
        }


if __name__ == "__main__":
    main()
