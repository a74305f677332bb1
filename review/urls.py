"""Pages of the review package."""

from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, path

from review.views import ingestion, pages, search

urlpatterns: list[URLPattern] = [
    path("", pages.home, name="home"),
    path("appearance/", pages.theme_switch, name="theme_switch"),
    path("patterns/", pages.patterns, name="patterns"),
    path("sign-in/", login_not_required(auth.LoginView.as_view()), name="login"),
    path("p/<slug:project>/search/", search.search_page, name="search"),
    path("p/<slug:project>/ingestion/", ingestion.ingestion, name="ingestion"),
    path("sign-out/", auth.LogoutView.as_view(), name="logout"),
]
