"""What a training set is held to before its release, and which of its rows fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from curation import pii


class Gate(StrEnum):
    """One thing the rows are held to."""

    EXACT = "exact"
    NEAR = "near"
    LEAK = "leak"
    TESTED = "tested"
    PERSONAL = "personal"
    TOKENS = "tokens"
    AGREEMENT = "agreement"
    USER = "user"
    REVIEWER = "reviewer"
    CONSENT = "consent"


LABELS = {
    Gate.EXACT: "No exact duplicates",
    Gate.NEAR: "No near duplicates",
    Gate.LEAK: "No leakage between splits",
    Gate.TESTED: "No test cases among them",
    Gate.PERSONAL: "No personal data",
    Gate.TOKENS: "Token limit",
    Gate.AGREEMENT: "Reviewers agree",
    Gate.USER: "Share of one user",
    Gate.REVIEWER: "Share of one reviewer",
    Gate.CONSENT: "Consent or licence",
}
# Those that hold a release up unless a set says otherwise. The others only tell: small sets come
# from few people, and not every product asks its users for consent answer by answer.
BLOCKING = (
    *(Gate.EXACT, Gate.NEAR, Gate.LEAK, Gate.TESTED),
    *(Gate.PERSONAL, Gate.TOKENS, Gate.AGREEMENT),
)

# A chat template adds about as many tokens to each message.
TOKENS_PER_MESSAGE = 4
# Fewer rows than that say nothing of whether one user or reviewer dominates.
FEWEST_FOR_SHARES = 20
CONSENT_NAMES = ("consent", "licence", "license")
# What a row has in common with a test case, and how that is said.
SHARED = {
    "same": "asks the same as the test case",
    "question": "asks nearly the same as the test case",
    "session": "comes from the session of the test case",
}
_NO = frozenset({"", "0", "no", "none", "false", "denied", "withdrawn", "refused"})


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a set is held to. Shares are from 0 to 1; `blocking` are the gates that hold it up.

    `consent_names` are the tags of a session, or the keys of its or its answer's metadata, that
    say it may be used; `own_contacts` the ends of addresses and numbers that identify nobody, such
    as "@postil.example" or "800 100 200".
    """

    token_limit: int = 4_096
    least_agreement: float = 0.66
    most_of_user: float = 0.2
    most_of_reviewer: float = 0.6
    consent_names: Sequence[str] = CONSENT_NAMES
    split_by_theme: bool = True
    own_contacts: Sequence[str] = ()
    blocking: Sequence[str] = BLOCKING


@dataclass(frozen=True)
class Finding:
    """A row that fails a gate, and why, in words without what the row says.

    `row` and `other`, a row it fails together with, are whatever the caller calls its rows. `key`
    is what a curator who lets the row pass has seen: another key is another failure.
    """

    gate: Gate
    row: int
    why: str
    key: str = ""
    other: int | None = None


@dataclass
class Exact:
    """Finds rows that say the same as one before; fed row by row with their wording.digest."""

    _first: dict[bytes, int] = field(default_factory=dict)

    def check(self, row: int, digest: bytes) -> Finding | None:
        first = self._first.setdefault(digest, row)
        if first == row:
            return None
        return Finding(Gate.EXACT, row, "says the same as", str(first), first)


def near(row: int, other: int) -> Finding:
    """A row whose question is nearly that of another."""
    return Finding(Gate.NEAR, row, "asks nearly the same as", str(other), other)


def leak(row: int, other: int, kind: str) -> Finding:
    """A row that a model which is tested on it may have learnt from another; `kind` they share."""
    return Finding(Gate.LEAK, row, f"shares its {kind} with", f"{kind} {other}", other)


def tested(row: int, case: int, kind: str) -> Finding:
    """A row from which a model would learn the answer to a test case; `kind` is of SHARED."""
    return Finding(Gate.TESTED, row, SHARED[kind], f"{kind} {case}", case)


def personal(row: int, texts: Iterable[str], rules: Rules) -> Finding | None:
    """Fail a row one of whose texts holds what may identify a person (curation.pii)."""
    own = tuple(_squeezed(contact) for contact in rules.own_contacts if _squeezed(contact))
    counts = Counter(
        one.kind
        for text in texts
        for one in pii.find(text)
        if not _squeezed(text[one.start : one.end]).endswith(own or ("\0",))
    )
    if not counts:
        return None
    kinds = sorted(counts.items())
    told = ", ".join(
        pii.LABELS[kind] + (f" ({number} times)" if number > 1 else "") for kind, number in kinds
    )
    key = " ".join(f"{kind}:{number}" for kind, number in kinds)
    return Finding(Gate.PERSONAL, row, f"may hold {told}", key)


def _squeezed(contact: str) -> str:
    """Without what people put between the digits of a number."""
    return "".join(one for one in contact.casefold() if one not in " \u00a0\u202f.-/()")


def too_long(row: int, num_tokens: int, rules: Rules) -> Finding | None:
    """Fail a row of more tokens than the limit: trainers cut it short and say nothing."""
    if num_tokens <= rules.token_limit:
        return None
    why = f"has about {num_tokens:,} tokens, {num_tokens - rules.token_limit:,} too many"
    return Finding(Gate.TOKENS, row, why, str(num_tokens))


def disputed(row: int, decided: str, verdicts: Sequence[str], rules: Rules) -> Finding | None:
    """Fail a row whose verdict fewer of its reviewers gave than the rules ask for.

    `verdicts` are all that were given on the same version of the answer, the deciding one too.
    """
    num_same = sum(verdict == decided for verdict in verdicts)
    if not verdicts or num_same / len(verdicts) >= rules.least_agreement:
        return None
    why = f"{num_same} of {len(verdicts)} reviewers gave the verdict that counts"
    return Finding(Gate.AGREEMENT, row, why, f"{num_same}/{len(verdicts)}")


def over_share(
    gate: Gate, owners: Sequence[tuple[int, Hashable]], share: float
) -> Iterator[Finding]:
    """Fail the rows by which one user or reviewer has more than their share.

    `owners` are each row and whose it is, None where nobody knows. The first rows of somebody pass
    up to the share of all rows, and one always does.
    """
    num_rows = len(owners)
    if num_rows < FEWEST_FOR_SHARES:
        return
    most = max(int(share * num_rows), 1)
    totals = Counter(owner for _, owner in owners if owner is not None)
    seen: Counter[Hashable] = Counter()
    for row, owner in owners:
        if owner is None or totals[owner] <= most:
            continue
        seen[owner] += 1
        if seen[owner] > most:
            who = "user has" if gate is Gate.USER else "reviewer decided"
            why = f"its {who} {totals[owner]:,} of {num_rows:,} rows, at most {most:,} pass"
            yield Finding(gate, row, why, "over")


def unlicensed(
    row: int,
    tags: Collection[str],
    metadata: Iterable[Mapping[str, object]],
    rules: Rules,
) -> Finding | None:
    """Fail a row for whose use nobody recorded a consent or a licence.

    A tag of one of the names says so, and a metadata key of one with any value but a refusal
    ("no", "denied", false, …); a refusal anywhere outweighs the rest.
    """
    names = {name.casefold() for name in rules.consent_names}
    given = {
        str(value).strip().casefold()
        for one in metadata
        for key, value in one.items()
        if key.casefold() in names
    }
    if refusals := given & _NO - {""}:
        return Finding(Gate.CONSENT, row, "its use was refused", f"refused {min(refusals)}")
    if given - _NO or names & {tag.casefold() for tag in tags}:
        return None
    return Finding(Gate.CONSENT, row, "no consent or licence is recorded", "none")
