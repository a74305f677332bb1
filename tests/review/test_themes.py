from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction

import feedback
from feedback.embedding import Encoder, embed_pending
from feedback.ingestion import ingest
from feedback.models import Embedding, Feedback, Output, Project
from review import erasure, themes
from review.models import Event, QueueItem, Theme, ThemeMembership, ThemeRun
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_user,
)
from tests.threads import at_once

LATER = NOW + timedelta(minutes=5)
RECORDS = Path(feedback.__file__).parent / "demo" / "qa-feedback.ndjson.gz"
SONGS = [
    "The release date of the song is missing.",
    "It does not say when the song was released.",
    "Left out: the date on which the single came out.",
    "The answer leaves out when the album was released.",
    "No release date is given for the record.",
    "When was this single released? The date is left out.",
]
CUPS = [
    "The final score of the football match is wrong.",
    "The match ended two to one, not three to one.",
    "Wrong result: the home team lost the football game.",
    "The goals of the football match are counted wrong.",
    "The score of the game is not right.",
    "That football team did not win the match.",
]


def say(project: Project, words: list[str], encoder: Encoder, reason: str = "") -> list[Feedback]:
    """One commented output per text, with its vector."""
    said = [make_feedback(make_output(project), name="error", comment=text) for text in words]
    if reason:
        found = project.taxonomies.get().reasons.get(slug=reason)
        for one in said:
            one.feedback_reasons.create(reason=found)
    vectors = encoder.encode(words)
    Embedding.objects.bulk_create(
        Embedding(
            project=project,
            feedback=one,
            part="comment",
            model=encoder.model_id,
            text_sha256=str(one.pk),
            vector=vector,
        )
        for one, vector in zip(said, vectors, strict=True)
    )
    return said


def refresh(project: Project, encoder: Encoder) -> ThemeRun | None:
    return themes.refresh(project=project, encoder_model=encoder.model_id, now=LATER)


def memberships(project: Project) -> dict[int, int]:
    return dict(
        ThemeMembership.objects.filter(theme__project=project).values_list("feedback", "theme")
    )


class TestRefresh:
    def test_groups_what_says_the_same_and_names_it(
        self, project: Project, encoder: Encoder
    ) -> None:
        songs = say(project, SONGS, encoder, "incomplete")
        cups = say(project, CUPS, encoder, "factually-incorrect")
        run = refresh(project, encoder)
        assert run is not None
        assert (run.num_feedback, run.num_themes) == (12, 2)
        where = memberships(project)
        assert {where[one.pk] for one in songs} != {where[one.pk] for one in cups}
        assert {theme.size for theme in Theme.objects.current()} == {6}
        first = Theme.objects.get(pk=where[songs[0].pk])
        second = Theme.objects.get(pk=where[cups[0].pk])
        assert first.name.startswith("Incomplete: ")
        assert "date" in first.name.lower()
        assert second.name.startswith("Factually incorrect: ")
        assert "match" in second.name.lower()

    def test_nothing_new_writes_nothing(self, project: Project, encoder: Encoder) -> None:
        say(project, SONGS, encoder)
        refresh(project, encoder)
        before = list(Theme.objects.values())
        assert refresh(project, encoder) is None
        assert list(Theme.objects.values()) == before
        assert ThemeRun.objects.count() == 1

    def test_a_project_without_words_gets_no_run(self, project: Project, encoder: Encoder) -> None:
        make_feedback(make_output(project), score=-1)
        assert refresh(project, encoder) is None
        assert not ThemeRun.objects.exists()

    def test_signals_and_other_models_vectors_are_left_out(
        self, project: Project, encoder: Encoder
    ) -> None:
        Feedback.objects.filter(pk__in=[one.pk for one in say(project, SONGS, encoder)]).update(
            is_implicit=True, name="edit"
        )
        assert refresh(project, encoder) is None
        say(project, CUPS, encoder)
        assert themes.refresh(project=project, encoder_model="another", now=NOW) is None

    def test_leaves_other_projects_alone(self, project: Project, encoder: Encoder) -> None:
        other = make_project()
        say(other, SONGS, encoder)
        refresh(other, encoder)
        say(project, SONGS, encoder)
        refresh(project, encoder)
        assert [theme.number for theme in Theme.objects.order_by("pk")] == [1, 1]
        assert len(memberships(other)) == len(memberships(project)) == 6

    def test_a_theme_keeps_its_number_and_the_name_people_gave_it(
        self, project: Project, encoder: Encoder
    ) -> None:
        by = make_user(project)
        say(project, SONGS, encoder)
        refresh(project, encoder)
        theme = Theme.objects.get()
        themes.rename(theme=theme, name="Release dates", by=by, now=NOW)
        say(project, ["It leaves out the date of the song's release.", *CUPS], encoder)
        refresh(project, encoder)
        theme.refresh_from_db()
        assert (theme.name, theme.number, theme.size) == ("Release dates", 1, 7)
        assert sorted(Theme.objects.values_list("number", flat=True)) == [1, 2]

    def test_a_theme_without_members_is_kept_empty_and_comes_back(
        self, project: Project, encoder: Encoder
    ) -> None:
        said = say(project, SONGS, encoder)
        refresh(project, encoder)
        theme = Theme.objects.get()
        Feedback.objects.filter(pk__in=[one.pk for one in said]).delete()
        refresh(project, encoder)
        theme.refresh_from_db()
        assert (theme.size, memberships(project)) == (0, {})
        say(project, SONGS, encoder)
        refresh(project, encoder)
        theme.refresh_from_db()
        assert (Theme.objects.count(), theme.size) == (1, 6)

    def test_a_number_is_not_given_again(self, project: Project, encoder: Encoder) -> None:
        """A queue of `theme:1` would be of other complaints."""
        said = say(project, SONGS, encoder)
        refresh(project, encoder)
        where = {one.pk for one in said}
        touched = list(Theme.objects.values_list("pk", flat=True))
        Feedback.objects.filter(pk__in=where).delete()
        with transaction.atomic():
            erasure.tidy_themes(project=project, touched=touched)
        assert not Theme.objects.exists()
        say(project, CUPS, encoder)
        refresh(project, encoder)
        assert Theme.objects.get().number == 2

    def test_queue_items_get_the_theme_of_what_was_said_of_their_output(
        self, project: Project, encoder: Encoder
    ) -> None:
        said = say(project, SONGS, encoder)
        assert said[0].output is not None
        item = make_item(make_queue(project), said[0].output)
        silent = make_item(make_queue(project))
        refresh(project, encoder)
        late = make_item(make_queue(project), said[0].output)
        refresh(project, encoder)
        themed = QueueItem.objects.filter(theme=Theme.objects.get()).order_by("pk")
        assert list(themed) == [item, late]
        assert QueueItem.objects.get(theme=None) == silent


