"""Measured effects: simulated traffic with a known truth, and how often what is said of it is true.

Sessions have several outputs, and one of five is of somebody who complains much more readily than
others; in some cases the same users come again and again.
Every figure stands with its own 95 % interval: it rests on so many runs only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from curation import progress, rates, sequential
from curation.progress import Standing
from curation.rates import Arm, Change
from review.prevalence import wilson
from tests.bench.staying import Staying, came
from tests.bench.traffic import (
    Truth,
    apart,
    arms,
    by_user,
    each_day,
    readiness,
    standardized,
    total,
)

RUNS = 2_000
# What comes close to its bar is told from it by so many times as many.
MORE_RUNS = 5
COVERED = (0.93, 0.97)
FALSE_ALARMS = 0.05
USUAL = 0.06
# Sessions a day that are served, and held out; days until the effect is told, and looked at.
SERVED, HELD_OUT = 40, 10
DAYS, LOOKS = 28, 60
# Users who come again and again, where they do.
USERS = 150
# Sessions a day that a version given out in stages can reach, and the share of each stage.
STAGED, STAGES = 90, (0.1, 0.4, 1.0)
# What is left of those for the version before.
REST = (0.9, 0.6, 0.0)
# Sessions that go on for days: some days each, or from the first week on to the end.
SOME_DAYS = Staying(
    sessions=50, coming=DAYS, days=DAYS, rate=USUAL, again=0.8, stages=(0.1, 0.5, 0.8)
)
FOR_GOOD = replace(SOME_DAYS, sessions=200, coming=7, again=1.0)


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many times of how many runs."""

    hits: int
    runs: int

    @property
    def value(self) -> float:
        return self.hits / self.runs

    def __str__(self) -> str:
        low, high = wilson(share=self.value, sampled=self.runs, size=10**12)
        return f"{self.value:6.1%} ({low:.1%}–{high:.1%})"


Estimate = Callable[[Arm, Arm], Change | None]


