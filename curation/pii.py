"""PURE. Finds what identifies a person: e-mail addresses, telephone, account and card numbers.

What carries a check digit is checked by it, so that an order number is no card: Luhn (ISO/IEC
7812-1) for cards, modulo 97 (ISO 13616) for IBANs. Names and addresses are not looked for: without
a model they cannot be told from other words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What was found."""

    EMAIL = "email"
    PHONE = "phone"
    IBAN = "iban"
    CARD = "card"


LABELS = {
    Kind.EMAIL: "an e-mail address",
    Kind.PHONE: "a telephone number",
    Kind.IBAN: "a bank account number",
    Kind.CARD: "a card number",
}


@dataclass(frozen=True)
class Found:
    """A stretch of a text, half open, in Unicode code points."""

    kind: Kind
    start: int
    end: int


# Lengths of IBANs by country, from the SWIFT registry (release 99).
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}

# A gap inside a number: at most one separator, so that columns of figures do not run together.
_GAP = r"[ \u00a0\u202f.\-‐‑–]?"
_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-]{1,64}(?:@|\s?[\[(]\s?at\s?[\])]\s?|\uff20)"
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.|\s?[\[(]\s?dot\s?[\])]\s?)){1,8}"
    r"[a-z]{2,24}(?![\w-])",
    re.IGNORECASE,
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ \u00a0-]?[A-Z0-9]){11,29}", re.IGNORECASE)
_CARD = re.compile(rf"(?<![\d.,+])\d(?:{_GAP}\d){{12,18}}(?!\d)")
# With a country's code, a trunk zero, or an area in parentheses; groups are at least two digits.
_PHONE = re.compile(
    r"(?<![\w.,/+-])(?<!\d[ \u00a0])(?:"
    rf"(?:\+|00)[1-9]\d{{0,2}}(?:{_GAP}\(0?\d{{0,4}}\))?(?:[ \u00a0./-]{{0,2}}\d{{1,5}}){{2,6}}"
    r"|\(\d{2,5}\)[ \u00a0./-]{0,2}\d{2,5}(?:[ \u00a0.-]\d{2,5}){0,3}"
    r"|0\d{1,5}(?:[ \u00a0]?[/-][ \u00a0]?|[ \u00a0])\d{2,8}(?:[ \u00a0.-]\d{2,5}){0,3}"
    r"|0[1-9]\d{8,9}"
    r"|[2-9]\d{2}[ .-][2-9]\d{2}[ .-]\d{4}"
    r")(?![\w/]|[.,-]\d)"
)
_CARD_PREFIXES = re.compile(
    # Visa, Mastercard, American Express, Discover, Diners Club, JCB, UnionPay, Maestro.
    r"4|5[0-9]|2[2-7]|3[47]|6|3(?:0[0-5]|[689])|35|62|81"
)


def find(text: str) -> list[Found]:
    """Return what identifies a person, in order and without overlaps.

    Where two kinds fit the same digits, the one with a check digit counts.
    """
    found: list[Found] = []
    for one in (*_emails(text), *_ibans(text), *_cards(text), *_phones(text)):
        if not any(one.start < other.end and other.start < one.end for other in found):
            found.append(one)
    return sorted(found, key=lambda one: one.start)


def luhn(digits: str) -> bool:
    """Whether the last of some ASCII digits is their check digit (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban(text: str) -> bool:
    """Whether capitals and ASCII digits without gaps are an IBAN: by length and MOD 97-10."""
    if _IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    turned = text[4:] + text[:4]
    return int("".join(str(int(one, 36)) for one in turned)) % 97 == 1


def _emails(text: str) -> Iterator[Found]:
    for match in _EMAIL.finditer(text):
        yield Found(Kind.EMAIL, match.start(), match.end())


def _ibans(text: str) -> Iterator[Found]:
    for match in _IBAN.finditer(text):
        # What follows an IBAN may look like more of it.
        compact, ends = _compact(match, str.isalnum)
        length = _IBAN_LENGTHS.get(compact[:2].upper(), 0)
        if 0 < length <= len(compact) and iban(compact[:length].upper()):
            yield Found(Kind.IBAN, match.start(), ends[length - 1])


def _cards(text: str) -> Iterator[Found]:
    for match in _CARD.finditer(text):
        digits, ends = _compact(match, str.isdecimal)
        if not digits.isascii() or len(set(digits)) == 1:
            continue
        if _CARD_PREFIXES.match(digits) and luhn(digits):
            yield Found(Kind.CARD, match.start(), ends[-1])


def _phones(text: str) -> Iterator[Found]:
    for match in _PHONE.finditer(text):
        number = sum(one.isdecimal() for one in match[0])
        # E.164 allows 15 digits; fewer than 7 are an extension, a year or a price.
        if 7 <= number <= 15 and not _DATE.fullmatch(match[0].strip()):
            yield Found(Kind.PHONE, match.start(), match.end())


_DATE = re.compile(r"\d{1,2}[ ./-]\d{1,2}[ ./-](?:19|20)?\d{2}")


def _compact(match: re.Match[str], is_kept: Callable[[str], bool]) -> tuple[str, list[int]]:
    """The match without its gaps, and where in the text each of what is kept ends."""
    kept = [(one, match.start() + at + 1) for at, one in enumerate(match[0]) if is_kept(one)]
    return "".join(one for one, _ in kept), [end for _, end in kept]
