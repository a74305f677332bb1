"""What is kept as bytes stands in a page as if its templates had drawn it."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from feedback.models import Project
from review.splicing import Splices
from tests.factories import make_annotation, make_item, make_output, make_queue, make_user

CARD = re.compile(r'<li class="note".*?</li>', re.DOTALL)


def test_puts_each_piece_in_its_place() -> None:
    splices = Splices()
    page = f"<p>é</p>{splices.mark([b'<i>', b'1</i>'])}<hr>{splices.mark([b'<b>2</b>'])}!"
    assert splices.fill(page).decode() == "<p>é</p><i>1</i><hr><b>2</b>!"


def test_a_page_without_kept_pieces_stays_as_it_is() -> None:
    assert Splices().fill("<p>ü</p>") == "<p>ü</p>".encode()


@pytest.mark.django_db
class TestCardsOfTheDesk:
    def test_are_the_same_when_kept_but_for_their_keys_and_the_token(
        self, project: Project
    ) -> None:
        output = make_output(project, text="Apples are red — pears are green. 🍐")
        for words in ("Apples", "green. 🍐"):
            make_annotation(output, make_user(project, "expert"), words, comment=f"«{words}»?")
        address = f"/p/{project.slug}/items/{make_item(make_queue(project), output).pk}/"
        client = Client()
        client.force_login(make_user(project, "moderator"))
        first, second = (client.get(address).text for _ in range(2))
        assert len(CARD.findall(first)) == 2
        assert self.without_keys(first) == self.without_keys(second)
        keys = re.findall(r'name="request_key" value="([0-9a-f-]{36})"', first + second)
        assert len(set(keys)) == len(keys) >= 4
        assert first.count("csrfmiddlewaretoken") > 2
        assert not re.search(r'name="csrfmiddlewaretoken" value="(?!\w{64}")', first + second)

    def without_keys(self, page: str) -> list[str]:
        cards = CARD.findall(page)
        return [
            re.sub(r'(request_key|csrfmiddlewaretoken)" value="[^"]*"', "", one) for one in cards
        ]
