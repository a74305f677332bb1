from __future__ import annotations

import hashlib
import hmac

import pytest

from curation import signing


class TestSign:
    def test_is_what_the_documentation_says(self) -> None:
        meant = hmac.new(b"secret", b'1793610000.{"a":1}', hashlib.sha256).hexdigest()
        found = signing.sign(secret="secret", timestamp=1_793_610_000, body=b'{"a":1}')
        assert found == f"v1={meant}"

    @pytest.mark.parametrize(
        ("changed", "is_right"),
        [
            ({}, True),
            ({"now": 1_300}, True),
            ({"now": 1_301}, False),
            ({"now": 699}, False),
            ({"body": b"other"}, False),
            ({"timestamp": "1001"}, False),
            ({"timestamp": ""}, False),
            ({"timestamp": "-5"}, False),
            ({"timestamp": "1e3"}, False),
            ({"timestamp": "१०००"}, False),
            ({"timestamp": "1" * 5_000}, False),
            ({"secret": "another"}, False),
            ({"signature": ""}, False),
            ({"signature": "v1=é"}, False),
        ],
    )
    def test_is_verified(self, changed: dict[str, object], is_right: bool) -> None:
        signature = signing.sign(secret="secret", timestamp=1_000, body=b"body")
        given: dict[str, object] = {
            "secret": "secret",
            "timestamp": "1000",
            "signature": signature,
            "body": b"body",
            "now": 1_000,
        }
        assert signing.is_signed(**(given | changed)) is is_right  # type: ignore[arg-type]

    def test_as_hubs_sign(self) -> None:
        """The example of GitHub's documentation."""
        signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        secret = "It's a Secret to Everybody"
        assert signing.is_hub_signed(secret=secret, signature=signature, body=b"Hello, World!")
        assert not signing.is_hub_signed(secret=secret, signature=signature, body=b"Hello!")
        assert not signing.is_hub_signed(secret=secret, signature="", body=b"Hello, World!")
