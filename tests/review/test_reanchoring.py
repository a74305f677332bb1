"""Places found again in a later version of a text, or known to be gone."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.reanchoring import Comparison, Place, place

TEAMS = "Team Alpha grew by twelve percent.\nTeam Beta grew by twelve percent."
HARVEST = (
    "The apple harvest begins in May and takes six weeks.\n"
    "Pears are picked by hand later in the year.\n"
    "Plums are dried in the sun for two days."
)


def find(old: str, quote: str, new: str, *, number: int = 0) -> tuple[Place, str | None]:
    """The place of one of the quotes of a text in a later one, and the words there."""
    at = -1
    for _ in range(number + 1):
        at = old.index(quote, at + 1)
    found = place(old, new, start=at, end=at + len(quote))
    return found, None if found.start is None else new[found.start : found.end]


class TestWhatIsLeft:
    def test_the_same_text_keeps_every_place(self) -> None:
        assert find(TEAMS, "Beta", TEAMS)[0] == Place("exact", 40, 44, 1.0)

    def test_words_stay_exact_when_something_is_edited_elsewhere(self) -> None:
        new = "In 2024 " + TEAMS.replace("Alpha", "Aleph") + "\nThe end."
        found, words = find(TEAMS, "Beta grew", new)
        assert (found.state, words) == ("exact", "Beta grew")

    def test_an_edit_within_is_a_change_that_keeps_the_whole(self) -> None:
        found, words = find(HARVEST, "begins in May and takes", HARVEST.replace("May", "late June"))
        assert (found.state, words) == ("changed", "begins in late June and takes")
        assert 0.5 <= found.score < 1

    def test_replaced_words_at_the_edge_belong_to_it(self) -> None:
        found, words = find(HARVEST, "apple harvest begins", HARVEST.replace("apple", "pomelo"))
        assert (found.state, words) == ("changed", "pomelo harvest begins")

    def test_white_space_alone_is_a_change_that_loses_nothing(self) -> None:
        found, words = find("one two three", "one two", "one\ntwo three")
        assert (found, words) == (Place("changed", 0, 7, 1.0), "one\ntwo")

    def test_a_letter_composed_in_another_way_is_changed_not_exact(self) -> None:
        old = unicodedata.normalize("NFD", "L'état de la nation")
        new = unicodedata.normalize("NFC", old)
        found, words = find(old, "e\u0301", new)
        assert (found, words) == (Place("changed", 2, 3, 1.0), "é")

    def test_of_repeated_words_the_same_one_is_kept(self) -> None:
        new = "A sentence with the word. the the the cat"
        found, _ = find("the the the cat", "the", new, number=1)
        assert (found.state, found.start) == ("exact", 30)

    @pytest.mark.parametrize(
        ("old", "quote", "new", "words"),
        [
            (
                "他昨天去了北京大学图书馆。",
                "北京大学",
                "她昨天去过了北京大学的图书馆。",
                "北京大学",
            ),
            (
                "ذهب الولد إلى المدرسة اليوم",
                "إلى المدرسة",
                "ذهب الولد إلى المدرسة أمس",
                "إلى المدرسة",
            ),
            ("मैं घर जा रहा हूँ", "घर", "मैं अपने घर जा रहा हूँ", "घर"),
        ],
    )
    def test_scripts_of_all_kinds_are_told_apart_by_word(
        self, old: str, quote: str, new: str, words: str
    ) -> None:
        found, there = find(old, quote, new)
        assert (found.state, there) == ("exact", words)


class TestWhatIsGone:
    def test_a_lookalike_that_was_there_before_is_not_taken(self) -> None:
        new = "Team Beta grew by twelve percent."
        for words in ("Team", "twelve percent", "grew by twelve percent."):
            assert find(TEAMS, words, new)[0].state == "detached"

    def test_a_short_word_is_not_found_within_another(self) -> None:
        old = "We thank Linus for it. More text follows."
        new = "We thank for it. The chines Linusy are here. More text follows."
        assert find(old, "Linus", new)[0].state == "detached"

    def test_a_replaced_name_is_never_an_earlier_one_like_it(self) -> None:
        old, new = "Robin met Robin today.", "Robin met Elisa today."
        assert find(old, "Robin", new, number=1)[0].state == "detached"

    def test_it_is_the_replacement_when_that_was_proposed(self) -> None:
        compared = Comparison("Robin met Robin today.", "Robin met Elisa today.")
        assert compared.place(10, 15, replacement="Elisa") == Place("changed", 10, 15, 0.0)
        assert compared.place(10, 15, replacement="Elise").state == "detached"
        assert compared.place(0, 5, replacement="Elisa").state == "exact"

    def test_too_much_changed_is_gone(self) -> None:
        new = HARVEST.replace("begins in May and takes six", "may start whenever it lasts six")
        assert find(HARVEST, "begins in May and takes", new)[0].state == "detached"

    def test_everything_rewritten_is_gone(self) -> None:
        assert find(TEAMS, "grew", "Nothing alike.")[0].state == "detached"
        assert find(TEAMS, "grew", "")[0].state == "detached"


class TestWhatHasMoved:
    def test_a_paragraph_at_the_end_now_is_moved(self) -> None:
        first, *rest = HARVEST.split("\n")
        found, words = find(HARVEST, "harvest begins in May", "\n".join([*rest, first]))
        assert (found.state, words) == ("moved", "harvest begins in May")

    def test_a_copy_elsewhere_changes_nothing(self) -> None:
        first, *_ = HARVEST.split("\n")
        found, _ = find(HARVEST, "harvest begins in May", f"{HARVEST}\n{first}")
        assert (found.state, found.start) == ("exact", 10)

    def test_few_letters_are_not_looked_for_elsewhere(self) -> None:
        first, *rest = HARVEST.split("\n")
        assert find(HARVEST, "May", "\n".join([*rest, first]))[0].state == "detached"

    def test_two_new_places_are_one_too_many(self) -> None:
        first, *rest = HARVEST.split("\n")
        new = "\n".join([*rest, first, "And yet:", first])
        assert find(HARVEST, "harvest begins in May", new)[0].state == "detached"


words = st.sampled_from(
    ["a", "the", "cat", "sat", ".", "\n", "on", "mat", "e\u0301", "👩🏽\u200d🌾"]
)
texts = st.lists(words, min_size=1, max_size=25).map(" ".join)


@given(texts, texts, st.data())
@settings(max_examples=300, deadline=None)
def test_a_place_is_exact_only_over_the_very_words(old: str, new: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(old) - 1))
    end = data.draw(st.integers(start + 1, len(old)))
    found = place(old, new, start=start, end=end)
    if found.start is None or found.end is None:
        assert found.state == "detached"
        return
    assert 0 <= found.start < found.end <= len(new)
    assert 0 <= found.score <= 1
    assert (new[found.start : found.end] == old[start:end]) >= (found.state == "exact")


def test_texts_with_more_different_signs_than_can_be_told_apart_share_nothing() -> None:
    signs = "".join(map(chr, range(0x40000, 0x40000 + 140_000)))
    assert find(f"{signs} apple", "apple", "apple")[0].state in {"moved", "detached"}
