from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError

from feedback import tasks
from feedback.embedding import SentenceTransformerEncoder
from feedback.models import Embedding, Project
from tests.factories import make_output


class TestEmbed:
    def test_comes_back_until_nothing_is_left(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        monkeypatch.setattr(tasks.embed, "delay", lambda: asked.append("again"))
        make_output(project)
        tasks.embed()
        assert asked == ["again"]
        assert Embedding.objects.count() == 2
        tasks.embed()
        assert asked == ["again"]

    def test_reads_the_model_when_there_is_something_to_embed(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nowhere = SentenceTransformerEncoder(path="/nowhere", model_id="m")
        monkeypatch.setattr(tasks, "get_encoder", lambda: nowhere)
        tasks.embed()
        # Encoded by no other test, or what was remembered would be taken.
        make_output(project, text="Read me a model that is not there.")
        with pytest.raises(OSError, match="/nowhere"):
            tasks.embed()


class TestEmbedSoon:
    @pytest.fixture(autouse=True)
    def quiet_so_far(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tasks, "_last_rung", [float("-inf")])

    def test_asks_once_a_second(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[dict[str, object]] = []
        monkeypatch.setattr(tasks.embed, "apply_async", lambda **how: asked.append(how))
        for _ in range(5):
            tasks.embed_soon()
        assert len(asked) == 1

    def test_without_a_broker_nothing_breaks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(**_: object) -> None:
            raise OperationalError

        monkeypatch.setattr(tasks.embed, "apply_async", refuse)
        tasks.embed_soon()
        assert tasks._last_rung[0] > 0
