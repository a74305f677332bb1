from curation.models.candidate import Candidate
from curation.models.checking import Probe, Proposal
from curation.models.context import (
    ContextEntry,
    ContextLibrary,
    EntryKind,
    Exposure,
    LibraryVersion,
    PublishedEntry,
)
from curation.models.delivery import Attempt, Delivery
from curation.models.experiment import Experiment
from curation.models.gate import CheckedGroup, GateCheck, GateFinding, GatePass, GateRules
from curation.models.issue import Issue, IssueChange
from curation.models.issue_source import IssueExample, IssueSource
from curation.models.promotion import Placing, PromotionJob
from curation.models.tracker import TakenReport, Ticket, Tracker
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
    "Attempt",
    "Candidate",
    "CheckedGroup",
    "ContextEntry",
    "ContextLibrary",
    "Delivery",
    "EntryKind",
    "Example",
    "Experiment",
    "Exposure",
    "GateCheck",
    "GateFinding",
    "GatePass",
    "GateRules",
    "GroupSplit",
    "Issue",
    "IssueChange",
    "IssueExample",
    "IssueSource",
    "LibraryVersion",
    "Placing",
    "Probe",
    "PromotionJob",
    "Proposal",
    "PublishedEntry",
    "Release",
    "ReleaseFile",
    "ReleasedExample",
    "Revocation",
    "TakenReport",
    "Ticket",
    "Tracker",
    "TrainingSet",
]
