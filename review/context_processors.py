"""What every page's frame needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from feedback.models import Membership, Project
from review.http import memberships
from review.models import Notification

THEMES = ("light", "dark", "system")
NAV_MODES = ("full", "rail")


@dataclass(frozen=True, kw_only=True)
class Section:
    """A link of the navigation."""

    label: str
    icon: str
    key: str
    url: str
    is_active: bool


@dataclass(frozen=True, kw_only=True)
class Group:
    """Sections under one title; the first group has none."""

    title: str
    sections: list[Section]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a section leads, which pages belong to it, and who sees it."""

    url_name: str
    label: str
    icon: str
    key: str
    pages: frozenset[str]
    role: Membership.Role = Membership.Role.VIEWER


PLACES = {
    "": [
        Place(
            url_name="my_work",
            label="My work",
            icon="list",
            key="M",
            pages=frozenset({"my_work"}),
        ),
        Place(
            url_name="queue_list",
            label="Queues",
            icon="inbox",
            key="Q",
            pages=frozenset({"queue_list", "queue", "alike", "item"}),
        ),
        Place(
            url_name="search",
            label="Explore",
            icon="text-search",
            key="E",
            pages=frozenset(
                {"search", "search_comments", "bulk_list", "bulk_job", "session", "output"}
            ),
        ),
    ],
    "Moderate": [
        Place(
            url_name="board",
            label="Board",
            icon="activity",
            key="B",
            pages=frozenset(
                {
                    "board",
                    "agreement",
                    "dispute_list",
                    "rule_list",
                    "rule_create",
                    "rule_edit",
                    "handover_list",
                    "escalation_list",
                    "escalation",
                }
            ),
            role=Membership.Role.MODERATOR,
        ),
    ],
    "Learn": [
        Place(
            url_name="theme_list",
            label="Themes",
            icon="shapes",
            key="T",
            pages=frozenset({"theme_list", "theme"}),
        ),
        Place(
            url_name="tag_list",
            label="Tags",
            icon="tag",
            key="A",
            pages=frozenset({"tag_list", "tag_rename", "tag_merge"}),
        ),
    ],
    "Close the loop": [
        Place(
            url_name="review_list",
            label="Reviewed",
            icon="circle-check-big",
            key="R",
            pages=frozenset(
                {"review_list", "promote", "promotion_list", "promotion_create", "promotion_job"}
            ),
        ),
        Place(
            url_name="candidate_list",
            label="Candidates",
            icon="sparkles",
            key="C",
            pages=frozenset({"candidate_list", "candidate_decide", "candidate_edit"}),
        ),
        Place(
            url_name="issue_list",
            label="Product issues",
            icon="flag",
            key="P",
            pages=frozenset({"issue_list", "issue_create", "issue", "tracker_list"}),
        ),
        Place(
            url_name="library_list",
            label="Context libraries",
            icon="library",
            key="L",
            pages=frozenset(
                {
                    "library_list",
                    "library_create",
                    "library",
                    "library_try",
                    "library_version",
                    "library_draft",
                    "library_publish",
                    "entry_edit",
                }
            ),
        ),
        Place(
            url_name="training_set_list",
            label="Training sets",
            icon="database",
            key="D",
            pages=frozenset(
                {
                    "training_set_list",
                    "training_set_create",
                    "training_set",
                    "training_set_release",
                }
            ),
        ),
    ],
    "Collect": [
        Place(
            url_name="ingestion",
            label="Ingestion",
            icon="webhook",
            key="I",
            pages=frozenset({"ingestion"}),
            role=Membership.Role.CURATOR,
        ),
        Place(
            url_name="erasure_list",
            label="Erasure",
            icon="trash-2",
            key="X",
            pages=frozenset({"erasure_list", "erasure_preview", "erasure_start", "erasure"}),
            role=Membership.Role.ADMIN,
        ),
    ],
}


class Nav:
    """The navigation of one request. It asks the database only when a template draws it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def _memberships(self) -> list[Membership]:
        return memberships(self._request)

    @property
    def projects(self) -> list[Project]:
        """The projects the user is a member of, by name."""
        return [membership.project for membership in self._memberships]

    @cached_property
    def num_unread(self) -> int:
        """How much is new in the user's inbox."""
        user = self._request.user
        if not user.is_authenticated:
            return 0
        unread = Notification.objects.unread()
        # What is hidden from the user is told apart only where there is something to tell.
        return unread.seen_by(user).count() if unread.filter(user=user).exists() else 0

    @property
    def membership(self) -> Membership | None:
        """The user's membership in the page's project; away from projects, in their first one."""
        current: Membership | None = getattr(self._request, "membership", None)
        return current or next(iter(self._memberships), None)

    @property
    def project(self) -> Project | None:
        """The project the navigation leads through."""
        return self.membership.project if self.membership else None

    @cached_property
    def groups(self) -> list[Group]:
        """The sections the user may open, in groups; empty groups are left out."""
        groups = [
            Group(title=title, sections=[s for place in places if (s := self._section(place))])
            for title, places in PLACES.items()
        ]
        return [group for group in groups if group.sections]

    @property
    def search_url(self) -> str:
        """Where the search box leads; empty without a project."""
        return self._url("search")

    def _section(self, place: Place) -> Section | None:
        url = self._url(place.url_name)
        if not url or self.membership is None or not self.membership.may(place.role):
            return None
        match = self._request.resolver_match
        return Section(
            label=place.label,
            icon=place.icon,
            key=place.key,
            url=url,
            is_active=match is not None and match.url_name in place.pages,
        )

    def _url(self, name: str) -> str:
        if self.project is None:
            return ""
        try:
            return reverse(name, args=[self.project.slug])
        except NoReverseMatch:
            return ""


def nav(request: HttpRequest) -> dict[str, object]:
    """Return the current project, the navigation, and how the user likes the frame to look."""
    theme = request.COOKIES.get("theme", "")
    mode = request.COOKIES.get("nav", "")
    return {
        "project": getattr(request, "project", None),
        "nav": Nav(request),
        "appearance": {
            "theme": theme if theme in THEMES else "system",
            "nav": mode if mode in NAV_MODES else "full",
        },
    }
