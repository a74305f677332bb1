from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

SCRIPT = Path(settings.BASE_DIR) / "static" / "embed.js"


def test_is_small() -> None:
    assert len(gzip.compress(SCRIPT.read_bytes())) <= 6_000


def test_needs_nothing_a_strict_page_forbids() -> None:
    """No markup from text, no evaluated code, no style attributes, no other script."""
    text = SCRIPT.read_text()
    for forbidden in (
        "innerHTML",
        "insertAdjacentHTML",
        "eval(",
        "new Function",
        "import(",
        ".style",
    ):
        assert forbidden not in text
    assert not re.search(r"^(import|export) ", text, re.MULTILINE)


@pytest.mark.django_db
def test_is_served_at_a_stable_address_to_any_origin(client: Client) -> None:
    response = client.get("/static/embed.js")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/javascript")
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response.getvalue() == SCRIPT.read_bytes()
    response.close()
