"""Imports records from a file, as the API takes them: one a line."""

from __future__ import annotations

import gzip
from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from feedback import wire
from feedback.ingestion import Report, ingest
from feedback.models import Project
from feedback.tasks import embed_soon

BATCH = 1_000


class Command(BaseCommand):
    help = "Import records (one JSON object a line, plain or .gz) into a project."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="the file of records, .gz when compressed")
        parser.add_argument("--project", required=True, help="slug of the project")

    def handle(self, *_args: Any, path: Path, project: str, **_options: Any) -> None:
        found = Project.objects.filter(slug=project).first()
        if found is None:
            raise CommandError(f"--project: There is no project “{project}”.")
        try:
            total = self._import(found, path)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror or error}") from error
        except wire.WireError as error:
            raise CommandError(f"{path}: {error}") from error
        embed_soon()
        self.stdout.write(
            f"{total.accepted} accepted, {total.updated} updated, {total.unchanged} unchanged, "
            f"{len(total.rejected)} rejected"
        )
        if total.rejected:
            raise CommandError("Some records were rejected; mend those lines and import again.")

    def _import(self, project: Project, path: Path) -> Report:
        total = Report()
        with (
            path.open("rb") as raw,
            tqdm(total=path.stat().st_size, unit="B", unit_scale=True, disable=None) as bar,
        ):
            lines = enumerate(_lines(raw, is_compressed=path.suffix == ".gz"), start=1)
            numbered = ((number, line) for number, line in lines if line.strip())
            while batch := list(islice(numbered, BATCH)):
                # Something may have been erased since, and is not to come back.
                project.refresh_from_db(fields=["has_erased"])
                records = [wire.read_line(line) for _, line in batch]
                report = ingest(project=project, records=records, now=timezone.now())
                self._add(total, report, [number for number, _ in batch])
                bar.update(raw.tell() - bar.n)
        return total

    def _add(self, total: Report, report: Report, numbers: list[int]) -> None:
        total.accepted += report.accepted
        total.updated += report.updated
        total.unchanged += report.unchanged
        total.rejected += report.rejected
        for rejection in report.rejected:
            for fault in rejection.errors:
                where = f"line {numbers[rejection.index]}, {rejection.id or 'no id'}"
                path = f"{fault.path}: " if fault.path else ""
                self.stderr.write(f"{where}: {path}{fault.message}")


def _lines(raw: BinaryIO, *, is_compressed: bool) -> Iterator[bytes]:
    """The file's lines; one longer than a request may be is cut and so refused."""
    file = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if is_compressed else raw
    while line := file.readline(wire.MAX_BYTES):
        yield line
