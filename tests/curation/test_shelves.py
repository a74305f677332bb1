from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta

import pytest

from curation import shelves
from curation.models import ContextEntry, LibraryVersion, PublishedEntry
from curation.shelves import Audience, shelf_of
from feedback.models import Project
from tests.factories import NOW, make_entry, make_library, make_user

pytestmark = pytest.mark.django_db
TODAY = NOW.date()


def unit(*numbers: float) -> list[float]:
    length = sum(one * one for one in numbers) ** 0.5
    return [one / length for one in numbers]


def make_version(project: Project, *entries: Mapping[str, object]) -> LibraryVersion:
    """A version of entries with these vectors and columns."""
    user = make_user(project)
    library = make_library(project)
    version = LibraryVersion.objects.create(
        library=library, number=1, content_hash="", published_by=user, published_at=NOW
    )
    for place, fields in enumerate(entries, start=1):
        entry = make_entry(library, created_by=user)
        PublishedEntry.objects.create(
            version=version,
            entry=entry,
            position=place,
            kind=entry.kind,
            query=entry.query,
            answer=entry.answer,
            **{"model": "m", **fields},
        )
    return version


def nearest(version: LibraryVersion, *query: float, **options: object) -> list[int]:
    given = {"audience": Audience(), "today": TODAY, "limit": 10} | options
    return shelf_of(version).nearest(unit(*query), **given)  # type: ignore[arg-type]


class TestNearest:
    def test_compares_all_and_gives_the_nearest_first(self, project: Project) -> None:
        source = random.Random(3)  # noqa: S311
        vectors = [unit(*(source.gauss(0, 1) for _ in range(8))) for _ in range(200)]
        version = make_version(project, *({"vector": vector} for vector in vectors))
        query = unit(*(source.gauss(0, 1) for _ in range(8)))
        ids = list(version.entries.order_by("position").values_list("entry_id", flat=True))
        exact = sorted(
            range(200), key=lambda at: -sum(a * b for a, b in zip(vectors[at], query, strict=True))
        )
        assert nearest(version, *query) == [ids[place] for place in exact[:10]]

    def test_gives_equal_ones_by_their_ids_however_many_there_are(self, project: Project) -> None:
        version = make_version(project, *({"vector": unit(1, 1)} for _ in range(20)))
        ids = sorted(version.entries.values_list("entry_id", flat=True))
        assert nearest(version, 1, 0, limit=5) == ids[:5]
        assert nearest(version, 1, 0, limit=50) == ids
        assert nearest(version, 1, 0, limit=0) == []

    def test_leaves_out_what_is_for_others_or_has_expired(self, project: Project) -> None:
        version = make_version(
            project,
            {"vector": unit(1, 0), "roles": ["member", "guest"]},
            {"vector": unit(1, 0), "expires_on": TODAY},
            {"vector": unit(1, 0), "for_models": ["m-3"], "environments": ["test"]},
        )
        member, last_day, model = sorted(version.entries.values_list("entry_id", flat=True))
        assert nearest(version, 1, 0) == [last_day]
        assert nearest(version, 1, 0, audience=Audience(role="guest")) == [member, last_day]
        assert nearest(version, 1, 0, audience=Audience(model="m-3")) == [last_day]
        both = Audience(model="m-3", environment="test")
        tomorrow = TODAY + timedelta(days=1)
        assert nearest(version, 1, 0, audience=both, today=tomorrow) == [model]
        assert shelf_of(version).num_expired(TODAY) == 0
        assert shelf_of(version).num_expired(tomorrow) == 1

    def test_of_a_version_without_entries_is_nothing(self, project: Project) -> None:
        assert nearest(make_version(project), 1, 0) == []


class TestShelfOf:
    def test_reads_a_version_once(
        self, project: Project, django_assert_num_queries: object
    ) -> None:
        version = make_version(project, {"vector": unit(1, 0)})
        first = shelf_of(version)
        with django_assert_num_queries(0):  # type: ignore[operator]
            assert shelf_of(version) is first

    def test_keeps_no_more_than_memory_allows(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shelves, "MOST_BYTES", 1)
        one, other = (make_version(project, {"vector": unit(1, 0)}) for _ in range(2))
        first = shelf_of(one)
        assert shelf_of(other) is shelf_of(other)
        assert shelf_of(one) is not first

    def test_serves_nothing_of_an_erased_entry(self, project: Project) -> None:
        version = make_version(project, {"vector": unit(1, 0)}, {"vector": unit(1, 0)})
        erased, kept = nearest(version, 1, 0)
        ContextEntry.objects.filter(pk=erased).delete()
        left = version.entries.filter(entry_id__in=nearest(version, 1, 0))
        assert [one.entry_id for one in left] == [kept]
