"""Fixtures that the tests of this package share; a file with other needs has its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from pytest_django import Settings

from curation.models import ContextLibrary, TrainingSet
from feedback.embedding import Encoder
from feedback.models import Project, User
from tests.curation.listening import Server, listening
from tests.curation.sending import Clock
from tests.factories import make_library, make_training_set, make_user


@pytest.fixture
def curator(project: Project) -> User:
    return make_user(project)


@pytest.fixture
def admin(project: Project) -> User:
    return make_user(project, "admin")


@pytest.fixture
def library(project: Project) -> ContextLibrary:
    return make_library(project)


@pytest.fixture
def training_set(project: Project) -> TrainingSet:
    return make_training_set(project)


class FormerEncoder:
    """An encoder under the name of a model that was in use before."""

    def __init__(self, encoder: Encoder) -> None:
        self.model_id, self._encoder = "former", encoder

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        return self._encoder.encode(texts)


@pytest.fixture(scope="session")
def former_encoder(encoder: Encoder) -> Encoder:
    return FormerEncoder(encoder)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    """A server of others, to which may be sent."""
    with listening() as server:
        settings.OUTGOING_HOSTS = [server.host]
        yield server
