"""Names groups of texts by the words that set each apart from the others."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import log

# Terms kept for a group, and of them those in its name.
MOST_TERMS = 6
NAMED_TERMS = 2
# A term must stand in texts from so many sources of the group, and in so large a share of them.
FEWEST_SOURCES = 2
SMALLEST_SHARE = 0.15
# How many times as frequent as elsewhere it must be.
LIFT = 2.0
# A longer term stands for the shorter one when it covers so much of it.
COVERS = 0.6
# The reason leads the name when so large a share of the reasons given is the same.
COMMON_REASON = 0.4
LONGEST_TERM = 60

# A term that so large a share of all sources use says nothing of one group.
TOO_COMMON = 0.2

WORD = re.compile(r"(?<!\w)[^\W\d_][\w'’-]*[^\W_]")
# Words that say when or that something is said, not what.
EMPTY = set(
    """
    january february march april june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday year years day days
    known called named said say says used began begun took place does did just like
    """.split()  # noqa: SIM905  (a list of forty quoted words reads worse)
)


@dataclass(frozen=True)
class Description:
    """A group's name and the terms it was made from, the most telling first."""

    name: str
    terms: list[str]


def describe(
    *,
    texts: Sequence[str],
    groups: Sequence[int],
    sources: Sequence[Hashable],
    reasons: Sequence[Sequence[str]],
    without: int = -1,
) -> dict[int, Description]:
    """A description of each group but `without`, from the texts, sources and reasons of its rows.

    Terms are words and pairs of words, weighted by class-based TF-IDF (Grootendorst, "BERTopic",
    arXiv 2203.05794, 2022) over the sources that use them, so that one talkative source does not
    name a group. A reason that most of the group shares leads: "Incomplete: World Cup, FIFA".
    """
    counts, num_sources = _counts(texts, groups, sources, without)
    overall: Counter[str] = Counter()
    for counted in counts.values():
        overall.update(counted)
    average = sum(overall.values()) / max(len(counts), 1)
    everywhere = sum(num_sources.values())
    taken: set[str] = set()
    described = {}
    for found in sorted(counts, key=lambda found: (-num_sources[found], found)):
        own, size = counts[found], num_sources[found]
        fewest = max(FEWEST_SOURCES, SMALLEST_SHARE * size)
        weights = {
            term: number / sum(own.values()) * log(1 + average / overall[term])
            for term, number in own.items()
            if number >= fewest
            and number / size >= LIFT * overall[term] / everywhere
            and overall[term] <= max(TOO_COMMON * everywhere, size)
        }
        members = [text for text, group in zip(texts, groups, strict=True) if group == found]
        terms = [_as_written(term, members) for term in _apart(weights, own)]
        given = [
            reason
            for row, group in zip(reasons, groups, strict=True)
            if group == found
            for reason in row
        ]
        name = _name(terms, given, members, taken)
        taken.add(name)
        described[found] = Description(name=name, terms=terms)
    return described


def _counts(
    texts: Sequence[str], groups: Sequence[int], sources: Sequence[Hashable], without: int
) -> tuple[dict[int, Counter[str]], Counter[int]]:
    """How many sources of each group use each term, and how many sources it has."""
    used: dict[int, dict[Hashable, set[str]]] = defaultdict(lambda: defaultdict(set))
    for text, found, source in zip(texts, groups, sources, strict=True):
        if found != without:
            used[found][source] |= _terms(text)
    counts = {
        found: Counter(term for terms in by_source.values() for term in terms)
        for found, by_source in used.items()
    }
    return counts, Counter({found: len(by_source) for found, by_source in used.items()})


def _terms(text: str) -> set[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    words = list(WORD.finditer(text))
    told = [
        "" if (word := match.group().lower()) in ENGLISH_STOP_WORDS or word in EMPTY else word
        for match in words
    ]
    pairs = (
        f"{told[at]} {told[at + 1]}"
        for at in range(len(words) - 1)
        if told[at] and told[at + 1] and text[words[at].end() : words[at + 1].start()].isspace()
    )
    return {term for term in (*told, *pairs) if term and len(term) <= LONGEST_TERM}


def _apart(weights: dict[str, float], counts: Counter[str]) -> list[str]:
    """The weightiest terms that share no word."""
    ranked = sorted(weights, key=lambda term: (-weights[term], term))
    chosen: list[str] = []
    used: set[str] = set()
    for term in ranked:
        longer = next(
            (
                pair
                for pair in ranked
                if " " in pair and term in pair.split() and counts[pair] >= COVERS * counts[term]
            ),
            term,
        )
        stems = {_stem(word) for word in longer.split()}
        if not stems & used:
            chosen.append(longer)
            used |= stems
        if len(chosen) == MOST_TERMS:
            break
    return chosen


def _stem(word: str) -> str:
    return word[:4]


def _as_written(term: str, texts: Sequence[str]) -> str:
    """The term as most texts write it: “nfl” becomes “NFL”."""
    pattern = re.compile(r"\s+".join(map(re.escape, term.split())), re.IGNORECASE)
    written = Counter(match.group() for text in texts for match in pattern.finditer(text))
    return written.most_common(1)[0][0] if written else term


def _name(
    terms: Sequence[str], reasons: Sequence[str], texts: Sequence[str], taken: set[str]
) -> str:
    reason, times = Counter(sorted(reasons)).most_common(1)[0] if reasons else ("", 0)
    lead = f"{reason}: " if times >= COMMON_REASON * len(reasons) and reason else ""
    if not terms:
        terms = [" ".join(min(texts, key=len).split())[:LONGEST_TERM] or "no words"]
    for number in range(min(NAMED_TERMS, len(terms)), len(terms) + 1):
        name = lead + ", ".join(terms[:number])
        name = name[:1].upper() + name[1:]
        if name not in taken:
            return name
    return next(f"{name} ({n})" for n in range(2, len(taken) + 3) if f"{name} ({n})" not in taken)