def run() -> tuple[str, bool]:
    print(f"95 % intervals that hold the truth, of {RUNS:,} runs; bar {COVERED[0]:.0%}–97%")
    shares, is_met = [], True
    for name, share, is_bar in coverages(RUNS):
        print(f"  {name:<58}{share}{'' if is_bar else '   for contrast'}", flush=True)
        if is_bar:
            shares.append(share.value)
            is_met &= COVERED[0] <= share.value <= COVERED[1]
    print(f"\n{LOOKS} daily looks, of {RUNS:,} runs: ever told; median day; bar under 5% if wrong")
    alarms = []
    for name, looked, is_false in looks(RUNS):
        told = [day for day in looked if day is not None]
        share = Share(hits=len(told), runs=len(looked))
        day = sorted(told)[len(told) // 2] if told else None
        print(f"  {name:<58}{share}   {'' if is_false else f'day {day}'}", flush=True)
        if is_false:
            alarms.append(share.value)
            is_met &= share.value < FALSE_ALARMS
    figure = (
        f"intervals hold {min(shares):.1%} to {max(shares):.1%} of the time,"
        f" at most {max(alarms):.1%} false alarms with daily looks"
    )
    return figure, is_met


def coverages(runs: int) -> Iterator[tuple[str, Share, bool]]:
    """How often each kind of interval holds the truth, and whether that has a bar."""
    served = Truth(sessions=SERVED, days=DAYS, rate=USUAL)
    held_out = Truth(sessions=HELD_OUT, days=DAYS, rate=USUAL)
    for name, rate in EFFECTS.items():
        share = covered(served.with_rate(rate), held_out, rates.difference, runs)
        yield f"held out, {name}", share, True
    rare = covered(
        Truth(sessions=4 * SERVED, days=DAYS, rate=0.005),
        Truth(sessions=4 * HELD_OUT, days=DAYS, rate=0.01),
        rates.difference,
        runs,
    )
    yield "held out, rare: 1 % to 0.5 %", rare, True
    drifting = Truth(sessions=SERVED, days=DAYS, rate=0.03, drift=1.5)
    also = Truth(sessions=HELD_OUT, days=DAYS, rate=USUAL, drift=1.5)
    yield (
        "held out, by half, while all complaints grow by half",
        covered(drifting, also, rates.difference, runs),
        True,
    )
    yield from _staged(runs)
    yield from _staying(runs)
    yield from _before_and_after(runs)
    yield from _again(runs)
    yield from _selective(runs)


# By what complaints are multiplied beside how all others went.
IN_TIME = {"no effect": 1.0, "small effect": 5 / 6, "large effect": 0.4, "harm": 1.5}
EFFECTS = {
    "no effect": USUAL,
    "small effect: 6 % to 5 %": 0.05,
    "large effect: 6 % to 2 %": 0.02,
    "harm: 6 % to 9 %": 0.09,
}


def _staged(runs: int) -> Iterator[tuple[str, Share, bool]]:
    """A version reaches more sessions stage by stage, while complaints double."""
    held_out = Truth(sessions=HELD_OUT, days=DAYS, rate=USUAL, drift=2.0)
    for name, rate in EFFECTS.items():
        served = replace(held_out, sessions=STAGED, rate=rate, stages=STAGES)
        # As the version would have done to those it was served to.
        truth = served.mean_rate - served.with_rate(USUAL).mean_rate
        hits = dict.fromkeys((True, False), 0)
        for pairs in _daily_pairs(served, held_out, runs):
            plain = total(one for one, _ in pairs), total(two for _, two in pairs)
            for is_bar, both in ((True, standardized(pairs)), (False, plain)):
                for change in map(rates.difference, *map(apart, both)):
                    hits[is_bar] += change is not None and change.low <= truth <= change.high
        for is_bar, of in ((True, "by day"), (False, "plain")):
            share = Share(hits=hits[is_bar], runs=runs)
            yield f"held out, in stages, complaints double, {name}, {of}", share, is_bar


def _staying(runs: int) -> Iterator[tuple[str, Share, bool]]:
    """The same sessions come on several days, and get something else with a later stage."""
    held_out = replace(FOR_GOOD, stages=(0.1, 0.5, 0.9), control=0.1)
    # What has the version before, where a tenth has neither.
    former = replace(FOR_GOOD, left_out=0.1)
    cases = {
        "sessions of 5 days, no effect": SOME_DAYS,
        "sessions of 5 days, harm": replace(SOME_DAYS, factor=1.5),
        "sessions that stay, no effect": FOR_GOOD,
        "sessions that stay, large effect": replace(FOR_GOOD, factor=1 / 3),
        "sessions that stay, harm": replace(FOR_GOOD, factor=1.5),
        "sessions that stay, a version before, no effect": held_out,
        "sessions that stay, beside the version before, no effect": former,
        "sessions that stay, beside the version before, harm": replace(former, factor=1.5),
    }
    for name, truth in cases.items():
        hits = dict.fromkeys((True, False), 0)
        for one in came(truth, runs=runs, seed=9):
            for by_day in hits:
                change = rates.difference(*one.until(truth.days, by_day=by_day))
                hits[by_day] += change is not None and change.low <= one.truth <= change.high
        for by_day, of in ((True, "by day"), (False, "plain")):
            yield f"in stages, {name}, {of}", Share(hits=hits[by_day], runs=runs), by_day


def _staying_looks(truth: Staying, runs: int) -> list[int | None]:
    """The first day on which an effect is told where sessions go on for days, in each run."""
    return [
        _first(
            _usual_evidence(*one.until(day)) >= 1 / sequential.ALPHA
            for day in range(1, truth.days + 1)
        )
        for one in came(truth, runs=runs, seed=10)
    ]


def _staged_looks(runs: int, *, rate: float = USUAL) -> list[int | None]:
    """The first day on which an effect of a version given out in stages is told, in each run."""
    held_out = Truth(sessions=HELD_OUT, days=LOOKS, rate=USUAL, drift=2.0)
    served = replace(held_out, sessions=STAGED, rate=rate, stages=STAGES)
    found: list[int | None] = []
    for pairs in _daily_pairs(served, held_out, runs):
        # The strata and their weights follow from the sessions alone, which all runs have alike.
        until = (standardized(pairs[:day]) for day in range(1, LOOKS + 1))
        told = [
            [value >= 1 / sequential.ALPHA for value in map(_usual_evidence, *map(apart, both))]
            for both in until
        ]
        found += [_first(days) for days in zip(*told, strict=True)]
    return found


def _usual_evidence(treated: Arm, control: Arm) -> float:
    return sequential.evidence(treated, control, usual=USUAL)


def _before_and_after(runs: int) -> Iterator[tuple[str, Share, bool]]:
    """All complaints grow by half with the release; what is served changes those of the theme."""
    before = Truth(sessions=SERVED, days=DAYS, rate=USUAL)
    grown = Truth(sessions=SERVED, days=DAYS, rate=USUAL, other=0.15)
    for name, factor in IN_TIME.items():
        after = grown.with_rate(1.5 * USUAL * factor)
        truth = 1.5 * USUAL * (factor - 1)

        def corrected(treated: Arm, control: Arm) -> Change | None:
            return rates.drift_corrected(control, treated)

        share = covered(after, before, corrected, runs, truth=truth)
        yield f"before and after, drift by half, {name}, corrected", share, True
        plain = covered(after, before, rates.difference, runs, truth=truth)
        yield f"before and after, drift by half, {name}, plain", plain, False


def _again(runs: int) -> Iterator[tuple[str, Share, bool]]:
    """The same users come again and again; between before and after half of them are exchanged."""
    served = Truth(sessions=SERVED, days=DAYS, rate=USUAL, users=USERS)
    held_out = replace(served, sessions=HELD_OUT)
    ready = list(readiness(served, runs=runs))
    for name, rate in EFFECTS.items():
        hits = 0
        for (one, two), mean in zip(
            _pairs(served.with_rate(rate), held_out, runs), ready, strict=True
        ):
            change = rates.difference(one[-1], two[-1])
            hits += change is not None and change.low <= (rate - USUAL) * mean <= change.high
        yield f"{USERS} users again, held out, {name}", Share(hits=hits, runs=runs), True
    for exchanged in (0.0, 0.5):
        for name, factor in IN_TIME.items():
            after = replace(served, rate=1.5 * USUAL * factor, other=0.15, exchanged=exchanged)
            for unit, share in _in_time(served, after, 1.5 * USUAL * (factor - 1), runs).items():
                what = f"{USERS} users again, {exchanged:.0%} exchanged, {name}, by {unit}"
                yield what, share, unit == "user"


def _in_time(before: Truth, after: Truth, truth: float, runs: int) -> dict[str, Share]:
    """How often the corrected interval holds what was done to these users, by what is summed."""
    hits = dict.fromkeys(("user", "session"), 0)
    means = readiness(after, runs=runs)
    sides = (by_user(one, runs=runs, seed=seed) for seed, one in ((2, before), (1, after)))
    of_sessions = _pairs(after, before, runs)
    for mean, former, later, (one, two) in zip(means, *sides, of_sessions, strict=True):
        both = rates.crossed(former, later)
        changes = {
            "user": rates.drift_corrected(rates.arm(former), rates.arm(later), both=both),
            "session": rates.drift_corrected(two[-1], one[-1]),
        }
        for unit, change in changes.items():
            hits[unit] += change is not None and change.low <= truth * mean <= change.high
    return {unit: Share(hits=number, runs=runs) for unit, number in hits.items()}


def _selective(runs: int) -> Iterator[tuple[str, Share, bool]]:
    """Reviewers look at more of what is rated down, and at more of what was held out."""
    for name, rate in EFFECTS.items():
        served = Truth(sessions=SERVED, days=2 * DAYS, rate=rate, looked_at=(0.6, 0.1))
        held_out = Truth(sessions=HELD_OUT, days=2 * DAYS, rate=USUAL, looked_at=(0.6, 0.4))
        share = covered(served, held_out, rates.difference, runs)
        yield f"selective review, {name}, weighted", share, True
    # What reviewers found, as if they had looked at outputs alike.
    yield "selective review, no effect, unweighted", _unweighted(runs), False


def _unweighted(runs: int) -> Share:
    """Everything rated down and little else is looked at, in both arms, at other rates."""
    down, faulty, fine = 0.6, 0.5, 0.05

    def seen(rest: float) -> float:
        bad = USUAL * (faulty * down + (1 - faulty) * rest)
        good = (1 - USUAL) * (fine * down + (1 - fine) * rest)
        return bad / (bad + good)

    served = Truth(sessions=SERVED // 4, days=2 * DAYS, rate=seen(0.1))
    held_out = Truth(sessions=HELD_OUT // 2, days=2 * DAYS, rate=seen(0.4))
    return covered(served, held_out, rates.difference, runs, truth=0.0)


def covered(
    treated: Truth, control: Truth, estimate: Estimate, runs: int, *, truth: float | None = None
) -> Share:
    """How often the interval at the end holds the true difference."""
    actual = treated.mean_rate - control.mean_rate if truth is None else truth
    hits = 0
    for first, second in _pairs(treated, control, runs):
        change = estimate(first[-1], second[-1])
        hits += change is not None and change.low <= actual <= change.high
    return Share(hits=hits, runs=runs)


def looks(runs: int) -> Iterator[tuple[str, list[int | None], bool]]:
    """On which day something is told for the first time, and whether it is wrong to tell it."""
    held_out = Truth(sessions=HELD_OUT, days=LOOKS, rate=USUAL)
    served = Truth(sessions=SERVED, days=LOOKS, rate=USUAL)
    yield "no effect is told as one", told(served, held_out, runs, usual=USUAL), True
    first, second = (replace(one, users=USERS) for one in (served, held_out))
    yield f"no effect, {USERS} users again", told(first, second, runs, usual=USUAL), True
    few = (held_out.with_rate(0.01), served.with_rate(0.01))
    yield "no effect, rare: 1 %", told(few[1], few[0], runs, usual=0.01), True
    yield "no effect, no rate known before", told(served, held_out, runs, usual=None), True
    drifting = [
        Truth(sessions=size, days=LOOKS, rate=USUAL, drift=2.0) for size in (SERVED, HELD_OUT)
    ]
    yield (
        "no effect, while all complaints double",
        told(drifting[0], drifting[1], runs, usual=USUAL),
        True,
    )
    staged = _staged_looks(MORE_RUNS * runs)
    yield f"no effect, in stages, all complaints double, {len(staged):,} runs", staged, True
    for name, some in (("of 5 days", SOME_DAYS), ("that stay", FOR_GOOD)):
        longer = replace(
            some, sessions=some.sessions // 2, days=LOOKS, coming=some.coming * LOOKS // DAYS
        )
        yield f"no effect, in stages, sessions {name}", _staying_looks(longer, runs), True
    reviewed = [
        Truth(sessions=size, days=LOOKS, rate=USUAL, looked_at=(0.6, rest))
        for size, rest in ((SERVED, 0.1), (HELD_OUT, 0.4))
    ]
    yield (
        "no effect, selective review, weighted",
        told(reviewed[0], reviewed[1], runs, usual=USUAL),
        True,
    )
    for name, nothing, rate, is_false in BESIDE_FORMER:
        yield f"tried in stages, {name}: stopped", stopped(runs, nothing, rate), is_false
    for name, rate in list(EFFECTS.items())[1:]:
        truth = served.with_rate(rate)
        actual = rate - USUAL
        missed = told(truth, held_out, runs, usual=USUAL, against=actual)
        yield f"{name}: the truth ruled out", missed, True
        yield f"{name}: told", told(truth, held_out, runs, usual=USUAL), False
    yield "after beside before, others grow by half, no effect", beside_before(runs), True
    yield "after beside before, others grow by half, harm", beside_before(runs, factor=1.5), False
    yield "20 entries without effect: any told", entries(runs), True
    yield "one of 20 entries doubles complaints: any told", entries(runs, harm=2.0), False
    yield "fixed, a quarter of the complaints: told as back", back(runs, rate=USUAL / 4), True
    yield "fixed, then as before: told as back", back(runs, rate=USUAL), False


# What is complained of with nothing, and with a version tried; with the one before it, BEFORE.
BEFORE = 0.06
BESIDE_FORMER = (
    ("as good as the version before and as nothing", 0.06, 0.06, True),
    ("as good as the version before, better than nothing", 0.12, 0.06, True),
    ("worse than the version before, better than nothing", 0.12, 0.09, False),
)


def stopped(runs: int, nothing: float, rate: float) -> list[int | None]:
    """The first day on which a version in stages is stopped, by either test, in each run.

    Of a hundred sessions a day ten get nothing, and what neither gets that nor the version tried
    the one before: eighty, then fifty, then none.
    """
    tried = Truth(sessions=STAGED, days=LOOKS, rate=rate, stages=STAGES)
    held_out = Truth(sessions=HELD_OUT, days=LOOKS, rate=nothing)
    rest = Truth(sessions=STAGED, days=LOOKS, rate=BEFORE, stages=REST)
    days = zip(
        each_day(tried, runs=runs, seed=6),
        each_day(held_out, runs=runs, seed=7),
        each_day(rest, runs=runs, seed=8),
        strict=True,
    )
    found: list[int | None] = []
    for served, *controls in ((list(one) for one in three) for three in days):
        worse = []
        for control in controls:
            pairs = [(one, two) for one, two in zip(served, control, strict=True) if two.sessions]
            until = (standardized(pairs[: day + 1]) for day in range(LOOKS))
            worse.append(
                [[_is_worse(*pair) for pair in zip(*map(apart, two), strict=True)] for two in until]
            )
        by_run = (zip(*both, strict=True) for both in worse)
        found += [_first(map(any, zip(*each, strict=True))) for each in zip(*by_run, strict=True)]
    return found


def _is_worse(treated: Arm, control: Arm) -> bool:
    return sequential.is_worse(treated, control, tests=2)


def told(
    treated: Truth,
    control: Truth,
    runs: int,
    *,
    usual: float | None,
    against: float = 0.0,
) -> list[int | None]:
    """The first day on which a difference is ruled out, in each run."""
    return [
        _first(
            sequential.evidence(*today, usual=usual, against=against) >= 1 / sequential.ALPHA
            for today in zip(first, second, strict=True)
        )
        for first, second in _pairs(treated, control, runs)
    ]


def beside_before(runs: int, *, factor: float = 1.0) -> list[int | None]:
    """The first of DAYS days on which the rate is told to be another than was to be expected.

    All complaints grow by half with what was done, and those it aims at by `factor` beside.
    """
    before = Truth(sessions=SERVED, days=DAYS, rate=USUAL)
    after = replace(before, rate=1.5 * USUAL * factor, other=0.15)
    return [
        _first(
            _is_told(rates.drift_corrected(was, since, z=rates.Z_DAILY))
            for since, was in zip(first, second, strict=True)
        )
        for first, second in _pairs(after, before, runs)
    ]


def _is_told(change: Change | None) -> bool:
    return change is not None and (change.low > 0 or change.high < 0)


def entries(runs: int, *, harm: float = 1.0, number: int = 20) -> list[int | None]:
    """The first day on which any of so many entries is told, in each run.

    Each is served to sessions of its own, and all are held against the same held-out ones. The
    first multiplies complaints by `harm`; the others do nothing.
    """
    held_out = Truth(sessions=HELD_OUT, days=LOOKS, rate=USUAL)
    each = [held_out.with_rate(USUAL * harm), *[held_out] * (number - 1)]
    per_run = zip(
        *(arms(truth, runs=runs, seed=1_000 + entry) for entry, truth in enumerate(each)),
        strict=True,
    )
    return [
        _first(
            bool(
                sequential.discoveries(
                    {
                        entry: _usual_evidence(days[day], control[day])
                        for entry, days in enumerate(treated)
                    }
                )
            )
            for day in range(LOOKS)
        )
        for control, treated in zip(arms(held_out, runs=runs, seed=3), per_run, strict=True)
    ]


def back(runs: int, *, rate: float) -> list[int | None]:
    """On which day a theme counts as back that had a quarter of its complaints, and then `rate`."""
    window = progress.RECENT_DAYS
    quiet = Truth(sessions=SERVED, days=window, rate=USUAL / 4)
    then = Truth(sessions=SERVED, days=LOOKS, rate=rate)
    days = zip(arms(quiet, runs=runs, seed=4), arms(then, runs=runs, seed=5), strict=True)
    return [
        _first(
            progress.is_back(
                Standing(is_acted_on=True, usual=USUAL, recent=_recent(before, since, day))
            )
            for day in range(LOOKS)
        )
        for before, since in days
    ]


def _recent(before: Sequence[Arm], since: Sequence[Arm], day: int) -> Arm:
    """What was counted on the RECENT_DAYS days up to that one of the later days."""
    window = len(before)
    if day >= window:
        return _sum(since[day], since[day - window], sign=-1)
    return _sum(since[day], _sum(before[-1], before[day], sign=-1))


def _sum(one: Arm, other: Arm, sign: int = 1) -> Arm:
    return Arm(**{name: value + sign * getattr(other, name) for name, value in vars(one).items()})


def _pairs(treated: Truth, control: Truth, runs: int) -> Iterator[tuple[list[Arm], list[Arm]]]:
    return zip(arms(treated, runs=runs, seed=1), arms(control, runs=runs, seed=2), strict=True)


def _daily_pairs(treated: Truth, control: Truth, runs: int) -> Iterator[list[tuple[Arm, Arm]]]:
    """For each batch of runs, both arms of each day."""
    days = zip(
        each_day(treated, runs=runs, seed=6), each_day(control, runs=runs, seed=7), strict=True
    )
    return (list(zip(*both, strict=True)) for both in days)


def _first(days: Iterable[bool]) -> int | None:
    return next((number for number, is_told in enumerate(days, start=1) if is_told), None)
