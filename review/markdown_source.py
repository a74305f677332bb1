"""Markdown to tokens that know where in the source their text lies.

markdown-it reports lines only. Here its inline rules run on a state that notes where each token
began, and the lines of each block's content are found in the source by what the block rules cut
off: always a prefix of a line, and white space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.common.utils import MD_TRIM_CHARS, mdTrim
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

# Blocks nested deeper are dropped by the parser, so such a text is not parsed at all.
DEEPEST = 60
# Depths of all lines together. Each level of blocks reads its lines anew, so the work grows with
# them: this much takes about a second.
MOST_NESTED = 40_000

# What a line begins with when it is in quotes or in an item of a list.
_NESTED = re.compile(r"(?:[ \t]*(?:>|(?:[-*+]|\d{1,9}[.)])(?=[ \t])))+", re.MULTILINE)
# TeX between its delimiters. A dollar is one only next to other than white space, and not before a
# digit, so that prices are none (https://pandoc.org/MANUAL.html#extension-tex_math_dollars);
# brackets are escaped in other texts too, so there has to be something of TeX between them. The
# lengths are bounded so that delimiters without end take no time.
_TEX = re.compile(
    r"\\\((?s:.){1,1000}?\\\)"
    r"|\\\[(?=(?s:.){1,1000}?\\\])(?=[^\]]*[\\^_={}][^\]])(?s:.)+?\\\]"
    r"|\$\$[^$]{1,1000}\$\$"
    r"|\$(?=[^\s$])(?:[^$\n\\]|\\.){0,300}?(?<!\s)\$(?!\d)"
)
_MOST_TEX_LINES = 60
_TEX_BLOCKS = {"$$": "$$", "\\[": "\\]"}


class MarkdownError(ValueError):
    """The text is not fit for being shown as Markdown."""


class _State(StateInline):
    """Notes in `token.meta["at"]` where in the inline content each token began."""

    began = 0

    def append_pending(self, text: str) -> None:
        if not self.pending:
            self.began = self.pos
        super().append_pending(text)

    def pushPending(self) -> Token:  # noqa: N802  (markdown-it's name)
        token = super().pushPending()
        token.meta["at"] = self.began
        return token

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        before = self.tokens[-1] if self.tokens and not self.pending else None
        token = super().push(ttype, tag, nesting)
        token.meta["at"] = token.meta["rule"] = self.pos
        # A rule that pushes several texts at once, as for `**`, pushes them in order.
        if (
            ttype == "text"
            and before is not None
            and before.type == "text"
            and before.meta.get("rule") == self.pos
        ):
            token.meta["at"] = before.meta["at"] + len(before.content)
        return token


class _Inline(ParserInline):
    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


def _tex(state: StateInline, silent: bool) -> bool:  # noqa: FBT001  (markdown-it's signature)
    """Take TeX as it is: its backslashes and underscores are not Markdown's."""
    if state.src[state.pos] not in "\\$":
        return False
    found = _TEX.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        token = state.push("text", "", 0)
        token.content = found.group()
    state.pos = found.end()
    return True


def _tex_block(state: StateBlock, first: int, last: int, silent: bool) -> bool:  # noqa: FBT001
    """Take lines from one that begins with a delimiter of TeX to one that ends with its other."""
    if state.is_code_block(first):
        return False
    line = _content(state, first)
    end = _TEX_BLOCKS.get(line[:2])
    if end is None:
        return False
    number = first
    line = line[2:]
    while not line.rstrip().endswith(end):
        number += 1
        if (
            number - first > _MOST_TEX_LINES
            or number >= last
            or state.sCount[number] < state.blkIndent
        ):
            return False
        line = _content(state, number)
    if silent:
        return True
    state.line = number + 1
    token = state.push("tex", "code", 0)
    token.content = state.getLines(first, number + 1, state.blkIndent, keepLastLF=True)
    token.map = [first, state.line]
    return True


