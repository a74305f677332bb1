from __future__ import annotations

from datetime import timedelta

import pytest

from feedback.models import Project, User
from review import drafts, queues, triage
from review.models import Draft, QueueItem, Review
from tests.factories import NOW, make_item, make_output, make_project, make_queue, make_user
from tests.threads import at_once


@pytest.fixture
def item(project: Project) -> QueueItem:
    return make_item(make_queue(project))


@pytest.fixture
def expert(project: Project) -> User:
    return make_user(project, "expert")


def save(item: QueueItem, by: User, comment: str, revision: int = 0, **more: object) -> Draft:
    fields = {"verdict": "fix", "comment": comment, "reasons": ["too-vague"]}
    options = {"version": 1, "now": NOW} | more
    return drafts.save(item=item, by=by, revision=revision, fields=fields, **options)  # type: ignore[arg-type]


class TestSave:
    def test_keeps_what_was_entered_under_the_next_revision(
        self, item: QueueItem, expert: User
    ) -> None:
        first = save(item, expert, "Half")
        second = save(item, expert, "Half a thought", first.revision, now=NOW + timedelta(1))
        assert (first.revision, second.revision) == (1, 2)
        stored = Draft.objects.get()
        assert stored.fields == {
            "verdict": "fix",
            "comment": "Half a thought",
            "reasons": ["too-vague"],
        }
        assert (stored.revision, stored.updated_at) == (2, NOW + timedelta(1))

    @pytest.mark.parametrize("revision", [0, 1, 3])
    def test_a_save_on_another_revision_writes_nothing_and_is_told_what_is_stored(
        self, item: QueueItem, expert: User, revision: int
    ) -> None:
        """Complaint 6."""
        save(item, expert, "Mine", save(item, expert, "M").revision)
        with pytest.raises(drafts.StaleDraftError) as error:
            save(item, expert, "Another tab's", revision)
        assert error.value.draft.fields["comment"] == "Mine"
        assert Draft.objects.get().fields["comment"] == "Mine"

    def test_takes_the_escape_of_a_nul_but_no_nul(self, item: QueueItem, expert: User) -> None:
        escape = "It says \\u0000 and \\\\u0000."
        assert save(item, expert, escape).fields["comment"] == escape
        for nul in ("\x00", "\\\x00"):
            with pytest.raises(drafts.DraftError):
                save(item, expert, nul, 1)

    def test_the_same_again_is_no_conflict_and_no_new_revision(
        self, item: QueueItem, expert: User
    ) -> None:
        save(item, expert, "Sent twice")
        assert save(item, expert, "Sent twice").revision == 1

    def test_needs_no_hold_on_the_item(self, item: QueueItem, expert: User) -> None:
        queues.claim(item=item, by=make_user(item.queue.project), now=NOW)
        assert save(item, expert, "Typed before the lease was lost").pk

    def test_is_each_reviewers_own(self, item: QueueItem, expert: User) -> None:
        other = make_user(item.queue.project)
        save(item, expert, "Mine")
        assert save(item, other, "Theirs").revision == 1
        assert Draft.objects.count() == 2

    def test_a_save_after_the_submit_leaves_no_draft(self, item: QueueItem, expert: User) -> None:
        save(item, expert, "Long words")
        claim = queues.claim(item=item, by=expert, now=NOW)
        triage.submit_review(item=item, by=expert, fence=claim.fence, verdict="accept", now=NOW)
        assert not Draft.objects.exists()
        with pytest.raises(queues.DoneError):
            save(item, expert, "Late", 1)
        assert not Draft.objects.exists()

    @pytest.mark.parametrize("comment", ["a\x00", "a" * drafts.LONGEST_DRAFT])
    def test_refuses_what_cannot_be_stored(
        self, item: QueueItem, expert: User, comment: str
    ) -> None:
        with pytest.raises(drafts.DraftError):
            save(item, expert, comment)
        assert not Draft.objects.exists()

    def test_a_draft_is_no_review(self, item: QueueItem, expert: User) -> None:
        save(item, expert, "Half")
        assert not Review.objects.exists()
        item.refresh_from_db()
        assert item.status == "open"


@pytest.mark.django_db(transaction=True)
class TestSaveAtOnce:
    def test_of_tabs_that_save_at_once_one_is_kept_and_the_others_are_told(self) -> None:
        project = make_project()
        item, by = make_item(make_queue(project), make_output(project)), make_user(project)

        def act(words: str) -> str:
            try:
                save(item, by, words)
            except drafts.StaleDraftError as error:
                return str(error.draft.fields["comment"])
            return words

        said = at_once(*(lambda words=words: act(words) for words in "abcd"))
        assert said == 4 * [Draft.objects.get().fields["comment"]]

    def test_a_save_and_a_submit_at_once_leave_no_draft(self) -> None:
        project = make_project()
        for _ in range(4):
            item, by = make_item(make_queue(project), make_output(project)), make_user(project)
            claim = queues.claim(item=item, by=by, now=NOW)

            def submit(item: QueueItem = item, by: User = by, fence: int = claim.fence) -> None:
                triage.submit_review(item=item, by=by, fence=fence, verdict="accept", now=NOW)

            def keep(item: QueueItem = item, by: User = by) -> None:
                try:
                    save(item, by, "Typed to the last moment")
                except queues.DoneError:
                    return

            at_once(submit, keep)
        assert Review.objects.count() == 4
        assert not Draft.objects.exists()
