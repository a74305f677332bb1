"""Pages of the review package."""

from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, path

from review.views import pages

urlpatterns: list[URLPattern] = [
    path("", pages.home, name="home"),
    path("appearance/", pages.theme_switch, name="theme_switch"),
    path("patterns/", pages.patterns, name="patterns"),
    path("sign-in/", login_not_required(auth.LoginView.as_view()), name="login"),
    path("sign-out/", auth.LogoutView.as_view(), name="logout"),
]