def _content(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": DEEPEST})
    markdown.inline = _Inline()
    markdown.configure("commonmark", {"html": False, "maxNesting": DEEPEST})
    markdown.enable(["table", "strikethrough"])
    markdown.inline.ruler.before("escape", "tex", _tex)
    markdown.block.ruler.before(
        "fence", "tex", _tex_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    # Joined texts would no longer know where each of them began.
    markdown.disable(["fragments_join", "text_join"])
    return markdown


_MARKDOWN = _markdown()


def parse(text: str) -> list[Token]:
    """Parse CommonMark with tables, strikethrough and TeX; raw HTML is text.

    `text` has LF line ends only. Tokens with content ("inline", "fence", "code_block", "tex") carry
    `meta["at"]`, the position in `text` of each character of their content; the children of an
    "inline" token carry `meta["at"]`, where in that content they began.

    Raises MarkdownError when blocks are nested deeper than DEEPEST, or many of them deeply.
    """
    if sum(len(found.group()) for found in _NESTED.finditer(text)) > 2 * MOST_NESTED:
        raise MarkdownError("Too many blocks are nested.")
    tokens = _MARKDOWN.parse(text)
    lines = _Lines(text)
    cells: Iterator[list[int]] = iter(())
    for number, token in enumerate(tokens):
        if token.nesting == 1 and token.level >= DEEPEST - 2:
            raise MarkdownError("Blocks are nested too deeply.")
        if token.type == "tr_open":
            cells = iter(lines.row(_line(token), _cells_of_row(tokens, number)))
        elif token.type == "inline":
            opener = tokens[number - 1]
            if opener.tag in {"td", "th"}:
                token.meta["at"] = next(cells)
            elif opener.markup.startswith("#"):
                token.meta["at"] = lines.heading(_line(token), token.content, opener.markup)
            else:
                token.meta["at"] = lines.block(_line(token), token.content)
        elif token.type in {"fence", "code_block", "tex"}:
            first = _line(token) + (token.type == "fence")
            token.meta["at"] = lines.block(first, token.content)
    return tokens


def _line(token: Token) -> int:
    if token.map is None:
        raise MarkdownError("A block without lines.")
    return token.map[0]


def _cells_of_row(tokens: list[Token], number: int) -> list[str]:
    contents = []
    for token in tokens[number:]:
        if token.type == "tr_close":
            break
        if token.type == "inline":
            contents.append(token.content)
    return contents


class _Lines:
    """Finds the content of blocks in the lines of the source."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def block(self, first: int, content: str) -> list[int]:
        """Positions of the characters of a block's content, whose lines end as the source's do."""
        parts = content.split("\n")
        # A first line of white space alone may have been trimmed away.
        while first < len(self._lines) - 1 and not self._is_tail(first, parts):
            first += 1
        positions: list[int] = []
        for offset, part in enumerate(parts):
            last = offset == len(parts) - 1
            if last and not part:
                break
            positions += self._tail(first + offset, part, is_trimmed=last)
            if not last:
                positions.append(self._starts[first + offset + 1] - 1)
        return positions

    def heading(self, line: int, content: str, markup: str) -> list[int]:
        """Positions of the content of a heading that begins with `markup`, as `##`."""
        # Block prefixes hold no number sign.
        after = self._lines[line].index(markup) + len(markup)
        start = self._lines[line].index(content, after) + self._starts[line]
        return list(range(start, start + len(content)))

    def row(self, line: int, contents: list[str]) -> list[list[int]]:
        """Positions of the contents of a table row's cells; missing cells are empty."""
        pieces = _split_cells(self._lines[line])
        for skipped in (0, 1):
            shifted = pieces[skipped:]
            if all(
                text.endswith(content) if not number + skipped else mdTrim(text) == content
                for number, (content, (text, _)) in enumerate(zip(contents, shifted, strict=False))
                for text in [text.rstrip(MD_TRIM_CHARS)]
            ):
                break
        found: list[list[int]] = []
        for number, content in enumerate(contents):
            if not content:
                found.append([])
                continue
            text, positions = shifted[number]
            end = len(text.rstrip(MD_TRIM_CHARS))
            found.append(
                [self._starts[line] + position for position in positions[end - len(content) : end]]
            )
        return found

    def _is_tail(self, first: int, parts: list[str]) -> bool:
        if len(parts) < 2:
            return parts[0].lstrip(" ") in self._lines[first]
        return self._lines[first].endswith(parts[0].lstrip(" "))

    def _tail(self, line: int, part: str, *, is_trimmed: bool) -> list[int]:
        whole = self._lines[line]
        if is_trimmed and not whole.endswith(part):
            whole = whole.rstrip(MD_TRIM_CHARS)
        # A tab that block structure cut through leaves spaces that are not in the source.
        spaces = 0
        while not whole.endswith(part[spaces:]):
            spaces += 1
        start = self._starts[line] + len(whole) - len(part) + spaces
        return [max(start - 1, 0)] * spaces + list(range(start, start + len(part) - spaces))


def _split_cells(line: str) -> list[tuple[str, list[int]]]:
    """Cut a table row at its pipes; an escaped pipe loses its backslash, as in markdown-it."""
    cells: list[tuple[str, list[int]]] = []
    kept: list[int] = []
    is_escaped = False
    for position, char in enumerate(line):
        if char == "|" and not is_escaped:
            cells.append(("".join(line[at] for at in kept), kept))
            kept = []
        else:
            if char == "|":
                kept.pop()
            kept.append(position)
        is_escaped = char == "\\"
    cells.append(("".join(line[at] for at in kept), kept))
    return cells
