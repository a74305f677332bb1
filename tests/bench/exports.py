"""Exports: every format of real sets loads and passes its check, and a release of a million rows.

The sets come from the folder that POSTIL_DATA names, and from the demo project. The release is
written by a process of its own that is killed again and again, and once without a kill: both have
the same hashes, and neither more memory than the bar. `EXPORTS_ROWS` makes it smaller, to try it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psutil

from tests.bench import gates
from tests.bench.server import ROOT, services

if TYPE_CHECKING:
    from curation.models import Release, TrainingSet

ROWS = int(os.environ.get("EXPORTS_ROWS", "1_000_000"))
# Megabytes resident, of the process that writes.
BAR = 300
KILLS = 5
CONFIGS = ("sft", "preference", "kto")
WORK = (
    "import django; django.setup();"
    "from django.utils import timezone; from curation import releasing\n"
    "while releasing.work_off(now=timezone.now(), most=20): pass"
)


def run() -> tuple[str, bool]:
    if "POSTIL_DATA" not in os.environ:
        return "POSTIL_DATA names no folder", False
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["LOG_LEVEL"] = "WARNING"
    with services(), tempfile.TemporaryDirectory(prefix="postil-releases-") as releases:
        os.environ["RELEASES_DIR"] = releases
        import django

        django.setup()
        missed = gates.planted()
        print(f"  gates: {len(missed)} missed of what was planted", flush=True)
        most, wrong = _million()
        num_files, more = _sets()
    wrong += [*more, *(f"gates: {one}" for one in missed)]
    for one in wrong[:20]:
        print(f"  WRONG: {one}")
    figure = (
        f"{len(wrong)} wrong of {num_files} files of real sets and what was planted for gates; "
        f"{ROWS:,} examples, "
        f"{KILLS} kills, resident {most:.0f} MB, bar {BAR} MB"
    )
    return figure, not wrong and most < BAR


def _sets() -> tuple[int, list[str]]:
    """Release each set in all formats; load and check each file; read back what can be read."""
    from tests.material import SETS

    num_files = 0
    wrong: list[str] = []
    for name, training_set in _filled(SETS):
        made = _released(training_set)
        found, checked = _checked(made)
        num_files += checked
        left = _left_out(made)
        found += _missing(made)
        # All that these sets hold, every format can hold.
        if left:
            found.append(f"left out {left}")
        wrong += [f"{name}: {one}" for one in found]
        print(
            f"  {name:<12} {made.num_examples:>5} examples, {checked} files load and pass"
            f"{f', left out {left}' if left else ''}",
            flush=True,
        )
    return num_files, wrong


def _filled(sets: Any) -> Iterator[tuple[str, TrainingSet]]:
    from django.utils import timezone

    from curation import demo, training_sets
    from curation.models import TrainingSet
    from review.demo import SLUG
    from tests.factories import make_project, make_training_set, make_user

    project = make_project()
    curator = make_user(project)
    for name, rows in sets.items():
        training_set = make_training_set(project, name=name, slug=name)
        training_sets.add_rows(
            training_set=training_set, rows=rows(), by=curator, now=timezone.now()
        )
        yield name, training_set
    demo.load(now=timezone.now(), password="only-for-benchmarks")
    training_set = TrainingSet.objects.get(project__slug=SLUG)
    # It has released all that it has.
    training_set.releases.all().delete()
    yield "demo", training_set


def _released(training_set: TrainingSet) -> Release:
    from django.utils import timezone

    from curation import gating, releasing
    from curation.gates import Rules
    from tests.factories import make_user

    by = make_user(training_set.project)
    # What is measured is the files; the gates have a benchmark of their own.
    gating.set_rules(training_set=training_set, rules=Rules(blocking=()), by=by, now=timezone.now())
    formats = [*releasing.usual_formats(training_set=training_set), "evaluation"]
    return releasing.release(training_set=training_set, by=by, now=timezone.now(), formats=formats)


def _checked(made: Release) -> tuple[list[str], int]:
    from datasets import disable_progress_bars, load_dataset

    from curation import releasing
    from curation.checker import check, check_row, values
    from curation.readers import READERS, read

    disable_progress_bars()
    folder = releasing.folder_of(made).root
    wrong = []
    checked = 0
    texts = {
        (row.chosen.encode(), row.rejected.encode())
        for row in made.examples.only("chosen", "rejected")
    }
    halves = {half for pair in texts for half in pair}
    with tempfile.TemporaryDirectory() as cache:
        for one in made.files.exclude(format="").exclude(format="huggingface"):
            path = folder / one.path
            with path.open("rb") as file:
                report = check(file, one.format)
            wrong += [
                f"{one.path}:{found.line} {found.field} {found.message}"
                for found in report.findings
                if found.line and not found.is_note
            ]
            loaded = load_dataset("json", data_files=str(path), split="train", cache_dir=cache)
            if not len(loaded) == report.num_rows == one.num_rows:
                wrong.append(f"{one.path}: {len(loaded)} rows loaded of {one.num_rows}")
            if one.format in READERS:
                with path.open("rb") as file:
                    back = [read(value.data, one.format) for value in values(file)]
                lost = [
                    row
                    for row in back
                    if not {row.chosen.encode(), row.rejected.encode()} <= halves | {b""}
                ]
                wrong += [f"{one.path}: a text of {row.id} came back changed" for row in lost[:3]]
            checked += 1
        for config in CONFIGS:
            of_config = made.files.filter(path__startswith=f"huggingface/{config}/")
            if not of_config:
                continue
            loaded = load_dataset(str(folder / "huggingface"), config, cache_dir=cache)
            if loaded.keys() != set(of_config.values_list("split", flat=True)):
                wrong.append(f"{config}: only {', '.join(loaded)} are loaded")
            for split, data in loaded.items():
                wrong += [
                    f"{config}/{split}: row {row['id']} {found.field} {found.message}"
                    for row in data
                    for found in check_row(_as_sent(row), f"trl-{config}")
                ]
                shards = made.files.filter(path__startswith=f"huggingface/{config}/{split}-")
                expected = sum(shards.values_list("num_rows", flat=True))
                if len(data) != expected:
                    wrong.append(f"{config}/{split}: {len(data)} rows loaded of {expected}")
                checked += len(shards)
    return wrong, checked


def _missing(made: Release) -> list[str]:
    """What of the examples is in no file of a format that holds such, and is not told left out."""
    alone = made.examples.exclude(lineage__has_key="rejected_output")
    good, bad = alone.exclude(chosen="").count(), alone.exclude(rejected="").count()
    expected = {
        "sft": good,
        "preference": made.examples.exclude(chosen="").exclude(rejected="").count(),
        "kto": good + bad,
        "evaluation": alone.count(),
        "examples": made.examples.count(),
    }
    written: Counter[str] = Counter()
    for path, format_, num_rows in made.files.values_list("path", "format", "num_rows"):
        is_shard = format_ == "huggingface"
        written[path.rpartition("/")[0] if is_shard else format_] += num_rows
    left = _left_out(made)
    wrong = []
    for name, kind in _kinds(made).items():
        num_missing = expected[kind] - written[name]
        # What cannot be held counts once, though it may be two rows to learn and to unlearn.
        most = left.get(name, 0) * (2 if kind == "kto" else 1)
        if not left.get(name, 0) <= num_missing <= most:
            wrong.append(f"{name}: {written[name]} rows of {expected[kind]}, {most} left out")
        if expected[kind] and not written[name]:
            wrong.append(f"{name}: no row is written")
    return wrong


def _kinds(made: Release) -> dict[str, str]:
    """What its files hold, by their format; by config for those of Hugging Face."""
    from curation.writers import FORMATS

    kinds = {name: FORMATS[name].kind for name in made.formats if name in FORMATS}
    if "huggingface" in made.formats:
        kinds |= {f"huggingface/{config}": config for config in CONFIGS}
    return kinds


def _left_out(made: Release) -> dict[str, int]:
    told = _manifest(made)["left_out"]
    return {name: sum(rules.values()) for name, rules in told.items()}


def _as_sent(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a trainer takes it: without the columns of other rows, JSON as what it says."""

    def plain(value: Any, name: str = "") -> Any:
        if isinstance(value, list):
            return [plain(one) for one in value]
        if isinstance(value, dict):
            return {key: plain(one, key) for key, one in value.items() if one is not None}
        return json.loads(value) if name in {"tools", "tool_calls"} and value else value

    there = {name: value for name, value in row.items() if name not in {"id", "metadata"}}
    told: dict[str, Any] = plain(there)
    return told


