from __future__ import annotations

from review.naming import Description, describe

SONGS = [
    "The song was recorded for the band's second album.",
    "Which album is the song on?",
    "The album came first, the song later.",
    "This song closes the album.",
]
CUPS = [
    "The FIFA World Cup was held in Brazil.",
    "FIFA awards the World Cup.",
    "Brazil won the World Cup, says FIFA.",
    "A world cup, and then another.",
]


def named(
    texts: list[str], groups: list[int], reasons: list[list[str]] | None = None
) -> dict[int, Description]:
    return describe(
        texts=texts,
        groups=groups,
        sources=range(len(texts)),
        reasons=reasons or [[] for _ in texts],
    )


class TestDescribe:
    def test_names_a_group_by_the_words_that_set_it_apart(self) -> None:
        found = named(SONGS + CUPS, [0] * 4 + [1] * 4)
        assert found[0].name == "Album, song"
        assert found[1].name == "World Cup, FIFA"
        assert "Brazil" in found[1].terms

    def test_a_reason_most_of_the_group_shares_leads(self) -> None:
        reasons = [["Incomplete"]] * 3 + [["Too vague"]] + [[]] * 4
        found = named(SONGS + CUPS, [0] * 4 + [1] * 4, reasons)
        assert found[0].name == "Incomplete: album, song"
        assert found[1].name == "World Cup, FIFA"

    def test_one_talkative_source_does_not_name_a_group(self) -> None:
        found = describe(
            texts=[*SONGS, *["piangi piangi"] * 9, *CUPS],
            groups=[0] * 13 + [1] * 4,
            sources=[*range(4), *[3] * 9, *range(10, 14)],
            reasons=[[] for _ in range(17)],
        )
        assert found[0].name == "Album, song"

    def test_leaves_rows_of_no_group_out(self) -> None:
        assert list(named(SONGS + CUPS, [-1] * 4 + [1] * 4)) == [1]

    def test_groups_without_telling_words_are_named_by_a_text_and_apart(self) -> None:
        found = named(["It is so"] * 6, [0] * 3 + [1] * 3)
        assert {found[0].name, found[1].name} == {"It is so", "It is so (2)"}

    def test_hostile_text_stays_words(self) -> None:
        texts = ["<script>alert(1)</script> ((((", "alert( [a-z]* script", "script alert"]
        assert named([*texts, *CUPS], [0] * 3 + [1] * 4)[0].name == "Alert, script"
