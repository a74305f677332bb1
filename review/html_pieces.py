"""Markdown as a flat list of tags and runs of text; each run knows its place in the source."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from html import escape
from itertools import accumulate

from markdown_it.token import Token

from review.markdown_source import MarkdownError, parse

# Code points; longer answers are shown as they are, since nobody reviews them word by word.
LONGEST = 200_000

_LINK = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
# GitHub's task lists (https://github.github.com/gfm/#task-list-items-extension-).
_TASK = re.compile(r"\[([ xX])\](?=\s)")
_TAGS = {"s": "del"}


@dataclass(frozen=True, slots=True)
class Tag:
    html: str


@dataclass(frozen=True, slots=True)
class Run:
    """Text from `start` on in the canonical text, from one place in the source.

    An exact run is its place in the source, character for character. Another one, as of an
    entity, stands for it as a whole. A separator stands between blocks.
    """

    text: str
    start: int
    source_start: int
    source_end: int
    is_exact: bool
    is_separator: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def canonical(self, at: int, *, is_end: bool = False) -> int:
        """The canonical position of a source position, clamped to the run."""
        if self.is_exact:
            return self.start + min(max(at - self.source_start, 0), len(self.text))
        return self.end if is_end else self.start

    def source(self, at: int, *, is_end: bool = False) -> int:
        """The source position of a canonical position, clamped to the run."""
        if self.is_exact:
            return self.source_start + min(max(at - self.start, 0), len(self.text))
        return self.source_end if is_end else self.source_start


Piece = Tag | Run


def pieces_of(text: str) -> list[Piece]:
    """Tags and runs of an answer as sent, CR LF and all."""
    return _Writer(text).write()


class _Writer:
    def __init__(self, text: str) -> None:
        self.source = text
        # As markdown-it folds line ends; the position of each folded character in the source.
        self.text = re.sub(r"\r\n?", "\n", text).replace("\0", "\ufffd")
        sizes = (
            1 + (char == "\r" and text[at + 1 : at + 2] == "\n")
            for at, char in enumerate(text)
            if not (char == "\n" and at and text[at - 1] == "\r")
        )
        self.origin = [0, *accumulate(sizes)]
        self.pieces: list[Piece] = []
        self.at = 0
        self.source_at = 0
        self.has_block = False
        self.links: list[bool] = []
        # Whether the next block is the first of a list's item.
        self.is_item = False

    def write(self) -> list[Piece]:
        try:
            tokens = parse(self.text) if len(self.text) <= LONGEST else None
        except MarkdownError:
            tokens = None
        if tokens is None:
            self.code(self.text, list(range(len(self.text))))
            return self.pieces
        cells = 0
        for token in tokens:
            if token.type == "tr_open":
                cells = 0
            elif token.type in {"th_open", "td_open"}:
                self.separate("\t" if cells else "\n")
                cells += 1
            self.block(token)
        return self.pieces

    def block(self, token: Token) -> None:
        if token.type == "inline":
            at = token.meta["at"]
            self.inline(self.task(token.children or [], at), token.content, at)
            self.is_item = False
        elif token.type in {"fence", "code_block", "tex"}:
            content = token.content.removesuffix("\n")
            self.code(content, token.meta["at"][: len(content)])
        elif token.type == "hr":
            self.tag("<hr>")
        elif token.nesting == 1:
            self.opening(token)
        else:
            self.tag(f"</{_name(token)}>")

    def task(self, children: list[Token], at: list[int]) -> list[Token]:
        """Write the box of a task at the start of a list's item; return what follows it."""
        first = children[0] if children else None
        box = _TASK.match(first.content) if first and first.type == "text" else None
        if first is None or box is None or not self.is_item:
            return children
        self.whole("\u2610" if box[1] == " " else "\u2611", at[0], at[2] + 1)
        rest = copy(first)
        rest.content = first.content[3:]
        rest.meta = {**first.meta, "at": first.meta["at"] + 3}
        return [rest, *children[1:]]

    def opening(self, token: Token) -> None:
        name = _name(token)
        self.is_item = token.type == "list_item_open" or (
            self.is_item and token.type == "paragraph_open"
        )
        if token.type in {"paragraph_open", "heading_open"}:
            self.separate("\n")
        if token.type in {"paragraph_open", "heading_open", "th_open", "td_open"}:
            self.tag(f'<{name} data-start="{self.at}">')
        elif token.type == "ordered_list_open" and "start" in token.attrs:
            self.tag(f'<ol start="{int(token.attrs["start"])}">')
        else:
            self.tag(f"<{name}>")

    def code(self, content: str, at: list[int]) -> None:
        self.separate("\n")
        self.tag(f'<pre><code data-start="{self.at}">')
        self.run(content, at)
        self.tag("</code></pre>")

    def inline(self, children: list[Token], content: str, at: list[int]) -> None:
        for number, child in enumerate(children):
            previous = children[number - 1] if number else None
            following = children[number + 1] if number + 1 < len(children) else None
            if child.nesting == 1:
                self.opening_inline(child)
            elif child.nesting == -1:
                self.closing_inline(child)
            elif child.type == "image":
                self.image(child, content, at, after=following)
            else:
                self.words(child, content, at, previous)

    def opening_inline(self, token: Token) -> None:
        if token.type != "link_open":
            self.tag(f"<{_name(token)}>")
            return
        self.links.append(self.link(str(token.attrs.get("href", "")), token.attrs.get("title")))

    def closing_inline(self, token: Token) -> None:
        if token.type != "link_close":
            self.tag(f"</{_name(token)}>")
        elif self.links.pop():
            self.tag("</a>")

    def link(self, href: str, title: object = None) -> bool:
        """Open a link if it leads somewhere harmless and is in no other; say whether it did."""
        if not _LINK.match(href) or any(self.links):
            return False
        titled = f' title="{escape(str(title))}"' if title else ""
        self.tag(f'<a href="{escape(href)}" target="_blank"{titled}>')
        return True

    def image(self, token: Token, content: str, at: list[int], after: Token | None) -> None:
        """Write an image's description, linked to the image; nothing is loaded."""
        is_open = self.link(str(token.attrs.get("src", "")))
        start = token.meta["at"]
        inner = at[start + 2 : start + 2 + len(token.content)]
        before = self.at
        self.alternative(token.children or [], token.content, inner)
        if self.at == before:
            end = at[after.meta["at"]] if after else (at[-1] + 1 if at else 0)
            self.whole("image", at[start], max(end, at[start] + 1))
        if is_open:
            self.tag("</a>")

    def alternative(self, children: list[Token], content: str, at: list[int]) -> None:
        previous: Token | None = None
        for child in children:
            if child.type == "image":
                start = child.meta["at"] + 2
                self.alternative(
                    child.children or [], child.content, at[start : start + len(child.content)]
                )
            elif child.nesting == 0:
                self.words(child, content, at, previous)
            previous = child

    def words(self, token: Token, content: str, at: list[int], before: Token | None) -> None:
        text, start = token.content, token.meta["at"]
        if token.type in {"softbreak", "hardbreak"}:
            self.whole("\n", at[start], at[start] + 1)
            if token.type == "hardbreak":
                self.tag("<br>")
        elif token.type == "text_special" and text != token.markup:
            self.whole(text, at[start], at[start + len(token.markup) - 1] + 1)
        elif token.type == "code_inline":
            self.tag("<code>")
            self.run(text, at[_inside(content, start, token) :][: len(text)])
            self.tag("</code>")
        elif before is not None and before.type == "link_open" and before.markup == "autolink":
            end = content.index(">", start)
            if content[start + 1 : end] == text:
                self.run(text, at[start + 1 : end])
            else:
                self.whole(text, at[start + 1], at[end - 1] + 1)
        elif text:
            self.run(text, at[start : start + len(text)])

    def tag(self, html: str) -> None:
        self.pieces.append(Tag(html))

    def separate(self, text: str) -> None:
        """Stand between two blocks, at the end of the former one's source."""
        if self.has_block:
            self.put(
                Run(
                    text,
                    self.at,
                    self.source_at,
                    self.source_at,
                    is_exact=False,
                    is_separator=True,
                )
            )
        self.has_block = True

    def whole(self, text: str, start: int, end: int) -> None:
        """Write text that stands for the folded source from start to end as a whole."""
        self.put(
            Run(
                # A parser of HTML would turn a carriage return into a line feed.
                text.replace("\r", "\n"),
                self.at,
                self.origin[start],
                self.origin[end],
                is_exact=end - start == len(text) and text == self.source_of(start, end),
            )
        )

    def run(self, text: str, at: list[int]) -> None:
        """Write text whose characters come from these positions of the folded source."""
        begin = 0
        while begin < len(text):
            end = begin + 1
            if self.is_plain(text, at, begin):
                while end < len(text) and at[end] == at[end - 1] + 1:
                    if not self.is_plain(text, at, end):
                        break
                    end += 1
                start = self.origin[at[begin]]
                self.put(Run(text[begin:end], self.at, start, start + end - begin, is_exact=True))
            else:
                self.whole(text[begin], at[begin], at[begin] + 1)
            begin = end

    def is_plain(self, text: str, at: list[int], number: int) -> bool:
        """Whether this character is one character of the source, and the same."""
        place = at[number]
        return (
            self.text[place] == text[number] != "\r"
            and self.origin[place + 1] == self.origin[place] + 1
            and self.source[self.origin[place]] == text[number]
        )

    def source_of(self, start: int, end: int) -> str:
        return self.source[self.origin[start] : self.origin[end]]

    def put(self, run: Run) -> None:
        self.pieces.append(run)
        self.at = run.end
        self.source_at = max(self.source_at, run.source_end)


def _name(token: Token) -> str:
    if token.type.startswith("heading"):
        # The page has the first two levels.
        return f"h{min(int(token.tag[1]) + 2, 6)}"
    if token.hidden:
        return "span"
    return _TAGS.get(token.tag, token.tag)


def _inside(content: str, start: int, token: Token) -> int:
    """Where in the inline content the text of a code span begins, past its fence and a space."""
    fence, length = token.markup, len(token.content)
    inside = start + len(fence)
    end = inside + length
    is_bare = (
        content[inside:end].replace("\n", " ") == token.content
        and content[end : end + len(fence)] == fence
        and content[end + len(fence) : end + len(fence) + 1] != "`"
        and not token.content.endswith("`")
    )
    return inside if is_bare else inside + 1
