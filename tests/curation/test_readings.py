from __future__ import annotations

import pytest

from curation.rates import Change
from curation.readings import of_before_and_after, of_entry, of_held_out
from curation.sequential import Looked

FEWER = Change(value=-0.03, low=-0.0512, high=-0.0049)
MORE = Change(value=0.03, low=0.0049, high=0.0512)
UNSURE = Change(value=0.0, low=-0.02, high=0.02)


def _held_out(change: Change | None, needed: int | None = 310) -> str:
    looked = Looked(change=change, evidence=1, needed=needed)
    return of_held_out(looked, num_served=800, num_held_out=200).words


class TestOfHeldOut:
    def test_says_whether_it_helped(self) -> None:
        assert _held_out(FEWER) == "works"
        assert _held_out(MORE) == "made it worse"

    def test_says_what_is_missing(self) -> None:
        assert _held_out(UNSURE) == "inconclusive: 310 more sessions needed"
        assert _held_out(None, 1) == "inconclusive: 1 more session needed"
        assert _held_out(None, 12_345) == "inconclusive: 12,345 more sessions needed"
        assert _held_out(None, None) == "inconclusive"

    def test_says_when_more_sessions_would_not_help(self) -> None:
        assert _held_out(UNSURE, 0) == "no change by half"

    @pytest.mark.parametrize(
        ("served", "held_out", "why"),
        [
            (0, 0, "Nothing was served yet"),
            (100, 0, "No answers came from sessions held out"),
            (0, 100, "Answers came only from sessions held out"),
        ],
    )
    def test_says_when_there_is_nothing_to_compare(
        self, served: int, held_out: int, why: str
    ) -> None:
        looked = Looked(change=None, evidence=1, needed=None)
        reading = of_held_out(looked, num_served=served, num_held_out=held_out)
        assert (reading.kind, reading.words) == ("unknown", "not measured")
        assert reading.why.startswith(why)

    def test_gives_the_interval_in_points(self) -> None:
        looked = Looked(change=FEWER, evidence=30, needed=0)
        reading = of_held_out(looked, num_served=800, num_held_out=200)
        assert reading.why == "−3.0 complaints in 100 answers (−5.1 to −0.5)."


class TestOfBeforeAndAfter:
    def test_speaks_of_what_was_expected(self) -> None:
        assert of_before_and_after(MORE, FEWER, daily=FEWER).words == "fewer than expected"
        assert of_before_and_after(FEWER, MORE, daily=MORE).words == "more than expected"
        assert of_before_and_after(FEWER, UNSURE, daily=UNSURE).words == "as expected"

    @pytest.mark.parametrize("change", [FEWER, MORE])
    def test_is_not_certain_of_what_one_look_of_many_may_show(self, change: Change) -> None:
        reading = of_before_and_after(MORE, change, daily=UNSURE)
        assert (reading.kind, reading.words) == ("inconclusive", "not certain")

    def test_does_not_guess_what_else_changed(self) -> None:
        assert of_before_and_after(FEWER, None, daily=None).kind == "unknown"

    def test_says_when_there_is_nothing(self) -> None:
        assert of_before_and_after(None, None, daily=None).words == "not measured"


class TestOfEntry:
    def test_says_what_is_no_chance_find(self) -> None:
        better, worse = (Looked(change=one, evidence=900, needed=0) for one in (FEWER, MORE))
        assert of_entry(better, is_told=True).words == "helps"
        assert of_entry(worse, is_told=True).words == "harms"
        assert of_entry(worse, is_told=False).words == "cannot be told"
