from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from review.priority import REASONS, SIGNALS, Evidence, parts, total

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
            (28, "Unsafe, too vague"),
            (18, "Rated down"),
            (14, "Asked again, left"),
            (2, "Model unsure (0.38)"),
            (1, "Answered 1 day ago"),
        ]

    def test_a_reason_nobody_has_weighed_counts_too(self) -> None:
        found = parts(Evidence(reasons={"off-brand": "Off brand"}))
        assert [(part["value"], part["words"]) for part in found] == [(8, "Off brand")]

    def test_people_who_disagree_are_a_reason_to_look(self) -> None:
        found = parts(Evidence(num_negative=2, num_positive=1))
        assert [part["words"] for part in found] == [
            "Rated down 2 times",
            "Users disagree, 1 up, 2 down",
        ]

    @given(evidence)
    def test_every_summand_has_points_and_words_and_the_sum_is_at_most_100(
        self, known: Evidence
    ) -> None:
        found = parts(known)
        assert all(part["value"] > 0 and part["words"] for part in found)
        assert 0 <= total(found) <= 100

    @given(evidence)
    def test_a_further_complaint_never_lowers_the_priority(self, known: Evidence) -> None:
        worse = Evidence(
            num_negative=known.num_negative + 1,
            num_positive=known.num_positive,
            has_correction=True,
            reasons=NAMES,
            signals=[*known.signals, "rephrase"],
            confidence=known.confidence,
            days=known.days,
        )
        assert total(parts(worse)) >= total(parts(known))
