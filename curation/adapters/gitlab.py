"""PURE. GitLab's REST API, version 4: docs.gitlab.com/api/issues."""

from __future__ import annotations

import re
from urllib.parse import quote

from curation import issue_words
from curation.adapters.speaking import (
    LABEL,
    Made,
    Place,
    Seen,
    Send,
    ask,
    made,
    pages,
    part,
    since,
)
from curation.issue_words import Told

_TARGET = re.compile(r"[0-9]{1,12}|[A-Za-z0-9_.-]{1,100}(/[A-Za-z0-9_.-]{1,100}){1,10}", re.ASCII)


class GitLab:
    """Issues of one project, named by its path or number."""

    def fault(self, target: str) -> str:
        is_right = _TARGET.fullmatch(target) and ".." not in target
        return "" if is_right else "Write the project as group/name, or its number."

    def create(self, place: Place, told: Told, send: Send) -> Made:
        text = f"{issue_words.markdown(issue_words.opened(told))}\n\n{_marker(told)}"
        fields = {"title": told.title, "description": text, "labels": LABEL}
        answer = ask(send, "POST", _issues(place), _headers(place), fields)
        return made(part(answer, "iid"), part(answer, "web_url"))

    def find(self, place: Place, told: Told, send: Send) -> Made | None:
        # Not by the label, which anybody may take off.
        query = f"?created_after={since(told)}&order_by=created_at&sort=asc"
        for one in pages(send, _issues(place) + query, _headers(place)):
            if _marker(told) in str(part(one, "description")):
                return made(part(one, "iid"), part(one, "web_url"))
        return None

    def read(self, place: Place, ticket: str, send: Send) -> Seen:
        answer = ask(send, "GET", f"{_issues(place)}/{quote(ticket)}", _headers(place))
        return Seen(is_closed=part(answer, "state") == "closed")

    def move(self, place: Place, ticket: str, told: Told, send: Send) -> None:
        url = f"{_issues(place)}/{quote(ticket)}"
        event = "close" if told.kind == "closed" else "reopen"
        # GitLab refuses to close what is closed.
        if self.read(place, ticket, send).is_closed != (event == "close"):
            ask(send, "PUT", url, _headers(place), {"state_event": event})
        words = issue_words.markdown(issue_words.moved(told))
        ask(send, "POST", f"{url}/notes", _headers(place), {"body": words})


def _issues(place: Place) -> str:
    return f"{place.url.rstrip('/')}/projects/{quote(place.target, safe='')}/issues"


def _headers(place: Place) -> dict[str, str]:
    return {"PRIVATE-TOKEN": place.token}


def _marker(told: Told) -> str:
    return f"<!-- postil:{told.marker} -->"
