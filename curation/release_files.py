"""The folder of a release on disk: files that grow by chunks, and what stands beside them.

Knows no database. What was written after the last checkpoint is cut off again before more is
written, so that a release that was killed ends up with the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Folder:
    """The files of one release, by paths with slashes."""

    root: Path

    def path(self, name: str) -> Path:
        """Where a file lies; raises ValueError for a path that leads out of the folder."""
        path = self.root.joinpath(*name.split("/"))
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise ValueError(f"{name} is outside the release.")
        return path

    def append(self, name: str, lines: Iterable[bytes], *, after: int) -> int:
        """Cut a file to `after` bytes, add lines, and return its length once it is on disk."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(after)
            file.seek(after)
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def put(self, name: str, content: bytes) -> int:
        """Write a small file at once; return its length."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        return len(content)

    def sha256(self, name: str) -> str:
        """The hash of a file, read a megabyte at a time."""
        digest = hashlib.sha256()
        with self.path(name).open("rb") as file:
            while chunk := file.read(_READ_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        shutil.rmtree(self.root, ignore_errors=True)
