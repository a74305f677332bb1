from review.models.annotation import Annotation
from review.models.event import Event
from review.models.queue import Claim, Queue, QueueItem, Skip
from review.models.review import Review, ReviewReason
from review.models.theme import Theme, ThemeMembership, ThemeRun

__all__ = [
    "Annotation",
    "Claim",
    "Event",
    "Queue",
    "QueueItem",
    "Review",
    "ReviewReason",
    "Skip",
    "Theme",
    "ThemeMembership",
    "ThemeRun",
]
