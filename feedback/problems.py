"""What the API says of a request that cannot be, and how it is told to be the same again."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from django.http import HttpRequest
from ninja.errors import ValidationError
from pydantic import BaseModel

LONGEST_KEY = 200


class Problem(BaseModel):
    """What is wrong with a request; `errors` name its fields by their paths."""

    message: str
    errors: list[dict[str, str]] | None = None


def invalid(path: str, message: str) -> ValidationError:
    """A 422 that names a field of the body."""
    return ValidationError([{"loc": ("body", "payload", *path.split(".")), "msg": message}])


class ConflictError(Exception):
    """A request that comes too late, or not in turn: a 409, which the message explains."""


def idempotency_key(request: HttpRequest) -> UUID | None:
    """The request's `Idempotency-Key`, any text of at most LONGEST_KEY; None without one.

    Raises ValidationError for a longer one.
    """
    text = request.headers.get("Idempotency-Key", "").strip()
    if len(text) > LONGEST_KEY:
        message = f"Give at most {LONGEST_KEY} characters."
        raise ValidationError([{"loc": ("header", "Idempotency-Key"), "msg": message}])
    try:
        return UUID(text)
    except ValueError:
        return uuid5(NAMESPACE_URL, text) if text else None
