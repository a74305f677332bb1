"""Serves a project's libraries to one client of the Model Context Protocol, over stdio."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from ninja.errors import AuthenticationError, AuthorizationError

from curation.mcp import server_of
from feedback.authentication import ApiKeyAuth
from feedback.models import ApiKey


class Command(BaseCommand):
    # A client waits for it: checks would import every page.
    requires_system_checks: tuple[str, ...] = ()
    help = (
        "Speak the Model Context Protocol on standard input and output, for the project of the "
        "API key in POSTIL_API_KEY."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        # From the environment, as everybody may see a command line.
        token = os.environ.get("POSTIL_API_KEY", "")
        try:
            key = ApiKeyAuth(ApiKey.Scope.CONTEXT).check(token)
        except (AuthenticationError, AuthorizationError) as error:
            raise CommandError(f"POSTIL_API_KEY: {error.message}") from error
        asyncio.run(server_of(key.project).run_stdio_async())
