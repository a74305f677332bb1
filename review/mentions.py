"""Members who are named in comments."""

from __future__ import annotations

import re
from datetime import datetime

from feedback.models import User
from review.models import Annotation, Comment, Mention, Notification
from review.notifications import notify

# Django's user names; one at the end of a sentence is tried without its full stop too.
_NAME = re.compile(r"(?<![\w@.+-])@([\w@.+-]+)")


def mention(
    *, annotation: Annotation, text: str, now: datetime, reply: Comment | None = None
) -> set[int]:
    """Keep the members of the project that a comment names with @, and no others.

    Whoever was not named before is told. Returns the ids of all that it names.
    """
    names = {name for found in _NAME.findall(text) for name in (found, found.rstrip(".+-"))}
    members = User.objects.filter(
        memberships__project=annotation.project_id, username__in=names
    ).distinct()
    named = {user.pk: user for user in members} if names else {}
    kept = Mention.objects.filter(annotation=annotation, reply=reply)
    kept.exclude(user__in=named).delete()
    fresh = set(named) - set(kept.values_list("user", flat=True))
    Mention.objects.bulk_create(
        (
            Mention(annotation=annotation, reply=reply, user=user, created_at=now)
            for user in named.values()
        ),
        ignore_conflicts=True,
    )
    by = (reply or annotation).author
    notify(annotation=annotation, kind=Notification.Kind.MENTION, to=fresh, by=by, now=now)
    return set(named)
