"""Keeps secrets that have to be used again: sealed under the server's key.

A stolen table opens nothing. With another SECRET_KEY nothing opens any more, and the secrets have
to be entered anew.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class SealError(Exception):
    """The secret was sealed under another key."""


def seal(secret: str) -> str:
    """The secret, encrypted and authenticated, as text; nothing stays nothing."""
    return _fernet().encrypt(secret.encode()).decode() if secret else ""


def unseal(sealed: str) -> str:
    """The secret that was sealed. Raises SealError."""
    try:
        return _fernet().decrypt(sealed.encode()).decode() if sealed else ""
    except InvalidToken as error:
        raise SealError("It was sealed under another SECRET_KEY. Enter it anew.") from error


def _fernet() -> Fernet:
    key = hashlib.sha256(b"postil.tracker:" + settings.SECRET_KEY.encode()).digest()
    return Fernet(urlsafe_b64encode(key))
