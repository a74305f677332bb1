"""Tenancy: users, projects, who may do what in them, and their API keys."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q


class User(AbstractUser):
    """A person who signs in."""


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User) -> ProjectQuerySet:
        """Projects the user is a member of: the only door to a project's rows."""
        return self.filter(memberships__user=user)


class Project(models.Model):
    """A tenant: one LLM product whose outputs are reviewed."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    allowed_origins = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Origins (scheme://host:port) whose pages may send feedback.",
    )
    spot_check_share = models.FloatField(
        default=0.9,
        help_text="What share of look-alikes has to share a verdict, with 95 % confidence, "
        "before they are decided as one: above 0.5, up to 1.",
    )
    second_approver = models.BooleanField(
        default=True,
        help_text="Whether a second curator has to approve before a context library is published. "
        "Where there is one curator alone, they publish alone, and that is recorded.",
    )
    # Whether ids were erased that ingestion has to refuse; most projects need not ask.
    has_erased = models.BooleanField(default=False)
    confirmations = models.PositiveSmallIntegerField(
        default=2,
        help_text="How many reviewers have to give an answer the same verdict before workers "
        "propose it for promotion: at least 1.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(spot_check_share__gt=0.5, spot_check_share__lte=1),
                name="%(app_label)s_%(class)s_spot_check_share_range",
            ),
            models.CheckConstraint(
                condition=Q(confirmations__gte=1), name="%(app_label)s_%(class)s_confirmed_by_one"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user's role in one project. Roles are ordered: each may do what those before it may."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer"
        TAGGER = "tagger", "Tagger"
        EXPERT = "expert", "Expert"
        MODERATOR = "moderator", "Moderator"
        CURATOR = "curator", "Curator"
        ADMIN = "admin", "Admin"

    project = models.ForeignKey(Project, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "user"], name="%(app_label)s_%(class)s_once"
            ),
            models.CheckConstraint(
                condition=Q(
                    role__in=["viewer", "tagger", "expert", "moderator", "curator", "admin"]
                ),
                name="%(app_label)s_%(class)s_role_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} of {self.project_id}"

    @classmethod
    def reaching(cls, role: str) -> list[str]:
        """The given role and those above it."""
        order = list(cls.Role.values)
        return order[order.index(role) :]

    def may(self, role: str) -> bool:
        """Whether this membership reaches the given role."""
        return self.role in self.reaching(role)


SCOPES = ["ingest", "feedback", "read", "context", "export", "release"]


class ApiKey(models.Model):
    """A key to the API of one project: a product's, or with a `membership` a person's own.

    A product's has scopes; a person's may what its membership may at the moment. Only a keyed hash
    of the secret is stored.
    """

    class Scope(models.TextChoices):
        INGEST = "ingest", "Send records"
        FEEDBACK = "feedback", "Mint feedback tokens"
        READ = "read", "Read sessions, outputs and search"
        CONTEXT = "context", "Fetch context"
        EXPORT = "export", "Download training sets"
        RELEASE = "release", "Make releases of training sets"

    # Whose own keys have a scope too; the others are for products alone.
    ROLES: ClassVar[Mapping[str, str]] = {
        Scope.READ: Membership.Role.VIEWER,
        Scope.CONTEXT: Membership.Role.CURATOR,
        Scope.EXPORT: Membership.Role.CURATOR,
        Scope.RELEASE: Membership.Role.CURATOR,
    }

    project = models.ForeignKey(Project, models.CASCADE, related_name="api_keys")
    membership = models.ForeignKey(
        Membership, models.CASCADE, null=True, blank=True, related_name="api_keys"
    )
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=8, unique=True)
    secret_hash = models.CharField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices), blank=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="created_api_keys"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="revoked_api_keys"
    )
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(expires_at__gt=F("created_at")),
                name="%(app_label)s_%(class)s_expires_after_creation",
            ),
            models.CheckConstraint(
                condition=Q(membership__isnull=False, scopes__len=0)
                | Q(membership=None, scopes__len__gt=0) & Q(scopes__contained_by=SCOPES),
                name="%(app_label)s_%(class)s_scopes_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    def may(self, scope: str) -> bool:
        """Whether the key has a scope; a person's own has those that its role reaches."""
        if self.membership is None:
            return scope in self.scopes
        return scope in self.ROLES and self.membership.may(self.ROLES[scope])

    @staticmethod
    def hash_secret(secret: str) -> str:
        """HMAC-SHA256 of a secret under the server's key, in hex: a stolen table opens nothing."""
        pepper = hashlib.sha256(b"postil.api-key:" + settings.SECRET_KEY.encode()).digest()
        return hmac.new(pepper, secret.encode(), hashlib.sha256).hexdigest()

    def matches(self, secret: str) -> bool:
        """Whether the secret is this key's, compared in constant time."""
        return hmac.compare_digest(self.secret_hash, self.hash_secret(secret))
