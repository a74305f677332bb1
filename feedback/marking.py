"""Cuts out and marks what of a text a search found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from feedback.embedding import Encoder
from feedback.lexical import lexemes
from feedback.passages import Piece, Span, passage, sentences, words
from feedback.search import TIME_LIMIT_MS, Hit
from feedback.timeouts import time_limit

# Sentences of a page's hits that are compared with the question, each of so many code points.
MOST_SENTENCES, SENTENCE = 80, 240


@dataclass(frozen=True)
class Marked:
    """A hit with the passage to show, and the part of it that this is of."""

    hit: Hit
    part: str
    pieces: Sequence[Piece]


def marked(*, hits: Sequence[Hit], query: str, encoder: Encoder | None) -> list[Marked]:
    """The hits with their passages: the query's words, and with an encoder the nearest sentence.

    Words are compared by the stems that PostgreSQL gives them.
    """
    texts = [text for hit in hits for text in hit.texts.values()]
    same = same_words(query, texts)
    chosen = [_most_hits(hit, same) for hit in hits]
    cut = _cut(
        [text for _, text in chosen],
        same,
        _nearest_sentences(
            query,
            [
                text if hit.meaning is not None else ""
                for hit, (_, text) in zip(hits, chosen, strict=True)
            ],
            encoder,
        ),
    )
    return [
        Marked(hit, part, pieces) for hit, (part, _), pieces in zip(hits, chosen, cut, strict=True)
    ]


def cut_out(
    *, texts: Sequence[str], are_near: Sequence[bool], query: str, encoder: Encoder | None
) -> list[list[Piece]]:
    """The passages of texts, as `marked` has them; those found by meaning `are_near`."""
    near = [text if is_near else "" for text, is_near in zip(texts, are_near, strict=True)]
    return _cut(texts, same_words(query, texts), _nearest_sentences(query, near, encoder))


def _cut(texts: Sequence[str], same: set[str], near: Sequence[Span | None]) -> list[list[Piece]]:
    return [passage(text, hits=same, near=span) for text, span in zip(texts, near, strict=True)]


def _most_hits(hit: Hit, same: set[str]) -> tuple[str, str]:
    """The part and text with the most of the words; of equal ones the later, which answers."""
    return max(reversed(hit.texts.items()), key=lambda item: len(words(item[1]) & same))


def same_words(query: str, texts: Sequence[str]) -> set[str]:
    """The words of the texts that have a stem of the query, or are in it when it has none."""
    there = sorted(set().union(*(words(text) for text in texts))) if texts else []
    if not query or not there:
        return set()
    with time_limit(TIME_LIMIT_MS):
        looked_for = lexemes(query)
        dictionary = "english_stem" if looked_for.column == "stems" else "simple"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT word FROM unnest(%s::text[]) AS word "
                "WHERE ts_lexize(%s::regdictionary, word) && %s::text[]",
                [there, dictionary, [lexeme.lstrip("-") for lexeme in looked_for.values]],
            )
            return {word for (word,) in cursor.fetchall()}


def _nearest_sentences(
    query: str, texts: Sequence[str], encoder: Encoder | None
) -> list[Span | None]:
    """The span of each text's sentence that is nearest; None when it has but one, or is empty."""
    nearest: list[Span | None] = [None] * len(texts)
    if encoder is None or not query:
        return nearest
    places = [
        (number, span)
        for number, text in enumerate(texts)
        if len(spans := sentences(text)) > 1
        for span in spans
    ][:MOST_SENTENCES]
    if not places:
        return nearest
    asked, *vectors = encoder.encode(
        [query, *(texts[number][span[0] : span[1]][:SENTENCE] for number, span in places)]
    )
    best = [-1.0] * len(texts)
    for (number, span), vector in zip(places, vectors, strict=True):
        similarity = sum(one * other for one, other in zip(asked, vector, strict=True))
        if similarity > best[number]:
            best[number], nearest[number] = similarity, span
    return nearest
