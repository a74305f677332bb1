"""Real sets of POSTIL_DATA as neutral examples: corrections, rankings and verdicts of people."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
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
