from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from curation import context_libraries, serving
from curation.models import ContextLibrary, Exposure, LibraryVersion
from curation.prompts import Message
from curation.serving import (
    LONGEST_QUESTION,
    Asked,
    LibraryUnknownError,
    NothingPublishedError,
    Prompt,
    Served,
    question,
)
from curation.shelves import Audience
from feedback.embedding import Encoder
from feedback.models import User
from tests.factories import (
    NOW,
    make_annotation,
    make_entry,
    make_feedback,
    make_output,
    make_project,
    make_review,
)

pytestmark = pytest.mark.django_db
TODAY = NOW.date()


ASKED = ("session", "k", "token_budget", "audience")


def ask(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def publish(library: ContextLibrary, by: User, encoder: Encoder) -> LibraryVersion:
    return context_libraries.publish(library=library, encoder=encoder, by=by, now=NOW)


def serve(library: ContextLibrary, encoder: Encoder, text: str, **options: Any) -> Served:
    asked = {name: options.pop(name) for name in ASKED if name in options}
    given: dict[str, Any] = {
        "project": library.project,
        "library_slug": library.slug,
        "asked": Asked(messages=ask(text), **asked),
        "encoder": encoder,
        "now": NOW,
    }
    return serving.serve_context(**given | options)


def prompt(served: Served) -> Prompt:
    """What was served to whoever had no copy of it."""
    assert served.prompt is not None
    return served.prompt


def serve_prompt(library: ContextLibrary, encoder: Encoder, text: str, **options: Any) -> Prompt:
    return prompt(serve(library, encoder, text, **options))


class TestServeContext:
    def test_serves_what_helps_and_remembers_it(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        bloom = make_entry(library, query="When was the album Bloom released?")
        make_entry(library, query="How do I reset my badge?", answer="At the gate.")
        version = publish(library, curator, encoder)
        served = serve(library, encoder, "When did the album Bloom come out?", session="s-1")
        assert [pick.entry.id for pick in prompt(served).picks] == [bloom.pk]
        assert prompt(served).picks[0].score > 0.7
        assert served.version == version
        assert prompt(served).messages[-1]["content"] == "When did the album Bloom come out?"
        exposure = Exposure.objects.get(token=served.exposure)
        assert (exposure.version, exposure.project) == (version, library.project)
        assert (exposure.entry_ids, exposure.session_external_id) == ([bloom.pk], "s-1")
        assert (exposure.num_tokens, exposure.served_at) == (prompt(served).num_tokens, NOW)
        assert (served.held_out, exposure.is_held_out) == (False, False)

    def test_serves_the_live_version_not_the_draft(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        entry = make_entry(library, answer="Live.")
        publish(library, curator, encoder)
        context_libraries.edit_entry(
            entry=entry,
            kind="example",
            query=entry.query,
            answer="Draft.",
            why="",
            roles=[],
            environments=[],
            models=[],
            by=curator,
            now=NOW,
        )
        assert serve_prompt(library, encoder, entry.query).picks[0].entry.answer == "Live."
        draft = serving.preview_draft(
            library=library,
            messages=ask(entry.query),
            encoder=encoder,
            audience=Audience(),
            today=TODAY,
        )
        assert draft.picks[0].entry.answer == "Draft."

    def test_puts_the_nearest_last_next_to_the_question(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        for query in ("When did Bloom appear?", "Who wrote Bloom?", "What is Bloom about?"):
            make_entry(library, query=query)
        publish(library, curator, encoder)
        served = serve(library, encoder, "When did Bloom appear?")
        scores = [pick.score for pick in prompt(served).picks]
        assert scores == sorted(scores)
        assert prompt(served).messages[-3]["content"] == "When did Bloom appear?"

    def test_serves_an_instruction_that_holds_for_any_question(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        make_entry(library, kind="instruction", query="", answer="Never blame the reader.")
        publish(library, curator, encoder)
        served = serve(library, encoder, "How high is Mount Everest?")
        assert prompt(served).messages[0]["role"] == "system"

    def test_keeps_to_the_number_and_the_tokens_asked_for(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        for number in range(6):
            make_entry(library, query=f"When did album {number} come out?", answer="word " * 50)
        publish(library, curator, encoder)
        served = serve(library, encoder, "When did the album come out?", k=2)
        assert len(prompt(served).picks) == 2
        served = serve(library, encoder, "When did the album come out?", k=6, token_budget=140)
        assert prompt(served).num_tokens <= 140
        assert len(prompt(served).picks) == 2
        served = serve(library, encoder, "When did the album come out?", token_budget=10)
        assert prompt(served).messages == ask("When did the album come out?")

    @pytest.mark.parametrize("field", ["roles", "environments", "for_models"])
    def test_serves_an_audiences_entry_to_nobody_else(
        self, library: ContextLibrary, curator: User, encoder: Encoder, field: str
    ) -> None:
        entry = make_entry(library, **{field: ["this", "that"]})
        publish(library, curator, encoder)
        name = {"roles": "role", "environments": "environment", "for_models": "model"}[field]

        def num_served(**audience: str) -> int:
            wanted = Audience(**audience)
            served = serve(library, encoder, entry.query, audience=wanted)
            draft = serving.preview_draft(
                library=library,
                messages=ask(entry.query),
                encoder=encoder,
                audience=wanted,
                today=TODAY,
            )
            assert len(draft.picks) == len(prompt(served).picks)
            return len(prompt(served).picks)

        assert num_served(**{name: "that"}) == 1
        assert num_served(**{name: "other"}) == 0
        assert num_served() == 0

    def test_gives_the_same_for_the_same_request_and_counts_it(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        for kind in ("instruction", "clarification", "example"):
            make_entry(library, kind=kind)
        publish(library, curator, encoder)
        later = NOW + timedelta(minutes=5)
        first = serve(library, encoder, "When did Bloom come out?", session="s")
        assert serve(library, encoder, "When did Bloom come out?", session="s", now=later) == first
        exposure = Exposure.objects.get()
        assert (exposure.token, exposure.num_calls) == (first.exposure, 2)
        assert (exposure.served_at, exposure.last_served_at) == (NOW, later)

    @pytest.mark.parametrize(
        "other",
        [
            {"session": "t"},
            {"k": 1},
            {"token_budget": 9},
            {"audience": Audience(role="member")},
            {"audience": Audience(environment="member")},
        ],
    )
    def test_tells_one_request_from_another(
        self, library: ContextLibrary, curator: User, encoder: Encoder, other: dict[str, Any]
    ) -> None:
        make_entry(library)
        publish(library, curator, encoder)
        first = serve(library, encoder, "When?", session="s")
        assert serve(library, encoder, "When?", **{"session": "s"} | other) != first
        assert Exposure.objects.count() == 2

    def test_answers_what_the_caller_has_without_the_model(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        make_entry(library)
        publish(library, curator, encoder)
        first = serve(library, encoder, "When did Bloom come out?")

        class Unasked:
            model_id = encoder.model_id

            def encode(self, texts: Any) -> Any:
                raise AssertionError(texts)

        known = frozenset({first.exposure, uuid4()})
        again = serve(library, Unasked(), "When did Bloom come out?", known=known)
        assert (again.prompt, again.exposure) == (None, first.exposure)
        assert Exposure.objects.get().num_calls == 2
        # A copy of what was never served here, such as after a restore, is served anew.
        Exposure.objects.all().delete()
        anew = serve(library, encoder, "When did Bloom come out?", known=known)
        assert anew == first

    def test_serves_nothing_that_has_expired(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        entry = make_entry(library, expires_on=TODAY)
        publish(library, curator, encoder)
        first = serve(library, encoder, entry.query)
        assert len(prompt(first).picks) == 1
        tomorrow = NOW + timedelta(days=1)
        known = frozenset({first.exposure})
        late = serve(library, encoder, entry.query, now=tomorrow, known=known)
        assert prompt(late).picks == []
        draft = serving.preview_draft(
            library=library,
            messages=ask(entry.query),
            encoder=encoder,
            audience=Audience(),
            today=tomorrow.date(),
        )
        assert draft.picks == []

    def test_refuses_what_is_not_there(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        with pytest.raises(NothingPublishedError, match="Nothing is published"):
            serve(library, encoder, "When?")
        make_entry(library)
        publish(library, curator, encoder)
        with pytest.raises(LibraryUnknownError):
            serve(library, encoder, "When?", project=make_project())
        with pytest.raises(LibraryUnknownError):
            serve(library, encoder, "When?", library_slug="other")
        assert not Exposure.objects.exists()

    def test_refuses_vectors_of_another_model(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        make_entry(library)
        publish(library, curator, encoder)

        class Newer:
            model_id = "newer"
            encode = staticmethod(encoder.encode)

        with pytest.raises(NothingPublishedError, match="another embedding model"):
            serve(library, Newer(), "When?")


class TestPreview:
    def test_records_no_exposure_and_writes_no_vector(
        self, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        entry = make_entry(library)
        version = publish(library, curator, encoder)
        library.entries.update(embedded_with="", vector=None)
        audience = Audience()
        messages = ask(entry.query)
        draft = serving.preview_draft(
            library=library, messages=messages, encoder=encoder, audience=audience, today=TODAY
        )
        live = serving.preview_version(
            version=version, messages=messages, encoder=encoder, audience=audience, today=TODAY
        )
        assert draft.messages == live.messages
        assert not Exposure.objects.exists()
        assert library.entries.filter(embedded_with="", vector=None).exists()

    def test_of_an_empty_draft_is_the_question_alone(
        self, library: ContextLibrary, encoder: Encoder
    ) -> None:
        draft = serving.preview_draft(
            library=library,
            messages=ask("When?"),
            encoder=encoder,
            audience=Audience(),
            today=TODAY,
        )
        assert (draft.messages, draft.picks, draft.num_tokens) == (ask("When?"), [], 0)


class TestSources:
    def test_lead_back_to_the_senders_ids(self, library: ContextLibrary, curator: User) -> None:
        output = make_output(library.project)
        review = make_review(output, curator, verdict="accept")
        told = make_entry(library, output=output, review=review)
        told.feedback.set([make_feedback(output, external_id="f-1")])
        note = make_annotation(output, curator, "Bloom")
        told.annotations.set([note])
        bare = make_entry(library)
        found = serving.sources([told.pk, bare.pk])
        assert found[told.pk] == serving.Source(
            session=output.session.external_id,
            output=output.external_id,
            review=review.pk,
            feedback=["f-1"],
            annotations=[note.pk],
        )
        assert found[bare.pk] == serving.Source(None, None, None, [], [])


class TestQuestion:
    def test_is_what_the_user_said_last(self) -> None:
        assert question([*ask("First?"), {"role": "assistant", "content": "x"}]) == "First?"
        assert question([*ask("First?"), *ask("Second?"), *ask(" \n")]) == "Second?"
        assert not question([{"role": "system", "content": "Be brief."}])

    def test_is_cut_where_no_model_reads_on(self) -> None:
        assert len(question(ask("a" * 100_000))) == LONGEST_QUESTION
