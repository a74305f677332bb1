"""Fixtures that every package's tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from feedback.embedding import Encoder, get_encoder
from feedback.models import Project
from tests.browser import chromium
from tests.factories import make_project


@pytest.fixture
def project(db: None) -> Project:
    return make_project()


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The real, packaged model."""
    return get_encoder()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    path = chromium.find()
    if path is None:
        pytest.fail("No Chromium: run `python -m tests.browser.chromium`.")
    # The synchronous API of playwright runs an event loop in the tests' own thread.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        yield running
        running.close()
