"""PURE. Jira Cloud's REST API, version 3: developer.atlassian.com/cloud/jira/platform/rest/v3."""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import quote

from curation import issue_words
from curation.adapters.speaking import (
    LABEL,
    AdapterError,
    Made,
    Place,
    Seen,
    Send,
    ask,
    made,
    part,
)
from curation.issue_words import Told

_TARGET = re.compile(r"[A-Z][A-Z0-9_]{1,19}(/[A-Za-z][A-Za-z -]{0,39})?", re.ASCII)
TYPE = "Task"
# Names of resolutions by which nothing was done.
DROPPED = {"won't do", "won't fix", "declined", "duplicate", "cannot reproduce", "not a bug"}


class Jira:
    """Issues of one project, named by its key; `KEY/Bug` makes them bugs instead of tasks."""

    def fault(self, target: str) -> str:
        return "" if _TARGET.fullmatch(target) else "Write the project's key, as KEY or KEY/Bug."

    def create(self, place: Place, told: Told, send: Send) -> Made:
        key, _, kind = place.target.partition("/")
        fields = {
            "project": {"key": key},
            "issuetype": {"name": kind or TYPE},
            "summary": told.title,
            "description": issue_words.atlassian(issue_words.opened(told)),
            "labels": [LABEL, _label(told)],
        }
        answer = ask(send, "POST", f"{_api(place)}/issue", _headers(place), {"fields": fields})
        return _made(place, answer)

    def find(self, place: Place, told: Told, send: Send) -> Made | None:
        asked = {"jql": f'labels = "{_label(told)}"', "maxResults": 1, "fields": ["key"]}
        answer = ask(send, "POST", f"{_api(place)}/search/jql", _headers(place), asked)
        found = part(answer, "issues")
        return _made(place, found[0]) if isinstance(found, list) and found else None

    def read(self, place: Place, ticket: str, send: Send) -> Seen:
        url = f"{_api(place)}/issue/{quote(ticket)}?fields=status,resolution"
        answer = ask(send, "GET", url, _headers(place))
        resolution = str(part(answer, "fields", "resolution", "name") or "")
        return Seen(
            is_closed=part(answer, "fields", "status", "statusCategory", "key") == "done",
            is_dropped=resolution.lower().replace("’", "'") in DROPPED,
        )

    def move(self, place: Place, ticket: str, told: Told, send: Send) -> None:
        url = f"{_api(place)}/issue/{quote(ticket)}"
        is_closing = told.kind == "closed"
        if self.read(place, ticket, send).is_closed != is_closing:
            answer = ask(send, "GET", f"{url}/transitions", _headers(place))
            step = {"transition": {"id": _step(answer, is_closing=is_closing)}}
            ask(send, "POST", f"{url}/transitions", _headers(place), step)
        words = issue_words.atlassian(issue_words.moved(told))
        ask(send, "POST", f"{url}/comment", _headers(place), {"body": words})


def _step(answer: object, *, is_closing: bool) -> str:
    """The first transition that leads where the ticket is to be."""
    found = part(answer, "transitions")
    for one in found if isinstance(found, list) else []:
        if (part(one, "to", "statusCategory", "key") == "done") == is_closing:
            return str(part(one, "id"))
    raise AdapterError("Jira's workflow has no step that leads there.")


def _made(place: Place, answer: object) -> Made:
    key = part(answer, "key")
    return made(key, f"{place.url.rstrip('/')}/browse/{key}")


def _api(place: Place) -> str:
    return f"{place.url.rstrip('/')}/rest/api/3"


def _headers(place: Place) -> dict[str, str]:
    """Basic with an account, as Jira Cloud wants it; Bearer without, for Data Center's tokens."""
    if not place.account:
        return {"Authorization": f"Bearer {place.token}"}
    pair = b64encode(f"{place.account}:{place.token}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _label(told: Told) -> str:
    return f"{LABEL}-{told.marker}"
