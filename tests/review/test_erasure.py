"""What people said of somebody's sessions goes, and what is made of many is made anew."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from feedback import erasure as sent
from feedback.erasure import Part
from feedback.models import Embedding, Feedback, Output, Project, Session, User
from review import erasure
from review.filters import ReviewFilter
from review.models import (
    Annotation,
    Event,
    Notification,
    QueueItem,
    Review,
    Theme,
    ThemeMembership,
    TriageModel,
)
from tests.curation.exposed import put_in
from tests.factories import (
    NOW,
    make_annotation,
    make_feedback,
    make_item,
    make_job,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_rule,
    make_session,
    make_theme,
    make_user,
    make_view,
)
from tests.filtered import EACH, filters

pytestmark = pytest.mark.django_db

WORDS = {"session": ["s-gone", "s-kept"], "words": '"s-gone" and more'}
WITHOUT = {"session": ["erased", "s-kept"], "words": '"erased" and more'}


@pytest.fixture
def by(project: Project) -> User:
    return make_user(project, "expert")


@pytest.fixture
def gone(project: Project) -> Output:
    return make_output(project, make_session(project, external_id="s-gone"))


@pytest.fixture
def kept(project: Project) -> Output:
    return make_output(project, make_session(project, external_id="s-kept"))


def part_of(*outputs: Output, scope: str = "session", subject: str = "s-gone") -> Part:
    return sent.part_of(
        project=outputs[0].project,
        scope=scope,
        subject=subject,
        sessions=[one.session_id for one in outputs],
    )


def erase(part: Part) -> dict[str, str]:
    """The order in which packages do it; return the names that themes have now."""
    with transaction.atomic():
        touched = erasure.erase(part)
        sent.erase(part, may_return=False)
        return erasure.tidy_themes(project=part.project, touched=touched)


def worked_on(output: Output, by: User) -> None:
    """A row of each kind about an output."""
    item = make_item(make_queue(output.project), output)
    note = make_annotation(output, by, "Bloom")
    note.replies.create(project=note.project, author=by, text="Yes.", created_at=NOW)
    make_review(output, by)
    told: dict[str, Any] = {"project": output.project, "output": output, "happened_at": NOW}
    Notification.objects.create(user=by, kind="taken", item=item, **told)


class TestCount:
    def test_tells_of_a_part_alone(self, gone: Output, kept: Output, by: User) -> None:
        for output in (gone, kept):
            worked_on(output, by)
        assert erasure.count(part_of(gone)) == {
            "annotations": 1,
            "comments": 1,
            "reviews": 1,
            "queue items": 1,
            "notifications": 1,
        }


class TestErase:
    def test_what_was_said_of_it_goes_and_of_others_stays(
        self, gone: Output, kept: Output, by: User
    ) -> None:
        for output in (gone, kept):
            worked_on(output, by)
        erase(part_of(gone))
        for model in (Annotation, Review, QueueItem, Notification):
            assert set(model.objects.values_list("output", flat=True)) == {kept.pk}

    def test_the_log_keeps_that_it_happened_and_no_details(
        self, project: Project, gone: Output, kept: Output, by: User
    ) -> None:
        for output in (gone, kept, None):
            Event.objects.create(
                project=project,
                output=output,
                actor=by,
                verb="seen",
                target_type="output",
                target_id=1,
                data={"a": 1},
                at=NOW,
            )
        erase(part_of(gone))
        # The reference to the output goes with the output.
        assert sorted(len(data) for data in Event.objects.values_list("data", flat=True)) == [
            0,
            1,
            1,
        ]

    @pytest.mark.parametrize("is_reviewed", [True, False])
    def test_what_was_learned_from_verdicts_is_forgotten(
        self, project: Project, gone: Output, by: User, *, is_reviewed: bool
    ) -> None:
        for one in (project, make_project()):
            TriageModel.objects.create(
                project=one,
                number=1,
                algorithm="a",
                vectors="stub",
                digest="0" * 64,
                num_verdicts=2,
                num_faulty=1,
                parameters={"weights": [1]},
                quality={},
                is_used=True,
                trained_at=NOW,
            )
        if is_reviewed:
            make_review(gone, by)
        erase(part_of(gone))
        own, other = TriageModel.objects.order_by("pk")
        assert (own.parameters == {}) == is_reviewed
        assert own.is_used != is_reviewed
        assert (other.parameters, other.is_used) == ({"weights": [1]}, True)

    def test_items_are_ranked_anew_whose_feedback_goes(
        self, project: Project, gone: Output, kept: Output
    ) -> None:
        """Also where the user said it on somebody else's answer."""
        queue = make_queue(project)
        said = make_feedback(kept, author_external_id="u")
        other = make_output(project)
        for output in (kept, other):
            make_item(queue, output, priority_version="1", priority_parts=[["rating", 3]])
        part = sent.part_of(project=project, scope="user", subject="u", said=[said.pk])
        erase(part)
        assert QueueItem.objects.get(output=kept).priority_version == ""
        assert QueueItem.objects.get(output=kept).priority_parts == []
        assert QueueItem.objects.get(output=other).priority_version == "1"

    def test_filters_name_it_no_more(self, project: Project, gone: Output, by: User) -> None:
        elsewhere = make_view(make_project(), by, filter=WORDS)
        queue = make_queue(project, filter=WORDS)
        rows: list[Any] = [
            queue,
            queue.strata.create(name="All", position=1, rate=1.0, filter=WORDS),
            make_rule(project, filter=WORDS),
            make_view(project, by, filter=WORDS),
            make_job(project, by, filter=WORDS),
        ]
        erase(part_of(gone))
        for row in rows:
            row.refresh_from_db()
            assert row.filter == WITHOUT
        elsewhere.refresh_from_db()
        assert elsewhere.filter == WORDS

    def test_a_queue_of_a_theme_is_not_taken_for_an_id(self, project: Project) -> None:
        queue = make_queue(project, filter={"theme": "17", "role": "17"})
        user = make_output(project, make_session(project, user_external_id="17"))
        erase(part_of(user, scope="user", subject="17"))
        kept = queue.filter
        queue.refresh_from_db()
        assert queue.filter == kept

    def test_filters_of_others_are_not_written(
        self, project: Project, gone: Output, by: User, django_assert_num_queries: Any
    ) -> None:
        view = make_view(project, by, filter={"session": ["s-kept"]})
        with django_assert_num_queries(1):
            erasure.clear_filters(type(view).objects.filter(project=project), frozenset({"s-gone"}))


class TestFilters:
    """What is left of a filter goes on being one."""

    @given(filters, st.data())
    def test_can_be_read_whatever_is_erased(
        self, wanted: ReviewFilter, data: st.DataObject
    ) -> None:
        kept = wanted.to_json()
        texts = [
            text
            for value in kept.values()
            for text in (value if isinstance(value, list) else [value])
        ]
        ids = data.draw(st.frozensets(st.sampled_from(texts)) if texts else st.just(frozenset()))
        left = ReviewFilter.from_json(sent.without(kept, ids) or {})
        assert [term.key for term in left.terms] == [term.key for term in wanted.terms]
        assert bool(left.words) == bool(wanted.words)

    @pytest.mark.parametrize("wanted", EACH, ids=str)
    def test_keep_what_only_reads_like_an_id(self, wanted: ReviewFilter) -> None:
        [(name, value)] = wanted.to_json().items()
        for key in (name, f"-{name}"):
            named = name in {"session", "output", "tag"}
            assert sent.without({key: value}, frozenset({str(value)})) == {
                key: "erased" if named else value
            }

    @pytest.mark.parametrize("name", ["session", "output"])
    def test_keep_a_longer_id(self, name: str) -> None:
        kept = {name: ["session-1", "session-12"]}
        assert sent.without(kept, frozenset({"session-1"})) == {name: ["erased", "session-12"]}

    @pytest.mark.parametrize(
        ("words", "erased", "left"),
        [
            ("refund anna-17", "anna-17", "refund erased"),
            ("17", "17", "erased"),
            ("refund 17", "17", "refund 17"),
            ("refund anna-17:late", "anna-17", "erased"),
            ('"of anna" smith', 'anna" smith', "erased"),
        ],
    )
    def test_keep_words_that_can_be_read(self, words: str, erased: str, left: str) -> None:
        assert ReviewFilter.from_json({"words": words})
        assert sent.without({"words": words}, frozenset({erased})) == {"words": left}
        assert ReviewFilter.from_json({"words": left})


