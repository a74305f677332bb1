"""Which rows fail which gate."""

from __future__ import annotations

import pytest

from curation import gates
from curation.gates import Exact, Finding, Gate, Rules
from tests.bench.gates import planted

RULES = Rules()


def test_all_that_is_planted_is_found() -> None:
    assert planted() == []


def test_every_gate_has_a_name() -> None:
    assert set(gates.LABELS) == set(Gate)


def test_exact_names_the_first_row_that_says_the_same() -> None:
    exact = Exact()
    assert [exact.check(row, digest) for row, digest in [(1, b"a"), (2, b"b"), (3, b"a")]] == [
        None,
        None,
        Finding(Gate.EXACT, 3, "says the same as", "1", 1),
    ]


class TestPersonal:
    def test_names_what_kinds_without_the_data(self) -> None:
        failed = gates.personal(
            7,
            ["Write to ann@example.org or ben@example.org", "IBAN DE89 3704 0044 0532 0130 00"],
            RULES,
        )
        assert failed is not None
        assert failed.why == "may hold an e-mail address (2 times), a bank account number"
        assert "ann" not in failed.key

    def test_contacts_of_their_own_identify_nobody(self) -> None:
        rules = Rules(own_contacts=["@bank.example", "020 7946 0958"])
        assert gates.personal(1, ["Mail help@bank.example, call +44 20 7946 0958."], RULES)
        own = ["Mail help@bank.example, call 020-7946-0958."]
        assert gates.personal(1, own, rules) is None
        assert gates.personal(1, ["Mail ann@example.org"], rules)

    def test_nothing_in_ordinary_text(self) -> None:
        assert gates.personal(1, ["Order 12345 of 2026-11-02 cost 49.90."], RULES) is None


def test_the_limit_itself_is_not_too_long() -> None:
    assert gates.too_long(1, 4_096, RULES) is None
    failed = gates.too_long(1, 4_100, RULES)
    assert failed is not None
    assert failed.why == "has about 4,100 tokens, 4 too many"


@pytest.mark.parametrize(
    ("verdicts", "fails"),
    [
        (["fix"], False),
        (["fix", "fix"], False),
        (["fix", "accept"], True),
        (["fix", "fix", "accept"], False),
        ([], False),
    ],
)
def test_a_verdict_that_too_few_gave_is_disputed(verdicts: list[str], *, fails: bool) -> None:
    assert (gates.disputed(1, "fix", verdicts, RULES) is not None) == fails


class TestOverShare:
    def test_fails_the_rows_beyond_the_share(self) -> None:
        owners = [(row, "ann" if row < 6 else f"user {row}") for row in range(20)]
        failed = list(gates.over_share(Gate.USER, owners, 0.2))
        assert [one.row for one in failed] == [4, 5]
        assert failed[0].why == "its user has 6 of 20 rows, at most 4 pass"

    def test_nobody_is_over_in_a_small_set_and_nobody_knows_is_nobody(self) -> None:
        assert not list(gates.over_share(Gate.USER, [(row, "ann") for row in range(19)], 0.2))
        assert not list(gates.over_share(Gate.USER, [(row, None) for row in range(40)], 0.2))


class TestUnlicensed:
    @pytest.mark.parametrize(
        ("tags", "metadata"),
        [
            (["Consent"], []),
            ([], [{"license": "CC-BY-4.0"}]),
            ([], [{}, {"Consent": True}]),
        ],
    )
    def test_a_tag_or_a_metadata_key_is_a_record(
        self, tags: list[str], metadata: list[dict[str, object]]
    ) -> None:
        assert gates.unlicensed(1, tags, metadata, RULES) is None

    @pytest.mark.parametrize("value", [False, "no", "Denied", "withdrawn", 0])
    def test_a_refusal_outweighs_a_tag(self, value: object) -> None:
        failed = gates.unlicensed(1, ["consent"], [{"consent": value}], RULES)
        assert failed is not None
        assert failed.why == "its use was refused"

    def test_nothing_recorded_fails(self) -> None:
        assert gates.unlicensed(1, ["vip"], [{"licence": ""}, {"plan": "pro"}], RULES) is not None
