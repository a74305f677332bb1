from __future__ import annotations

from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.pii import Found, Kind, find, iban, luhn

# Of a processor, for the longest text; one that goes back and forth takes minutes.
MOST_SECONDS = 2.0


def kinds(text: str) -> list[tuple[Kind, str]]:
    return [(one.kind, text[one.start : one.end]) for one in find(text)]


class TestFind:
    @pytest.mark.parametrize(
        ("kind", "number"),
        [
            (Kind.EMAIL, "anna.berg+loans@mail.example.org"),
            (Kind.EMAIL, "anna [at] example [dot] org"),
            (Kind.EMAIL, "jürgen@example.de"),
            (Kind.PHONE, "+49 30 901820-12"),
            (Kind.PHONE, "0049 (0)30 901820"),
            (Kind.PHONE, "+1-212-555-0187"),
            (Kind.PHONE, "(030) 90 18 20"),
            (Kind.PHONE, "030/901820"),
            (Kind.PHONE, "0171 2345678"),
            (Kind.PHONE, "01712345678"),
            (Kind.PHONE, "650-636-4884"),
            (Kind.PHONE, "+33 6 12 34 56 78"),
            (Kind.IBAN, "DE89 3704 0044 0532 0130 00"),
            (Kind.IBAN, "DE89370400440532013000"),
            (Kind.IBAN, "gb29 nwbk 6016 1331 9268 19"),
            (Kind.IBAN, "NO93 8601 1117 947"),
            (Kind.IBAN, "FR14-2004-1010-0505-0001-3M02-606"),
            (Kind.CARD, "4111 1111 1111 1111"),
            (Kind.CARD, "4111-1111-1111-1111"),
            (Kind.CARD, "5555555555554444"),
            (Kind.CARD, "3782 822463 10005"),
            (Kind.CARD, "6011000990139424"),
        ],
    )
    @pytest.mark.parametrize("around", ["{}", "Call {}, please.", "({})", "it:\n{}\nand more 12"])
    def test_finds_what_identifies_somebody_and_where(
        self, kind: Kind, number: str, around: str
    ) -> None:
        assert kinds(around.format(number)) == [(kind, number)]

    @pytest.mark.parametrize(
        "text",
        [
            "Order 4111 1111 1111 1112 has shipped.",
            "The IBAN DE89 3704 0044 0532 0130 01 is wrong.",
            "On 31 August 2018, 31.08.2018 and 2018-08-31 at 10:30.",
            "From 1,234,567.89 to 10 000 000 euros, 12.5 %.",
            "ISBN 978-3-16-148410-0 and version 10.2.33.4",
            "See @example, a@b and x@y.z",
            "0000 0000 0000 0000",
            "Pages 120-135, rooms 12/14, 2019/2020, 24/7",
            "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            "uuid 550e8400-e29b-41d4-a716-446655440000",
        ],
    )
    def test_leaves_other_numbers_alone(self, text: str) -> None:
        assert kinds(text) == []

    def test_finds_each_of_several(self) -> None:
        text = "a@example.org, b@example.org; 4111111111111111 or +49 30 901820"
        assert [kind for kind, _ in kinds(text)] == [
            *[Kind.EMAIL, Kind.EMAIL, Kind.CARD, Kind.PHONE]
        ]

    @given(st.text(alphabet=st.sampled_from("0123456789 +-./()@aDE\n٣３é")))
    def test_takes_any_text(self, text: str) -> None:
        found = find(text)
        for one, other in pairwise(found):
            assert one.end <= other.start
        assert all(isinstance(one, Found) and text[one.start : one.end] for one in found)

    @pytest.mark.parametrize("unit", ["1 ", "a.", "a@", "+1 ", "DE", "(1)", "0-"])
    def test_takes_no_longer_for_hostile_text(self, unit: str) -> None:
        started = process_time()
        find(unit * 20_000)
        assert process_time() - started < MOST_SECONDS


@given(st.text(alphabet="0123456789", min_size=1, max_size=18))
def test_luhn_accepts_one_last_digit_of_ten(digits: str) -> None:
    assert sum(luhn(digits + last) for last in "0123456789") == 1


def test_iban_wants_the_length_of_its_country() -> None:
    assert iban("BE68539007547034")
    assert not iban("BE685390075470340")
    assert not iban("XX68539007547034")
