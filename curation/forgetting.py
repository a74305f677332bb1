"""Has each web process forget what it keeps in memory once something was erased."""

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


class ForgetErased:
    """Middleware: asks Redis now and then whether something was erased since, and forgets then.

    A process that nobody asks anything keeps what it has till its next request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._asked = -ASKS_EVERY
        self._known: object = None
        self._is_first = True

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if time.monotonic() - self._asked >= ASKS_EVERY:
            self._asked = time.monotonic()
            self._ask()
        return self._get_response(request)

    def _ask(self) -> None:
        try:
            told = cache.get(FORGET_KEY)
        except RedisError:
            return
        if told != self._known and not self._is_first:
            forget()
        self._known, self._is_first = told, False


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
