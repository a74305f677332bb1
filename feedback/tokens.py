"""Signed tokens with which a browser may write about one output, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core import signing

from feedback.models import Project

DEFAULT_LIFE = timedelta(days=1)
LONGEST_LIFE = timedelta(days=30)
_SALT = "postil.feedback-token"


class TokenError(ValueError):
    """The token is not one of ours, was tampered with, or has expired."""


@dataclass(frozen=True)
class FeedbackToken:
    """What a token lets its holder do: write about this output of this project until then."""

    project_id: int
    output: str
    expires_at: datetime


def sign(*, project: Project, output: str, expires_at: datetime) -> str:
    """Return the token for the output with this external id, good until `expires_at`."""
    return signing.dumps([project.pk, output, int(expires_at.timestamp())], salt=_SALT)


def verify(token: str, *, now: datetime) -> FeedbackToken:
    """Return what the token stands for. Raises TokenError for a wrong or expired one."""
    try:
        project_id, output, expires = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError):
        raise TokenError("This feedback token is wrong.") from None
    expires_at = datetime.fromtimestamp(expires, tz=UTC)
    if expires_at <= now:
        raise TokenError("This feedback token has expired.")
    return FeedbackToken(project_id=project_id, output=output, expires_at=expires_at)
