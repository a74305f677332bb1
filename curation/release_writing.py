"""Writes the frozen rows of a release as files, and hashes them. Each call is one step."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count

from curation.cards import SPLITTING, About, axolotl_config, card, dataset_info
from curation.formats import Json, Row, canonical, line
from curation.models import Release, ReleasedExample, ReleaseFile
from curation.release_files import Folder
from curation.shards import CONFIGS, GROUP, SHARD, shard_path, write_shard
from curation.writers import FORMATS, sound

Split = ReleasedExample.Split
# Examples that one step writes as lines.
WRITTEN_AT_ONCE = 1_000
HUGGINGFACE = "huggingface"
MANIFEST = "manifest.json"


def write_step(made: Release, folder: Folder) -> None:
    """Write the lines of some examples, or one range of them as Parquet, or go on to hashing."""
    done = made.checkpoint
    place = done.setdefault("place", {"stage": "lines", "split": Split.TRAIN, "position": 0})
    total = _num_rows(made)[place["split"]]
    if place["position"] >= total:
        _next(made, place)
        return
    if place["stage"] == "lines":
        until = min(place["position"] + WRITTEN_AT_ONCE, total)
        _write_lines(made, folder, place["split"], place["position"], until)
    else:
        until = min(place["position"] + SHARD, total)
        _write_shards(made, folder, place["split"], place["position"], until)
    made.num_done += until - place["position"]
    place["position"] = until


def _next(made: Release, place: Json) -> None:
    """Go on to the next split, the next stage, or the next status."""
    splits = list(Split.values)
    at = splits.index(str(place["split"]))
    place["position"] = 0
    if at + 1 < len(splits):
        place["split"] = splits[at + 1]
    elif place["stage"] == "lines" and HUGGINGFACE in made.formats:
        place["stage"], place["split"] = "shards", splits[0]
        made.num_done = 0
    else:
        made.status, made.num_done = Release.Status.HASHING, 0


def _write_lines(made: Release, folder: Folder, split: str, after: int, until: int) -> None:
    files = made.checkpoint.setdefault("files", {})
    rows = list(_rows(made, split, after, until))
    for name in made.formats:
        if name not in FORMATS:
            continue
        missed: Counter[str] = Counter()
        written = [line(one).encode() for row in rows for one in sound(row, name, missed)]
        _count(made, name, missed)
        path = FORMATS[name].path(split)
        if not written and path not in files:
            continue
        length, num_rows = files.get(path, (0, 0))
        files[path] = [
            folder.append(path, written, after=length),
            num_rows + len(written),
        ]


def _write_shards(made: Release, folder: Folder, split: str, after: int, until: int) -> None:
    shards = made.checkpoint.setdefault("shards", {})
    num_shards = -(-_num_rows(made)[split] // SHARD)
    for config in CONFIGS:
        missed: Counter[str] = Counter()
        path = shard_path(config, split, after // SHARD, num_shards)
        shards[path] = write_shard(
            folder.path(path),
            config,
            _rows(made, split, after, until),
            has_tools=made.checkpoint.get("has_tools", False),
            missed=missed,
        )
        _count(made, f"{HUGGINGFACE}/{config}", missed)


def _count(made: Release, name: str, missed: Counter[str]) -> None:
    """Add to what a format left out, by its rule."""
    left_out = made.checkpoint.setdefault("left_out", {})
    if missed:
        left_out[name] = dict(Counter(left_out.get(name, {})) + missed)


def _rows(made: Release, split: str, after: int, until: int) -> Iterator[Row]:
    """The examples of a range of positions, in order, a group of them in memory at once."""
    rows = ReleasedExample.objects.there().filter(release=made, split=split)
    for first in range(after, until, GROUP):
        last = min(first + GROUP, until)
        for one in rows.filter(position__gt=first, position__lte=last).order_by("position"):
            lineage = dict(one.lineage)
            yield Row(
                one.prompt,
                one.chosen,
                one.rejected,
                one.tools,
                id=str(one.example_id),
                group=str(lineage.pop("group", "")),
                is_pair=one.is_pair,
                metadata={name: lineage[name] for name in lineage if name != "example"},
            )


def hash_step(made: Release, folder: Folder) -> bool:
    """Hash one file; return whether there was one left."""
    done = made.checkpoint
    _drop_empty(made, folder)
    hashes = done.setdefault("hashes", {})
    for path in sorted({*done.get("files", {}), *done.get("shards", {})}):
        if path not in hashes:
            hashes[path] = folder.sha256(path)
            return True
    return False


def _drop_empty(made: Release, folder: Folder) -> None:
    """A config without a row in a split has no shards there: loaders want at least one row."""
    shards = made.checkpoint.get("shards", {})
    sums: Counter[str] = Counter()
    for path, num_rows in shards.items():
        sums[_series(path)] += num_rows
    for path in [path for path in shards if not sums[_series(path)]]:
        folder.path(path).unlink(missing_ok=True)
        del shards[path]


def _series(path: str) -> str:
    return path.rpartition("/")[0] + "/" + path.rpartition("/")[2].partition("-")[0]


def finish(made: Release, folder: Folder, now: datetime) -> None:
    """Write what stands beside the rows, and close the release, unsaved. Needs a transaction."""
    done = made.checkpoint
    rows = {path: (size, num) for path, (size, num) in done.get("files", {}).items()}
    for path, num in done.get("shards", {}).items():
        rows[path] = (folder.path(path).stat().st_size, num)
    files = [_file(made, path, *rows[path], done["hashes"][path]) for path in sorted(rows)]
    about = _about(made, files)
    for path, content in _beside(about, files).items():
        files.append(_put(made, folder, path, content))
    content_hash = hashlib.sha256(
        canonical([[one.path, one.sha256] for one in files if one.format == "examples"])
    ).hexdigest()
    manifest = json.dumps(
        _manifest(made, files, content_hash), ensure_ascii=False, indent=1, sort_keys=True
    )
    files.append(_put(made, folder, MANIFEST, f"{manifest}\n".encode()))
    ReleaseFile.objects.bulk_create(files)
    made.content_hash, made.ended_at = content_hash, now
    made.status, made.checkpoint = Release.Status.DONE, {}
    made.num_done = made.num_examples


def _file(made: Release, path: str, size: int, num_rows: int, sha256: str) -> ReleaseFile:
    split = path.rpartition("/")[2].removesuffix(".jsonl").removesuffix(".parquet")
    by_path = {one.path(split): name for name, one in FORMATS.items() for split in Split.values}
    found = next((name for name in Split.values if name in split.split("-")), "")
    return ReleaseFile(
        release=made,
        path=path,
        format=by_path.get(path, HUGGINGFACE),
        split=found,
        num_rows=num_rows,
        num_bytes=size,
        sha256=sha256,
    )


def _put(made: Release, folder: Folder, path: str, content: bytes) -> ReleaseFile:
    return ReleaseFile(
        release=made,
        path=path,
        num_bytes=folder.put(path, content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _beside(about: About, files: list[ReleaseFile]) -> dict[str, bytes]:
    paths = [one.path for one in files]
    found = {}
    if ours := [path for path in paths if path.startswith("llamafactory/")]:
        found["llamafactory/dataset_info.json"] = dataset_info(about, ours)
    if ours := [path for path in paths if path.startswith("axolotl/")]:
        found["axolotl/datasets.yaml"] = axolotl_config(ours)
    if about.configs:
        found["huggingface/README.md"] = card(about)
    return found


def _about(made: Release, files: list[ReleaseFile]) -> About:
    configs: dict[str, list[str]] = {}
    for config in CONFIGS:
        paths = [one.path for one in files if one.path.startswith(f"huggingface/{config}/")]
        if paths:
            names = {path.rpartition("/")[2].partition("-")[0] for path in paths}
            configs[config] = [split for split in Split.values if split in names]
    return About(
        name=made.training_set.name,
        slug=made.training_set.slug,
        number=made.number,
        description=made.training_set.description,
        purpose=made.training_set.purpose,
        released_on=made.released_at.date().isoformat(),
        num_rows=_num_there(made),
        configs=configs,
        left_out=made.checkpoint.get("left_out", {}),
        has_gates="gates" in made.checkpoint,
        gates=made.checkpoint.get("gates"),
        revocations=_revocations(made),
    )


def _revocations(made: Release) -> str:
    return f"/api/v1/training-sets/{made.training_set.slug}/releases/{made.number}/revocations"


def _manifest(made: Release, files: list[ReleaseFile], content_hash: str) -> Json:
    training_set = made.training_set
    return {
        "manifest_version": 1,
        "training_set": training_set.slug,
        "release": made.number,
        "purpose": training_set.purpose,
        "released_at": made.released_at.isoformat(),
        "filter": made.checkpoint.get("filter"),
        # One that was begun before it was kept is written as it would have been then.
        **({"gates": made.checkpoint["gates"]} if "gates" in made.checkpoint else {}),
        "examples": _num_there(made),
        **({"erased": made.num_erased} if made.num_erased else {}),
        **({"former_hashes": made.former_hashes} if made.former_hashes else {}),
        "splitting": SPLITTING[training_set.purpose],
        "left_out": made.checkpoint.get("left_out", {}),
        "files": [
            {
                "path": one.path,
                "bytes": one.num_bytes,
                "sha256": one.sha256,
                "rows": one.num_rows,
            }
            for one in files
        ],
        "content_hash": content_hash,
        "revocations": _revocations(made),
    }


def _num_rows(made: Release) -> dict[str, int]:
    return {
        Split.TRAIN.value: made.num_train,
        Split.VALIDATION.value: made.num_validation,
        Split.TEST.value: made.num_test,
    }


def _num_there(made: Release) -> dict[str, int]:
    """How many rows of each split were not erased."""
    numbers = _num_rows(made)
    if made.num_erased:
        gone = made.examples.exclude(erased_at=None).values_list("split")
        for split, number in gone.annotate(Count("pk")).order_by("split"):
            numbers[split] -= number
    return numbers
