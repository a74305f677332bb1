"""What short texts say in words: whether two are the same, nearly so, or deliberately apart."""

from __future__ import annotations

import hashlib
import re
import unicodedata

# Characters of a shingle: five tell short texts apart (Leskovec, Rajaraman and Ullman, "Mining of
# Massive Datasets", section 3.2.2).
SHINGLE = 5
# Share of words in common from which two texts count as worded the same.
CLOSE = 0.5
# From this share on, another order of the words is another direction: dollars into euros.
VERY_CLOSE = 0.85

# Links, and names of accounts.
_ADDRESSES = re.compile(r"https?://\S+|www\.\S+|(?<!\w)@\w+")
# Numbers with sign and fraction, words (C# and C++ are two), and signs that are no punctuation.
_WORD = re.compile(
    r"(?:(?<![\w.])-)?\d+(?:[.,:/]\d+)*(?:[^\W\d_]+)?"
    r"|[^\W_]+(?:['’][^\W_]+)*(?:#|\+\+)?"
    r"|[^\s\w.,;:!?…\"“”„'‘’()\[\]{}–—-]"
)
_NUMBER = re.compile(r"-?\d+(?:[.,:/]\d+)*")
_SEPARATORS = str.maketrans("", "", ",’'")


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NEGATIONS = _each(
    "no not never none nobody nothing neither nor without cannot cant dont doesnt didnt isnt "
    "arent wasnt werent wont wouldnt couldnt shouldnt hasnt havent hadnt aint unable unless "
    "except stop avoid fail failed fails"
)
_NUMBER_WORDS = {
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "twice": "2",
    "double": "2",
    "half": "1/2",
}
# The one instead of the other asks the opposite.
_PAIRS = _each(
    "before/after high/low higher/lower increase/decrease more/less up/down left/right on/off "
    "enable/disable open/close add/remove start/end first/last buy/sell send/receive "
    "deposit/withdraw top/bottom male/female boy/girl man/woman husband/wife son/daughter "
    "mother/father gain/lose cause/cure hot/cold early/late upload/download import/export "
    "encode/decode read/write get/set horizontal/vertical client/server public/private min/max "
    "minimum/maximum cheap/expensive always/never good/bad pass/fail accept/decline "
    "credit/debit show/hide expand/collapse lock/unlock arrival/departure"
)
_OPPOSITES = {
    **{pair.split("/")[0]: pair.split("/")[1] for pair in _PAIRS},
    **{pair.split("/")[1]: pair.split("/")[0] for pair in _PAIRS},
}
# Words whose place says little, as of "is my card lost" and "my card is lost".
_FUNCTION_WORDS = _each(
    "a an the is are am was were be been do does did can could will would shall should may might "
    "must has have had i me my mine we us our you your he she it its they them their this that "
    "these those there here what which who whom whose when where why how if and or but so to of "
    "in on at by for with from as about into than then please hi hello thanks"
)
# A capital or a digit inside a word, or the sign at its end, makes it a name: PayPal, HSV1, C#.
_INNER = re.compile(r"(?<=[^\W\d_])[\dA-Z]|[#+]\Z")
_SENTENCE_START = re.compile(r"(?:\A|[.!?:\n…-])[\s\"“„'‘(]*\Z")
_NO_NAMES = _each("i im ive id ill dr mr mrs")


def plain(text: str) -> str:
    """Return a text without what makes no difference to what it says.

    Case, accents of compatibility (NFKC), handles (`@name`), links, and punctuation at the end of
    words go; words and signs are left with one space between them. Two texts are exact duplicates
    when this is the same. A text of nothing else (only a link, say) is returned as it is, lest all
    such be the same.
    """
    whole = unicodedata.normalize("NFKC", text).casefold()
    words = " ".join(_words(_ADDRESSES.sub(" ", whole)))
    return words or " ".join(whole.split())


def digest(*texts: str) -> bytes:
    """Return the SHA-256 of what texts say plainly, in order: the same for exact duplicates."""
    hashed = hashlib.sha256()
    for text in texts:
        said = plain(text).encode()
        hashed.update(len(said).to_bytes(8, "big") + said)
    return hashed.digest()


def told_apart(first: str, second: str) -> str:
    """Return in words what sets two similar texts apart on purpose, "" when nothing does.

    Vectors of meaning hardly tell one number, name or direction from another, nor whether something
    is negated. Numbers and names set two texts apart when each has one that the other lacks. Where
    most of the words are the same (CLOSE), the one that differs is what the question is about: then
    one more number, name or negation does too, an opposite, and another order of the words.
    """
    one, other = _Said(first), _Said(second)
    share = _share(one.words, other.words)
    is_close = share >= CLOSE
    for kind, mine, theirs in (
        ("numbers", one.numbers - other.numbers, other.numbers - one.numbers),
        # A name that the other text has in small letters is no other name.
        ("names", one.names - other.words, other.names - one.words),
    ):
        if (mine and theirs) or (is_close and (mine or theirs)):
            return f"other {kind}"
    if not is_close:
        return ""
    if one.is_negated != other.is_negated:
        return "one is negated"
    if any(_OPPOSITES.get(word) in other.words - one.words for word in one.words - other.words):
        return "opposites"
    if share >= VERY_CLOSE and one.told(other.words) != other.told(one.words):
        return "another order"
    return ""


def shingles(text: str) -> frozenset[str]:
    """Return the pieces of SHINGLE characters of what a text says plainly, and its ends."""
    said = f" {plain(text)} "
    return frozenset(said[at : at + SHINGLE] for at in range(max(len(said) - SHINGLE + 1, 1)))


def likeness(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the share of shingles two texts have in common, from 0 to 1 (Jaccard)."""
    return len(first & second) / (len(first | second) or 1)


class _Said:
    """What of a text must not differ."""

    def __init__(self, text: str) -> None:
        said = unicodedata.normalize("NFKC", _ADDRESSES.sub(" ", text))
        found = list(_WORD.finditer(said))
        self._order = [match[0].casefold().translate(_SEPARATORS) for match in found]
        self.words = frozenset(self._order)
        self.numbers = frozenset(
            {_NUMBER_WORDS[word] for word in self.words if word in _NUMBER_WORDS}
            | {number for word in self.words for number in _NUMBER.findall(word)}
        )
        self.is_negated = not _NEGATIONS.isdisjoint(self.words)
        self.names = frozenset(
            word
            for word, match in zip(self._order, found, strict=True)
            if _INNER.search(match[0]) or (_is_capital(match) and word not in _NO_NAMES)
        )

    def told(self, words: frozenset[str]) -> list[str]:
        """Those of the words that it tells something with, in its order."""
        return [word for word in self._order if word in words and word not in _FUNCTION_WORDS]


def _is_capital(match: re.Match[str]) -> bool:
    """Whether a word has a capital that is not that of its sentence."""
    return match[0][0].isupper() and not _SENTENCE_START.search(match.string[: match.start()])


def _share(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / (len(first | second) or 1)


def _words(text: str) -> list[str]:
    return [word.translate(_SEPARATORS) for word in _WORD.findall(text)]
