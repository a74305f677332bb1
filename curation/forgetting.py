"""Has each process, of the web and of workers, forget what it keeps once something was erased."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from django.core.cache import cache, caches
from django.http import HttpRequest, HttpResponseBase
from redis.exceptions import RedisError

from curation import shelves
from curation.erasing import FORGET_KEY

# Seconds between two questions of a process.
ASKS_EVERY = 5.0
PACKAGES = ("feedback", "review", "curation")


class Asking:
    """What a process knows of erasures: it asks Redis now and then, and forgets after one.

    A process that has nothing to do keeps what it has till its next request or task.
    """

    def __init__(self) -> None:
        self._asked = -ASKS_EVERY
        self._known: object = None
        self._is_first = True

    def ask(self) -> None:
        """Forget if something was erased since the last time. Without Redis, at the next one."""
        if time.monotonic() - self._asked < ASKS_EVERY:
            return
        self._asked = time.monotonic()
        try:
            told = cache.get(FORGET_KEY)
        except RedisError:
            return
        if told != self._known and not self._is_first:
            forget()
        self._known, self._is_first = told, False


class ForgetErased:
    """Middleware: has a web process forget before it answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._asking = Asking()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        self._asking.ask()
        return self._get_response(request)


def forget() -> None:
    """Drop drawn cards, vectors of versions, and what functions of ours keep of texts.

    Those that keep without a limit hold models and tokenizers, and no texts.
    """
    caches["cards"].clear()
    shelves.clear()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in PACKAGES:
            continue
        for value in list(vars(module).values()):
            told = getattr(value, "cache_parameters", None)
            if told is not None and told()["maxsize"] is not None:
                value.cache_clear()
