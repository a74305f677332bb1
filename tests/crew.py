"""Reviewers who work a queue off at once, with all that goes wrong, and what has to hold of it."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, Protocol, TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from psycopg.errors import DeadlockDetected

from feedback.authentication import create_own_key
from feedback.models import Membership, User
from review import queues, triage
from review.models import Claim, Event, Queue, QueueItem, Review

# How often a reviewer does something else than review what they were handed.
MISHAPS = {
    "vanish": 0.02,
    "release": 0.03,
    "skip": 0.02,
    "steal": 0.03,
    "renew": 0.05,
    "adjudicate": 0.05,
}
# Those of them that a ledger counts and that need no dispute.
COUNTED = ("vanish", "release", "skip", "steal")
# How long calls are repeated that got no answer.
PATIENCE = 60.0

Place = tuple[int, int]
T = TypeVar("T")


class Refused(Exception):  # noqa: N818
    """The place was somebody else's by then."""


class Desk(Protocol):
    """What one reviewer can do. What takes a place raises Refused when its fence is stale."""

    user: User

    def claim(self) -> Place | None: ...
    def steal(self, item: int) -> Place | None: ...
    def adjudicate(self, item: int) -> Place | None: ...
    def renew(self, place: Place) -> None: ...
    def release(self, place: Place) -> None: ...
    def skip(self, place: Place) -> None: ...
    def review(self, place: Place) -> None: ...
    def close(self) -> None: ...


def verdict_for(item: int, by: User) -> dict[str, Any]:
    """What a reviewer thinks of the item; of one in ten every other one thinks otherwise."""
    if by.pk % 2 if item % 10 == 0 else item % 3:
        return {"verdict": "accept"}
    return {"verdict": "reject", "comment": "Wrong."}


