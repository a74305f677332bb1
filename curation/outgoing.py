"""PURE. Sends one HTTP request out, and never to where it must not go.

Addresses come from people, so that a request could be turned against what only this machine
reaches. Allowed is https to hosts all of whose addresses are public; and whatever an administrator
has named. The name is resolved once, and the connection made to the very address that was judged:
a name that changes its mind in between gains nothing. Redirects are not followed, replies are read
up to a limit, and the whole has a deadline. That takes little more than the standard library has.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import Timer
from urllib.parse import urlsplit

CONNECT_SECONDS = 5
DEADLINE_SECONDS = 10
MOST_BYTES = 64 * 1024
LONGEST_URL = 500
PORTS = {"https": 443, "http": 80}
# IPv6 addresses that stand for IPv4 ones, which may be private: NAT64 and 6to4.
STAND_INS = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2002::/16"))


class OutgoingError(Exception):
    """The request got no answer; the message says why, without words of the other side."""


class AddressError(OutgoingError):
    """Nothing may be sent to that address."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request; of what comes back, at most so many bytes are read."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: the body up to its limit; seconds that it asks to wait, or None."""

    status: int
    body: bytes = b""
    retry_after: int | None = None

    @property
    def is_fine(self) -> bool:
        """Whether the request was done."""
        return 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where an address leads; `is_named` if an administrator allowed it explicitly."""

    scheme: str
    host: str
    port: int
    path: str
    is_named: bool

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str, *, allowed: Collection[str]) -> Target:
    """Read an address; `allowed` are hosts, or host:port, that may be anything.

    Raises AddressError for what nothing is ever sent to. What a name resolves to is judged when
    something is sent.
    """
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressError(f"An address has at most {LONGEST_URL} plain characters and no blanks.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressError("That is no address.") from error
    if parts.scheme not in PORTS or not host or "\\" in url:
        raise AddressError("An address starts with https:// and a host.")
    if parts.username is not None or parts.password is not None:
        raise AddressError("Leave user and password out of the address.")
    if parts.fragment:
        raise AddressError("Leave out what follows the #.")
    port = port or PORTS[parts.scheme]
    is_named = host in allowed or f"{host}:{port}" in allowed
    if not is_named and parts.scheme != "https":
        raise AddressError("The address has to start with https://.")
    if not is_named and not _may_be_public(host):
        raise AddressError("That host is not public.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=host, port=port, path=path, is_named=is_named)


def send(call: Call, *, allowed: Collection[str], deadline: float = DEADLINE_SECONDS) -> Answer:
    """Send a request and return its answer, whatever its status.

    Raises AddressError, or OutgoingError when there is no answer before the deadline, in seconds.
    """
    target = target_of(call.url, allowed=allowed)
    connection = _Pinned(target, _address_of(target))
    try:
        with _deadline(connection, deadline):
            connection.request(
                call.method,
                target.path,
                body=call.body or None,
                headers={"Host": target.authority, "User-Agent": "Postil", **call.headers},
            )
            response = connection.getresponse()
            return Answer(
                status=response.status,
                body=response.read(call.most_bytes),
                retry_after=_seconds(response.headers.get("Retry-After", "")),
            )
    except ssl.SSLError as error:
        raise OutgoingError("The certificate or the encryption is not right.") from error
    except TimeoutError as error:
        raise OutgoingError("There was no answer in time.") from error
    except (OSError, HTTPException, ValueError) as error:
        raise OutgoingError(f"No connection, or a broken one: {type(error).__name__}.") from error
    finally:
        connection.close()


def is_public(address: str) -> bool:
    """Whether an IP address, as text, is one of the public internet."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif any(found in network for network in STAND_INS):
            return False
    return found.is_global and not found.is_multicast


def _may_be_public(host: str) -> bool:
    """False for an address that is private as it stands, in whatever notation."""
    with suppress(ValueError):
        return is_public(host)
    try:
        # 2130706433, 0x7f.1 and 127.1 are 127.0.0.1 to a resolver.
        return is_public(socket.inet_ntoa(socket.inet_aton(host)))
    except OSError:
        return "." in host.strip(".") and not host.endswith((".local", ".internal", ".localhost"))


def _address_of(target: Target) -> str:
    """The address to connect to: the first, if all that the name has are allowed."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutgoingError("The host is not known.") from error
    addresses = [str(one[4][0]) for one in found]
    if not target.is_named and not all(map(is_public, addresses)):
        raise AddressError("That host is not public.")
    return addresses[0]


class _Pinned(HTTPConnection):
    """A connection to a host by one of its addresses; the certificate has to be the host's."""

    def __init__(self, target: Target, address: str) -> None:
        super().__init__(target.host, target.port, timeout=CONNECT_SECONDS)
        self._target, self._address = target, address

    def connect(self) -> None:
        """Connect to the address that was judged."""
        plain = socket.create_connection((self._address, self._target.port), CONNECT_SECONDS)
        self.sock = plain
        if self._target.scheme == "https":
            self.sock = _tls().wrap_socket(plain, server_hostname=self._target.host)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@contextmanager
def _deadline(connection: HTTPConnection, seconds: float) -> Iterator[None]:
    """Cut the connection off at the deadline: one that drips would never time out."""
    late = False

    def cut() -> None:
        nonlocal late
        late = True
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        if late:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if late:
        raise TimeoutError


def _seconds(text: str) -> int | None:
    """Retry-After in seconds; None for a date or nothing."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
