from feedback.models.embedding import Embedding
from feedback.models.erasure import ErasedRecord, Erasure
from feedback.models.feedback import Feedback, FeedbackReason
from feedback.models.ingestion import RecordType, RejectedRecord, WaitingRecord
from feedback.models.output import AnswerVersion, Output
from feedback.models.project import ApiKey, Membership, Project, User
from feedback.models.reason import Reason, Taxonomy
from feedback.models.session import Session, SessionTag, Tag
from feedback.models.stepped import Stepped
from feedback.models.words import FeedbackWords, OutputWords

__all__ = [
    "AnswerVersion",
    "ApiKey",
    "Embedding",
    "ErasedRecord",
    "Erasure",
    "Feedback",
    "FeedbackReason",
    "FeedbackWords",
    "Membership",
    "Output",
    "OutputWords",
    "Project",
    "Reason",
    "RecordType",
    "RejectedRecord",
    "Session",
    "SessionTag",
    "Stepped",
    "Tag",
    "Taxonomy",
    "User",
    "WaitingRecord",
]
