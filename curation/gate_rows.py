"""What a check of a training set reads: what lies beside its examples, and its test cases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from django.db.models import Count, Max, Sum

from curation.grouped import groups_of
from curation.models import Example, TrainingSet
from curation.models.training import ExampleQuerySet
from feedback.models import Embedding, SessionTag
from review.models import Review, ThemeMembership

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIMENSIONS = 384
# What is told of no examples.
NONE = "0:0:0"


@dataclass(frozen=True)
class Beside:
    """What a batch of examples has in other tables, by example, output or session."""

    groups: Mapping[int, str]
    themes: Mapping[int, Sequence[int]]
    verdicts: Mapping[tuple[int, int], Sequence[str]]
    tags: Mapping[int, Sequence[str]]
    vectors: Mapping[int, NDArray[np.float16]]


def contents_of(training_set: TrainingSet) -> str:
    """Tell what a check looks at from anything else, in up to 64 characters.

    That is the kept examples, and the test cases they must not hold. Examples never come back, so
    how many there are, the last and the sum of their ids are enough.
    """
    own = _told(training_set.examples.kept())
    tested = _told(cases(training_set))
    return own if tested == NONE else sha256(f"{own} {tested}".encode()).hexdigest()


def cases(training_set: TrainingSet) -> ExampleQuerySet:
    """The test cases of the project's other sets, none beside a set that is one to test by."""
    if training_set.purpose == TrainingSet.Purpose.EVALUATION:
        return Example.objects.none()
    return Example.objects.kept().filter(
        training_set__project=training_set.project_id,
        training_set__purpose=TrainingSet.Purpose.EVALUATION,
    )


def _told(examples: ExampleQuerySet) -> str:
    told = examples.aggregate(num=Count("pk"), last=Max("pk"), sum=Sum("pk"))
    return ":".join(str(told[name] or 0) for name in ("num", "last", "sum"))


def beside(training_set: TrainingSet, batch: Sequence[Example], model: str) -> Beside:
    """Six queries, whatever the number of examples."""
    outputs = {example.output_id for example in batch if example.output_id}
    sessions = {example.output.session_id for example in batch if example.output}
    themes: dict[int, list[int]] = defaultdict(list)
    rows = ThemeMembership.objects.filter(feedback__output__in=outputs).order_by("theme")
    for output, theme in rows.values_list("feedback__output", "theme").distinct():
        themes[output].append(theme)
    verdicts: dict[tuple[int, int], list[str]] = defaultdict(list)
    others = {example.rejected_output_id for example in batch if example.rejected_output_id}
    reviews = Review.objects.filter(output__in=outputs | others).order_by("pk")
    for output, version, verdict in reviews.values_list("output", "output_version", "verdict"):
        verdicts[output, version].append(verdict)
    tags: dict[int, list[str]] = defaultdict(list)
    tagged = SessionTag.objects.filter(session__in=sessions)
    for session, name in tagged.values_list("session", "tag__name"):
        tags[session].append(name)
    return Beside(
        groups_of(training_set, batch), themes, verdicts, tags, vectors_of(outputs, model)
    )


def vectors_of(outputs: Collection[int], model: str) -> dict[int, NDArray[np.float16]]:
    """The vectors of the questions of these outputs."""
    import numpy as np

    found = Embedding.objects.filter(
        output__in=outputs, part=Embedding.Part.QUERY, model=model
    ).values_list("output", "vector")
    return {output or 0: np.array(vector, dtype=np.float16) for output, vector in found}
