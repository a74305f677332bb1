"""Reads settings from the environment and fails loudly, naming the variable."""

import os

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str | None = None) -> str:
    """Return the variable's value; raise ImproperlyConfigured when unset without a default."""
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"Set the environment variable {name}.")
    return value


def integer(name: str, default: int) -> int:
    """Return the variable as an int; raise ImproperlyConfigured when it is not one."""
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None


def boolean(name: str, *, default: bool) -> bool:
    """Return the variable as a bool: 1, true, yes, on or 0, false, no, off."""
    value = os.environ.get(name, "").strip().lower()
    if value == "":
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")


def words(name: str, default: str = "") -> list[str]:
    """Return the variable's comma-separated words, without blanks."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]
