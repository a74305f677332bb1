"""Fixtures that every package's tests share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import pytest
from django.core.management.color import Style
from django.core.management.commands import flush
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright
from xdist.scheduler import LoadScopeScheduling

from feedback.embedding import Encoder, SentenceTransformerEncoder, get_encoder
from feedback.models import Project
from tests import services
from tests.browser import chromium
from tests.factories import make_project

# The same examples in each run, so that what is red is red for everybody. New ones are tried with
# `pytest --hypothesis-profile=default`. How long it takes to draw them is the machine's affair.
settings.register_profile("same", derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


class _Spread(LoadScopeScheduling):  # type: ignore[misc]
    """One by one, but the journeys together: they share a Postil that takes long to start."""

    def _split_scope(self, nodeid: str) -> str:
        return "journeys" if nodeid.startswith("tests/journeys/") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> _Spread:
    return _Spread(config, log)


# The same ever after; what would be made after each emptying is there already.
KEPT = {"django_content_type", "auth_permission"}


def _deleting(
    operations: DatabaseOperations,
    style: Style,
    tables: Iterable[str],
    *,
    reset_sequences: bool = False,
    allow_cascade: bool = False,
) -> list[str]:
    names = ", ".join(f"'{operations.quote_name(table)}'" for table in sorted(set(tables) - KEPT))
    return [
        f"""
        DO $$
        DECLARE
          name text;
          holds_rows boolean;
        BEGIN
          FOREACH name IN ARRAY ARRAY[{names}] LOOP
            EXECUTE 'SELECT EXISTS (SELECT FROM ' || name || ')' INTO holds_rows;
            IF holds_rows THEN
              EXECUTE 'DELETE FROM ' || name;
            END IF;
          END LOOP;
        END $$
        """  # noqa: S608
    ]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Copy a database that was migrated while tests were collected, if there is one."""
    if name := services.migrated():
        connection.settings_dict["TEST"]["TEMPLATE"] = name


@pytest.fixture(scope="session", autouse=True)
def emptied_by_deleting() -> Iterator[None]:
    """Empty the database row by row: truncating a hundred tables with few rows takes far longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", _deleting)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def encoded_once() -> Iterator[None]:
    """Encode each text once in a run: hundreds of tests ask and answer the same."""
    encode, known = SentenceTransformerEncoder.encode, dict[str, list[float]]()

    def remembered(self: SentenceTransformerEncoder, texts: Sequence[str]) -> list[list[float]]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, encode(self, new) if new else [], strict=True))
        return [list(known[text]) for text in texts]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SentenceTransformerEncoder, "encode", remembered)
        yield


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
