from review.models.addition import AddedReason
from review.models.annotation import Anchor, Annotation, Comment, Evidence, Mention
from review.models.bulk import BulkChange, BulkJob
from review.models.digest import Digest, DigestMail
from review.models.escalation import Escalation
from review.models.event import Event
from review.models.found import AnnotationEmbedding, AnnotationWords, CommentWords
from review.models.group import DrawnItem, ItemGroup, SpotCheck
from review.models.handover import Handover
from review.models.job import Job
from review.models.notification import Notification, NotificationChoice
from review.models.provisional import Provisional
from review.models.queue import Claim, Queue, QueueItem, QueueReviewer, Skip
from review.models.review import Draft, Review, ReviewReason
from review.models.routing import RouteTerm, RoutingRule
from review.models.saved_view import SavedView
from review.models.stratum import Stratum
from review.models.theme import Theme, ThemeMembership, ThemeRun
from review.models.triage_model import TriageModel

__all__ = [
    "AddedReason",
    "Anchor",
    "Annotation",
    "AnnotationEmbedding",
    "AnnotationWords",
    "BulkChange",
    "BulkJob",
    "Claim",
    "Comment",
    "CommentWords",
    "Digest",
    "DigestMail",
    "Draft",
    "DrawnItem",
    "Escalation",
    "Event",
    "Evidence",
    "Handover",
    "ItemGroup",
    "Job",
    "Mention",
    "Notification",
    "NotificationChoice",
    "Provisional",
    "Queue",
    "QueueItem",
    "QueueReviewer",
    "Review",
    "ReviewReason",
    "RouteTerm",
    "RoutingRule",
    "SavedView",
    "Skip",
    "SpotCheck",
    "Stratum",
    "Theme",
    "ThemeMembership",
    "ThemeRun",
    "TriageModel",
]
