"""Static files as browsers get them: scripts without their comments, everything compressed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile, File
from whitenoise.storage import CompressedStaticFilesStorage

# JSDoc blocks, types in the middle of a line among them, and lines that are a comment alone.
# Postil's own scripts have neither in a string; a test parses what is left.
_BLOCKS = re.compile(r"/\*\*.*?\*/ ?", re.DOTALL)
_LINES = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_EMPTY = re.compile(r"\n[ \t]*(?=\n)")


def bare(script: str) -> str:
    """One of Postil's own scripts without comments: a quarter less to send."""
    return _EMPTY.sub("", _LINES.sub("", _BLOCKS.sub("", script)))


class ShippedFilesStorage(CompressedStaticFilesStorage):  # type: ignore[misc]
    """Collects files beside their compressed copies."""

    def _save(self, name: str, content: File[bytes]) -> str:
        if name.startswith("js/") and name.endswith(".js"):
            content = ContentFile(bare(content.read().decode()).encode())
        saved: str = super()._save(name, content)
        return saved

    def post_process(self, paths: dict[str, Any], **options: Any) -> Iterator[Any]:
        """Compress what was collected, but for what is as it was when it was compressed."""
        yield from super().post_process(
            {name: found for name, found in paths.items() if not self._is_compressed(name)},
            **options,
        )

    def _is_compressed(self, name: str) -> bool:
        file, copy = Path(self.path(name)), Path(self.path(f"{name}.gz"))
        # The copy is given the time of its file.
        return copy.exists() and copy.stat().st_mtime >= file.stat().st_mtime
