"""Groups of items that are nearly the same."""

from __future__ import annotations

import csv
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from feedback.embedding import Encoder, embed_pending, model_id
from feedback.models import Embedding, Output, Project
from review import grouping, intake
from review.grouping import group_all, group_items, num_alike
from review.models import ItemGroup, Queue, QueueItem, Stratum
from review.resemblance import SAME
from tests.factories import NOW, make_item, make_output, make_project, make_queue, make_session

BLOOM = "When did Bloom come out?"
ASKED = [BLOOM, "When did Bloom come out", "when did bloom come out?", "When was Bloom released?"]
DATA = os.environ.get("POSTIL_DATA")
DATE = "Bloom came out on 31 August 2018."


@pytest.fixture
def queue(project: Project) -> Queue:
    return make_queue(project)


def ask(queue: Queue, question: str, answer: str = DATE, **fields: object) -> QueueItem:
    return make_item(queue, make_output(queue.project, query=question, text=answer), **fields)


def placed(queue: Queue, encoder: Encoder) -> list[set[int]]:
    """The groups after a look at the queue, as sets of items."""
    embed_pending(encoder=encoder)
    group_items(queue=queue, model=model_id(), now=NOW)
    return groups(queue)


def groups(queue: Queue) -> list[set[int]]:
    rows = queue.items.exclude(group=None).order_by("pk").values_list("group", "pk")
    found: dict[int | None, set[int]] = {}
    for group, item in rows:
        found.setdefault(group, set()).add(item)
    return list(found.values())


