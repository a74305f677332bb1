from curation.models.checking import Probe, Proposal
from curation.models.context import (
    ContextEntry,
    ContextLibrary,
    EntryKind,
    Exposure,
    LibraryVersion,
    PublishedEntry,
)
from curation.models.experiment import Experiment
from curation.models.training import (
    Example,
    GroupSplit,
    Release,
    ReleasedExample,
    ReleaseFile,
    Revocation,
    TrainingSet,
)

__all__ = [
    "ContextEntry",
    "ContextLibrary",
    "EntryKind",
    "Example",
    "Experiment",
    "Exposure",
    "GroupSplit",
    "LibraryVersion",
    "Probe",
    "Proposal",
    "PublishedEntry",
    "Release",
    "ReleaseFile",
    "ReleasedExample",
    "Revocation",
    "TrainingSet",
]
