from __future__ import annotations

import pytest

from feedback.embedding import Encoder
from feedback.models import Project
from review import bulk, tasks
from review.filters import ReviewFilter
from review.models import Anchor, QueueItem, Theme
from tests.factories import NOW, make_output, make_queue, make_user
from tests.review.test_places import EDITED, TEXT, become, put
from tests.review.test_themes import SONGS, say


class TestFeedQueues:
    def test_feeds_every_queue_and_may_run_twice(self, project: Project) -> None:
        make_queue(project)
        make_output(project)
        for _ in range(2):
            tasks.feed_queues()
        assert QueueItem.objects.count() == 1


class TestRefreshThemes:
    def test_refreshes_every_project_and_may_run_twice(
        self, project: Project, encoder: Encoder
    ) -> None:
        say(project, SONGS, encoder)
        for _ in range(2):
            tasks.refresh_themes()
        assert Theme.objects.get().size == 6


class TestPlaceAnnotations:
    def test_keeps_every_place_and_may_run_twice(self, project: Project) -> None:
        output = make_output(project, text=TEXT)
        put(output, "Pears")
        become(output, EDITED)
        for _ in range(2):
            tasks.place_annotations()
        assert Anchor.objects.get().state == "exact"


class TestWorkBulk:
    def test_does_what_waits_and_may_run_twice(self, project: Project) -> None:
        output = make_output(project)
        job = bulk.start(
            project=project,
            wanted=ReviewFilter(),
            act="tag_add",
            tags=["x"],
            by=make_user(project),
            now=NOW,
        )
        for _ in range(2):
            tasks.work_bulk()
        job.refresh_from_db()
        assert (job.status, job.num_changed) == ("done", 1)
        assert output.session.session_tags.count() == 1

    def test_comes_back_for_what_waits_behind_one_that_raised(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(**_: object) -> bool:
            raise TimeoutError

        asked: list[None] = []
        monkeypatch.setattr(bulk, "work_off", fail)
        monkeypatch.setattr(tasks.work_bulk, "delay", lambda: asked.append(None))
        with pytest.raises(TimeoutError):
            tasks.work_bulk()
        assert asked == [None]