def _manifest(made: Release) -> Any:
    from curation import releasing

    return json.loads(releasing.folder_of(made).path("manifest.json").read_text())


def _million() -> tuple[float, list[str]]:
    """Release many examples with kills and without; return the most memory and what differed."""
    from django.utils import timezone

    from curation import releasing
    from tests.factories import make_project, make_training_set, make_user

    project = make_project()
    curator = make_user(project)
    training_set = make_training_set(project)
    _insert(training_set, curator.pk)
    now = timezone.now()
    formats = ["trl-sft", "trl-preference", "trl-kto", "openai-sft", "huggingface"]
    told: list[dict[str, str]] = []
    most = 0.0
    for kills in (0, KILLS):
        made = releasing.start(training_set=training_set, by=curator, now=now, formats=formats)
        start = time.perf_counter()
        resident, happened = _work(made, kills)
        most = max(most, resident)
        seconds = time.perf_counter() - start
        made.refresh_from_db()
        size = sum(made.files.values_list("num_bytes", flat=True)) / 1e6
        print(
            f"  {made.num_examples:,} examples, {len(formats)} formats, {size:,.0f} MB, "
            f"{happened} kills: {seconds:.0f} s, {made.num_examples / seconds:,.0f} examples/s, "
            f"resident {resident:.0f} MB",
            flush=True,
        )
        if happened != kills:
            return most, [f"{happened} of {kills} processes were killed"]
        told.append(
            {**dict(made.files.values_list("path", "sha256")), "content": made.content_hash}
        )
        if made.status != "done" or made.num_examples != ROWS:
            return most, [f"it is {made.status} with {made.num_examples:,}: {made.problem}"]
        if wrong := _missing(made):
            return most, wrong
        releasing.folder_of(made).remove()
        made.delete()
    return most, [path for path in told[0] if told[1].get(path) != told[0][path]]


