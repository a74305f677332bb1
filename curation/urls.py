"""Pages of the curation package."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
