from curation.models.context import (
    ContextEntry,
    ContextLibrary,
    EntryKind,
    Exposure,
    LibraryVersion,
    PublishedEntry,
)
from curation.models.training import Example, Release, ReleasedExample, TrainingSet

__all__ = [
    "ContextEntry",
    "ContextLibrary",
    "EntryKind",
    "Example",
    "Exposure",
    "LibraryVersion",
    "PublishedEntry",
    "Release",
    "ReleasedExample",
    "TrainingSet",
]