def _work(made: Release, kills: int) -> tuple[float, int]:
    """Have processes write the release, each killed but the last; return the most memory."""
    most = 0.0
    happened = 0
    for place in range(kills + 1):
        process = subprocess.Popen([sys.executable, "-c", WORK], cwd=ROOT)
        watched = psutil.Process(process.pid)
        until = _share(made) + 1 / (kills + 1) if place < kills else 2.0
        while process.poll() is None:
            try:
                most = max(most, watched.memory_info().rss / 1e6)
            except psutil.NoSuchProcess:
                break
            if _share(made) >= until:
                process.send_signal(signal.SIGKILL)
                happened += 1
                break
            time.sleep(0.2)
        process.wait()
    return most, happened


def _share(made: Release) -> float:
    made.refresh_from_db(fields=["status", "num_done", "num_examples"])
    return 1.0 if made.status == "done" else made.share_done


def _insert(training_set: TrainingSet, curator: int) -> None:
    """Examples of real length: those of the sets, again and again, each with a text of its own."""
    from django.db import connection

    from tests.material import SETS

    rows = [row for rows in SETS.values() for row in rows()]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE known (place int, prompt jsonb, chosen text, worse text)")
        cursor.executemany(
            "INSERT INTO known VALUES (%s, %s, %s, %s)",
            [
                (place, json.dumps([dict(turn) for turn in row.prompt]), row.chosen, row.rejected)
                for place, row in enumerate(row for row in rows if len(row.chosen) < 2_000)
                if sum(len(str(turn["content"])) for turn in row.prompt) < 3_000
            ],
        )
        cursor.execute(
            """
            INSERT INTO curation_example (training_set_id, prompt, tools, chosen, rejected,
                "group", created_by_id, created_at, is_pair)
            SELECT %(set)s, known.prompt, '[]',
                CASE WHEN known.chosen = '' THEN '' ELSE known.chosen || ' ' || n END,
                known.worse, 'group ' || n / 3, %(by)s, now(), false
            FROM generate_series(0, %(rows)s - 1) n
            JOIN (SELECT *, row_number() OVER (ORDER BY place) - 1 AS number,
                      count(*) OVER () AS num FROM known) known ON known.number = n %% known.num
            """,
            {"set": training_set.pk, "by": curator, "rows": ROWS},
        )
        cursor.execute("DROP TABLE known; ANALYZE")
