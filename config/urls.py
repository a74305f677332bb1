"""URLs of the whole app."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path

from config.api import api
from config.health import health
from review.sign_in import AdminSignInForm

admin.site.login_form = AdminSignInForm

api_urls = api.urls
for pattern in api_urls[0]:
    if callable(pattern.callback):
        # Keys let callers in here, not sign-in.
        login_not_required(pattern.callback)

urlpatterns = [
    path("healthz", health, name="health"),
    path("admin/", admin.site.urls),
    # Before the API, whose address for clients of a protocol is no endpoint of JSON.
    path("", include("curation.urls")),
    path("api/v1/", api_urls),
    path("", include("review.urls")),
    path("", include("feedback.urls")),
]
