"""PURE. How filters are written: `refund "money back" -trial model:a,b -tag:x`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_LENGTH = 2_000
MAX_TOKENS = 40

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_VALUE = rf'(?:{_QUOTED}|[^\s,"][^\s,]*)'
_TOKEN = re.compile(
    rf"\s*(?P<not>-(?=\S))?(?:(?P<name>[a-z][a-z_]*):(?P<values>{_VALUE}(?:,{_VALUE})*)(?=\s|$)"
    rf'|(?P<exact>{_QUOTED})(?=\s|$)|(?P<word>[^\s"]\S*))',
    re.DOTALL,
)
_NAMED = re.compile(r"[a-z][a-z_]*:")
_ONE_VALUE = re.compile(rf"({_VALUE})(?:,|$)", re.DOTALL)


class FilterSyntaxError(ValueError):
    """Something that cannot be read; `token` is the piece of the text."""

    def __init__(self, token: str, message: str) -> None:
        super().__init__(f"{token}: {message}")
        self.token = token
        self.message = message


@dataclass(frozen=True)
class Word:
    """A word, or several in this order when exact, that has to be there, or must not."""

    text: str
    is_exact: bool = False
    is_excluded: bool = False


@dataclass(frozen=True)
class Term:
    """A field that is one of the values, or is none of them."""

    name: str
    values: tuple[str, ...]
    is_excluded: bool = False

    @property
    def key(self) -> str:
        """The name, with "-" before it when the values are excluded."""
        return f"-{self.name}" if self.is_excluded else self.name


def parse(text: str) -> tuple[tuple[Word, ...], tuple[Term, ...]]:
    """Read words and terms, each in order.

    A quoted word is exact, "-" excludes, a comma is "or"; within quotes a backslash takes the
    next character as it is. Raises FilterSyntaxError naming the token.
    """
    if len(text) > MAX_LENGTH:
        raise FilterSyntaxError(f"{text[:20]}…", f"Give at most {MAX_LENGTH:,} characters.")
    words: list[Word] = []
    terms: list[Term] = []
    text = text.rstrip()
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise FilterSyntaxError(_piece(text, place), "The quote is not closed.")
        is_excluded = found["not"] is not None
        if found["name"]:
            values = dict.fromkeys(_plain(one) for one in _ONE_VALUE.findall(found["values"]))
            terms.append(Term(found["name"], tuple(values), is_excluded))
        elif found["exact"]:
            words.append(Word(_plain(found["exact"]), is_exact=True, is_excluded=is_excluded))
        elif _NAMED.match(found["word"]):
            raise FilterSyntaxError(found["word"], "Give a value, or several with commas between.")
        else:
            words.append(Word(found["word"], is_excluded=is_excluded))
        place = found.end()
        if len(words) + len(terms) > MAX_TOKENS:
            raise FilterSyntaxError(
                _piece(text, found.start()), f"Give at most {MAX_TOKENS} words and filters."
            )
    return tuple(words), tuple(terms)


def write(words: Iterable[Word] = (), terms: Iterable[Term] = ()) -> str:
    """Write words and terms as `parse` reads them."""
    pieces = [
        f"{'-' if word.is_excluded else ''}{_quoted(word.text) if word.is_exact else word.text}"
        for word in words
    ]
    pieces += [
        f"{term.key}:{','.join(_needing_quotes(value) for value in term.values)}" for term in terms
    ]
    return " ".join(pieces)


def _needing_quotes(value: str) -> str:
    is_plain = re.fullmatch(r'[^\s,"][^\s,]*', value)
    return value if is_plain else _quoted(value)


def _quoted(text: str) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'


def _plain(written: str) -> str:
    if not written.startswith('"'):
        return written
    return re.sub(r"\\(.)", r"\1", written[1:-1], flags=re.DOTALL)


def _piece(text: str, place: int) -> str:
    return text[place:].split(maxsplit=1)[0][:60]
