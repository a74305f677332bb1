"""What each gate is there for, planted as rows of a set of real questions, and found by a check."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from curation import demo_records, gating, promotion, releasing
from curation.gates import Gate, Rules
from curation.models import Example, GateFinding
from curation.splits import split_of
from feedback.embedding import Encoder, embed_pending, model_id
from feedback.models import Output, Project, Session, User
from review.models import ThemeMembership, ThemeRun
from tests.bench.gates import written
from tests.factories import (
    NOW,
    make_feedback,
    make_output,
    make_review,
    make_session,
    make_theme,
    make_training_set,
)

pytestmark = pytest.mark.django_db

# Rows planted for each gate; three times as many sound ones in training, and as many in validation.
NUM = 15
TOKEN_LIMIT = 300
# Among the real questions another one asks the same: when it gave them.
DOUBLE = "When did japan send cherry trees to washington dc?"
# What is planted, and the gates that only tell how few people and consents there are.
PLANTED = {Gate.EXACT, Gate.NEAR, Gate.LEAK, Gate.PERSONAL, Gate.TOKENS}


class Planted:
    """A set that was released once, with each of its sessions on the side of its name's hash."""

    def __init__(self, project: Project, by: User, encoder: Encoder) -> None:
        self.project, self.by, self.encoder = project, by, encoder
        self.set = make_training_set(project, is_gated=True)
        gating.set_rules(
            training_set=self.set, rules=Rules(token_limit=TOKEN_LIMIT), by=by, now=NOW
        )
        self._numbers = iter(range(10_000))
        self.real = self._real()
        self.trained = [self.add(*next(self.real), self.session("train")) for _ in range(3 * NUM)]
        self.tested = [self.add(*next(self.real), self.session("validation")) for _ in range(NUM)]

    def _real(self) -> Iterator[tuple[str, str]]:
        """Questions of the demo's records, each once, and a short answer."""
        records = [record for _, record in demo_records.read(newest=NOW)]
        answers = {
            one["query"]: one["text"]
            for one in records
            if one["type"] == "output" and one["id"].startswith("qa-") and one["query"] != DOUBLE
        }
        return iter(answers.items())

    def session(self, split: str) -> Session:
        """A new session whose own name would put it there."""
        names = (f"session {number}" for number in self._numbers)
        return make_session(
            self.project, external_id=next(name for name in names if split_of(name) == split)
        )

    def add(self, query: str, text: str, session: Session) -> Example:
        output = make_output(self.project, session, query=query, text=text)
        return promotion.promote_to_training_set(
            review=make_review(output, self.by, verdict="accept"),
            training_set=self.set,
            by=self.by,
            now=NOW,
        )

    def complain(self, *examples: Example) -> None:
        """One theme of complaints about the answers of all of them."""
        theme = make_theme(self.project)
        run = ThemeRun.objects.create(
            project=self.project,
            model="m",
            algorithm="a",
            num_feedback=len(examples),
            num_themes=1,
            started_at=NOW,
            finished_at=NOW,
        )
        for example in examples:
            ThemeMembership.objects.create(
                theme=theme, feedback=make_feedback(source(example)), run=run, similarity=1
            )

    def check(self) -> gating.Report:
        """Embed what has come in and check the set, as the workers do."""
        while embed_pending(encoder=self.encoder):
            pass
        gating.ask(training_set=self.set, by=self.by, now=NOW)
        assert gating.work_off(vectors=model_id(), clock=lambda: NOW)
        return gating.report(training_set=self.set)

    def found(self, gate: Gate) -> dict[int, int | None]:
        rows = GateFinding.objects.filter(check_run__training_set=self.set, gate=gate)
        return dict(rows.open().values_list("example", "other"))

    def leaks(self) -> set[tuple[int, str]]:
        """Each row that leaks, with what it shares, and with which other."""
        rows = GateFinding.objects.filter(check_run__training_set=self.set, gate=Gate.LEAK)
        return set(rows.open().values_list("example", "key"))

    def release(self) -> dict[int, str]:
        """The split of each row of a new release."""
        made = releasing.release(training_set=self.set, by=self.by, now=NOW)
        return dict(made.examples.values_list("example", "split"))


@pytest.fixture
def planted(project: Project, curator: User, encoder: Encoder) -> Planted:
    return Planted(project, curator, encoder)


def source(example: Example) -> Output:
    assert example.output is not None
    return example.output


def reworded(example: Example) -> str:
    """The same question, slightly otherwise."""
    query = source(example).query
    return f"Hi, {query[0].lower()}{query[1:]} Thanks!"


def pks(examples: Iterable[Example]) -> set[int]:
    return {example.pk for example in examples}


def test_all_that_is_planted_is_found_and_no_sound_row(planted: Planted) -> None:
    assert {one.gate for one in planted.check().results if one.num_open}.isdisjoint(PLANTED)
    first = planted.release()
    assert {first[row.pk] for row in planted.trained} == {"train"}
    assert {first[row.pk] for row in planted.tested} == {"validation"}

    chance = random.Random(3)  # noqa: S311
    exact = {
        planted.add(
            f"  {source(row).query.upper()} ".replace(" ", "\u00a0\n"),
            source(row).text.swapcase(),
            planted.session(chance.choice(["train", "validation"])),
        ).pk: row.pk
        for row in planted.trained[:NUM]
    }
    near = {
        planted.add(reworded(row), "Ask at the desk.", planted.session("validation")).pk: row.pk
        for row in planted.trained[NUM : 2 * NUM]
    }
    # A question of training asked in a session that the release before has tested by.
    leaked = {
        planted.add(reworded(row), "At nine.", source(tested).session).pk: row.pk
        for row, tested in zip(planted.trained[2 * NUM : 3 * NUM], planted.tested, strict=True)
    }
    # What complaints of training are about too, in such a session, by a question of its own.
    themed = {}
    for row, tested in zip(planted.trained[:NUM], planted.tested, strict=True):
        added = planted.add(*next(planted.real), source(tested).session)
        planted.complain(row, added)
        themed[added.pk] = row.pk
    personal = {
        planted.add(
            f"What is {number:03x}{kind}{f', and is it for {said}' if number % 2 else ''}?",
            "That is known." if number % 2 else f"Write to {said}.",
            planted.session("train"),
        ).pk: kind
        for number in range(NUM)
        for kind, said in written(chance)
    }
    long = [
        planted.add(f"Tell all about {number:03x}.", "And so on. " * 100, planted.session("train"))
        for number in range(NUM)
    ]

    report = planted.check()
    assert planted.found(Gate.EXACT) == exact
    assert planted.found(Gate.NEAR).items() >= (near | leaked).items()
    assert planted.leaks() == {
        *((row, f"question {other}") for row, other in leaked.items()),
        *((row, f"theme {other}") for row, other in themed.items()),
    }
    assert planted.found(Gate.PERSONAL).keys() == personal.keys()
    for finding in GateFinding.objects.filter(gate=Gate.PERSONAL):
        assert personal[finding.example_id] in finding.key
    assert planted.found(Gate.TOKENS).keys() == pks(long)
    with pytest.raises(Exception, match="fail a gate"):
        planted.release()

    # Where no release before stands against it, what asks nearly the same is never on both sides.
    assert report.last is not None
    for gate in PLANTED:
        gating.let_all_pass(check=report.last, gate=gate, reason="To see.", by=planted.by, now=NOW)
    second = planted.release()
    assert {second[pk] for pk in (*near, *exact)} == {"train"}
    assert {second[pk] for pk in (*leaked, *themed)} == {"validation"}
