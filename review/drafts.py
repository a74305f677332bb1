"""What reviewers have entered on an item and not yet submitted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from feedback.models import User
from review.models import Claim, Draft, QueueItem, Review
from review.queues import DoneError

# Code points of all fields together: the longest comment and correction fit in.
LONGEST_DRAFT = 300_000


class DraftError(ValueError):
    """A draft that cannot be kept."""


class StaleDraftError(Exception):
    """The draft was saved from elsewhere since; `draft` is what is stored."""

    def __init__(self, draft: Draft) -> None:
        super().__init__("This was changed elsewhere since you opened it.")
        self.draft = draft


@transaction.atomic
def save(
    *,
    item: QueueItem,
    by: User,
    revision: int,
    fields: Mapping[str, str | Sequence[str]],
    version: int,
    now: datetime,
) -> Draft:
    """Keep what was entered, under the next revision; the item need not be held.

    `revision` is the one that `fields` were changed from, 0 where none was stored. What is stored
    already stays as it is, so that a save whose answer was lost can be sent again. `version` is
    the version of the answer beside it.

    Raises StaleDraftError when another revision is stored, DoneError when the reviewer has
    submitted, DraftError for what cannot be stored.
    """
    text = json.dumps(dict(fields), ensure_ascii=False)
    # PostgreSQL keeps no NUL; JSON escapes one, and the backslash of who writes about one.
    if "\\u0000" in text.replace("\\\\", "") or len(text) > LONGEST_DRAFT:
        raise DraftError(f"Give at most {LONGEST_DRAFT:,} printable characters.")
    # A submit holds this place: the draft is saved before it, or not any more.
    list(Claim.objects.select_for_update().filter(item=item, reviewer=by))
    if Review.objects.filter(item=item, reviewer=by).exists():
        raise DoneError("You have reviewed this item.")
    new = Draft(
        item=item, reviewer=by, output_version=version, revision=0, fields={}, updated_at=now
    )
    Draft.objects.bulk_create([new], ignore_conflicts=True)
    draft = Draft.objects.select_for_update().get(item=item, reviewer=by)
    if draft.revision and draft.fields == fields:
        return draft
    if draft.revision not in {0, revision}:
        raise StaleDraftError(draft)
    draft.revision = revision + 1
    draft.fields = dict(fields)
    draft.output_version = version
    draft.updated_at = now
    draft.save(update_fields=["revision", "fields", "output_version", "updated_at"])
    return draft
