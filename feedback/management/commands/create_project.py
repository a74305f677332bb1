"""Makes a project."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from feedback.models import User
from feedback.projects import create_project


class Command(BaseCommand):
    help = "Make a project with the default reasons and its first admin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="its name in addresses, like almanac")
        parser.add_argument("--name", help="its name on pages; made from the slug without")
        parser.add_argument("--admin", required=True, help="user name of its first admin")
        parser.add_argument(
            "--origin",
            action="append",
            default=[],
            help="origin (scheme://host:port) whose pages may send feedback; as often as needed",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        admin = User.objects.filter(username=options["admin"]).first()
        if admin is None:
            raise CommandError(
                f"--admin: There is no user “{options['admin']}”; make one with createsuperuser."
            )
        try:
            project = create_project(
                slug=options["slug"],
                name=options["name"] or options["slug"].replace("-", " ").title(),
                admin=admin,
                allowed_origins=options["origin"],
            )
        except ValidationError as error:
            faults = [f"{field}: {' '.join(said)}" for field, said in error.message_dict.items()]
            raise CommandError("; ".join(faults)) from error
        self.stdout.write(f"Made {project.slug}.")
