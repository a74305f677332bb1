"""Examples as Parquet shards of a Hugging Face data set. Knows no database.

The rows are TRL's, so that `datasets` loads them and its trainers take them as they are. The same
rows make the same bytes, with the same version of pyarrow.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from curation.formats import Json, Row
from curation.writers import sound

# Examples that a shard covers; those without a row of its kind are left out of it.
SHARD = 25_000
# Rows that are in memory at once.
GROUP = 500
CONFIGS = {"sft": "trl-sft", "preference": "trl-preference", "kto": "trl-kto"}
_LISTS = {
    "sft": ("messages",),
    "preference": ("prompt", "chosen", "rejected"),
    "kto": ("prompt", "completion"),
}


def shard_path(config: str, split: str, number: int, num_shards: int) -> str:
    """Where a shard lies in a release; numbers count from 0."""
    return f"huggingface/{config}/{split}-{number:05}-of-{num_shards:05}.parquet"


def write_shard(
    path: Path, config: str, rows: Iterable[Row], *, has_tools: bool, missed: Counter[str]
) -> int:
    """Write one shard, a row group at a time; return how many rows are in it.

    `has_tools` adds the columns for calls of tools, which all shards of a data set share. What is
    left out is counted as `missed`, by the rule.
    """
    import pyarrow as pa
    from pyarrow import parquet

    flat, typed = _schemas(config, has_tools=has_tools)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    num_rows = 0
    written = _written(config, rows, has_tools=has_tools, missed=missed)
    with parquet.ParquetWriter(part, typed, compression="zstd", compression_level=3) as writer:
        while group := list(islice(written, GROUP)):
            table = pa.Table.from_pylist(group, schema=flat)
            writer.write_table(table.cast(typed), row_group_size=GROUP)
            num_rows += len(group)
    part.replace(path)
    return num_rows


def _written(
    config: str, rows: Iterable[Row], *, has_tools: bool, missed: Counter[str]
) -> Iterator[Json]:
    for row in rows:
        for one in sound(row, CONFIGS[config], missed):
            told: Json = {
                "id": row.id,
                "metadata": json.dumps(dict(row.metadata), ensure_ascii=False, sort_keys=True),
            }
            for name in _LISTS[config]:
                told[name] = _messages(one[name])
            if "label" in one:
                told["label"] = one["label"]
            if has_tools:
                told["tools"] = _json(one.get("tools") or [])
            yield told


def _messages(value: object) -> list[Json]:
    turns: Sequence[Mapping[str, Any]] = value if isinstance(value, list) else []
    return [
        {
            "role": turn["role"],
            "content": turn["content"],
            "tool_calls": _json(turn["tool_calls"]) if turn.get("tool_calls") else None,
            "tool_call_id": turn.get("tool_call_id"),
            "name": turn.get("name"),
        }
        for turn in turns
    ]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _schemas(config: str, *, has_tools: bool) -> tuple[Any, Any]:
    """The schema that rows are read in by, and the one they are stored with, where JSON is typed.

    Arguments of different tools have different keys: as JSON they stay apart, where columns would
    fill each with the keys of all.
    """
    import pyarrow as pa

    def schema(typed: Any) -> Any:
        message = [("role", pa.string()), ("content", pa.string())]
        if has_tools:
            message += [
                ("tool_calls", typed),
                ("tool_call_id", pa.string()),
                ("name", pa.string()),
            ]
        columns = [(name, pa.list_(pa.struct(message))) for name in _LISTS[config]]
        if config == "kto":
            columns.append(("label", pa.bool_()))
        if has_tools:
            columns.append(("tools", typed))
        return pa.schema([*columns, ("id", pa.string()), ("metadata", pa.string())])

    return schema(pa.string()), schema(pa.json_() if has_tools else pa.string())
