"""The one filter over outputs: pages, queues, bulk acts, exports and the API all use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Self

from django.contrib.postgres.search import SearchQuery
from django.db.models import Exists, Func, IntegerField, OuterRef, Q
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from feedback.filter_syntax import FilterSyntaxError, Term, Word, parse, write
from feedback.models import Feedback, FeedbackReason, OutputWords, SessionTag, Tag
from feedback.models.output import OutputQuerySet
from feedback.wire import UNSTORABLE

SCORES = ("negative", "positive")
MAX_VALUES = 50

Condition = Q | Exists


class FilterError(ValueError):
    """A filter that means nothing; `path` names the field or the piece of text."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of a filter.

    `condition` says what outputs with one of the values have in common. A value is one of the
    `choices` when there are some; `parse` returns it as it is kept, or raises ValueError saying
    what to give. A bound takes one value.
    """

    condition: Callable[[Sequence[str]], Condition]
    choices: Sequence[str] = ()
    parse: Callable[[str], str] = str
    is_bound: bool = False

    def read(self, value: str) -> str:
        """The value as it is kept. Raises ValueError saying what to give."""
        if self.choices and value not in self.choices:
            raise ValueError(f"Give {_or(self.choices)}.")
        return self.parse(value)


def _or(choices: Sequence[str]) -> str:
    return " or ".join(choices) if len(choices) < 3 else f"one of {', '.join(choices)}"


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("Give a day as YYYY-MM-DD.") from None


def _share(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise ValueError("Give a number from 0 to 1.")
    return repr(number)


def _column(name: str) -> Callable[[Sequence[str]], Condition]:
    return lambda values: Q(**{f"{name}__in": values})


def _tagged(values: Sequence[str]) -> Condition:
    # A former name means the tag it became.
    meant = Tag.objects.called(values).values(pk=Coalesce("alias_of", "id"))
    return Exists(SessionTag.objects.filter(session=OuterRef("session"), tag__in=meant))


def _because(values: Sequence[str]) -> Condition:
    given = FeedbackReason.objects.filter(feedback__output=OuterRef("pk"))
    return Exists(given.filter(reason__slug__in=values))


def _signalled(values: Sequence[str]) -> Condition:
    seen = Feedback.objects.signals().filter(output=OuterRef("pk"))
    return Exists(seen.filter(name__in=values))


def _rated(values: Sequence[str]) -> Condition:
    signs = {"negative": Q(score__lt=0), "positive": Q(score__gt=0)}
    wanted = Q()
    for value in values:
        wanted |= signs[value]
    return Exists(Feedback.objects.explicit().filter(wanted, output=OuterRef("pk")))


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC)


def _until(values: Sequence[str]) -> Condition:
    if values[0] == date.max.isoformat():
        return Q()
    return Q(at__lt=_midnight(values[0]) + timedelta(days=1))


FIELDS: Mapping[str, Field] = {
    "model": Field(condition=_column("model")),
    "model_version": Field(condition=_column("model_version")),
    "prompt_version": Field(condition=_column("prompt_version")),
    "environment": Field(condition=_column("session__environment")),
    "role": Field(condition=_column("session__user_role")),
    "session": Field(condition=_column("session__external_id")),
    "output": Field(condition=_column("external_id")),
    "tag": Field(condition=_tagged),
    "reason": Field(condition=_because),
    "signal": Field(condition=_signalled, choices=Feedback.Signal.values),
    "score": Field(condition=_rated, choices=SCORES),
    "min_confidence": Field(
        condition=lambda values: Q(confidence__gte=float(values[0])), parse=_share, is_bound=True
    ),
    "max_confidence": Field(
        condition=lambda values: Q(confidence__lte=float(values[0])), parse=_share, is_bound=True
    ),
    "since": Field(
        condition=lambda values: Q(at__gte=_midnight(values[0])), parse=_day, is_bound=True
    ),
    "until": Field(condition=_until, parse=_day, is_bound=True),
}


@dataclass(frozen=True, kw_only=True)
class OutputFilter:
    """Which outputs are meant: those that have all the words and satisfy every term.

    Words are looked for in query and answer, by their stems unless they are exact. `reason` is a
    slug some feedback on the output gives, `signal` a kind of implicit feedback, `score` the sign
    of some explicit feedback's score; `since` and `until` are days in UTC, inclusive. A package
    further up adds its own `fields` in a subclass.
    """

    words: tuple[Word, ...] = ()
    terms: tuple[Term, ...] = ()
    fields: ClassVar[Mapping[str, Field]] = FIELDS

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a filter as people write it. Raises FilterError naming the token."""
        try:
            return cls._checked(*parse(text))
        except FilterSyntaxError as error:
            raise FilterError(error.token, error.message) from error

    def __str__(self) -> str:
        """The filter as `parse` reads it."""
        return write(self.words, self.terms)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """Read a filter from JSON or a query string's values; blanks mean absent.

        A value is a text or a list of them, "-" before a name excludes. Raises FilterError naming
        the field for an unknown one or a value of the wrong kind.
        """
        words: tuple[Word, ...] = ()
        terms: list[Term] = []
        for key, value in data.items():
            values = tuple(value) if isinstance(value, list | tuple) else (value,)
            values = tuple(one for one in values if one not in ("", None))
            if key == "words":
                words = _words(values)
                continue
            if key.removeprefix("-") not in cls.fields:
                raise FilterError(key, "There is no such filter.")
            if values:
                name = key.removeprefix("-")
                is_number = cls.fields[name].parse is _share
                texts = tuple(
                    str(one) if is_number and isinstance(one, int | float) else _text(key, one)
                    for one in values
                )
                terms.append(Term(name, texts, key.startswith("-")))
        return cls._checked(words, terms)

    def to_json(self) -> dict[str, object]:
        """What narrows, as from_json reads it."""
        told: dict[str, object] = {"words": write(self.words)} if self.words else {}
        for term in self.terms:
            told[term.key] = term.values[0] if len(term.values) == 1 else list(term.values)
        return told

    @classmethod
    def _checked(cls, words: Sequence[Word], terms: Sequence[Term]) -> Self:
        kept: dict[str, Term] = {}
        for term in terms:
            if term.key in kept:
                raise FilterError(
                    write(terms=[term]), f"Name {term.key} once, with commas between its values."
                )
            kept[term.key] = cls._read(term)
        for word in words:
            _text("words", word.text)
        order = {name: place for place, name in enumerate(cls.fields)}
        ordered = sorted(kept.values(), key=lambda term: (order[term.name], term.is_excluded))
        return cls(words=tuple(dict.fromkeys(words)), terms=tuple(ordered))

    @classmethod
    def _read(cls, term: Term) -> Term:
        field = cls.fields.get(term.name)
        if field is None:
            raise FilterError(
                write(terms=[term]),
                f"There is no filter {term.name}. Put words with a colon in quotes.",
            )
        if field.is_bound and (term.is_excluded or len(term.values) > 1):
            raise FilterError(term.name, "Give one value, without a minus.")
        if len(term.values) > MAX_VALUES:
            raise FilterError(term.name, f"Give at most {MAX_VALUES} values.")
        try:
            values = dict.fromkeys(field.read(_text(term.name, value)) for value in term.values)
        except FilterError:
            raise
        except ValueError as error:
            raise FilterError(term.name, str(error)) from error
        return replace(term, values=tuple(values))

    def also(self, other: OutputFilter) -> Self:
        """Both filters in one. Raises FilterError when both have the same field."""
        return self._checked((*self.words, *other.words), (*self.terms, *other.terms))

    def without(self, term: Term) -> Self:
        """The filter less one term."""
        return replace(self, terms=tuple(one for one in self.terms if one != term))

    def values(self, name: str) -> tuple[str, ...]:
        """The values that the field may have, when it is narrowed to some."""
        return next((t.values for t in self.terms if t.name == name and not t.is_excluded), ())

    def with_values(self, name: str, values: Iterable[str]) -> Self:
        """The filter with these values for the field in place of those it has."""
        rest = [t for t in self.terms if t.name != name or t.is_excluded]
        wanted = tuple(values)
        return self._checked(self.words, [*rest, Term(name, wanted)] if wanted else rest)

    def apply(self, outputs: OutputQuerySet) -> OutputQuerySet:
        """Narrow the outputs."""
        for term in self.terms:
            condition = self.fields[term.name].condition(term.values)
            outputs = outputs.filter(~condition if term.is_excluded else condition)
        if self.words:
            there = OutputWords.objects.filter(words_condition(self.words))
            outputs = outputs.filter(pk__in=there.values("pk"))
        return outputs