class TestRefreshOfRealRecords:
    def test_five_percent_more_feedback_keeps_at_least_ninety_percent_in_place(
        self, project: Project, encoder: Encoder
    ) -> None:
        with gzip.open(RECORDS, "rt") as lines:
            records = [json.loads(line) for line in lines][:1_300]
        ingest(project=project, records=records, now=NOW)
        # Themes are of what was said, whatever the answers mean.
        Output.objects.update(embedded_with=encoder.model_id)
        while embed_pending(encoder=encoder, limit=1_000):
            pass
        vectors = Embedding.objects.filter(feedback__isnull=False)
        # Every twentieth feedback has no vector yet, so it comes in with the second run.
        waiting = list(vectors.filter(part="comment").order_by("pk"))[::20]
        vectors.filter(pk__in=[one.pk for one in waiting]).delete()
        refresh(project, encoder)
        before = memberships(project)
        Embedding.objects.bulk_create(waiting)
        refresh(project, encoder)
        after = memberships(project)
        assert len(before) > 300
        assert len(set(before.values())) > 5
        kept = sum(after.get(one) == theme for one, theme in before.items())
        assert kept / len(before) >= 0.9


class TestRename:
    def test_keeps_the_name_and_who_gave_it(self, project: Project) -> None:
        by = make_user(project)
        theme = make_theme(project)
        themes.rename(theme=theme, name="  Release \n dates ", by=by, now=LATER)
        theme.refresh_from_db()
        assert (theme.name, theme.named_by, theme.updated_at) == ("Release dates", by, LATER)
        assert Event.objects.get(verb="renamed").target_id == theme.pk

    @pytest.mark.parametrize("name", ["", " \n", "a" * 201, "a\x00b"])
    def test_refuses_no_name_and_a_name_too_long(self, project: Project, name: str) -> None:
        theme = make_theme(project)
        with pytest.raises(themes.ThemeError):
            themes.rename(theme=theme, name=name, by=make_user(project), now=LATER)


@pytest.mark.django_db(transaction=True)
class TestRefreshAtOnce:
    def test_a_second_worker_leaves_a_project_alone_that_one_is_at(self, encoder: Encoder) -> None:
        project = make_project()
        say(project, SONGS, encoder)
        with transaction.atomic():
            assert refresh(project, encoder) is not None
            assert at_once(lambda: refresh(project, encoder)) == [None]
        assert ThemeRun.objects.count() == 1


def make_theme(project: Project) -> Theme:
    return Theme.objects.create(
        project=project,
        number=1,
        name="Song, date",
        model="all-MiniLM-L6-v2",
        centroid=[1.0, 0.0],
        created_at=NOW,
        updated_at=NOW,
    )
