"""The API's document, over the routers of all packages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pydantic import BaseModel

from config.api import api
from review.models import BulkJob


def shapes(base: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    """Every shape of a request or reply that is ours."""
    for one in base.__subclasses__():
        if one.__module__.split(".")[0] in {"curation", "review", "feedback", "config"}:
            yield one
        yield from shapes(one)


class TestDocument:
    def test_no_two_shapes_have_one_name(self) -> None:
        named = Counter(name for name, _ in {(one.__name__, one.__module__) for one in shapes()})
        assert [name for name, number in named.items() if number > 1] == []

    def test_every_act_says_what_it_does(self) -> None:
        paths = api.get_openapi_schema()["paths"]
        silent = [
            f"{verb} {path}"
            for path, acts in paths.items()
            for verb, act in acts.items()
            if not (act.get("summary") and act.get("description"))
        ]
        assert silent == []

    def test_choices_stand_where_they_are_meant(self) -> None:
        """By name, all enums called Status would be told as one of them."""
        named = api.get_openapi_schema()["components"]["schemas"]
        assert [name for name, shape in named.items() if "enum" in shape] == ["Part"]
        assert named["JobReply"]["properties"]["status"]["enum"] == list(BulkJob.Status.values)
