from __future__ import annotations

import pytest
from django.db import connection, transaction

from feedback.timeouts import TooSlowError, time_limit

pytestmark = pytest.mark.django_db


def sleep(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


class TestTimeLimit:
    def test_gives_each_statement_so_much(self) -> None:
        with pytest.raises(TooSlowError), transaction.atomic(), time_limit(50):
            sleep(5)

    def test_begins_none_after_all_of_it(self) -> None:
        ran = []

        def ask() -> None:
            with time_limit(5_000, altogether=100):
                for number in range(9):
                    with transaction.atomic():
                        sleep(0.15)
                    ran.append(number)

        with pytest.raises(TooSlowError):
            ask()
        assert ran == [0]
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
