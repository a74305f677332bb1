"""Calls the API as a person does by script."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.authentication import create_own_key
from feedback.models import Membership, Project, User


class Caller:
    """A person who calls the API with their own key."""

    def __init__(self, client: Client, project: Project, user: User) -> None:
        self.client, self.project, self.user = client, project, user
        membership = Membership.objects.get(project=project, user=user)
        _, key = create_own_key(membership=membership, name="script", now=timezone.now())
        self.headers = {"authorization": f"Bearer {key}"}

    def get(self, path: str, **query: str) -> Any:
        return self.client.get(f"/api/v1/{path}", query, headers=self.headers)

    def page(self, name: str, *args: object) -> str:
        """What the page of that name shows them."""
        self.client.force_login(self.user)
        return self.client.get(reverse(name, args=[self.project.slug, *args])).content.decode()

    def post(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        return self.client.post(
            f"/api/v1/{path}",
            body if body is not None else {},
            content_type="application/json",
            headers=self.headers | headers,
        )
