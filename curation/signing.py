"""PURE. Signs what is sent out, and verifies what is reported back.

The signature is the HMAC-SHA256 of the timestamp, a full stop and the body, under the shared
secret, in hex: a body cannot be sent again at another time.
"""

from __future__ import annotations

import hashlib
import hmac

# Seconds that the clocks of sender and receiver may differ.
TOLERANCE = 300
VERSION = "v1="


def sign(*, secret: str, timestamp: int, body: bytes) -> str:
    """The value of `Postil-Signature` for a body sent at that second of the epoch."""
    signed = f"{timestamp}.".encode() + body
    return VERSION + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def is_signed(*, secret: str, timestamp: str, signature: str, body: bytes, now: int) -> bool:
    """Whether the signature is that of the body, and the timestamp is of the last minutes."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    if abs(now - int(timestamp)) > TOLERANCE:
        return False
    meant = sign(secret=secret, timestamp=int(timestamp), body=body)
    return hmac.compare_digest(meant.encode(), signature.encode())


def is_hub_signed(*, secret: str, signature: str, body: bytes) -> bool:
    """Whether a body is signed as GitHub and Jira do: `sha256=` and the HMAC of it alone."""
    meant = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(meant.encode(), signature.encode())


def is_same(one: str, other: str) -> bool:
    """Whether two secrets are the same, compared in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
