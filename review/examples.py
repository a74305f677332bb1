"""Reads what is known of answers as the learned model takes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import log2
from typing import Any

from django.db.models import Avg
from django.db.models.functions import Length

from feedback.models import Embedding, Feedback, Output
from review.learned import Example
from review.priority import SIGNAL_WORDS, Evidence

# Whoever changes what is read gives it the next number: what was learned before fits no more.
VERSION = "logistic-1"


def examples_on(*, evidence: Mapping[int, Evidence], vectors: str) -> dict[int, Example]:
    """What is known of each output of the evidence, by its id: three queries for any number.

    `vectors` names the model whose vectors are read. What reviewers decided on an output, or on
    others of its theme, is left out: it is what is to be foretold.
    """
    about = {
        row["pk"]: row
        for row in Output.objects.filter(pk__in=evidence)
        .annotate(asks=Length("query"), answers=Length("text"))
        .values("pk", "session", "session__user_role", "model", "model_version", "asks", "answers")
    }
    scores: dict[int, dict[str, float]] = defaultdict(dict)
    given = Feedback.objects.filter(output__in=evidence, is_implicit=False, score__isnull=False)
    for output, name, score in (
        given.exclude(annotator_kind=Feedback.AnnotatorKind.HUMAN)
        .values_list("output", "name")
        .annotate(Avg("score"))
    ):
        scores[output or 0][f"score {name}"] = score
    found: dict[str, dict[int, Any]] = {part: {} for part in Embedding.Part.values}
    for output, part, vector in Embedding.objects.filter(
        output__in=evidence, model=vectors
    ).values_list("output", "part", "vector"):
        found[part][output or 0] = vector
    return {
        pk: Example(
            seen=frozenset(_seen(one, about[pk])),
            measured={
                "question length": _length(about[pk]["asks"]),
                "answer length": _length(about[pk]["answers"]),
                **({} if one.confidence is None else {"model confidence": one.confidence}),
                **scores.get(pk, {}),
            },
            asked=found[Embedding.Part.QUERY].get(pk),
            answered=found[Embedding.Part.ANSWER].get(pk),
            group=about[pk]["session"],
        )
        for pk, one in evidence.items()
        if pk in about
    }


def _seen(evidence: Evidence, about: Mapping[str, Any]) -> list[str]:
    named = {
        "rated down": evidence.num_negative,
        "rated up": evidence.num_positive,
        "a better answer offered": evidence.has_correction,
        f"answered by {about['model']}": about["model"],
        f"answered by version {about['model_version']}": about["model_version"],
        f"asked by {about['session__user_role']}": about["session__user_role"],
    }
    return [
        *(words for words, holds in named.items() if holds),
        *(f"said to be {name[:1].lower()}{name[1:]}" for name in evidence.reasons.values()),
        *(SIGNAL_WORDS.get(kind, kind) for kind in evidence.signals),
        *(f"complaint of {role}" for role in evidence.roles),
    ]


def _length(characters: int) -> float:
    """A length by its order of magnitude: twice as long says as much of short as of long texts."""
    return log2(1 + characters)