def has_words(text: str) -> bool:
    """Whether there is something in the text that can be looked for: not signs alone."""
    return any(character.isalnum() for character in text)


def words_condition(words: Iterable[Word]) -> Q:
    """What rows of OutputWords or FeedbackWords with all these words have in common."""
    wanted = Q()
    for word in words:
        if not has_words(word.text):
            continue
        kind = "phrase" if word.is_exact else "plain"
        exact = Q(exact=SearchQuery(word.text, config="simple", search_type=kind))
        if word.is_exact:
            there = exact
        else:
            stem = SearchQuery(word.text, config="english", search_type=kind)
            nodes = Func(stem, function="numnode", output_field=IntegerField())
            # One of the commonest words has no stem.
            there = Q(stems=stem) | Q(Exact(nodes, 0)) & exact
        wanted &= ~there if word.is_excluded else there
    return wanted


def _words(values: Sequence[object]) -> tuple[Word, ...]:
    words: tuple[Word, ...] = ()
    for value in values:
        try:
            found, terms = parse(_text("words", value))
        except FilterSyntaxError as error:
            raise FilterError("words", f"{error.token}: {error.message}") from error
        if terms:
            raise FilterError("words", f"Put {write(terms=terms[:1])} in quotes.")
        words += found
    return words


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise FilterError(name, "Give a text.")
    longest = 2_000 if name == "words" else 200
    if UNSTORABLE.search(value) or len(value) > longest:
        raise FilterError(name, f"Give at most {longest} printable characters.")
    return value
