"""Real sets of POSTIL_DATA as neutral examples: corrections, rankings and verdicts of people."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from curation.formats import Row

DATA = Path(os.environ.get("POSTIL_DATA", ""))
needs_data = pytest.mark.skipif(
    "POSTIL_DATA" not in os.environ, reason="POSTIL_DATA names the folder of public data sets"
)
_ROLES = {"prompter": "user", "assistant": "assistant"}
_TURN = re.compile(r"\n\n(Human|Assistant): ?")
_SPEAKERS = {"Human": "user", "Assistant": "assistant"}


def qa_feedback() -> Iterator[Row]:
    """The question with its passages, the corrected answer, and the one it was corrected from.

    Where the correction changes nothing, the answer was good; where there is none, it was bad.
    """
    path = DATA / "qa-feedback-finegrained" / "dev_feedback.json"
    for number, one in enumerate(json.loads(path.read_text())):
        passages = "\n\n".join(" ".join(parts) for parts in one["passages"])
        answer, corrected = one["prediction 1"], one["feedback"].get("corrected-prediction") or ""
        is_same = corrected.strip() == answer.strip()
        yield Row(
            prompt=[
                {"role": "system", "content": f"Answer from these passages.\n\n{passages}"},
                {"role": "user", "content": one["question"]},
            ],
            chosen=answer if is_same else corrected,
            rejected="" if is_same else answer,
            id=f"qa-{number}",
            group=f"qa-{number}",
        )


def oasst_trees() -> Iterator[Row]:
    """Each pair of replies of which people ranked one above the next, with the turns before."""
    path = DATA / "oasst-trees" / "en_100_tree.jsonl"
    for text in path.read_text().split("\n"):
        if text:
            tree = json.loads(text)
            yield from _ranked(tree["prompt"], [], tree["message_tree_id"])


def _ranked(node: dict[str, Any], before: list[dict[str, str]], tree: str) -> Iterator[Row]:
    turns = [*before, {"role": _ROLES[node["role"]], "content": node["text"]}]
    replies = [one for one in node["replies"] if one["text"].strip()]
    if node["role"] == "prompter":
        ranked = sorted(
            (one for one in replies if one.get("rank") is not None), key=lambda one: one["rank"]
        )
        for better, worse in pairwise(ranked):
            if better["text"].strip() != worse["text"].strip():
                yield Row(
                    turns,
                    better["text"],
                    worse["text"],
                    id=f"{better['message_id']}>{worse['message_id']}",
                    group=tree,
                )
    for reply in replies:
        yield from _ranked(reply, turns, tree)


def ranked_trees(number: int) -> tuple[list[dict[str, Any]], set[tuple[str, str]]]:
    """The first trees as records for ingestion, each a session, with the rank of each reply.

    And of the pairs of replies that people told apart, the ids of the better one and the worse.
    """
    records: list[dict[str, Any]] = []
    pairs = set()
    lines = (DATA / "oasst-trees" / "en_100_tree.jsonl").read_text().split("\n")
    for tree in (json.loads(line) for line in lines[:number] if line):
        session = tree["message_tree_id"]
        records.append({"type": "session", "id": session})
        for query, before, replies in _asked(tree):
            for reply in replies:
                at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(records))
                output = {"type": "output", "id": reply["message_id"], "session": session}
                context = {"messages": before}
                answer = {"at": at.isoformat(), "query": query, "text": reply["text"]}
                records.append({**output, **answer, "context": context})
                if reply.get("rank") is not None:
                    said = {"type": "feedback", "output": reply["message_id"], "name": "rank"}
                    by = {"annotator_kind": "HUMAN", "author": {"id": "volunteers"}}
                    records.append({**said, **by, "value": reply["rank"]})
            for one, other in combinations(replies, 2):
                ranks = one.get("rank"), other.get("rank")
                is_same = one["text"].strip() == other["text"].strip()
                if None not in ranks and ranks[0] != ranks[1] and not is_same:
                    better, worse = sorted((one, other), key=lambda reply: reply["rank"])
                    pairs.add((better["message_id"], worse["message_id"]))
    return records, pairs


def _asked(
    tree: dict[str, Any],
) -> Iterator[tuple[str, list[dict[str, str]], list[dict[str, Any]]]]:
    """Each question of a tree with the messages before it, and all replies to it."""
    waiting: list[tuple[dict[str, Any], list[dict[str, str]]]] = [(tree["prompt"], [])]
    while waiting:
        node, before = waiting.pop()
        replies = [one for one in node["replies"] if one["text"].strip()]
        if replies:
            yield node["text"], before, replies
        for reply in replies:
            said = [
                *before,
                {"role": "user", "content": node["text"]},
                {"role": "assistant", "content": reply["text"]},
            ]
            waiting += [(one, said) for one in reply["replies"]]


def pandalm() -> Iterator[Row]:
    """The answer that most of three annotators preferred, and the other."""
    for one in json.loads((DATA / "pandalm-testset" / "testset-v1.json").read_text()):
        votes = [one[f"annotator{number}"] for number in (1, 2, 3)]
        first, second = one["response1"], one["response2"]
        # A few answers are true and false, as a reader of YAML left them.
        if not isinstance(first, str) or not isinstance(second, str):
            continue
        is_told_apart = votes.count(1) != votes.count(2) and first.strip() != second.strip()
        if not is_told_apart or not first.strip() or not second.strip():
            continue
        chosen, rejected = (first, second) if votes.count(1) > votes.count(2) else (second, first)
        asked = f"{one['instruction']}\n{one['input']}" if one["input"] else one["instruction"]
        yield Row(
            [{"role": "user", "content": asked}],
            chosen,
            rejected,
            id=f"pandalm-{one['idx']}",
            group=f"pandalm-{one['idx']}",
        )


def hh_rlhf() -> Iterator[Row]:
    """Two conversations as the turns they share, and the answers in which they differ."""
    path = DATA / "hh-rlhf-harmless" / "harmless-base.test.sample500.jsonl"
    for text in path.read_text().split("\n"):
        if not text:
            continue
        one = json.loads(text)
        chosen, rejected = _turns(one["chosen"]), _turns(one["rejected"])
        if chosen[:-1] != rejected[:-1] or any(not turn["content"].strip() for turn in chosen[:-1]):
            continue
        good, bad = chosen[-1]["content"], rejected[-1]["content"]
        if not good.strip() or not bad.strip() or good.strip() == bad.strip():
            continue
        yield Row(chosen[:-1], good, bad, id=f"hh-{one['row']}", group=f"hh-{one['row']}")


def _turns(text: str) -> list[dict[str, str]]:
    parts = _TURN.split(text)[1:]
    return [
        {"role": _SPEAKERS[speaker], "content": said}
        for speaker, said in zip(parts[::2], parts[1::2], strict=True)
    ]


SETS: dict[str, Callable[[], Iterator[Row]]] = {
    "qa-feedback": qa_feedback,
    "oasst-trees": oasst_trees,
    "pandalm": pandalm,
    "hh-rlhf": hh_rlhf,
}
