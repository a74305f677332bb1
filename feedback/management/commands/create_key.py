"""Makes an API key."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from feedback.authentication import create_key
from feedback.models import ApiKey, Project


class Command(BaseCommand):
    help = "Make an API key of a project and print it, this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="slug of the project")
        parser.add_argument("--name", required=True, help="who will use it")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=ApiKey.Scope.values,
            help="what it may do; give it once for each",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project “{options['project']}”.")
        _, text = create_key(
            project=project, name=options["name"], scopes=sorted(set(options["scope"])), by=None
        )
        self.stdout.write(text)
