from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from curation import releasing
from curation.models import (
    ContextLibrary,
    Example,
    LibraryVersion,
    PublishedEntry,
    Release,
    ReleasedExample,
    TrainingSet,
)
from feedback.models import Erasure, Project, User
from tests.curation.erased import ask, entry_of, filled, published, whole
from tests.factories import NOW, make_session


@pytest.mark.django_db
class TestGuards:
    @pytest.fixture
    def release(self, project: Project, admin: User, training_set: TrainingSet) -> Release:
        filled(training_set, admin, make_session(project))
        return releasing.release(training_set=training_set, by=admin, now=NOW)

    @pytest.mark.parametrize(
        "change",
        [
            {"erased_at": NOW},
            {"erased_at": NOW, "prompt": [], "tools": [], "chosen": "x", "lineage": {}},
            {"prompt": [], "tools": [], "chosen": "", "rejected": "", "lineage": {}},
            {
                "erased_at": NOW,
                "prompt": [],
                "tools": [],
                "chosen": "",
                "rejected": "",
                "lineage": {},
                "position": 90,
            },
        ],
    )
    def test_a_released_row_is_emptied_wholly_or_not(
        self, release: Release, change: dict[str, object]
    ) -> None:
        with pytest.raises(IntegrityError, match="published"), transaction.atomic():
            ReleasedExample.objects.filter(release=release).update(**change)

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "writing"},
            {"status": "writing", "former_hashes": ["x"]},
            {"num_erased": 1},
        ],
    )
    def test_a_release_is_written_anew_only_with_its_former_hash(
        self, release: Release, change: dict[str, object]
    ) -> None:
        with pytest.raises(IntegrityError, match="published"), transaction.atomic():
            Release.objects.filter(pk=release.pk).update(**change)

    def test_a_version_only_counts(self, admin: User, library: ContextLibrary) -> None:
        entry_of(library, make_session(library.project))
        made = published(library, admin)
        rows = LibraryVersion.objects.filter(pk=made.pk)
        for change in ({"num_erased": 0}, {"num_erased": 1, "note": "x"}, {"note": "x"}):
            with pytest.raises(IntegrityError, match="published"), transaction.atomic():
                rows.update(**change)
        assert rows.update(num_erased=1) == 1
        with pytest.raises(IntegrityError, match="published"), transaction.atomic():
            PublishedEntry.objects.filter(version=made).update(answer="x")

    def test_an_erased_example_says_nothing(self, admin: User, training_set: TrainingSet) -> None:
        [one, *_] = filled(training_set, admin, make_session(training_set.project))
        with pytest.raises(IntegrityError, match="erased_says_nothing"), transaction.atomic():
            Example.objects.filter(pk=one).update(erased_at=NOW)

    @pytest.mark.parametrize("change", [{"subject": "x"}, {"checkpoint": {"a": 1}}])
    def test_an_erasure_that_is_done_forgets(
        self, project: Project, admin: User, change: dict[str, object]
    ) -> None:
        make_session(project, external_id="s-1")
        made = whole(ask(project, admin, "s-1"))
        with pytest.raises(IntegrityError, match="forgets"), transaction.atomic():
            Erasure.objects.filter(pk=made.pk).update(**change)
