"""PURE. What all adapters have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from curation.issue_words import Told
from curation.outgoing import Answer, Call

Send = Callable[[Call], Answer]

LONGEST_ID = 100
LONGEST_URL = 500
LABEL = "postil"
# A hundred tickets with the longest text that GitHub takes, and all that it says beside that.
MOST_BYTES = 16 * 1024 * 1024
# How many tickets a page of a list has at most, and in how many pages one is looked for.
PER_PAGE = 100
MOST_PAGES = 20
# So much the clocks of a tracker and of this machine may differ.
CLOCKS_DIFFER = timedelta(hours=1)


class AdapterError(Exception):
    """A tracker did not do as asked; `status` is its answer's, `retry_after` in seconds or None."""

    def __init__(self, message: str, status: int | None = None, retry_after: int | None = None):
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


@dataclass(frozen=True, kw_only=True)
class Place:
    """A project in a tracker: the API's address, the project's name there, and who signs in."""

    url: str
    target: str
    token: str
    account: str = ""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A ticket: its name in the tracker, and the address of its page."""

    id: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Where a ticket stands; `is_dropped` if it was closed without being done."""

    is_closed: bool
    is_dropped: bool = False


class Adapter(Protocol):
    """Speaks to one kind of tracker. Every act raises AdapterError, and what `send` raises."""

    def fault(self, target: str) -> str:
        """What is wrong with the name of a project, or nothing."""

    def create(self, place: Place, told: Told, send: Send) -> Made:
        """Make a ticket."""

    def find(self, place: Place, told: Told, send: Send) -> Made | None:
        """The ticket that was made before, when nobody knows whether it was."""

    def read(self, place: Place, ticket: str, send: Send) -> Seen:
        """Where a ticket stands."""

    def move(self, place: Place, ticket: str, told: Told, send: Send) -> None:
        """Close a ticket or open it again, as `told` has it, and say why under it."""


def ask(
    send: Send,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: dict[str, Any] | None = None,
) -> Any:
    """Send JSON and return the answer's; None for one without a body."""
    content = {"Content-Type": "application/json"} if body is not None else {}
    answer = send(
        Call(
            method=method,
            url=url,
            headers={**headers, "Accept": headers.get("Accept", "application/json"), **content},
            body=json.dumps(body).encode() if body is not None else b"",
            most_bytes=MOST_BYTES,
        )
    )
    if not answer.is_fine:
        raise AdapterError(
            f"The tracker answered {answer.status}.", answer.status, answer.retry_after
        )
    if not answer.body:
        return None
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise AdapterError("The tracker's answer cannot be read.", answer.status) from error


def pages(send: Send, url: str, headers: Mapping[str, str]) -> Iterator[object]:
    """The tickets of a list, page by page until one is empty; `url` has a query already."""
    for number in range(1, MOST_PAGES + 1):
        answer = ask(send, "GET", f"{url}&per_page={PER_PAGE}&page={number}", headers)
        if not isinstance(answer, list) or not answer:
            return
        yield from answer


def since(told: Told) -> str:
    """When the first ticket of it can have been made, as trackers read times."""
    first = (told.handed_over_at - CLOCKS_DIFFER).astimezone(UTC)
    return first.strftime("%Y-%m-%dT%H:%M:%SZ")


def made(ident: object, url: object) -> Made:
    """A ticket by what an answer says of it; an address that is none is left out."""
    name = str(ident) if isinstance(ident, int | str) and not isinstance(ident, bool) else ""
    if not name or len(name) > LONGEST_ID or not name.isprintable():
        raise AdapterError("The tracker's answer names no ticket.")
    address = url if isinstance(url, str) and len(url) <= LONGEST_URL else ""
    is_web = address.isprintable() and urlsplit(address).scheme in {"http", "https"}
    return Made(id=name, url=address if is_web else "")


def part(answer: object, *path: str) -> object:
    """What stands at a path of an answer; None where it does not lead anywhere."""
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer
