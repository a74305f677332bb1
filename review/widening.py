"""PURE. Which Markdown stands for marked words, and what a change of it does to the text.

A change of Markdown must not cut through markup: the source of marked words is widened to whole
elements. That this tells the source right is tried out: a stand-in is put there, and all the rest
has to stay as it was. Where it does not, whole lines are offered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from markdown_it.helpers import parseLinkDestination, parseLinkTitle

from review.edits import Edit, apply, fold
from review.html_pieces import LONGEST, Run, Tag
from review.markdown_source import MarkdownError, parse
from review.rendering import Rendered, render
from review.word_diff import tokens

# Longer blocks are not kept once they were read.
_LONG = 5_000
# No answer holds it, and Markdown knows it as a letter of a word.
_STAND_IN = "\U0010fffdx\U0010fffd"
_INLINE = re.compile(r"</?(em|strong|del|a|code)( [^>]*)?>")
_LEAVES = {"paragraph_open", "heading_open", "tr_open", "fence", "code_block", "hr"}
_WORD = re.compile(r"\S+")
# What may go on beyond its own lines: a fence, raw HTML, a formula, the target of links.
_OPENS = re.compile(r"^[\s>*+\d.)-]*(?:```|~~~|<|\$\$|\[[^\]\n]+\]:)", re.MULTILINE)
# Text that is the same in Markdown, wherever it stands in a line.
_PLAIN = re.compile(r"[\w ,;.'\"?()%/’“”—–…-]*")


@dataclass(frozen=True, slots=True)
class Slice:
    """A span of the source; `is_block` when it is whole lines because no less could be told."""

    start: int
    end: int
    is_block: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """What an edit does to the canonical text: `start` to `end` become `insertion`."""

    start: int
    end: int
    insertion: str


@dataclass(slots=True)
class _Element:
    """An inline element: its place in the source, and that of what is in it."""

    name: str
    outer_start: int | None = None
    inner_start: int | None = None
    inner_end: int = 0
    outer_end: int = 0


def widened(source: str, rendered: Rendered, start: int, end: int) -> Slice:
    """The source of a span of the canonical text, widened so that no markup is cut.

    Words within an element leave its delimiters outside, unless they are all that is in it.
    """
    first, after = rendered.canonical_to_source(start, end)
    elements = list(_elements(source, rendered))
    is_growing = True
    while is_growing:
        is_growing = False
        for one in elements:
            if one.outer_start is None or one.inner_start is None:
                continue
            if after <= one.outer_start or one.outer_end <= first:
                continue
            if first <= one.outer_start and one.outer_end <= after:
                continue
            is_part = (first, after) != (one.inner_start, one.inner_end)
            if is_part and one.inner_start <= first and after <= one.inner_end:
                continue
            first, after = min(first, one.outer_start), max(after, one.outer_end)
            is_growing = True
    if _is_all(source, rendered, first, after):
        return Slice(first, after)
    return _lines(source, first, after)


def difference(source: str, rendered: Rendered, edit: Edit) -> Difference:
    """What an edit does to the canonical text, without the words at either end that it leaves.

    An edit of markup alone shows as its Markdown, since the words stay the same.
    """
    return _difference(_Asked(source, edit, rendered))


@dataclass(frozen=True, slots=True)
class _Asked:
    source: str
    edit: Edit
    # Follows from the source.
    rendered: Rendered = field(compare=False)


@lru_cache(maxsize=1_000)  # an answer is drawn again with each comment on it
def _difference(asked: _Asked) -> Difference:
    source, edit, rendered = asked.source, asked.edit, asked.rendered
    start, end = _place(rendered, edit.start, edit.end)
    before, after = rendered.canonical[start:end], fold(edit.replacement)
    if not _is_plain(source, edit, before):
        lines = _lines(source, edit.start, edit.end, leaves=False)
        first, last = min(lines.start, edit.start), max(lines.end, edit.end)
        lines_after = edited_lines(source, edit)
        old, new = _canonical(source[first:last]), _canonical(lines_after)
        at, _ = _place(rendered, first, last)
        if _OPENS.search(lines_after) or not rendered.canonical.startswith(old, at):
            # What stands elsewhere, as the target of a link, tells how the block is read, or the
            # block goes on into what follows, as a fence does until it is closed.
            at, old, new = 0, rendered.canonical, _canonical(apply(source, [edit]))
        if old == new:
            return Difference(start, end, after)
        start, before, after = at, old, new
    old_words, new_words = tokens(before), tokens(after)
    head, tail = _alike(old_words, new_words)
    kept_head, kept_tail = (
        len("".join(words)) for words in (old_words[:head], _last(old_words, tail))
    )
    return Difference(
        start + kept_head,
        start + len(before) - kept_tail,
        after[kept_head : len(after) - kept_tail],
    )


def edited_lines(source: str, edit: Edit) -> str:
    """The outer blocks that an edit reaches, as Markdown, with the edit made."""
    lines = _lines(source, edit.start, edit.end, leaves=False)
    first, last = min(lines.start, edit.start), max(lines.end, edit.end)
    moved = Edit(0, edit.start - first, edit.end - first, edit.replacement)
    return apply(source[first:last], [moved])


def words_at(rendered: Rendered, edit: Edit) -> tuple[int, int]:
    """The words that an edit replaces, or the nearest one where it only puts something in.

    The answer has words.
    """
    text = rendered.canonical
    start, end = _place(rendered, edit.start, edit.end)
    if text[start:end].strip():
        return start, end
    before = [match.span() for match in _WORD.finditer(text, 0, end)]
    return before[-1] if before else next(match.span() for match in _WORD.finditer(text))


def empties(rendered: Rendered, edit: Edit) -> bool:
    """Whether an edit leaves nothing of a block that it reaches."""
    if render(edit.replacement).canonical.strip():
        return False
    start, end = _place(rendered, edit.start, edit.end)
    edges = [(run.start, run.end) for run in rendered.runs if run.is_separator]
    blocks = zip(
        [0, *(after for _, after in edges)],
        [*(before for before, _ in edges), len(rendered.canonical)],
        strict=True,
    )
    return any(
        rendered.canonical[at:stop].strip()
        and not rendered.canonical[at : max(at, start)].strip()
        and not rendered.canonical[min(end, stop) : stop].strip()
        for at, stop in blocks
        if start < stop and at < end
    )


def _is_plain(source: str, edit: Edit, words: str) -> bool:
    """Whether both the words and their replacement are the same in Markdown as they are read."""
    return (
        source[edit.start : edit.end] == words
        and _PLAIN.fullmatch(words + edit.replacement) is not None
        and source[edit.start - 1 : edit.start] not in {"", "\n", "\r"}
    )


@lru_cache(maxsize=512)
def _canonical_of_block(text: str) -> str:
    return render(text).canonical


def _canonical(text: str) -> str:
    return _canonical_of_block(text) if len(text) < _LONG else render(text).canonical


def _alike(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """How many items two sequences begin and end with alike, none of them counted twice."""
    most = min(len(one), len(other))
    head = next((at for at in range(most) if one[at] != other[at]), most)
    tail = next((at for at in range(most - head) if one[-1 - at] != other[-1 - at]), most - head)
    return head, tail


def _last(words: Sequence[str], number: int) -> Sequence[str]:
    return words[len(words) - number :]


def _place(rendered: Rendered, start: int, end: int) -> tuple[int, int]:
    """The canonical text of a span of the source; of a place alone, or of markup, an empty one."""
    runs = [run for run in rendered.runs if not run.is_separator]
    inside = [run for run in runs if run.source_start < end and run.source_end > start]
    if inside:
        return inside[0].canonical(start), inside[-1].canonical(end, is_end=True)
    at = next((run.end for run in reversed(runs) if run.source_end <= start), 0)
    return at, at


def _elements(source: str, rendered: Rendered) -> Iterator[_Element]:
    """The inline elements whose delimiters could be found around what is in them."""
    open_ones: list[_Element] = []
    at = 0
    for piece in rendered.pieces:
        if isinstance(piece, Run):
            if piece.is_separator:
                continue
            start = piece.source_start
            for one in reversed(open_ones):
                if one.inner_start is not None:
                    break
                one.inner_start = start
                start = one.outer_start = _opening(source, one.name, start)
            at = piece.source_end
        elif found := _INLINE.fullmatch(piece.html):
            if not piece.html.startswith("</"):
                open_ones.append(_Element(found[1]))
                continue
            one = open_ones.pop()
            one.inner_end = at
            at = one.outer_end = _closing(source, one.name, at)
            yield one


def _opening(source: str, name: str, at: int) -> int:
    """Where the delimiter begins that ends here."""
    if name == "code":
        before = source[:at]
        return len(before.removesuffix(" ").rstrip("`"))
    if name == "a":
        return at - 2 if source[max(at - 2, 0) : at] == "![" else at - 1
    return at - (1 if name == "em" else 2)


def _closing(source: str, name: str, at: int) -> int:
    """Where the delimiter ends that begins here."""
    if name == "code":
        end = at + source.startswith(" `", at)
        while source.startswith("`", end):
            end += 1
        return end
    if name == "a":
        return _end_of_link(source, at)
    return at + (1 if name == "em" else 2)


def _end_of_link(source: str, at: int) -> int:
    following = source[at + 1 : at + 2]
    if following == "[":
        return source.find("]", at + 2) + 1
    if following != "(" or source[at] != "]":
        return at + 1
    stop = len(source)
    end = _past_blanks(source, at + 2)
    destination = parseLinkDestination(source, end, stop)
    end = _past_blanks(source, destination.pos if destination.ok else end)
    title = parseLinkTitle(source, end, stop)
    end = _past_blanks(source, title.pos if title.ok else end)
    return end + 1


def _past_blanks(source: str, at: int) -> int:
    while source[at : at + 1].isspace():
        at += 1
    return at


def _is_all(source: str, rendered: Rendered, start: int, end: int) -> bool:
    """Whether this part of the source stands for its words and for nothing else."""
    first, after = _place(rendered, start, end)
    text = rendered.canonical
    tried = render(source[:start] + _STAND_IN + source[end:])
    if tried.canonical != text[:first] + _STAND_IN + text[after:]:
        return False
    if any(run.is_separator and first <= run.start < after for run in rendered.runs):
        return True
    names = [_name(piece) for piece in rendered.pieces if isinstance(piece, Tag)]
    tried_names = [_name(piece) for piece in tried.pieces if isinstance(piece, Tag)]
    num_gone = len(names) - len(tried_names)
    head, tail = _alike(names, tried_names)
    return num_gone >= 0 and head + tail == len(tried_names)


def _name(tag: Tag) -> str:
    """A tag without what tells its place."""
    return re.sub(r' (?:data-start|id)="[^"]*"', "", tag.html)


def _lines(source: str, start: int, end: int, *, leaves: bool = True) -> Slice:
    """Whole lines: of the one block that holds the span, or of all outer blocks that it reaches."""
    over = [
        (block.start, block.end)
        for block in _blocks(source)
        if (block.is_leaf if leaves else block.is_outer)
        and block.start < max(end, start + 1)
        and block.end > start
    ]
    if leaves and len(over) != 1:
        return _lines(source, start, end, leaves=False)
    first = min((span[0] for span in over), default=0)
    after = max((span[1] for span in over), default=len(source))
    text = source[first:after]
    return Slice(first, first + len(text.rstrip("\r\n")), is_block=True)


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines of a block in the answer as sent."""

    start: int
    end: int
    is_leaf: bool
    is_outer: bool


@lru_cache(maxsize=32)  # every suggestion on an answer asks for its blocks
def _blocks(source: str) -> tuple[_Block, ...]:
    starts = [0, *(match.end() for match in re.finditer(r"\r\n?|\n", source)), len(source)]
    try:
        found = parse(fold(source).replace("\0", "\ufffd")) if len(source) <= LONGEST else []
    except MarkdownError:
        found = []
    return tuple(
        _Block(
            starts[token.map[0]],
            starts[min(token.map[1], len(starts) - 1)],
            is_leaf=token.type in _LEAVES,
            is_outer=token.level == 0,
        )
        for token in found
        if token.map
    )
