from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import signing

from feedback import tokens
from feedback.models import Project
from tests.factories import NOW

LATER = NOW + timedelta(hours=1)


class TestVerify:
    def test_returns_what_was_signed(self) -> None:
        project = Project(pk=7)
        token = tokens.sign(project=project, output="o/1 \N{ROCKET}", expires_at=LATER)
        assert tokens.verify(token, now=NOW) == tokens.FeedbackToken(
            project_id=7, output="o/1 \N{ROCKET}", expires_at=LATER
        )

    def test_refuses_an_expired_token(self) -> None:
        token = tokens.sign(project=Project(pk=7), output="o", expires_at=LATER)
        tokens.verify(token, now=LATER - timedelta(seconds=1))
        with pytest.raises(tokens.TokenError, match="expired"):
            tokens.verify(token, now=LATER)

    def test_refuses_every_change_of_a_character(self) -> None:
        token = tokens.sign(project=Project(pk=7), output="o", expires_at=LATER)
        for place, character in enumerate(token):
            changed = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
            with pytest.raises(tokens.TokenError, match="wrong"):
                tokens.verify(changed, now=NOW)

    @pytest.mark.parametrize(
        "token",
        ["", ":", "::", "a:b:c", "\x00", "\ud800", "\N{ROCKET}:x:y", ".eJw:1:2", "x" * 10**6],
    )
    def test_refuses_what_is_no_token(self, token: str) -> None:
        with pytest.raises(tokens.TokenError, match="wrong"):
            tokens.verify(token, now=NOW)

    def test_refuses_what_was_signed_for_another_purpose(self) -> None:
        foreign = signing.dumps([7, "o", int(LATER.timestamp())], salt="something.else")
        with pytest.raises(tokens.TokenError, match="wrong"):
            tokens.verify(foreign, now=NOW)
