"""Fixtures that every package's tests share."""

from __future__ import annotations

import pytest

from feedback.embedding import Encoder, get_encoder
from feedback.models import Project
from tests.factories import make_project


@pytest.fixture
def project(db: None) -> Project:
    return make_project()


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The real, packaged model."""
    return get_encoder()
