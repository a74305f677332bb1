"""Pages of the review package."""

from django.contrib.auth import views as auth
from django.urls import URLPattern, path

from review.demo import SLUG as DEMO
from review.views import (
    anchors,
    annotations,
    board,
    bulk,
    demo,
    desk,
    evidence,
    inbox,
    ingestion,
    my_work,
    outputs,
    own_keys,
    pages,
    patterns,
    permalinks,
    queues,
    rules,
    saved_views,
    search,
    sign_in,
    suggestions,
    themes,
    threads,
    trails,
)

urlpatterns: list[URLPattern] = [
    path("", pages.home, name="home"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/read/", inbox.inbox_read, name="inbox_read"),
    path("inbox/<int:notification>/", inbox.inbox_open, name="inbox_open"),
    path("account/keys/", own_keys.own_keys, name="own_keys"),
    path("account/keys/<int:key>/revoke/", own_keys.own_key_revoke, name="own_key_revoke"),
    path("appearance/", pages.theme_switch, name="theme_switch"),
    path("patterns/", patterns.patterns, name="patterns"),
    path("sign-in/", sign_in.SignIn.as_view(), name="login"),
    path("p/<slug:project>/search/", search.search_page, name="search"),
    path("p/<slug:project>/search/comments/", search.search_comments, name="search_comments"),
    path("p/<slug:project>/search/complete/", search.search_complete, name="search_complete"),
    path("p/<slug:project>/views/", saved_views.view_save, name="view_save"),
    path("p/<slug:project>/views/<int:view>/", saved_views.view_change, name="view_change"),
    path(
        "p/<slug:project>/views/<int:view>/search/", saved_views.view_replace, name="view_replace"
    ),
    path("p/<slug:project>/views/<int:view>/delete/", saved_views.view_delete, name="view_delete"),
    path("p/<slug:project>/bulk/", bulk.bulk_list, name="bulk_list"),
    path("p/<slug:project>/new-bulk/", bulk.bulk_start, name="bulk_start"),
    path("p/<slug:project>/bulk/<int:job>/", bulk.bulk_job, name="bulk_job"),
    path("p/<slug:project>/bulk/<int:job>/cancel/", bulk.bulk_cancel, name="bulk_cancel"),
    path("p/<slug:project>/bulk/<int:job>/undo/", bulk.bulk_undo, name="bulk_undo"),
    path("p/<slug:project>/export/", bulk.export, name="export"),
    path("p/<slug:project>/ingestion/", ingestion.ingestion, name="ingestion"),
    path("sign-out/", auth.LogoutView.as_view(), name="logout"),
    path("p/<slug:project>/my-work/", my_work.own, name="my_work"),
    path("p/<slug:project>/board/", board.board, name="board"),
    path("p/<slug:project>/queues/", queues.queue_list, name="queue_list"),
    path("p/<slug:project>/new-queue/", rules.queue_create, name="queue_create"),
    path("p/<slug:project>/new-queue/preview/", rules.queue_preview, name="queue_preview"),
    path("p/<slug:project>/queues/<slug:queue>/", queues.queue, name="queue"),
    path("p/<slug:project>/queues/<slug:queue>/next/", queues.queue_next, name="queue_next"),
    path("p/<slug:project>/queues/<slug:queue>/rules/", rules.queue_edit, name="queue_edit"),
    path("p/<slug:project>/queues/<slug:queue>/shares/", rules.queue_shares, name="queue_shares"),
    path("p/<slug:project>/themes/", themes.theme_list, name="theme_list"),
    path("p/<slug:project>/themes/<int:number>/", themes.theme, name="theme"),
    path("p/<slug:project>/themes/<int:number>/rename/", themes.theme_rename, name="theme_rename"),
    path("demo/", demo.demo, {"project": DEMO}, name="demo"),
    path("p/<slug:project>/items/<int:item>/", desk.item, name="item"),
    path("p/<slug:project>/items/<int:item>/claim/", desk.item_claim, name="item_claim"),
    path("p/<slug:project>/items/<int:item>/renew/", desk.item_renew, name="item_renew"),
    path("p/<slug:project>/items/<int:item>/release/", desk.item_release, name="item_release"),
    path("p/<slug:project>/items/<int:item>/skip/", desk.item_skip, name="item_skip"),
    path("p/<slug:project>/items/<int:item>/submit/", desk.item_submit, name="item_submit"),
    path("p/<slug:project>/items/<int:item>/draft/", desk.item_draft, name="item_draft"),
    path("p/<slug:project>/items/<int:item>/undo/", desk.item_undo, name="item_undo"),
    path(
        "p/<slug:project>/items/<int:item>/annotations/",
        annotations.annotation_create,
        name="annotation_create",
    ),
    path(
        "p/<slug:project>/annotations/<int:annotation>/", permalinks.annotation, name="annotation"
    ),
    path(
        "p/<slug:project>/annotations/<int:annotation>/edit/",
        annotations.annotation_edit,
        name="annotation_edit",
    ),
    path(
        "p/<slug:project>/annotations/<int:annotation>/delete/",
        annotations.annotation_delete,
        name="annotation_delete",
    ),
    path("p/<slug:project>/answers/<int:answer>/turns/", trails.trail_turns, name="trail_turns"),
    path("p/<slug:project>/answers/<int:answer>/turn/", trails.turn, name="turn"),
    path(
        "p/<slug:project>/answers/<int:answer>/texts/<slug:text>/",
        trails.turn_text,
        name="turn_text",
    ),
    path("p/<slug:project>/answers/<int:answer>/related/", trails.related, name="related"),
    path(
        "p/<slug:project>/annotations/<int:annotation>/accept/", suggestions.accept, name="accept"
    ),
    path(
        "p/<slug:project>/annotations/<int:annotation>/reject/", suggestions.reject, name="reject"
    ),
    path("p/<slug:project>/annotations/<int:annotation>/undo/", suggestions.undo, name="undo"),
    path(
        "p/<slug:project>/annotations/<int:annotation>/rebase/", suggestions.rebase, name="rebase"
    ),
    path("p/<slug:project>/answers/<int:answer>/shown/", suggestions.shown, name="shown"),
    path("p/<slug:project>/answers/<int:answer>/applied/", suggestions.applied, name="applied"),
    path("p/<slug:project>/answers/<int:answer>/rewrite/", suggestions.rewrite, name="rewrite"),
    path(
        "p/<slug:project>/answers/<int:answer>/suggestions/",
        suggestions.suggestions_decide,
        name="suggestions_decide",
    ),
    path(
        "p/<slug:project>/answers/<int:answer>/suggestion/preview/",
        suggestions.suggestion_preview,
        name="suggestion_preview",
    ),
    path(
        "p/<slug:project>/annotations/<int:annotation>/reply/",
        threads.reply_create,
        name="reply_create",
    ),
    path(
        "p/<slug:project>/annotations/<int:annotation>/resolve/",
        threads.resolve,
        name="annotation_resolve",
    ),
    path(
        "p/<slug:project>/annotations/<int:annotation>/reopen/",
        threads.reopen,
        name="annotation_reopen",
    ),
    path(
        "p/<slug:project>/annotations/<int:annotation>/confirm/",
        anchors.confirm,
        name="annotation_confirm",
    ),
    path(
        "p/<slug:project>/annotations/<int:annotation>/reattach/",
        anchors.reattach,
        name="annotation_reattach",
    ),
    path("p/<slug:project>/replies/<int:reply>/edit/", threads.reply_edit, name="reply_edit"),
    path("p/<slug:project>/replies/<int:reply>/delete/", threads.reply_delete, name="reply_delete"),
    path("p/<slug:project>/answers/<int:answer>/changes/", threads.changed, name="changes"),
    path(
        "p/<slug:project>/answers/<int:answer>/evidence/",
        evidence.evidence_create,
        name="evidence_create",
    ),
    path(
        "p/<slug:project>/evidence/<int:evidence>/remove/",
        evidence.evidence_remove,
        name="evidence_remove",
    ),
    path("p/<slug:project>/sessions/<path:session>", outputs.session, name="session"),
    path("p/<slug:project>/outputs/<path:output>", outputs.output, name="output"),
]
