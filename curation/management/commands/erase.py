"""Erases a user or a session."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from curation import erasing, releasing
from feedback.models import Erasure, Membership, Project


class Command(BaseCommand):
    help = "Erase all that is one user's, or one session, and wait until it is gone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="slug of the project")
        parser.add_argument("scope", choices=Erasure.Scope.values)
        parser.add_argument("id", help="id of the user or the session, as it was sent")
        parser.add_argument("--by", required=True, help="name of the admin who answers for it")
        parser.add_argument(
            "--preview", action="store_true", help="only count what would go, by kind"
        )
        parser.add_argument(
            "--may-return", action="store_true", help="take the same records in when sent again"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask for the id once more")

    def handle(self, *_args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project “{options['project']}”.")
        members = Membership.objects.filter(project=project, user__username=options["by"])
        member = members.select_related("user").first()
        if member is None or not member.may(Membership.Role.ADMIN):
            raise CommandError(f"“{options['by']}” is no admin of this project.")
        about = {"project": project, "scope": options["scope"], "subject": options["id"]}
        try:
            found = erasing.preview(**about)
            self._tell(found.counts)
            if options["preview"]:
                return
            made = erasing.start(
                **about,
                confirmed=options["id"] if options["yes"] else input("Type the id once more: "),
                may_return=options["may_return"],
                by=member.user,
                now=timezone.now(),
            )
        except erasing.ErasureError as error:
            raise CommandError(error.message) from error
        self._wait(made)
        self.stdout.write(f"Done: {made.num_rows} rows are gone.")

    def _wait(self, made: Erasure) -> None:
        """Work as a worker does, since none may be running."""
        while made.is_active:
            if not erasing.work_off(now=timezone.now(), most=20):
                releasing.work_off(now=timezone.now())
                time.sleep(1)
            made.refresh_from_db()
        if made.status == Erasure.Status.FAILED:
            raise CommandError(made.problem)

    def _tell(self, counts: dict[str, int]) -> None:
        for kind, number in counts.items():
            self.stdout.write(f"{number:>8}  {kind}")
