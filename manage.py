#!/usr/bin/env python
"""Django's command-line entry point."""

import json
import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

RUNNING = Path(__file__).resolve().parent / ".postil" / "environment.json"

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if "DATABASE_URL" not in os.environ and RUNNING.exists():
        # Postil is running here with servers of its own: work on those.
        os.environ.update(json.loads(RUNNING.read_text()))
    execute_from_command_line(sys.argv)
