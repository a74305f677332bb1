"""The page of a person's own keys, and what the keys may."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.authentication import MOST_OWN_KEYS, OwnKeyError, create_own_key
from feedback.models import ApiKey, Membership, Project, User
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db

URL = "/account/keys/"


@pytest.fixture
def ann(client: Client, project: Project) -> User:
    user = make_user(project, "expert", username="ann")
    client.force_login(user)
    return user


def make(client: Client, project: Project, more: dict[str, str] | None = None) -> Any:
    sent = {"name": "My script", "project": project.slug, "days": "30"} | (more or {})
    return client.post(URL, sent)


def status(client: Client, text: str, path: str = "queues") -> int:
    headers = {"authorization": f"Bearer {text}"}
    return client.get(f"/api/v1/{path}", headers=headers).status_code


class TestPage:
    def test_shows_a_new_key_once(self, client: Client, project: Project, ann: User) -> None:
        page = make(client, project)
        [text] = re.findall(r'value="(pst_[^"]+)"', page.content.decode())
        assert page.status_code == 201
        assert "no-store" in page["Cache-Control"]
        assert status(client, text) == 200
        key = ApiKey.objects.get(project=project)
        assert key.expires_at is not None
        assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=31)
        secret = text.rpartition("_")[2]
        assert secret not in key.secret_hash
        later = client.get(URL).content.decode()
        assert "My script" in later
        assert secret not in later
        assert "now</time>" in later

    def test_revokes_a_key_at_once(self, client: Client, project: Project, ann: User) -> None:
        key, text = create_own_key(membership=ann.memberships.get(), name="x", now=timezone.now())
        client.post(reverse("own_key_revoke", args=[key.pk]))
        assert status(client, text) == 401
        key.refresh_from_db()
        assert key.revoked_by == ann
        assert "revoked" in client.get(URL).content.decode()

    def test_knows_nothing_of_the_keys_of_others(
        self, client: Client, project: Project, ann: User
    ) -> None:
        bob = make_user(project)
        key, text = create_own_key(
            membership=bob.memberships.get(), name="Bobs", now=timezone.now()
        )
        assert "Bobs" not in client.get(URL).content.decode()
        assert client.post(reverse("own_key_revoke", args=[key.pk])).status_code == 404
        assert status(client, text) == 200

    @pytest.mark.parametrize("more", [{"name": " "}, {"project": "none\x00"}, {"days": "31"}])
    def test_says_what_is_wrong(
        self, client: Client, project: Project, ann: User, more: dict[str, str]
    ) -> None:
        page = make(client, project, more)
        assert page.status_code == 422
        assert 'class="err"' in page.content.decode()
        assert not ApiKey.objects.filter(project=project).exists()

    def test_gives_no_key_to_a_project_one_is_no_member_of(self, client: Client, ann: User) -> None:
        """Complaint 23."""
        other = make_project(name="Secret project")
        page = make(client, other)
        assert page.status_code == 422
        assert "Secret project" not in page.content.decode()

    def test_costs_the_same_for_many_keys(
        self, client: Client, project: Project, ann: User, django_assert_num_queries: Any
    ) -> None:
        for _ in range(5):
            create_own_key(membership=ann.memberships.get(), name="x", now=timezone.now())
        with django_assert_num_queries(6):
            client.get(URL)


class TestOwnKeys:
    def test_have_the_scopes_that_the_role_reaches(
        self, client: Client, project: Project, ann: User
    ) -> None:
        membership = ann.memberships.get()
        _, text = create_own_key(membership=membership, name="x", now=timezone.now())
        headers = {"authorization": f"Bearer {text}"}
        for role, context in (("expert", 403), ("curator", 404)):
            Membership.objects.update(role=role)
            assert status(client, text, "outputs") == 200
            got = client.post(
                "/api/v1/context",
                {"library": "none", "query": "x"},
                content_type="application/json",
                headers=headers,
            )
            assert got.status_code == context
            for path in ("ingest", "feedback-tokens"):
                got = client.post(
                    f"/api/v1/{path}", {}, content_type="application/json", headers=headers
                )
                assert got.status_code == 403, path

    def test_are_of_a_limited_number(self, project: Project, ann: User) -> None:
        membership, now = ann.memberships.get(), timezone.now()
        for _ in range(MOST_OWN_KEYS):
            key, _ = create_own_key(membership=membership, name="x", now=now)
        with pytest.raises(OwnKeyError):
            create_own_key(membership=membership, name="x", now=now)
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=now)
        create_own_key(membership=membership, name="x", now=now)

    def test_end_when_they_are_to(self, client: Client, project: Project, ann: User) -> None:
        membership, now = ann.memberships.get(), timezone.now()
        with pytest.raises(OwnKeyError):
            create_own_key(membership=membership, name="x", now=now, expires_at=now)
        key, text = create_own_key(
            membership=membership, name="x", now=now, expires_at=now + timedelta(days=1)
        )
        ApiKey.objects.filter(pk=key.pk).update(
            created_at=now - timedelta(days=2), expires_at=now - timedelta(days=1)
        )
        assert status(client, text) == 401

    def test_have_no_scopes_of_their_own(self, project: Project, ann: User) -> None:
        key, _ = create_own_key(membership=ann.memberships.get(), name="x", now=timezone.now())
        key.scopes = ["ingest"]
        with pytest.raises(IntegrityError, match="scopes_known"):
            key.save()