class DeskOverHttp:
    """Works by script with an own key."""

    def __init__(self, queue: Queue, user: User, *, host: str, port: int) -> None:
        self.user, self._queue = user, queue
        self._address = (host, port)
        self._connection: HTTPConnection | None = None
        membership = Membership.objects.get(project=queue.project, user=user)
        _, key = create_own_key(membership=membership, name="crew", now=timezone.now())
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def claim(self) -> Place | None:
        status, told = self._api(f"queues/{self._queue.slug}/claim", {})
        return None if status == 204 else (told["item"], told["fence"])

    def steal(self, item: int) -> Place | None:
        return self._taken(f"items/{item}/steal")

    def adjudicate(self, item: int) -> Place | None:
        return self._taken(f"items/{item}/claim")

    def renew(self, place: Place) -> None:
        self._api(f"items/{place[0]}/heartbeat", {"fence": place[1]})

    def release(self, place: Place) -> None:
        self._api(f"items/{place[0]}/release", {"fence": place[1]})

    def skip(self, place: Place) -> None:
        self._api(f"items/{place[0]}/skip", {"fence": place[1], "reason": "Not my field"})

    def review(self, place: Place) -> None:
        self._api(
            f"items/{place[0]}/review", {"fence": place[1], **verdict_for(place[0], self.user)}
        )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _taken(self, path: str) -> Place | None:
        with suppress(Refused):
            _, told = self._api(path, {})
            return told["item"], told["fence"]
        return None

    def _api(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        status, content = self._post(f"/api/v1/{path}", json.dumps(body).encode())
        if status == 409:
            raise Refused
        if status not in {200, 201, 204}:
            raise RuntimeError(f"{path}: {status} {content[:300]!r}")
        return status, json.loads(content) if content else None

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send it until there is an answer, as a script does whose network or server fails."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                if self._connection is None:
                    self._connection = HTTPConnection(*self._address, timeout=20)
                self._connection.request("POST", path, body, self._headers)
                response = self._connection.getresponse()
                return response.status, response.read()
            except (OSError, HTTPException):
                self.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


class DeskOnConnection:
    """Calls the operations on a database connection of its own."""

    def __init__(self, queue: Queue, user: User) -> None:
        self.user, self._queue = user, queue

    def claim(self) -> Place | None:
        held = self._done(
            lambda: queues.claim_next(queue=self._queue, by=self.user, now=timezone.now())
        )
        return (held.item_id, held.fence) if held else None

    def steal(self, item: int) -> Place | None:
        with suppress(queues.DoneError):
            held = self._done(
                lambda: queues.steal(item=_item(item), by=self.user, now=timezone.now())
            )
            return held.item_id, held.fence
        return None

    def adjudicate(self, item: int) -> Place | None:
        with suppress(queues.DoneError, queues.HeldError):
            held = self._done(
                lambda: queues.adjudicate(item=_item(item), by=self.user, now=timezone.now())
            )
            return held.item_id, held.fence
        return None

    def renew(self, place: Place) -> None:
        item, fence = place
        self._done(
            lambda: queues.renew(
                item=_item(item), by=self.user, fence=fence, now=timezone.now()
            )
        )  # fmt: skip

    def release(self, place: Place) -> None:
        item, fence = place
        self._done(
            lambda: queues.release(item=_item(item), by=self.user, fence=fence, now=timezone.now())
        )

    def skip(self, place: Place) -> None:
        item, fence = place
        self._done(
            lambda: queues.skip(
                item=_item(item),
                by=self.user,
                fence=fence,
                reason="Not my field",
                now=timezone.now(),
            )
        )

    def review(self, place: Place) -> None:
        item, fence = place
        try:
            self._done(
                lambda: triage.submit_review(
                    item=_item(item),
                    by=self.user,
                    fence=fence,
                    now=timezone.now(),
                    **verdict_for(item, self.user),
                )
            )
        except triage.AlreadyReviewedError as error:
            # Stored, but the connection broke before that was told.
            finished = Claim.objects.filter(item=item, reviewer=self.user, fence=fence)
            if not finished.exclude(finished_at=None).exists():
                raise Refused from error

    def close(self) -> None:
        connection.close()

    def _done(self, act: Callable[[], T]) -> T:
        """Do it again until the connection holds. A deadlock is nothing to get over."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return act()
            except queues.LeaseLostError as error:
                raise Refused from error
            except (OperationalError, InterfaceError) as error:
                self.close()
                if isinstance(error.__cause__, DeadlockDetected) or time.monotonic() > until:
                    raise


@dataclass(kw_only=True)
class Ledger:
    """What the reviewers were told: a place is its item, its fence and the reviewer's id."""

    stored: set[tuple[int, int, int]] = field(default_factory=set)
    refused: set[tuple[int, int, int]] = field(default_factory=set)
    happened: Counter[str] = field(default_factory=Counter)
    claim_times: list[float] = field(default_factory=list)
    wrongly_handed: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Crew:
    """Reviewers, each in a thread, until every item has all its reviews."""

    def __init__(self, queue: Queue, desks: Sequence[Desk], *, seed: int = 1) -> None:
        self.queue, self.desks, self.seed = queue, desks, seed
        self.ledger = Ledger()
        self._lock = threading.Lock()
        self._held: dict[int, int] = {}
        self._disputed: list[int] = []
        self._is_over = threading.Event()

    def work_off(
        self, *, within: float, disturb: Callable[[], None] | None = None, every: float = 1.0
    ) -> Ledger:
        """Let them work, disturbed every so many seconds. Raises TimeoutError."""
        open_items = self.queue.items.exclude(status=QueueItem.Status.DONE)
        until = time.monotonic() + within

        def watch() -> None:
            disturbed = time.monotonic()
            try:
                while waiting := dict(open_items.values_list("pk", "status")):
                    self._disputed = [
                        item
                        for item, status in waiting.items()
                        if status == QueueItem.Status.DISPUTED
                    ]
                    if time.monotonic() > until:
                        raise TimeoutError(f"The queue is not empty after {within:.0f} s.")
                    if disturb and time.monotonic() - disturbed > every:
                        disturb()
                        self.ledger.happened["disturbed"] += 1
                        disturbed = time.monotonic()
                    self._is_over.wait(0.2)
            finally:
                self._is_over.set()
                connection.close()

        started = time.monotonic()
        with ThreadPoolExecutor(len(self.desks) + 1) as pool:
            working = [
                pool.submit(self._work, desk, random.Random(f"{self.seed} {place}"))  # noqa: S311
                for place, desk in enumerate(self.desks)
            ]
            watching = pool.submit(watch)
            for one in (*working, watching):
                one.result()
        self.ledger.seconds = time.monotonic() - started
        return self.ledger

    def _work(self, desk: Desk, chance: random.Random) -> None:
        over: set[int] = set()
        try:
            while not self._is_over.is_set():
                self._one(desk, chance, over)
        except BaseException:
            self._is_over.set()
            raise
        finally:
            desk.close()

    def _one(self, desk: Desk, chance: random.Random, over: set[int]) -> None:
        """Take one item and do something with it; `over` are those that are over for them."""
        mishap = self._mishap(chance)
        place = None
        if mishap == "steal":
            place = self._steal(desk, chance, over)
        elif mishap != "adjudicate":
            started = time.monotonic()
            place = desk.claim()
            self.ledger.claim_times.append((time.monotonic() - started) * 1_000)
        place = place or self._adjudicate(desk, chance, over)
        if place is None:
            # Others still hold what is left, or it is to be handed out anew.
            self._is_over.wait(0.05)
            return
        item = place[0]
        if item in over:
            self.ledger.wrongly_handed.append(f"{item} to {desk.user.pk}")
        with self._lock:
            self._held[item] = desk.user.pk
        told = (*place, desk.user.pk)
        try:
            self._act(mishap, desk, place)
        except Refused:
            self.ledger.refused.add(told)
            self.ledger.happened[f"refused to {mishap or 'review'}"] += 1
        else:
            if mishap in {"release", "skip"}:
                self.ledger.happened[mishap] += 1
            else:
                self.ledger.stored.add(told)
            if mishap != "release":
                over.add(item)

    def _mishap(self, chance: random.Random) -> str:
        """What goes wrong next, or "". What never happened yet comes soon: a small crew meets all.

        By weights alone 80 items are done without a single skip once in 25 times.
        """
        missing = [one for one in COUNTED if not self.ledger.happened[one]]
        if missing and chance.random() < 0.5:
            return chance.choice(missing)
        [mishap] = chance.choices(
            [*MISHAPS, ""], weights=[*MISHAPS.values(), 1 - sum(MISHAPS.values())]
        )
        return mishap

    def _steal(self, desk: Desk, chance: random.Random, over: set[int]) -> Place | None:
        with self._lock:
            others = [
                item
                for item, holder in self._held.items()
                if holder != desk.user.pk and item not in over
            ]
        if not others:
            return desk.claim()
        item = chance.choice(others[-len(self.desks) :])
        place = desk.steal(item)
        self.ledger.happened["steal"] += place is not None and place[0] == item
        return place

    def _adjudicate(self, desk: Desk, chance: random.Random, over: set[int]) -> Place | None:
        """Take an item whose reviewers disagree, and of whom they are none."""
        others = [item for item in self._disputed if item not in over]
        place = desk.adjudicate(chance.choice(others)) if others else None
        self.ledger.happened["adjudicate"] += place is not None
        return place

    def _act(self, mishap: str, desk: Desk, place: Place) -> None:
        if mishap == "release":
            desk.release(place)
        elif mishap == "skip":
            desk.skip(place)
        else:
            if mishap == "vanish":
                # Gone for longer than the lease; then the old tab is found, and submitted.
                self.ledger.happened["vanish"] += 1
                self._is_over.wait(self.queue.lease_seconds * 1.3)
            elif mishap == "renew":
                desk.renew(place)
            desk.review(place)


def problems(queue: Queue, ledger: Ledger) -> list[str]:
    """What is wrong with what is stored, and with what was told about it; empty when nothing is."""
    found = [f"handed out again: {one}" for one in ledger.wrongly_handed]
    reviews: dict[int | None, list[Review]] = defaultdict(list)
    for review in Review.objects.filter(item__queue=queue):
        reviews[review.item_id].append(review)
    events = Event.objects.filter(project=queue.project_id, verb="reviewed").values_list("data")
    logged = Counter(data["item"] for (data,) in events)
    for item in queue.items.all():
        own = reviews[item.pk]
        found += [f"item {item.pk} {one}" for one in _faults(item, own, queue.reviewers_per_item)]
        if logged[item.pk] != len(own):
            found.append(f"item {item.pk} is logged {logged[item.pk]} times of {len(own)}")
    finished = set(
        Claim.objects.filter(item__queue=queue)
        .exclude(finished_at=None)
        .values_list("item", "fence", "reviewer")
    )
    found += [f"told that it was stored, and is not: {one}" for one in ledger.stored - finished]
    found += [f"stored, and not told: {one}" for one in finished - ledger.stored]
    found += [f"refused, and stored: {one}" for one in ledger.refused & finished - ledger.stored]
    return found


def _faults(item: QueueItem, reviews: Sequence[Review], wanted: int) -> Iterator[str]:
    """What is wrong with the reviews of an item; a third person decides where two disagree."""
    first = [one for one in reviews if one.place != Claim.ADJUDICATION]
    is_disputed = len({one.verdict for one in first}) > 1
    if item.status != QueueItem.Status.DONE:
        yield f"is {item.status}"
    if len(first) != wanted:
        yield f"has {len(first)} reviews instead of {wanted}"
    if len(reviews) - len(first) != is_disputed:
        yield f"is decided {len(reviews) - len(first)} times by a third person"
    for what in ("place", "reviewer_id"):
        if len({getattr(one, what) for one in reviews}) < len(reviews):
            yield f"has two reviews of one {what}"
    counting = [one for one in reviews if one.is_authoritative]
    if len(counting) != 1 or (is_disputed and counting[0].place != Claim.ADJUDICATION):
        yield f"has {len(counting)} decisions that count"


def _item(pk: int) -> QueueItem:
    return QueueItem.objects.select_related("queue", "output").get(pk=pk)
