"""Who calls the API: bearer keys, one project each, with scopes."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils import timezone
from ninja.errors import AuthenticationError, AuthorizationError
from ninja.security import HttpBearer

from feedback.models import ApiKey, Project, User

LAST_USED_EVERY = timedelta(minutes=1)


class ApiKeyAuth(HttpBearer):
    """Accepts `Authorization: Bearer pst_<prefix>_<secret>` of a live key with the scope.

    The request then carries `api_key`; its `project` is the only one the call may touch.
    Raises AuthenticationError (401) for an unknown key, AuthorizationError (403) for one
    without the scope.
    """

    def __init__(self, scope: ApiKey.Scope) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey:
        now = timezone.now()
        prefix, _, secret = token.removeprefix("pst_").partition("_")
        key = (
            ApiKey.objects.live(at=now).select_related("project").filter(prefix=prefix[:8]).first()
            if prefix.isascii() and prefix.isalnum()
            else None
        )
        if key is None or not key.matches(secret):
            raise AuthenticationError(message="This API key is unknown, expired or revoked.")
        if self.scope not in key.scopes:
            raise AuthorizationError(message=f"This API key lacks the scope “{self.scope}”.")
        if key.last_used_at is None or now - key.last_used_at > LAST_USED_EVERY:
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        return key


def create_key(
    *,
    project: Project,
    name: str,
    scopes: list[str],
    by: User | None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its text, which is shown this once and never stored."""
    prefix = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(8))
    secret = secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        project=project,
        name=name,
        prefix=prefix,
        secret_hash=ApiKey.hash_secret(secret),
        scopes=scopes,
        created_by=by,
        expires_at=expires_at,
    )
    return key, f"pst_{prefix}_{secret}"


def revoke_key(*, key: ApiKey, by: User, now: datetime) -> None:
    """Refuse the key from now on; a key already revoked stays as it is."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now, revoked_by=by)
