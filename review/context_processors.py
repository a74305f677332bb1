"""What every page's frame needs."""

from django.http import HttpRequest


def nav(request: HttpRequest) -> dict[str, object]:
    """Return the current project, for the navigation."""
    return {"project": getattr(request, "project", None)}
