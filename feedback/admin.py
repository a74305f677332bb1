"""Projects, their members and keys, for staff."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from feedback.authentication import revoke_key
from feedback.models import ApiKey, Membership, Project, User

admin.site.register(User, UserAdmin)


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 1
    autocomplete_fields = ["user"]


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):
    list_display = ["name", "slug", "created_at"]
    # A page that was opened before the first erasure would deny it.
    exclude = ["has_erased"]
    inlines = [MembershipInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A project needs its reasons: `manage.py create_project` makes both."""
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    list_display = ["name", "project", "prefix", "scopes", "last_used_at", "revoked_at"]
    list_select_related = ["project"]
    exclude = ["secret_hash"]
    readonly_fields = [
        *["name", "project", "prefix", "scopes", "created_at", "created_by", "expires_at"],
        *["last_used_at", "revoked_at", "revoked_by"],
    ]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A key's text is shown once: `manage.py create_key` prints it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Keys are revoked, so that what they did can still be told."""
        return False

    @admin.action(description="Revoke the chosen keys")
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        by = User.objects.get(username=request.user.get_username())
        for key in keys:
            revoke_key(key=key, by=by, now=timezone.now())
