"""URLs of the whole app."""

from django.contrib import admin
from django.urls import include, path

from config.api import api

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("", include("curation.urls")),
    path("", include("review.urls")),
    path("", include("feedback.urls")),
]
