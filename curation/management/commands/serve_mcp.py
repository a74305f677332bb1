"""Serves a project's libraries to one client of the Model Context Protocol, over stdio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections
from ninja.errors import AuthenticationError, AuthorizationError

from curation.forgetting import Asking
from curation.mcp import ContextError, server_of
from feedback.authentication import ApiKeyAuth
from feedback.models import ApiKey, Project


class Command(BaseCommand):
    # A client waits for it: checks would import every page.
    requires_system_checks: tuple[str, ...] = ()
    help = (
        "Speak the Model Context Protocol on standard input and output, for the project of the "
        "API key in POSTIL_API_KEY."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        # From the environment, as everybody may see a command line.
        project = _asked(os.environ.get("POSTIL_API_KEY", ""))
        try:
            project()
        except ContextError as error:
            raise CommandError(str(error)) from error
        asyncio.run(server_of(project).run_stdio_async())


def _asked(token: str) -> Callable[[], Project]:
    """What finds the project of the key anew, as a web process does before each request."""
    keys, asking = ApiKeyAuth(ApiKey.Scope.CONTEXT), Asking()

    def project() -> Project:
        close_old_connections()
        asking.ask()
        try:
            return keys.check(token).project
        except (AuthenticationError, AuthorizationError) as error:
            raise ContextError(f"POSTIL_API_KEY: {error.message}") from error

    return project
