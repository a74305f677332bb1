"""Trackers in the shape of GitHub, GitLab and Jira, each with one project, over real HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.curation.listening import Reply, answer
from tests.factories import NOW


@dataclass
class Ticket:
    title: str
    text: Any
    labels: list[str]
    is_closed: bool = False
    reason: str = ""
    comments: list[Any] = field(default_factory=list)
    made_at: datetime = NOW


@dataclass
class Fake:
    """Tickets by number; `broken` is the status that every answer has instead.

    `beside` is what an answer says of each ticket beside what is asked for: avatars, links, counts.
    It drops the labels of whoever may not push, as GitHub does, unless `takes_labels`.
    """

    tickets: dict[int, Ticket] = field(default_factory=dict)
    broken: int = 0
    beside: str = ""
    takes_labels: bool = True

    def __call__(self, method: str, path: str, body: Any) -> Reply:
        if self.broken:
            return answer(self.broken, {"message": "secret of the tracker"})
        found = re.search(r"/issues?/(?:KEY-)?(\d+)", path)
        ticket = self.tickets.get(int(found[1])) if found else None
        if found and ticket is None:
            return answer(404)
        return self.reply(method, path, body, ticket)

    def reply(self, method: str, path: str, body: Any, ticket: Ticket | None) -> Reply:
        raise NotImplementedError

    def _make(self, title: str, text: Any, labels: list[str]) -> int:
        number = max(self.tickets, default=6) + 1
        self.tickets[number] = Ticket(title, text, labels if self.takes_labels else [])
        return number

    def _page(self, path: str, *, after: str, default: int) -> Reply:
        """One page of a list of tickets, of a hundred at most, as both real APIs divide it.

        `after` names what leaves out older tickets, `default` how many are on a page unasked.
        """
        asked = dict(parse_qsl(urlsplit(path).query))
        since = datetime.fromisoformat(asked[after]) if after in asked else None
        found = [
            number
            for number, one in self.tickets.items()
            if (since is None or one.made_at >= since)
            and ("labels" not in asked or asked["labels"] in one.labels)
        ]
        way = asked.get("sort") if after == "created_after" else asked.get("direction")
        found.sort(key=lambda one: (self.tickets[one].made_at, one), reverse=way != "asc")
        length = min(int(asked.get("per_page", default)), 100)
        first = (int(asked.get("page", 1)) - 1) * length
        return answer(200, [self._json(number) for number in found[first : first + length]])

    def _json(self, number: int) -> dict[str, Any]:
        raise NotImplementedError


class FakeGitHub(Fake):
    url, target = "", "acme/app"

    def reply(self, method: str, path: str, body: Any, ticket: Ticket | None) -> Reply:
        assert path.startswith("/repos/acme/app/issues")
        if ticket is None and method == "POST":
            return answer(201, self._json(self._make(body["title"], body["body"], body["labels"])))
        if ticket is None:
            return self._page(path, after="since", default=30)
        if method == "PATCH":
            ticket.is_closed, ticket.reason = body["state"] == "closed", body["state_reason"]
        elif method == "POST" and path.endswith("/comments"):
            ticket.comments.append(body["body"])
            return answer(201, {"id": 1})
        return answer(200, self._json(next(n for n, t in self.tickets.items() if t is ticket)))

    def _json(self, number: int) -> dict[str, Any]:
        one = self.tickets[number]
        return {
            "number": number,
            "html_url": f"https://github.test/acme/app/issues/{number}",
            "body": one.text,
            "state": "closed" if one.is_closed else "open",
            "state_reason": one.reason or None,
            "user": {"url": self.beside},
        }


class FakeGitLab(Fake):
    url, target = "/api/v4", "acme/app"

    def reply(self, method: str, path: str, body: Any, ticket: Ticket | None) -> Reply:
        assert path.startswith("/api/v4/projects/acme%2Fapp/issues")
        if ticket is None and method == "POST":
            number = self._make(body["title"], body["description"], [body["labels"]])
            return answer(201, self._json(number))
        if ticket is None:
            return self._page(path, after="created_after", default=20)
        if method == "PUT":
            is_closing = body["state_event"] == "close"
            if ticket.is_closed == is_closing:
                return answer(422)
            ticket.is_closed = is_closing
        elif method == "POST" and path.endswith("/notes"):
            ticket.comments.append(body["body"])
            return answer(201, {"id": 1})
        return answer(200, self._json(next(n for n, t in self.tickets.items() if t is ticket)))

    def _json(self, number: int) -> dict[str, Any]:
        one = self.tickets[number]
        return {
            "iid": number,
            "web_url": f"https://gitlab.test/acme/app/-/issues/{number}",
            "description": one.text,
            "state": "closed" if one.is_closed else "opened",
            "author": {"web_url": self.beside},
        }


class FakeJira(Fake):
    url, target = "", "KEY/Bug"

    def reply(self, method: str, path: str, body: Any, ticket: Ticket | None) -> Reply:
        assert path.startswith("/rest/api/3/")
        if path == "/rest/api/3/search/jql":
            label = body["jql"].removeprefix('labels = "').removesuffix('"')
            found = [n for n, t in self.tickets.items() if label in t.labels]
            issues = [{"key": f"KEY-{n}", "self": self.beside} for n in found]
            return answer(200, {"issues": issues})
        if ticket is None:
            fields = body["fields"]
            assert fields["project"] == {"key": "KEY"}
            assert fields["issuetype"] == {"name": "Bug"}
            assert fields["description"]["type"] == "doc"
            number = self._make(fields["summary"], fields["description"], fields["labels"])
            return answer(201, {"key": f"KEY-{number}", "self": self.beside})
        if path.endswith("/transitions") and method == "GET":
            steps = {"11": "indeterminate", "31": "done"}
            return answer(200, {"transitions": [_step(*step) for step in steps.items()]})
        if path.endswith("/transitions"):
            ticket.is_closed = body["transition"]["id"] == "31"
            ticket.reason = "Done" if ticket.is_closed else ""
            return answer(204)
        if path.endswith("/comment"):
            ticket.comments.append(body["body"])
            return answer(201, {"id": "1"})
        status = {"statusCategory": {"key": "done" if ticket.is_closed else "new"}}
        resolution = {"name": ticket.reason} if ticket.reason else None
        fields = {"status": status, "resolution": resolution}
        return answer(200, {"self": self.beside, "fields": fields})


def _step(ident: str, category: str) -> dict[str, Any]:
    return {"id": ident, "to": {"statusCategory": {"key": category}}}


FAKES = {"github": FakeGitHub, "gitlab": FakeGitLab, "jira": FakeJira}
# How each says that nothing was done; GitLab cannot.
DROPPED = {"github": "not_planned", "jira": "Won't Do"}
