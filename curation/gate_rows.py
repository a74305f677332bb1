"""What a check of a training set reads: what lies beside its examples, and its test cases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from django.core.cache import cache
from django.db.models import BigIntegerField, Count, Func, Max, Sum, TextField
from django.db.models.functions import Cast, JSONArray

from curation.grouped import groups_of
from curation.models import Example, GateCheck, TrainingSet
from curation.models.training import ExampleQuerySet
from feedback.models import Embedding, SessionTag
from review.models import Review, ThemeMembership

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIMENSIONS = 384
_IDS = {"num": Count("pk"), "last": Max("pk"), "sum": Sum("pk")}


@dataclass(frozen=True)
class Beside:
    """What a batch of examples has in other tables, by example, output or session."""

    groups: Mapping[int, str]
    themes: Mapping[int, Sequence[int]]
    verdicts: Mapping[tuple[int, int], Sequence[str]]
    tags: Mapping[int, Sequence[str]]
    vectors: Mapping[int, NDArray[np.float16]]


def contents_of(training_set: TrainingSet) -> str:
    """Tell what a check looks at from anything else, in 64 characters.

    That is the kept examples, what is recorded of their sessions and answers, what reviewers said
    of these, and the test cases they must not hold. Examples never come back, so how many there
    are, the last and the sum of their ids are enough. What reviewers said counts once nobody
    is to judge without knowing it. What themes and vectors would change counts
    with the next check: they come anew by themselves. Four queries.
    """
    told = [*_told(training_set), *cases(training_set).aggregate(**_IDS).values()]
    return sha256(" ".join(map(str, told)).encode()).hexdigest()


def lately_of(check: GateCheck) -> str:
    """What the checked set holds, up to a minute old but for examples that came or went.

    A later check is told anew. Five queries at most.
    """
    ids = check.training_set.examples.kept().aggregate(**_IDS)
    key = f"gates-{check.pk}-{'-'.join(map(str, ids.values()))}"
    return cache.get_or_set(key, lambda: contents_of(check.training_set), timeout=60) or ""


def cases(training_set: TrainingSet) -> ExampleQuerySet:
    """The test cases of the project's other sets, none beside a set that is one to test by."""
    if training_set.purpose == TrainingSet.Purpose.EVALUATION:
        return Example.objects.none()
    return Example.objects.kept().filter(
        training_set__project=training_set.project_id,
        training_set__purpose=TrainingSet.Purpose.EVALUATION,
    )


def _told(training_set: TrainingSet) -> Iterator[object]:
    kept = training_set.examples.kept().order_by()
    session = ("pk", "metadata", "user_external_id")
    recorded = kept.aggregate(
        **_IDS,
        answers=_sum("output", "output__metadata"),
        other_answers=_sum("rejected_output", "rejected_output__metadata"),
        sessions=_sum(*(f"output__session__{name}" for name in session)),
    )
    yield from recorded.values()
    outputs = kept.values("output").union(kept.values("rejected_output"))
    reviews = Review.objects.revealed().filter(output__in=outputs)
    yield reviews.aggregate(said=_sum("pk", "verdict"))["said"]
    tags = SessionTag.objects.filter(session__in=kept.values("output__session"))
    yield tags.aggregate(named=_sum("session", "tag__name"))["named"]


def _sum(*columns: str) -> Sum:
    """The sum of the rows' hashes over these columns: in whatever order, and in one number."""
    whole = JSONArray(*columns)
    hashed = Func(Cast(whole, TextField()), 0, function="hashtextextended")
    return Sum(hashed, output_field=BigIntegerField())


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
    # Of what is to be judged without them, curators who judge it would read them in a finding.
    reviews = Review.objects.revealed().filter(output__in=outputs | others).order_by("pk")
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