class TestGroupItems:
    def test_joins_what_asks_and_answers_nearly_the_same(
        self, queue: Queue, encoder: Encoder
    ) -> None:
        alike = [ask(queue, question) for question in ASKED[:3]]
        ask(queue, BLOOM, "I do not know of any album by that name.")
        ask(queue, "How do I reset my password?")
        assert placed(queue, encoder) == [{item.pk for item in alike}]
        assert not queue.items.filter(grouped_at=None).exists()

    def test_one_that_comes_later_joins_and_the_rest_stays(
        self, queue: Queue, encoder: Encoder
    ) -> None:
        first = ask(queue, BLOOM)
        assert placed(queue, encoder) == []
        second = ask(queue, ASKED[1])
        [before] = placed(queue, encoder)
        assert before == {first.pk, second.pk}
        group = ItemGroup.objects.get()
        third = ask(queue, ASKED[2])
        assert placed(queue, encoder) == [{first.pk, second.pk, third.pk}]
        assert ItemGroup.objects.get() == group

    def test_a_changed_answer_leaves_its_group(self, queue: Queue, encoder: Encoder) -> None:
        items = [ask(queue, question) for question in ASKED[:3]]
        placed(queue, encoder)
        Output.objects.filter(pk=items[0].output_id).update(
            text="I do not know of any album by that name.",
            version=2,
            changed_at=NOW + timedelta(minutes=5),
            embedded_with="",
        )
        assert group_items(queue=queue, model=model_id(), now=NOW + timedelta(minutes=6)) == 0
        embed_pending(encoder=encoder)
        assert group_items(queue=queue, model=model_id(), now=NOW + timedelta(hours=1)) == 1
        assert groups(queue) == [{items[1].pk, items[2].pk}]

    def test_does_not_wait_for_what_has_no_question(self, queue: Queue, encoder: Encoder) -> None:
        items = [ask(queue, "") for _ in range(2)]
        assert placed(queue, encoder) == []
        assert {item.grouped_at for item in queue.items.filter(pk__in=[one.pk for one in items])}
        assert group_items(queue=queue, model=model_id(), now=NOW) == 0

    def test_each_queue_has_its_own(self, queue: Queue, encoder: Encoder) -> None:
        other = make_queue(queue.project)
        for output in [ask(queue, question).output for question in ASKED[:2]]:
            make_item(other, output)
        stranger = make_queue(make_project())
        ask(stranger, BLOOM)
        embed_pending(encoder=encoder)
        assert group_all(model=model_id(), now=NOW) == 5
        assert [len(groups(one)) for one in (queue, other, stranger)] == [1, 1, 0]

    def test_items_of_a_random_audit_each_have_their_turn(
        self, queue: Queue, encoder: Encoder
    ) -> None:
        audit = Stratum.objects.create(queue=queue, position=0, name="lot", is_audit=True)
        ask(queue, BLOOM, stratum=audit)
        ask(queue, ASKED[1])
        assert placed(queue, encoder) == []
        late = ask(queue, ASKED[2])
        [group] = placed(queue, encoder)
        QueueItem.objects.filter(pk=late.pk).update(stratum=audit)
        group_items(queue=queue, model=model_id(), now=NOW)
        assert len(group) == 2
        assert [len(one) for one in groups(queue)] == [1]

    def test_looks_at_a_bounded_number_and_goes_on_later(
        self, queue: Queue, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(grouping, "BATCH", 2)
        monkeypatch.setattr(grouping, "MOST", 4)
        for _ in range(5):
            ask(queue, BLOOM)
        embed_pending(encoder=encoder)
        counts = [group_items(queue=queue, model=model_id(), now=NOW) for _ in range(3)]
        assert counts == [4, 1, 0]
        assert [len(one) for one in groups(queue)] == [5]

    def test_finds_the_same_in_a_long_queue_by_what_is_nearby(
        self, queue: Queue, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(grouping, "MOST_COMPARED", 0)
        monkeypatch.setattr(grouping, "BATCH", 1)
        bloom = [ask(queue, question) for question in ASKED[:3]]
        reset = [ask(queue, "How do I reset my password?") for _ in range(2)]
        assert placed(queue, encoder) == [{one.pk for one in bloom}, {one.pk for one in reset}]

    def test_leaves_a_queue_to_the_worker_that_is_at_it(
        self, queue: Queue, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask(queue, BLOOM)
        embed_pending(encoder=encoder)
        monkeypatch.setattr(grouping, "_alone", lambda queue: False)
        assert group_items(queue=queue, model=model_id(), now=NOW) == 0


@pytest.mark.skipif(not DATA, reason="POSTIL_DATA names no folder of data sets")
class TestRealQuestions:
    @pytest.fixture
    def questions(self) -> list[tuple[str, str]]:
        """Questions of banking77 with their intent."""
        with (Path(DATA or "") / "banking77" / "train.csv").open(
            newline="", encoding="utf-8"
        ) as lines:
            rows = [(row["text"].strip(), row["category"]) for row in csv.DictReader(lines)]
        return rows[:600]

    def test_groups_hold_only_what_is_the_same_as_their_first_and_mean_one_thing(
        self, db: None, questions: list[tuple[str, str]], encoder: Encoder
    ) -> None:
        """Each intent gets one answer, as from a bot with prepared ones."""
        import numpy as np

        queue = make_queue(make_project())
        session = make_session(queue.project)
        intent: dict[int, str] = {}
        for number, (text, meant) in enumerate(questions):
            output = make_output(
                queue.project,
                session,
                external_id=f"b{number}",
                query=text,
                text=f"About {meant.replace('_', ' ')}: see the help page.",
            )
            intent[output.pk] = meant
        intake.feed(queue=queue, now=NOW)
        while embed_pending(encoder=encoder, limit=1_000):
            pass
        group_items(queue=queue, model=model_id(), now=NOW)
        group_items(queue=queue, model=model_id(), now=NOW)
        found = groups(queue)
        sizes = [len(one) for one in found]
        assert len(found) >= 20
        assert sum(sizes) >= 75
        vectors = {
            (output, part): np.array(vector)
            for output, part, vector in Embedding.objects.values_list("output", "part", "vector")
        }
        output_of = dict(queue.items.values_list("pk", "output"))
        mixed = 0
        for group in found:
            lead, *others = sorted(group)
            for other in others:
                for part in ("query", "answer"):
                    cosine = vectors[output_of[lead], part] @ vectors[output_of[other], part]
                    assert cosine >= SAME - 0.002
            mixed += len({intent[output_of[item]] for item in group}) > 1
        assert mixed == 0


class TestNumAlike:
    def test_counts_open_items_only_in_one_query(
        self, queue: Queue, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        group = ItemGroup.objects.create(queue=queue, created_at=NOW)
        for _ in range(3):
            make_item(queue, group=group)
        make_item(queue, group=group, status="done", closed_at=NOW)
        with django_assert_num_queries(1):
            assert num_alike(groups=[group.pk]) == {group.pk: 3}


class TestConstraints:
    def test_a_group_is_of_one_queue_with_its_items(self, queue: Queue) -> None:
        group = ItemGroup.objects.create(queue=make_queue(queue.project), created_at=NOW)
        make_item(queue, group=group)
        refused = pytest.raises(IntegrityError, match="review_queueitem_group_of_its_queue")
        with refused, transaction.atomic():
            connection.check_constraints()
        QueueItem.objects.all().delete()

    def test_a_queue_goes_with_its_groups(self, queue: Queue) -> None:
        make_item(queue, group=ItemGroup.objects.create(queue=queue, created_at=NOW))
        queue.delete()
        connection.check_constraints()
        assert not ItemGroup.objects.exists()
