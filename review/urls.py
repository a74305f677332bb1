"""Pages of the review package."""

from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, path

from review.demo import SLUG as DEMO
from review.sign_in import SignInForm
from review.views import demo, ingestion, pages, patterns, queues, search, themes

urlpatterns: list[URLPattern] = [
    path("", pages.home, name="home"),
    path("appearance/", pages.theme_switch, name="theme_switch"),
    path("patterns/", patterns.patterns, name="patterns"),
    path(
        "sign-in/",
        login_not_required(
            auth.LoginView.as_view(authentication_form=SignInForm, redirect_authenticated_user=True)
        ),
        name="login",
    ),
    path("p/<slug:project>/search/", search.search_page, name="search"),
    path("p/<slug:project>/ingestion/", ingestion.ingestion, name="ingestion"),
    path("sign-out/", auth.LogoutView.as_view(), name="logout"),
    path("p/<slug:project>/queues/", queues.queue_list, name="queue_list"),
    path("p/<slug:project>/new-queue/", queues.queue_create, name="queue_create"),
    path("p/<slug:project>/queues/<slug:queue>/", queues.queue, name="queue"),
    path("p/<slug:project>/queues/<slug:queue>/next/", queues.queue_next, name="queue_next"),
    path("p/<slug:project>/themes/", themes.theme_list, name="theme_list"),
    path("p/<slug:project>/themes/<int:number>/", themes.theme, name="theme"),
    path("p/<slug:project>/themes/<int:number>/rename/", themes.theme_rename, name="theme_rename"),
    path("demo/", demo.demo, {"project": DEMO}, name="demo"),
]
