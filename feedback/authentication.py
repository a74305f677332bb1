"""Who calls the API: bearer keys of products with scopes, and people's own, one project each."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from ninja.errors import AuthenticationError, AuthorizationError
from ninja.security import HttpBearer

from feedback import statements
from feedback.models import ApiKey, Membership, Project, User

LAST_USED_EVERY = timedelta(minutes=1)
# Live ones of one person in one project.
MOST_OWN_KEYS = 20
LONGEST_NAME = 120


class OwnKeyError(ValueError):
    """A key that cannot be as asked for; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class ApiKeyAuth(HttpBearer):
    """Accepts `Authorization: Bearer pst_<prefix>_<secret>` of a live key with the scope.

    A person's own key has the scopes that its role reaches. The request then carries the key, for
    key_of; its `project` is the only one the call may touch. Raises AuthenticationError (401) for
    an unknown key, AuthorizationError (403) for one without the scope.
    """

    def __init__(self, scope: ApiKey.Scope) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey:
        return self.check(token)

    def check(self, token: str) -> ApiKey:
        """Return the key with this text. Raises as above."""
        key = _live(token)
        if not key.may(self.scope):
            message = (
                f"This API key lacks the scope “{self.scope}”."
                if key.membership is None
                else "Your role does not reach this, or it is for keys of products."
            )
            raise AuthorizationError(message=message)
        return key


class OwnKeyAuth(HttpBearer):
    """Accepts a person's own key whose role in its project reaches the given one at the moment.

    The request then carries the Membership, with its user and project. Raises AuthenticationError
    (401) for an unknown key, AuthorizationError (403) for a product's or without the role.
    """

    def __init__(self, role: Membership.Role) -> None:
        super().__init__()
        self.role = role

    def authenticate(self, request: HttpRequest, token: str) -> Membership:
        membership = _live(token).membership
        if membership is None:
            raise AuthorizationError(message="This takes a person's own key.")
        if not membership.may(self.role):
            raise AuthorizationError(message=f"This takes the role {self.role}.")
        return membership


def key_of(request: HttpRequest) -> ApiKey:
    """The key that ApiKeyAuth let in."""
    key: ApiKey = request.auth  # type: ignore[attr-defined]
    return key


def member_of(request: HttpRequest) -> Membership:
    """The membership that OwnKeyAuth let in."""
    member: Membership = request.auth  # type: ignore[attr-defined]
    return member


def _live(token: str) -> ApiKey:
    """The live key with this text, used by now. Raises AuthenticationError."""
    now = timezone.now()
    prefix, _, secret = token.removeprefix("pst_").partition("_")
    key = _find(prefix, now) if prefix.isascii() and prefix.isalnum() else None
    if key is None or not key.matches(secret):
        raise AuthenticationError(message="This API key is unknown, expired or revoked.")
    if key.last_used_at is None or now - key.last_used_at > LAST_USED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


_KEY_FIELDS = [field.attname for field in ApiKey._meta.concrete_fields]
_PROJECT_FIELDS = [field.attname for field in Project._meta.concrete_fields]
_MEMBER_FIELDS = [field.attname for field in Membership._meta.concrete_fields]
_USER_FIELDS = [field.attname for field in User._meta.concrete_fields]
_FIELDS = {
    "key": _KEY_FIELDS,
    "project": _PROJECT_FIELDS,
    "member": _MEMBER_FIELDS,
    "person": _USER_FIELDS,
}
# Every API call asks this, so it is written out: the ORM takes longer to say it than PostgreSQL
# to answer it.
_FIND = (
    f"SELECT {', '.join(f'{row}.{name}' for row, names in _FIELDS.items() for name in names)} "  # noqa: S608
    f"FROM {ApiKey._meta.db_table} AS key "
    f"JOIN {Project._meta.db_table} AS project ON project.id = key.project_id "
    f"LEFT JOIN {Membership._meta.db_table} AS member ON member.id = key.membership_id "
    f"LEFT JOIN {User._meta.db_table} AS person ON person.id = member.user_id "
    "WHERE key.prefix = %s AND key.revoked_at IS NULL "
    "AND (key.expires_at IS NULL OR key.expires_at > %s) "
    "AND (key.membership_id IS NULL OR person.is_active AND member.project_id = project.id)"
)


def _find(prefix: str, now: datetime) -> ApiKey | None:
    """The live key with this prefix, its project and its membership loaded."""
    rows = statements.run(_FIND, [prefix[:8], now])
    if not rows:
        return None
    values = iter(rows[0])
    parts = {row: [next(values) for _ in names] for row, names in _FIELDS.items()}
    key = ApiKey.from_db(connection.alias, _KEY_FIELDS, parts["key"])
    key.project = Project.from_db(connection.alias, _PROJECT_FIELDS, parts["project"])
    if key.membership_id is None:
        key.membership = None
        return key
    key.membership = Membership.from_db(connection.alias, _MEMBER_FIELDS, parts["member"])
    key.membership.project = key.project
    key.membership.user = User.from_db(connection.alias, _USER_FIELDS, parts["person"])
    return key


def create_key(
    *,
    project: Project,
    name: str,
    scopes: list[str],
    by: User | None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a product's key and return it with its text, which is shown once and never stored."""
    return _made(project=project, name=name, scopes=scopes, created_by=by, expires_at=expires_at)


@transaction.atomic
def create_own_key(
    *, membership: Membership, name: str, now: datetime, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key of a person for one project and return it with its text, as create_key does.

    Raises OwnKeyError naming the field.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise OwnKeyError("name", f"Give a name of at most {LONGEST_NAME} printable characters.")
    if expires_at is not None and expires_at <= now:
        raise OwnKeyError("expires_at", "Choose a time to come.")
    Membership.objects.select_for_update(no_key=True).get(pk=membership.pk)
    live = membership.api_keys.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)
    if live.count() >= MOST_OWN_KEYS:
        raise OwnKeyError("name", f"You have {MOST_OWN_KEYS} keys here. Revoke one first.")
    return _made(
        project=membership.project,
        membership=membership,
        name=name,
        scopes=[],
        created_by=membership.user,
        expires_at=expires_at,
    )


def _made(**fields: object) -> tuple[ApiKey, str]:
    prefix = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(8))
    secret = secrets.token_urlsafe(32)
    key = ApiKey.objects.create(prefix=prefix, secret_hash=ApiKey.hash_secret(secret), **fields)
    return key, f"pst_{prefix}_{secret}"


def revoke_key(*, key: ApiKey, by: User, now: datetime) -> None:
    """Refuse the key from now on; a key already revoked stays as it is."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now, revoked_by=by)
