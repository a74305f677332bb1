"""The sign-in form, and how often one may try."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils import timezone
from redis.exceptions import RedisError

# Attempts on one user name from one address in so many seconds; what is over is refused unread.
ATTEMPTS = 10
WINDOW = 300


class TooManyAttemptsError(Exception):
    """No more attempts are let in; `wait` is in how many seconds they are again."""

    def __init__(self, wait: int) -> None:
        super().__init__("Too many attempts.")
        self.wait = wait


def count_attempt(*, username: str, address: str, now: datetime) -> None:
    """Count an attempt to sign in. Without Redis all are let in.

    Raises TooManyAttemptsError for those over ATTEMPTS.
    """
    key = _key(username, address, now)
    try:
        cache.add(key, 0, timeout=WINDOW)
        made = cache.incr(key)
    except (RedisError, ValueError):
        return
    if made > ATTEMPTS:
        raise TooManyAttemptsError(WINDOW - int(now.timestamp()) % WINDOW)


def forget_attempts(*, username: str, address: str, now: datetime) -> None:
    """Begin to count anew, after the right password."""
    try:
        cache.delete(_key(username, address, now))
    except RedisError:
        return


def _key(username: str, address: str, now: datetime) -> str:
    who = hashlib.sha256(f"{address} {username}".encode()).hexdigest()
    return f"sign-in:{who}:{int(now.timestamp()) // WINDOW}"


class _Counted(AuthenticationForm):
    """Counts attempts; `wait` is in how many seconds more are let in, 0 while they are."""

    wait = 0

    def clean(self) -> dict[str, Any]:
        """Check name and password, unless too many were tried."""
        now = timezone.now()
        username = self.cleaned_data.get("username", "")
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        try:
            count_attempt(username=username, address=address, now=now)
        except TooManyAttemptsError as error:
            self.wait = error.wait
            minutes = -(-error.wait // 60)
            message = f"Too many attempts. Try again in {minutes} minute{'s'[: minutes > 1]}."
            raise ValidationError(message, code="too_many") from None
        cleaned = super().clean()
        forget_attempts(username=username, address=address, now=now)
        return cleaned


class SignInForm(_Counted):
    """Django's form in Postil's words."""

    error_messages = {
        "invalid_login": "User name or password is wrong. Both tell capitals from small letters.",
        "inactive": "This account is switched off. Ask an admin to switch it on.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"


class AdminSignInForm(_Counted, AdminAuthenticationForm):
    """The admin site's form, counted together with Postil's."""
