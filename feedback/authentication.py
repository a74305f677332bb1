"""Who calls the API: bearer keys, one project each, with scopes."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from ninja.errors import AuthenticationError, AuthorizationError
from ninja.security import HttpBearer

from feedback import statements
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
        key = _find(prefix, now) if prefix.isascii() and prefix.isalnum() else None
        if key is None or not key.matches(secret):
            raise AuthenticationError(message="This API key is unknown, expired or revoked.")
        if self.scope not in key.scopes:
            raise AuthorizationError(message=f"This API key lacks the scope “{self.scope}”.")
        if key.last_used_at is None or now - key.last_used_at > LAST_USED_EVERY:
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        return key


_KEY_FIELDS = [field.attname for field in ApiKey._meta.concrete_fields]
_PROJECT_FIELDS = [field.attname for field in Project._meta.concrete_fields]
# Every API call asks this, so it is written out: the ORM takes longer to say it than PostgreSQL
# to answer it.
_FIND = (
    f"SELECT {', '.join(f'key.{name}' for name in _KEY_FIELDS)}, "  # noqa: S608
    f"{', '.join(f'project.{name}' for name in _PROJECT_FIELDS)} "
    f"FROM {ApiKey._meta.db_table} AS key "
    f"JOIN {Project._meta.db_table} AS project ON project.id = key.project_id "
    "WHERE key.prefix = %s AND key.revoked_at IS NULL "
    "AND (key.expires_at IS NULL OR key.expires_at > %s)"
)


def _find(prefix: str, now: datetime) -> ApiKey | None:
    """The live key with this prefix, its project loaded."""
    rows = statements.run(_FIND, [prefix[:8], now])
    if not rows:
        return None
    [row] = rows
    key = ApiKey.from_db(connection.alias, _KEY_FIELDS, row[: len(_KEY_FIELDS)])
    key.project = Project.from_db(connection.alias, _PROJECT_FIELDS, row[len(_KEY_FIELDS) :])
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
