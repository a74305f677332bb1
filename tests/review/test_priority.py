from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from review.priority import REASONS, SIGNALS, Evidence, ThemeEvidence, parts, total

NAMES = {slug: slug.replace("-", " ").capitalize() for slug in REASONS}

evidence = st.builds(
    Evidence,
    num_negative=st.integers(0, 9),
    num_positive=st.integers(0, 9),
    has_correction=st.booleans(),
    reasons=st.sets(st.sampled_from(sorted(NAMES))).map(
        lambda slugs: {slug: NAMES[slug] for slug in slugs}
    ),
    signals=st.lists(st.sampled_from([*SIGNALS, "copy", "dwell"])),
    confidence=st.none() | st.floats(0, 1),
    days=st.integers(-2, 400),
    roles=st.lists(st.sampled_from(["member", "expert", "staff"])),
    num_verdicts=st.integers(0, 3),
    theme=st.none()
    | st.builds(
        ThemeEvidence,
        num_recent=st.integers(0, 99),
        num_usual=st.floats(0, 99),
        num_decided=st.integers(0, 9),
        has_come_back=st.booleans(),
    ),
)


class TestParts:
    def test_an_output_nobody_said_anything_about_has_no_summands(self) -> None:
        assert parts(Evidence()) == []

    def test_says_each_summand_in_words_with_the_largest_first(self) -> None:
        found = parts(
            Evidence(
                num_negative=1,
                reasons={"too-vague": "Too vague", "unsafe": "Unsafe"},
                signals=["copy", "abandon", "rephrase"],
                confidence=0.38,
                days=1,
            )
        )
        assert [(part["value"], part["words"]) for part in found] == [
            (24, "Unsafe, too vague"),
            (18, "Rated down"),
            (12, "Asked again, left"),
            (3, "Nothing like it was decided yet"),
            (2, "Model unsure (0.38)"),
            (1, "Answered 1 day ago"),
        ]

    def test_a_reason_nobody_has_weighed_counts_too(self) -> None:
        found = parts(Evidence(reasons={"off-brand": "Off brand"}))
        assert [(part["value"], part["words"]) for part in found] == [
            (7, "Off brand"),
            (3, "Nothing like it was decided yet"),
        ]

    def test_people_who_disagree_are_a_reason_to_look(self) -> None:
        found = parts(Evidence(num_negative=2, num_positive=1))
        assert [part["words"] for part in found] == [
            "Rated down 2 times",
            "Users disagree, 1 up, 2 down",
            "Nothing like it was decided yet",
        ]
        assert parts(Evidence(num_verdicts=2))[0]["words"] == "Reviewers disagree"

    def test_a_theme_that_grows_or_comes_back_is_a_reason_to_look(self) -> None:
        theme = ThemeEvidence(num_recent=12, num_usual=4, num_decided=2, has_come_back=True)
        assert [(part["value"], part["words"]) for part in parts(Evidence(theme=theme))] == [
            (6, "Its theme was sent to be mended before, and still comes in"),
            (4, "Its theme grows, 12 in two weeks, usually 4"),
        ]

    def test_the_word_of_who_knows_the_matter_weighs_more(self) -> None:
        found = parts(Evidence(num_negative=1, roles=["member", "Clinician"]))
        assert found[1] == {
            "name": "role",
            "value": 4,
            "words": "Said by a person who is clinician",
        }

    def test_the_most_that_all_summands_give_is_100(self) -> None:
        everything = Evidence(
            num_negative=99,
            num_positive=1,
            has_correction=True,
            reasons=NAMES,
            signals=list(SIGNALS),
            roles=["expert"],
            confidence=0,
            days=99,
            theme=ThemeEvidence(num_recent=99, has_come_back=True),
        )
        assert total(parts(everything)) == 100

    @given(evidence)
    def test_every_summand_has_points_and_words_and_the_sum_is_at_most_100(
        self, known: Evidence
    ) -> None:
        found = parts(known)
        assert all(part["value"] > 0 and part["words"] for part in found)
        assert 0 <= total(found) <= 100

    @given(evidence)
    def test_a_further_complaint_never_lowers_the_priority(self, known: Evidence) -> None:
        worse = replace(
            known,
            num_negative=known.num_negative + 1,
            has_correction=True,
            reasons=NAMES,
            signals=[*known.signals, "rephrase"],
        )
        assert total(parts(worse)) >= total(parts(known))
