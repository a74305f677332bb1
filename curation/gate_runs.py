"""One check of a training set by its gates, step by step."""

from __future__ import annotations

import statistics
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from django.db import transaction
from django.db.models import Max, QuerySet

from curation import duplicates, gate_rows, gates, splits, tokens
from curation.asked import AskedFile, asked_in, said, written
from curation.gate_rows import DIMENSIONS, Beside
from curation.gates import Finding, Gate, Rules
from curation.models import (
    CheckedGroup,
    Example,
    GateCheck,
    GateFinding,
    GateRules,
    GroupSplit,
    ReleasedExample,
    TrainingSet,
)
from curation.models.training import ExampleQuerySet
from curation.wording import digest, plain
from review.agreement import krippendorff

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Examples read in one step, findings written at once, and how long a step may take.
BATCH = 500
LEASE = timedelta(hours=1)

Status = GateCheck.Status


class LostError(Exception):
    """The check was stopped, or another worker has taken it over."""


@dataclass
class _Seen:
    """What is kept of all rows until they are compared."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    names: list[str] = field(default_factory=list)
    themes: list[tuple[int, ...]] = field(default_factory=list)
    users: list[tuple[int, str | None]] = field(default_factory=list)
    reviewers: list[tuple[int, int | None]] = field(default_factory=list)
    num_tokens: array[int] = field(default_factory=lambda: array("q"))
    verdicts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    keys: list[NDArray[np.uint32]] = field(default_factory=list)
    cases: array[int] = field(default_factory=lambda: array("q"))
    case_of: dict[str, int] = field(default_factory=dict)
    pairs: set[int] = field(default_factory=set)
    unlearnt: set[int] = field(default_factory=set)
    num_recorded: int = 0
    num_embedded: int = 0


class Run:
    """One check, step by step."""

    def __init__(self, check: GateCheck, vectors: str, clock: Callable[[], datetime]) -> None:
        self._check, self._model, self._clock = check, vectors, clock
        self._set = check.training_set
        self._rules = rules_of(training_set=self._set)
        self._seen = _Seen()
        self._exact = gates.Exact()
        self._asked = AskedFile()
        self._figures: dict[str, dict[str, object]] = {gate.value: {} for gate in Gate}

    def whole(self) -> None:
        """Read the rows, compare them with each other, and say what was found."""
        examples = self._set.examples.kept()
        until = examples.aggregate(last=Max("pk"))["last"] or 0
        contents = gate_rows.contents_of(self._set)
        GateFinding.objects.filter(check_run=self._check).delete()
        CheckedGroup.objects.filter(check_run=self._check).delete()
        with TemporaryFile() as vectors, closing(self._asked):
            for vector in self._read_cases():
                vectors.write(vector.tobytes())
            after = 0
            while batch := list(_whole(examples.filter(pk__gt=after, pk__lte=until))[:BATCH]):
                after = batch[-1].pk
                for vector in self._read(batch):
                    vectors.write(vector.tobytes())
                self._go_on("rows", len(self._seen.rows))
            self._go_on("duplicates", len(self._seen.rows))
            groups = self._compare(vectors)
        self._go_on("splits", len(self._seen.rows))
        self._split(groups)
        self._shares()
        self._finish(contents)

    def _read_cases(self) -> Iterator[NDArray[np.float16]]:
        """Take in what the project's evaluation sets test by; yield the vectors of the questions.

        They come before all rows.
        """
        import numpy as np

        nothing = np.zeros(DIMENSIONS, dtype=np.float16)
        rows = gate_rows.cases(self._set).select_related("output__session").order_by("pk")
        some = rows.iterator(chunk_size=BATCH)
        while batch := list(islice(some, BATCH)):
            vectors = gate_rows.vectors_of(
                {one.output_id for one in batch if one.output_id}, self._model
            )
            for case in batch:
                asked = asked_in(case.prompt)
                self._asked.add(asked)
                self._seen.keys.append(duplicates.band_keys(asked))
                self._seen.cases.append(case.pk)
                name = case.output.session.external_id if case.output else case.group
                if name:
                    self._seen.case_of.setdefault(name, case.pk)
                yield vectors.get(case.output_id or 0, nothing)

    def _read(self, batch: Sequence[Example]) -> Iterator[NDArray[np.float16]]:
        """Hold each row to what it can be held to alone; yield the vectors of the questions."""
        import numpy as np

        beside = gate_rows.beside(self._set, batch, self._model)
        nothing = np.zeros(DIMENSIONS, dtype=np.float16)
        found: list[Finding | None] = []
        for example in batch:
            found += self._alone(example, beside)
            vector = beside.vectors.get(example.output_id or 0, nothing)
            self._seen.num_embedded += vector is not nothing
            yield vector
        self._write(one for one in found if one is not None)

    def _alone(self, example: Example, beside: Beside) -> list[Finding | None]:
        seen, output, review = self._seen, example.output, example.review
        if example.is_pair:
            seen.pairs.add(len(seen.rows))
        elif not example.chosen:
            seen.unlearnt.add(len(seen.rows))
        seen.rows.append(example.pk)
        seen.names.append(beside.groups[example.pk])
        seen.themes.append(tuple(beside.themes.get(example.output_id or 0, ())))
        session = output.session if output else None
        seen.users.append((example.pk, (session.user_external_id or None) if session else None))
        seen.reviewers.append((example.pk, review.reviewer_id if review else None))
        asked = asked_in(example.prompt)
        self._asked.add(asked)
        seen.keys.append(duplicates.band_keys(asked))
        texts = [*said(example.prompt), *map(written, example.tools)]
        num_tokens = (len(example.prompt) + 1) * gates.TOKENS_PER_MESSAGE + sum(
            map(tokens.count, texts)
        )
        num_tokens += max(tokens.count(example.chosen), tokens.count(example.rejected))
        seen.num_tokens.append(num_tokens)
        sources = (session, output, example.rejected_output)
        metadata = [one.metadata for one in sources if one is not None]
        consent = gates.unlicensed(
            example.pk, beside.tags.get(session.pk, ()) if session else (), metadata, self._rules
        )
        seen.num_recorded += consent is None
        return [
            self._exact.check(example.pk, digest(*texts, example.chosen, example.rejected)),
            gates.personal(example.pk, [*texts, example.chosen, example.rejected], self._rules),
            gates.too_long(example.pk, num_tokens, self._rules),
            consent,
            *self._disputed(example, beside),
        ]

    def _disputed(self, example: Example, beside: Beside) -> Iterator[Finding | None]:
        """What of the decisions that the row comes from too few reviewers shared."""
        for review in (example.review, example.chosen_review, example.rejected_review):
            if review is None:
                continue
            verdicts = beside.verdicts.get((review.output_id, review.output_version), ())
            if len(verdicts) > 1 and not example.is_pair:
                self._seen.verdicts[tuple(sorted(verdicts))] += 1
            yield gates.disputed(example.pk, review.verdict, verdicts, self._rules)

    def _compare(self, file: IO[bytes]) -> splits.Groups:
        """Find near duplicates; return which rows stay together because of them."""
        import numpy as np

        seen = self._seen
        if not seen.rows:
            return splits.Groups(0)
        file.flush()
        num_cases = len(seen.cases)
        shape = (num_cases + len(seen.rows), DIMENSIONS)
        vectors = np.memmap(file, dtype=np.float16, mode="r", shape=shape)
        near = duplicates.find(self._asked, np.stack(seen.keys), vectors, num_cases=num_cases)
        self._write(self._tested(near))
        self._figures[Gate.TESTED] = {"num_cases": num_cases}
        exact = set(
            GateFinding.objects.filter(check_run=self._check, gate=Gate.EXACT).values_list(
                "example", flat=True
            )
        )
        # What says the very same is named once, as that.
        self._write(
            gates.near(seen.rows[row], seen.rows[other])
            for row, other in near.doubles.items()
            if seen.rows[row] not in exact and not self._is_beside(row, other)
        )
        self._figures[Gate.NEAR] = {"num_embedded": seen.num_embedded}
        return near.groups

    def _is_beside(self, row: int, other: int) -> bool:
        """Whether a row may ask what another does: they are answers to one question of a session.

        A pair always is, and of two other rows not both are to be learnt.
        """
        seen, num_cases = self._seen, len(self._seen.cases)
        return row in seen.pairs or (
            bool({row, other} & (seen.pairs | seen.unlearnt))
            and seen.names[row] == seen.names[other]
            and self._asked[num_cases + row] == self._asked[num_cases + other]
        )

    def _tested(self, near: duplicates.Near) -> Iterator[Finding]:
        """The rows that share a question or a session with a test case."""
        seen, num_cases = self._seen, len(self._seen.cases)
        for row, pk in enumerate(seen.rows):
            if row in near.tested:
                case = near.tested[row]
                questions = self._asked[case].question, self._asked[num_cases + row].question
                is_same = plain(questions[0]) == plain(questions[1])
                yield gates.tested(pk, seen.cases[case], "same" if is_same else "question")
            elif seen.names[row] in seen.case_of:
                yield gates.tested(pk, seen.case_of[seen.names[row]], "session")

    def _split(self, groups: splits.Groups) -> None:
        """Give each session its split, and name what is on both sides all the same."""
        seen = self._seen
        themes = seen.themes if self._rules.split_by_theme else [()] * len(seen.rows)
        questions = [groups.of(row) for row in range(len(seen.rows))]
        groups.join_alike(
            [("session", name), *(("theme", theme) for theme in own)]
            for name, own in zip(seen.names, themes, strict=True)
        )
        whole = [groups.of(row) for row in range(len(seen.rows))]
        if self._set.purpose == TrainingSet.Purpose.EVALUATION:
            assigned = dict.fromkeys(seen.names, ReleasedExample.Split.TEST.value)
        else:
            assigned = splits.assign(whole, seen.names, _settled(self._set))
        CheckedGroup.objects.bulk_create(
            (
                CheckedGroup(check_run=self._check, group=name, split=split)
                for name, split in sorted(assigned.items())
                if split not in {splits.split_of(name), ReleasedExample.Split.TEST}
            ),
            batch_size=BATCH,
        )
        sides = [assigned[name] for name in seen.names]
        shared = (
            (kind, row, what)
            for row, own in enumerate(themes)
            for kind, what in (
                ("session", seen.names[row]),
                ("question", questions[row]),
                *(("theme", theme) for theme in own),
            )
        )
        self._write(
            gates.leak(seen.rows[one.row], seen.rows[one.other], one.kind)
            for one in splits.leaks(sides, shared)
        )
        self._figures[Gate.LEAK] = {
            "num_groups": len(set(whole)),
            "largest": max(Counter(whole).values(), default=0),
            "splits": dict(Counter(sides)),
        }

    def _shares(self) -> None:
        seen, rules = self._seen, self._rules
        self._write(gates.over_share(Gate.USER, seen.users, rules.most_of_user))
        self._write(gates.over_share(Gate.REVIEWER, seen.reviewers, rules.most_of_reviewer))
        for gate, owners in ((Gate.USER, seen.users), (Gate.REVIEWER, seen.reviewers)):
            counts = Counter(owner for _, owner in owners if owner is not None)
            self._figures[gate] = {
                "largest": max(counts.values(), default=0) / (len(owners) or 1),
                "num": len(counts),
            }

    def _finish(self, contents: str) -> None:
        seen, check = self._seen, self._check
        agreement = krippendorff(seen.verdicts.elements())
        self._figures[Gate.TOKENS] = {
            "longest": max(seen.num_tokens, default=0),
            "median": int(statistics.median(seen.num_tokens)) if seen.num_tokens else 0,
        }
        self._figures[Gate.AGREEMENT] = asdict(agreement)
        self._figures[Gate.CONSENT] = {"num_recorded": seen.num_recorded}
        with transaction.atomic():
            num_done = alive(check).update(
                status=Status.DONE,
                rules=as_json(self._rules),
                contents=contents,
                figures=self._figures,
                step="",
                num_examples=len(seen.rows),
                num_done=len(seen.rows),
                finished_at=self._clock(),
            )
            if not num_done:
                raise LostError
            self._set.gate_checks.filter(pk__lt=check.pk).delete()

    def _write(self, found: Iterable[Finding]) -> None:
        GateFinding.objects.bulk_create(
            (
                GateFinding(
                    check_run=self._check,
                    gate=one.gate,
                    example_id=one.row,
                    other_id=one.other,
                    why=one.why,
                    key=one.key,
                )
                for one in found
            ),
            batch_size=BATCH,
        )

    def _go_on(self, step: str, num_done: int) -> None:
        """Say how far it is; raises LostError when the check is not this worker's any more."""
        num_examples = max(self._check.num_examples, num_done)
        if not alive(self._check).update(
            step=step,
            num_done=num_done,
            num_examples=num_examples,
            lease_until=self._clock() + LEASE,
        ):
            raise LostError


def _whole(examples: ExampleQuerySet) -> ExampleQuerySet:
    return examples.select_related(
        *("output__session", "review"), *("rejected_output", "chosen_review", "rejected_review")
    ).order_by("pk")


def _settled(training_set: TrainingSet) -> dict[str, str]:
    """The splits that sessions have had in releases."""
    rows = GroupSplit.objects.filter(training_set=training_set)
    return dict(rows.values_list("group", "split"))


def alive(check: GateCheck) -> QuerySet[GateCheck]:
    """The check, as long as it is this worker's and nobody stopped it."""
    return GateCheck.objects.filter(pk=check.pk, fence=check.fence, status=Status.RUNNING)


def rules_of(*, training_set: TrainingSet) -> Rules:
    """What a set is held to."""
    stored = GateRules.objects.filter(training_set=training_set).first()
    return stored.rules() if stored else Rules()


def as_json(rules: Rules) -> dict[str, object]:
    """Rules as they are stored with a check."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(rules).items()
    }
