"""The demo project's recorded conversations, as its demo page plays them again."""

from __future__ import annotations

# The slug of the demo project, which `curation.demo` loads.
SLUG = "almanac"
