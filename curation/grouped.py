"""Which examples of a training set belong together, whatever they say."""

from __future__ import annotations

from collections.abc import Sequence

from curation.models import Example, ReleasedExample, TrainingSet


def groups_of(training_set: TrainingSet, examples: Sequence[Example]) -> dict[int, str]:
    """What must not be split, by example: its session, or itself once its output is erased."""
    alone = [example.pk for example in examples if example.output is None and not example.group]
    former = dict(
        ReleasedExample.objects.filter(release__training_set=training_set, example__in=alone)
        .order_by("release__number")
        .values_list("example", "lineage__group")
    )
    return {
        example.pk: example.output.session.external_id
        if example.output
        else example.group or former.get(example.pk, f"example {example.pk}")
        for example in examples
    }
