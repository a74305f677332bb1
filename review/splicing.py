"""Puts what is kept as bytes into a page, without its templates carrying it from block to block."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString


class Splices:
    """The places in one page that stand for kept pieces."""

    def __init__(self) -> None:
        self._kept: dict[bytes, list[bytes]] = {}

    def mark(self, pieces: Iterable[bytes]) -> SafeString:
        """Stand in the page for these pieces, one after the other."""
        # Nobody can write one into an answer: it is drawn anew for each page.
        mark = secrets.token_hex()
        self._kept[mark.encode()] = list(pieces)
        return SafeString(mark)

    def fill(self, html: str) -> bytes:
        """The page with the pieces in their places."""
        page = [html.encode()]
        for mark, pieces in self._kept.items():
            before, _, after = page.pop().partition(mark)
            page += [before, *pieces, after]
        return b"".join(page)


def render_spliced(
    request: HttpRequest, template: str, context: Mapping[str, object], *, status: int = 200
) -> HttpResponse:
    """Render a page as django.shortcuts.render does; its tags find `splices` in the context."""
    splices = Splices()
    html = render_to_string(template, {**context, "splices": splices}, request)
    return HttpResponse(splices.fill(html), status=status)
