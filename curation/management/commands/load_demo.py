"""Loads the demo project, once."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from curation.demo import Demo, DemoError, load
from feedback.tasks import embed_soon


class Command(BaseCommand):
    help = "Load the demo project unless it is there, and write how to enter it to a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--access", type=Path, required=True, help="file to write user, password and key to"
        )

    def handle(self, *_args: Any, access: Path, **_options: Any) -> None:
        password = secrets.token_urlsafe(12)
        try:
            # The file comes before the commit: no demo project is left that nobody can enter.
            with transaction.atomic():
                demo = load(now=timezone.now(), password=password)
                if demo is not None:
                    _write(access, demo, password)
        except DemoError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{access}: {error.strerror or error}") from error
        if demo is None:
            self.stdout.write("The demo project is there already.")
        else:
            embed_soon()
            self.stdout.write(f"Loaded the demo project; how to enter it stands in {access}.")


def _write(path: Path, demo: Demo, password: str) -> None:
    """Replace the file as a whole, readable by its owner alone from the start."""
    access = {
        "username": demo.username,
        "password": password,
        "api_key": demo.api_key,
        "project": demo.project.slug,
    }
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(access, indent=2) + "\n")
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
