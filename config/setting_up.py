"""What Postil needs before its processes start: the schema, static files and the demo project.

    python -m config.setting_up ACCESS

All by one process: Django alone takes two seconds to load.
"""

from __future__ import annotations

import os
import sys

import django
from django.core.management import CommandError, call_command

from config.supervisor import log


def main(access: str) -> int:
    """Make or renew all; the file `access` tells how to enter the demo. Return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    for name, *arguments in (
        ("migrate", "--noinput", "--verbosity=0"),
        ("collectstatic", "--noinput", "--verbosity=0"),
        ("load_demo", "--access", access),
    ):
        log("setup", name)
        try:
            call_command(name, *arguments)
        except CommandError as error:
            sys.stderr.write(f"manage.py {name}: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
