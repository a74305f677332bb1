"""How the API's document tells the values of a choice."""

from __future__ import annotations

from enum import Enum

from pydantic import WithJsonSchema


def told_choices(choices: type[Enum]) -> WithJsonSchema:
    """Have a field list the values where it stands.

    By name, as pydantic has it, all that are called `Status` would be told as one of them.
    """
    return WithJsonSchema({"type": "string", "enum": [one.value for one in choices]})
