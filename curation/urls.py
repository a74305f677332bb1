"""Pages of the curation package."""

from django.urls import URLPattern, path

from curation.views import (
    drafts,
    effects,
    exposures,
    gates,
    issues,
    libraries,
    mcp,
    promotions,
    releases,
    reviews,
    trackers,
    training_files,
    training_sets,
    versions,
)

P = "p/<slug:project>"
LIBRARY = f"{P}/libraries/<slug:library>"
TRAINING_SET = f"{P}/training-sets/<slug:training_set>"
ISSUE = f"{P}/issues/<int:issue>"
RELEASE = f"{TRAINING_SET}/releases/<int:number>"

urlpatterns: list[URLPattern] = [
    path("api/v1/mcp", mcp.mcp, name="mcp"),
    path(f"{P}/reviews/", reviews.review_list, name="review_list"),
    path(f"{P}/reviews/<int:review>/promote/", reviews.promote, name="promote"),
    path(f"{P}/promotions/", promotions.promotion_list, name="promotion_list"),
    path(f"{P}/new-promotion/", promotions.promotion_create, name="promotion_create"),
    path(f"{P}/promotions/<int:promotion>/", promotions.promotion_job, name="promotion_job"),
    path(
        f"{P}/promotions/<int:promotion>/cancel/",
        promotions.promotion_cancel,
        name="promotion_cancel",
    ),
    path(f"{P}/promotions/<int:promotion>/undo/", promotions.promotion_undo, name="promotion_undo"),
    path(f"{P}/exposures/<uuid:token>/", exposures.exposure, name="exposure"),
    path(f"{P}/libraries/", libraries.library_list, name="library_list"),
    path(f"{P}/new-library/", libraries.library_create, name="library_create"),
    path(f"{LIBRARY}/", libraries.library, name="library"),
    path(f"{LIBRARY}/try/", libraries.library_try, name="library_try"),
    path(f"{LIBRARY}/use/", libraries.library_connect, name="library_connect"),
    path(f"{LIBRARY}/versions/<int:number>/", libraries.library_version, name="library_version"),
    path(f"{LIBRARY}/versions/<int:number>/live/", versions.version_live, name="version_live"),
    path(
        f"{LIBRARY}/versions/<int:number>/experiment/",
        versions.experiment_end,
        name="experiment_end",
    ),
    path(f"{LIBRARY}/proposals/<int:proposal>/", drafts.proposal_decide, name="proposal_decide"),
    path(f"{LIBRARY}/probes/", drafts.probe_keep, name="probe_keep"),
    path(f"{LIBRARY}/probes/<int:probe>/drop/", drafts.probe_drop, name="probe_drop"),
    path(f"{LIBRARY}/versions/<int:number>/effect/", effects.version_effect, name="version_effect"),
    path(
        f"{LIBRARY}/versions/<int:number>/entries/",
        effects.version_entries,
        name="version_entries",
    ),
    path(f"{P}/themes/<int:number>/effect/", effects.theme_effect, name="theme_effect"),
    path(f"{LIBRARY}/draft/", drafts.library_draft, name="library_draft"),
    path(f"{LIBRARY}/publish/", drafts.library_publish, name="library_publish"),
    path(f"{LIBRARY}/entries/<int:entry>/", drafts.entry_edit, name="entry_edit"),
    path(f"{LIBRARY}/entries/<int:entry>/remove/", drafts.entry_remove, name="entry_remove"),
    path(f"{P}/training-sets/", training_sets.training_set_list, name="training_set_list"),
    path(f"{P}/new-training-set/", training_sets.training_set_create, name="training_set_create"),
    path(f"{TRAINING_SET}/", training_sets.training_set, name="training_set"),
    path(
        f"{TRAINING_SET}/release/", training_sets.training_set_release, name="training_set_release"
    ),
    path(f"{TRAINING_SET}/gates/", gates.training_set_gates, name="training_set_gates"),
    path(f"{TRAINING_SET}/gates/check/", gates.gates_check, name="gates_check"),
    path(f"{TRAINING_SET}/gates/stop/", gates.gates_stop, name="gates_stop"),
    path(f"{TRAINING_SET}/gates/pass/", gates.gate_pass_all, name="gate_pass_all"),
    path(f"{TRAINING_SET}/gates/rules/", gates.gates_rules, name="gates_rules"),
    path(
        f"{TRAINING_SET}/gates/findings/<int:finding>/pass/",
        gates.finding_pass,
        name="finding_pass",
    ),
    path(
        f"{TRAINING_SET}/gates/findings/<int:finding>/take-back/",
        gates.finding_take_back,
        name="finding_take_back",
    ),
    path(
        f"{TRAINING_SET}/examples/<int:example>/remove/",
        training_sets.example_remove,
        name="example_remove",
    ),
    path(
        f"{TRAINING_SET}/examples/<int:example>/revoke/",
        training_sets.example_revoke,
        name="example_revoke",
    ),
    path(f"{TRAINING_SET}/filter/", training_sets.training_set_filter, name="training_set_filter"),
    path(f"{RELEASE}/", releases.release, name="release"),
    path(f"{RELEASE}/stop/", releases.release_stop, name="release_stop"),
    path(f"{RELEASE}/check/", releases.release_check, name="release_check"),
    path(f"{RELEASE}/<slug:split>.jsonl", releases.release_file, name="release_file"),
    path(f"{RELEASE}/files/<path:path>", releases.release_written, name="release_written"),
    path(f"{P}/issues/", issues.issue_list, name="issue_list"),
    path(f"{P}/new-issue/", issues.issue_create, name="issue_create"),
    path(f"{ISSUE}/", issues.issue, name="issue"),
    path(f"{ISSUE}/close/", issues.issue_close, name="issue_close"),
    path(f"{ISSUE}/reopen/", issues.issue_reopen, name="issue_reopen"),
    path(f"{ISSUE}/theme/", issues.issue_theme, name="issue_theme"),
    path(f"{ISSUE}/send/", trackers.issue_send, name="issue_send"),
    path(f"{P}/deliveries/<int:delivery>/again/", trackers.delivery_again, name="delivery_again"),
    path(f"{P}/trackers/", trackers.tracker_list, name="tracker_list"),
    path(f"{P}/trackers/<int:tracker>/secret/", trackers.tracker_secret, name="tracker_secret"),
    path(f"{P}/trackers/<int:tracker>/token/", trackers.tracker_token, name="tracker_token"),
    path(f"{P}/trackers/<int:tracker>/remove/", trackers.tracker_remove, name="tracker_remove"),
    path(f"{P}/handovers/<int:handover>/issue/", issues.issue_link, name="issue_link"),
    path(f"{P}/check-training-file/", training_files.training_file, name="training_file"),
]
