"""Pages of the feedback package."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