class TestThemes:
    @pytest.fixture
    def theme(self, project: Project, gone: Output, kept: Output) -> Theme:
        """Of two who left the date out, and one of them alone names a book."""
        theme = make_theme(project, name="Moby, date", terms=["Moby", "date"], size=2)
        said = [
            make_feedback(gone, comment="No date of MOBY."),
            make_feedback(kept, correction="The date is 1851."),
        ]
        put_in(theme, said)
        for place, one in enumerate(said):
            Embedding.objects.create(
                project=project,
                feedback=one,
                part="comment",
                model=theme.model,
                text_sha256=str(place),
                vector=vector(place + 1),
            )
        return theme

    def test_say_what_the_others_say(self, theme: Theme, gone: Output) -> None:
        assert erase(part_of(gone)) == {"Moby, date": "Date"}
        theme.refresh_from_db()
        assert (theme.name, theme.terms, theme.size) == ("Date", ["date"], 1)
        assert [round(one, 3) for one in theme.centroid[:3]] == [0, 0, 1]

    def test_are_led_by_the_reason_that_is_given_most(self, theme: Theme, gone: Output) -> None:
        [said] = Feedback.objects.exclude(output=gone)
        reason = said.project.taxonomies.get().reasons.get(slug="incomplete")
        said.feedback_reasons.create(reason=reason)
        erase(part_of(gone))
        theme.refresh_from_db()
        assert theme.name == f"{reason.name}: date"

    def test_keep_a_name_that_a_person_gave(self, theme: Theme, gone: Output, by: User) -> None:
        Theme.objects.filter(pk=theme.pk).update(name="Dates", named_by=by)
        assert erase(part_of(gone)) == {}
        theme.refresh_from_db()
        assert (theme.name, theme.terms) == ("Dates", ["date"])

    def test_go_when_nothing_is_left_of_them(self, theme: Theme, gone: Output) -> None:
        ThemeMembership.objects.exclude(feedback__output=gone).delete()
        assert erase(part_of(gone)) == {"Moby, date": f"Theme {theme.number}"}
        assert not Theme.objects.exists()

    def test_that_were_empty_before_go_if_they_say_what_nobody_says(
        self, project: Project, theme: Theme, gone: Output
    ) -> None:
        former = make_theme(project, name="Moby", terms=["moby"], size=0)
        still = make_theme(project, name="Date", terms=["date"], size=0)
        erase(part_of(gone))
        left = set(Theme.objects.values_list("pk", flat=True))
        assert former.pk not in left
        assert left == {theme.pk, still.pk}

    def test_of_another_project_stay(self, theme: Theme, gone: Output) -> None:
        other = make_theme(make_project(), name="Moby", terms=["moby"], size=0)
        erase(part_of(gone))
        assert Theme.objects.filter(pk=other.pk).exists()

    def test_that_it_was_not_in_are_left_alone(
        self, project: Project, theme: Theme, kept: Output
    ) -> None:
        session = make_session(project, external_id="s-other")
        assert erase(part_of(make_output(project, session), subject="s-other")) == {}
        theme.refresh_from_db()
        assert theme.name == "Moby, date"
        assert Session.objects.filter(pk=kept.session_id).exists()


def vector(place: int) -> list[float]:
    """A unit vector along one of the axes."""
    return [float(at == place) for at in range(384)]
