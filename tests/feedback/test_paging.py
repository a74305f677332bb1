from __future__ import annotations

from datetime import timedelta

import pytest

from feedback.models import Output, Project, Tag
from feedback.paging import CursorError, page, write_cursor
from tests.factories import NOW, make_output, make_session

ORDER = ["-at", "-id"]


class TestPage:
    def test_gives_every_row_once_in_order(self, project: Project) -> None:
        session = make_session(project)
        for number in range(7):
            make_output(project, session, at=NOW + timedelta(hours=number // 3))
        seen: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            part = page(Output.objects.all(), order=ORDER, size=2, cursor=cursor)
            seen += [row.pk for row in part.rows]
            cursor = part.next_cursor
        assert seen == list(Output.objects.order_by(*ORDER).values_list("pk", flat=True))

    def test_ends_when_the_rows_end_with_a_page(self, project: Project) -> None:
        make_output(project)
        assert page(Output.objects.all(), order=ORDER, size=1).next_cursor is None

    @pytest.mark.parametrize(
        "cursor", ["x", "W10", "WzEsMl0", "e30", "\x00", "WyJ4IiwieCJd", "W251bGwsMV0", "é"]
    )
    @pytest.mark.django_db
    def test_refuses_a_cursor_it_did_not_give(self, cursor: str) -> None:
        with pytest.raises(CursorError):
            page(Output.objects.all(), order=ORDER, size=1, cursor=cursor)

    @pytest.mark.django_db
    def test_refuses_a_cursor_with_a_name_that_nothing_can_have(self) -> None:
        for name in ("\x00", "a\x00b"):
            with pytest.raises(CursorError):
                page(
                    Tag.objects.all(), order=["name", "id"], size=1, cursor=write_cursor([name, 1])
                )
