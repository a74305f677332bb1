"""What the card and the manifest of a release tell of its examples."""

from __future__ import annotations

import json
from typing import Any

import pytest

from curation import gating, promotion, releasing
from curation.gates import Gate, Rules
from curation.models import GatePass, Release, TrainingSet
from feedback.embedding import model_id
from feedback.models import Project, User
from tests.curation.erased import ask, whole
from tests.factories import (
    NOW,
    make_output,
    make_review,
    make_session,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db

QUESTIONS = ("Where is my card?", "Who wrote Bloom?", "May I keep chickens?", "When is it open?")


@pytest.fixture
def training_set(project: Project, curator: User) -> TrainingSet:
    """Four examples: of one a consent is recorded, one is disputed, one holds an address."""
    made = make_training_set(project, slug="answers", is_gated=True)
    blocking = (Gate.EXACT, Gate.PERSONAL)
    gating.set_rules(training_set=made, rules=Rules(blocking=blocking), by=curator, now=NOW)
    for place, question in enumerate(QUESTIONS):
        consent = {"consent": "yes"} if place == 0 else {}
        session = make_session(project, external_id=f"s-{place}", metadata=consent)
        text = "Write to ann@mail.example.com." if place == 2 else f"It is {place}."
        output = make_output(project, session, query=question, text=text)
        review = make_review(output, curator, verdict="accept")
        if place == 1:
            make_review(output, make_user(project), verdict="reject", is_authoritative=False)
        promotion.promote_to_training_set(review=review, training_set=made, by=curator, now=NOW)
    return made


@pytest.fixture
def checked(training_set: TrainingSet, curator: User) -> TrainingSet:
    asked = gating.ask(training_set=training_set, by=curator, now=NOW)
    gating.run(check=asked, vectors=model_id(), clock=lambda: NOW)
    gating.let_all_pass(check=asked, gate=Gate.PERSONAL, reason="Ours.", by=curator, now=NOW)
    return training_set


def release(training_set: TrainingSet, by: User) -> Release:
    return releasing.release(training_set=training_set, by=by, now=NOW)


def card_of(made: Release) -> str:
    return releasing.folder_of(made).path("huggingface/README.md").read_text()


def manifest_of(made: Release) -> Any:
    return json.loads(releasing.folder_of(made).path("manifest.json").read_text())


def work_off() -> None:
    while releasing.work_off(now=NOW):
        pass


def test_what_the_gates_found(checked: TrainingSet, curator: User) -> None:
    made = release(checked, curator)
    told = manifest_of(made)["gates"]
    assert told == {
        "checked": 4,
        "consent_recorded": 1,
        "agreement": {"alpha": pytest.approx(0.0), "answers": 1},
        "let_pass": {"personal": 1},
        "failing": {"agreement": 1, "consent": 3},
    }
    card = card_of(made)
    assert "the gates of the set had checked 4 examples" in card
    assert "- Consent or licence: recorded of 1." in card
    assert "- Agreement: Krippendorff's alpha 0.00, over 1 answers that two or more" in card
    assert "- Personal data: 1 may hold some. Looked for were an e-mail address" in card
    assert "| No personal data | 0 | 1 |" in card
    assert "| Consent or licence | 3 | 0 |" in card


def test_where_revocations_are_asked_for(checked: TrainingSet, curator: User) -> None:
    made = release(checked, curator)
    path = manifest_of(made)["revocations"]
    assert path == "/api/v1/training-sets/answers/releases/1/revocations"
    assert f"`GET {path}`" in card_of(made)


def test_what_was_never_checked(training_set: TrainingSet, curator: User) -> None:
    gating.set_rules(training_set=training_set, rules=Rules(blocking=()), by=curator, now=NOW)
    made = release(training_set, curator)
    assert manifest_of(made)["gates"] is None
    assert "nothing is known of consent" in card_of(made)


def test_what_is_changed_while_it_is_written(checked: TrainingSet, curator: User) -> None:
    """What is let pass no more, or recorded of a session, was otherwise when it was released."""
    whole_one = release(checked, curator)
    expected = dict(whole_one.files.values_list("path", "sha256"))
    whole_one.delete()
    made = releasing.start(training_set=checked, by=curator, now=NOW)
    releasing.work_off(now=NOW, most=1)
    gating.take_back(gate_pass=GatePass.objects.get(), by=curator, now=NOW)
    checked.project.sessions.update(metadata={"consent": "yes"})
    work_off()
    assert dict(made.files.values_list("path", "sha256")) == expected


def test_a_release_that_was_begun_before_it_was_kept(checked: TrainingSet, curator: User) -> None:
    made = releasing.start(training_set=checked, by=curator, now=NOW)
    del made.checkpoint["gates"]
    made.save()
    work_off()
    made.refresh_from_db()
    assert made.status == "done"
    assert "gates" not in manifest_of(made)
    assert "gates of the set had" not in card_of(made)
    assert "list of revocations: ask it before you train." in card_of(made)


def test_what_is_written_anew_without_what_was_erased(
    checked: TrainingSet, project: Project, curator: User
) -> None:
    made = release(checked, curator)
    told = manifest_of(made)["gates"]
    whole(ask(project, make_user(project, "admin"), "s-0"))
    made.refresh_from_db()
    assert (made.status, made.num_erased) == ("done", 1)
    assert manifest_of(made)["gates"] == told
    assert "had checked 4 examples" in card_of(made)
