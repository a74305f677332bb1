from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation import erasing, releasing, rewriting
from curation.models import Example, Release, Revocation, TrainingSet
from curation.training_sets import TrainingSetError
from feedback.models import Project, User
from review.filters import ReviewFilter
from tests.curation.erased import LATER, ask, filled, lines_of, whole
from tests.factories import NOW, make_session


@pytest.mark.django_db
class TestReleases:
    @pytest.fixture
    def release(self, project: Project, admin: User, training_set: TrainingSet) -> Release:
        for name in ("s-1", "s-2", "s-3"):
            filled(training_set, admin, make_session(project, external_id=name))
        return releasing.release(training_set=training_set, by=admin, now=NOW)

    def test_are_written_anew_without_it(
        self, project: Project, admin: User, release: Release
    ) -> None:
        before = lines_of(release)
        gone = set(
            Example.objects.filter(output__session__external_id="s-1").values_list("pk", flat=True)
        )
        hash_before = release.content_hash
        whole(ask(project, admin, "s-1"))
        release.refresh_from_db()
        assert (release.status, release.num_erased) == ("done", 3)
        assert release.former_hashes == [hash_before] != [release.content_hash]
        assert lines_of(release) == [
            one for one in before if int(json.loads(one)["id"]) not in gone
        ]
        manifest = json.loads(releasing.folder_of(release).path("manifest.json").read_text())
        assert (manifest["erased"], sum(manifest["examples"].values())) == (3, 6)
        assert manifest["former_hashes"] == [hash_before]
        told = releasing.revocations(release=release)
        assert {(int(str(one["example"])), one["reason"]) for one in told} == {
            (one, "erased") for one in gone
        }
        assert Revocation.objects.filter(revoked_by=admin).count() == 3

    def test_twice_keep_both_hashes(self, project: Project, admin: User, release: Release) -> None:
        first = release.content_hash
        whole(ask(project, admin, "s-1"))
        release.refresh_from_db()
        second = release.content_hash
        whole(ask(project, admin, "s-2"))
        release.refresh_from_db()
        assert (release.former_hashes, release.num_erased) == ([first, second], 6)

    def test_have_no_files_meanwhile_and_cannot_be_stopped(
        self, project: Project, admin: User, release: Release
    ) -> None:
        made = ask(project, admin, "s-1")
        while erasing.work_off(now=LATER):
            pass
        release.refresh_from_db()
        assert (release.status, release.files.count()) == ("writing", 0)
        with pytest.raises(releasing.OverError, match="cannot be stopped"):
            releasing.cancel(release=release, by=admin, now=LATER)
        # Erased of while it is written: it begins once more.
        whole(ask(project, admin, "s-2"))
        assert whole(made).status == "done"
        release.refresh_from_db()
        assert (release.status, release.num_erased) == ("done", 6)
        assert len(release.former_hashes) == 1

    def test_are_the_same_as_the_next_one(
        self, project: Project, admin: User, training_set: TrainingSet, release: Release
    ) -> None:
        whole(ask(project, admin, "s-1"))
        with pytest.raises(TrainingSetError, match="Nothing has changed"):
            releasing.start(training_set=training_set, by=admin, now=LATER)

    def test_fail_while_they_are_made(
        self, project: Project, admin: User, training_set: TrainingSet
    ) -> None:
        for name in ("s-1", "s-2"):
            filled(training_set, admin, make_session(project, external_id=name))
        made = releasing.start(training_set=training_set, by=admin, now=NOW)
        while made.status != "writing":
            releasing.work_off(now=NOW, most=1)
            made.refresh_from_db()
        assert whole(ask(project, admin, "s-1")).status == "done"
        made.refresh_from_db()
        assert made.status == "failed"
        assert "erased" in made.problem
        assert not made.examples.exists()

    def test_hold_their_tools_and_filter(
        self, project: Project, admin: User, training_set: TrainingSet
    ) -> None:
        [one, *_] = filled(training_set, admin, make_session(project, external_id="s-2"))
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
        Example.objects.filter(pk=one).update(
            prompt=[
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c", "content": "7"},
            ]
        )
        filled(training_set, admin, make_session(project, external_id="s-1"))
        training_set.filter = {"session": ["s-1", "s-2"]}
        training_set.save()
        made = releasing.release(training_set=training_set, by=admin, now=NOW)
        whole(ask(project, admin, "s-1"))
        training_set.refresh_from_db()
        assert training_set.filter == {"session": ["erased", "s-2"]}
        manifest = json.loads(releasing.folder_of(made).path("manifest.json").read_text())
        assert manifest["filter"] == {"session": ["erased", "s-2"]}
        made.refresh_from_db()
        assert made.status == "done"
        shards = [one.path for one in made.files.filter(format="huggingface", split="train")]
        assert any(path.endswith(".parquet") for path in shards)

    @pytest.mark.parametrize("when", ["before", "meanwhile"])
    def test_forget_a_filter_that_is_not_the_sets_any_more(
        self, project: Project, admin: User, training_set: TrainingSet, when: str
    ) -> None:
        filled(training_set, admin, make_session(project, external_id="s-1"))
        make_session(project, external_id="s-9")
        wanted = ReviewFilter.parse("-session:s-9")
        releasing.set_filter(training_set=training_set, wanted=wanted, by=admin, now=NOW)
        made = releasing.start(training_set=training_set, by=admin, now=NOW)
        while when == "before" and releasing.work_off(now=NOW):
            pass
        releasing.set_filter(training_set=training_set, wanted=None, by=admin, now=NOW)
        told = erasing.preview(project=project, scope="session", subject="s-9")
        # Whole is the one alone that was made before.
        assert told.num_releases == (1 if when == "before" else 0)
        whole(ask(project, admin, "s-9"))
        made.refresh_from_db()
        assert (made.status, made.num_erased) == ("done", 0)
        manifest = releasing.folder_of(made).path("manifest.json").read_text()
        assert json.loads(manifest)["filter"]
        assert "s-9" not in manifest

    def test_are_read_once_for_the_filter_that_they_tell(
        self, project: Project, admin: User, release: Release, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(3):
            make_session(project, external_id=f"of-{number}", user_external_id="u")
        monkeypatch.setattr(erasing, "SESSIONS_AT_ONCE", 1)
        made = ask(project, admin, "u", "user")
        read, read_bytes = list[str](), Path.read_bytes

        def noted(path: Path) -> bytes:
            read.append(path.name)
            return read_bytes(path)

        monkeypatch.setattr(Path, "read_bytes", noted)
        rewriting._written.cache_clear()
        assert whole(made).counts == {"sessions": 3}
        assert read == ["manifest.json"]

    def test_leave_no_stale_file_behind(
        self, project: Project, admin: User, training_set: TrainingSet
    ) -> None:
        """Formats that have no row left leave none either."""
        for name in ("s-1", "s-2"):
            filled(training_set, admin, make_session(project, external_id=name))
        made = releasing.release(training_set=training_set, by=admin, now=NOW)
        stray = releasing.folder_of(made).path("trl/stray.jsonl")
        stray.write_text("{}")
        whole(ask(project, admin, "s-1"))
        assert not stray.exists()
        assert rewriting._has_tools(made) is False
