"""PURE. GitHub's REST API, version 2022-11-28: docs.github.com/rest/issues."""

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

_TARGET = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}", re.ASCII)


class GitHub:
    """Issues of one repository, named `owner/name`."""

    def fault(self, target: str) -> str:
        is_right = _TARGET.fullmatch(target) and ".." not in target
        return "" if is_right else "Write the repository as owner/name."

    def create(self, place: Place, told: Told, send: Send) -> Made:
        body = f"{issue_words.markdown(issue_words.opened(told))}\n\n{_marker(told)}"
        fields = {"title": told.title, "body": body, "labels": [LABEL]}
        answer = ask(send, "POST", _issues(place), _headers(place), fields)
        return made(part(answer, "number"), part(answer, "html_url"))

    def find(self, place: Place, told: Told, send: Send) -> Made | None:
        # Not by the label, which GitHub drops where the token may not push. `since` goes by what
        # was changed, so that old tickets come last only when the youngest come first.
        query = f"?state=all&since={since(told)}&sort=created&direction=desc"
        for one in pages(send, _issues(place) + query, _headers(place)):
            if _marker(told) in str(part(one, "body")):
                return made(part(one, "number"), part(one, "html_url"))
        return None

    def read(self, place: Place, ticket: str, send: Send) -> Seen:
        answer = ask(send, "GET", f"{_issues(place)}/{quote(ticket)}", _headers(place))
        return Seen(
            is_closed=part(answer, "state") == "closed",
            is_dropped=part(answer, "state_reason") in {"not_planned", "duplicate"},
        )

    def move(self, place: Place, ticket: str, told: Told, send: Send) -> None:
        url = f"{_issues(place)}/{quote(ticket)}"
        change = {"state": "open", "state_reason": "reopened"}
        if told.kind == "closed":
            why = "completed" if told.resolution == "fixed" else "not_planned"
            change = {"state": "closed", "state_reason": why}
        ask(send, "PATCH", url, _headers(place), change)
        words = issue_words.markdown(issue_words.moved(told))
        ask(send, "POST", f"{url}/comments", _headers(place), {"body": words})


def _issues(place: Place) -> str:
    return f"{place.url.rstrip('/')}/repos/{place.target}/issues"


def _headers(place: Place) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {place.token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }


def _marker(told: Told) -> str:
    return f"<!-- postil:{told.marker} -->"
