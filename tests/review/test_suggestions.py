"""Suggestions: what is offered, who decided, what the corrected answer is."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from feedback.models import Output, Project, User
from review import corrections, suggestions
from review.annotations import (
    AnnotationError,
    ConflictError,
    StaleVersionError,
    annotate,
    edit,
    remove,
)
from review.edits import ConflictingEditsError
from review.gathering import sheet
from review.models import Annotation, Event
from review.rendering import render
from tests.factories import (
    NOW,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)
from tests.threads import at_once

TEXT = "Family **Plus** covers six sessions a year.\n\n- Ask *twice*\n\n```\n\tx = 1\n```\n"
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project, text=TEXT)


@pytest.fixture
def expert(project: Project) -> User:
    return make_user(project, "expert")


def suggest(output: Output, by: User, words: str, replacement: str, **fields: Any) -> Annotation:
    canonical = render(output.text).canonical
    start = canonical.index(words)
    given: dict[str, Any] = {"version": output.version, "now": NOW, "replacement": replacement}
    given |= {"start": start, "end": start + len(words), "exact": words}
    return annotate(output=output, by=by, **(given | fields))


def text_of(output: Output, to: User) -> str:
    return corrections.corrected(output=output, to=to).text


@pytest.mark.django_db
class TestEdit:
    def test_changes_words_reason_and_replacement(self, output: Output, expert: User) -> None:
        made = suggest(output, expert, "six", "twelve", reason="too-vague")
        edit(
            annotation=made,
            by=expert,
            comment="Better.",
            reason="incomplete",
            replacement="12\r\n",
            now=LATER,
        )
        made.refresh_from_db()
        assert made.reason is not None
        assert (made.comment, made.reason.slug, made.replacement) == (
            "Better.",
            "incomplete",
            "12\n",
        )
        assert made.edited_at == LATER
        assert Event.objects.filter(verb="edited", target_id=made.pk).count() == 1

    def test_what_is_not_given_stays(self, output: Output, expert: User) -> None:
        made = suggest(output, expert, "six", "twelve", reason="too-vague")
        edit(annotation=made, by=expert, comment="", now=LATER)
        edit(
            annotation=made,
            by=expert,
            comment="",
            reason="too-vague",
            replacement="twelve",
            now=LATER,
        )
        made.refresh_from_db()
        assert (made.replacement, made.edited_at) == ("twelve", None)
        edit(annotation=made, by=expert, comment="", reason="", now=LATER)
        made.refresh_from_db()
        assert made.reason is None

    @pytest.mark.parametrize(
        ("path", "sent"),
        [
            ("reason", {"reason": "no-such"}),
            ("replacement", {"replacement": "six"}),
            ("replacement", {"replacement": "\0"}),
        ],
    )
    def test_what_cannot_stand_is_refused(
        self, output: Output, expert: User, path: str, sent: dict[str, Any]
    ) -> None:
        made = suggest(output, expert, "six", "twelve")
        with pytest.raises(AnnotationError) as error:
            edit(annotation=made, by=expert, comment="", now=LATER, **sent)
        assert error.value.path == path

    def test_one_that_leaves_nothing_is_asked_about(self, output: Output, expert: User) -> None:
        """G4."""
        made = suggest(output, expert, "Ask twice", "Ask once")
        with pytest.raises(AnnotationError) as error:
            edit(annotation=made, by=expert, comment="", replacement="", now=LATER)
        assert error.value.path == "is_sure"
        edit(annotation=made, by=expert, comment="", replacement="", is_sure=True, now=LATER)
        made.refresh_from_db()
        assert made.replacement == ""

    def test_what_was_decided_on_or_is_of_a_former_version_stays(
        self, output: Output, expert: User
    ) -> None:
        made = suggest(output, expert, "six", "twelve")
        suggestions.accept(annotation=made, by=expert, now=NOW)
        with pytest.raises(ConflictError, match="decided"):
            edit(annotation=made, by=expert, comment="", replacement="12", now=LATER)
        suggestions.undo(annotation=made, by=expert, now=NOW)
        Output.objects.update(version=2)
        with pytest.raises(ConflictError, match="newer version"):
            edit(annotation=made, by=expert, comment="", replacement="12", now=LATER)

    def test_a_comment_gets_no_replacement(self, output: Output, expert: User) -> None:
        made = suggest(output, expert, "six", "twelve", comment="Why?")
        Annotation.objects.update(replacement=None, edit_start=None, edit_end=None)
        with pytest.raises(AnnotationError):
            edit(annotation=made, by=expert, comment="", replacement="12", now=LATER)

    def test_its_author_finds_the_form_in_the_card(self, output: Output, expert: User) -> None:
        made = suggest(output, expert, "Ask twice", "</textarea>\ue000words", reason="too-vague")
        item = make_item(make_queue(output.project), output)
        client = Client()
        client.force_login(expert)
        address = reverse("item", args=[output.project.slug, item.pk])
        page = client.get(address).content.decode()
        assert "&lt;/textarea&gt;\ue000words</textarea>" in page
        assert '<option value="too-vague" selected>' in page
        post = reverse("annotation_edit", args=[output.project.slug, made.pk])
        refused = client.post(
            post, {"comment": "", "replacement": ""}, headers={"HX-Request": "true"}
        )
        assert refused.status_code == 422
        assert f'form="a{made.pk}-edit" name="is_sure"' in refused.content.decode()
        suggestions.accept(annotation=made, by=expert, now=NOW)
        assert 'name="replacement" rows="2" maxlength="20000" aria-label="The words' not in (
            client.get(address).content.decode()
        )


@pytest.mark.django_db
class TestSuggest:
    def test_replaces_whole_markup(self, output: Output, expert: User) -> None:
        made = suggest(output, expert, "Plus cov", "**Max** cov")
        assert (made.exact, made.replacement) == ("Plus cov", "**Max** cov")
        assert TEXT[made.edit.start : made.edit.end] == "**Plus** cov"

    @pytest.mark.parametrize(
        ("text", "replacement"),
        [(TEXT, "six sessions"), ("six\r\nsessions", "six\nsessions"), ("six\nb", "six\r\nb")],
    )
    def test_one_that_changes_nothing_is_refused(
        self, project: Project, expert: User, text: str, replacement: str
    ) -> None:
        output = make_output(project, text=text)
        words = render(text).canonical if text != TEXT else "six sessions"
        with pytest.raises(AnnotationError) as caught:
            suggest(output, expert, words, replacement)
        assert caught.value.path == "replacement"
        assert not Annotation.objects.exists()

    def test_one_that_empties_the_paragraph_asks(self, output: Output, expert: User) -> None:
        with pytest.raises(AnnotationError) as caught:
            suggest(output, expert, "Ask twice", " ")
        assert caught.value.path == "is_sure"
        assert suggest(output, expert, "Ask twice", "", is_sure=True).replacement == ""

    def test_code_keeps_its_tabs_and_line_ends(self, project: Project, expert: User) -> None:
        output = make_output(project, text="```\r\n\tif a:\r\n\t\tx = 1\r\n\r\n```\r\n")
        made = suggest(output, expert, "x = 1", "x\t= 2 \n\t\ty = 3\n")
        suggestions.accept(annotation=made, by=expert, now=NOW)
        assert text_of(output, expert) == (
            "```\r\n\tif a:\r\n\t\tx\t= 2 \r\n\t\ty = 3\r\n\r\n\r\n```\r\n"
        )


@pytest.mark.django_db
class TestDecide:
    def test_the_corrected_answer_is_the_original_with_what_was_accepted(
        self, output: Output, expert: User
    ) -> None:
        named = suggest(output, expert, "Plus", "**Max**")
        counted = suggest(output, expert, "six", "twelve")
        suggest(output, expert, "a year", "each year")
        suggestions.accept(annotation=counted, by=expert, now=NOW)
        suggestions.accept(annotation=named, by=expert, now=LATER)
        found = corrections.corrected(output=output, to=expert)
        assert found.text.startswith("Family **Max** covers twelve sessions a year.")
        assert (found.num_open, found.num_edits, len(found.accepted)) == (1, 3, 2)
        assert found.distance == 10
        output.refresh_from_db()
        assert (output.text, output.version) == (TEXT, 1)

    def test_nobody_else_decides_what_somebody_is_to_judge_blindly(
        self, output: Output, expert: User
    ) -> None:
        item = make_item(make_queue(output.project, reviewers_per_item=3), output)
        other = make_user(output.project, "expert")
        made = suggest(output, expert, "six", "twelve")
        make_review(output, other, item=item)
        for act in (suggestions.accept, suggestions.reject, suggestions.undo, suggestions.rebase):
            with pytest.raises(ConflictError, match="without knowing"):
                act(annotation=made, by=other, now=NOW)
        assert suggestions.accept_all(output=output, by=other, now=NOW) == []
        suggestions.accept(annotation=made, by=expert, now=NOW)
        version, text = output.version, TEXT
        suggestions.rewrite(output=output, version=version, text=text, by=other, now=NOW)
        assert text_of(output, expert) == TEXT.replace("six", "twelve")
        make_review(output, expert, item=item, is_authoritative=False)
        suggestions.undo(annotation=made, by=other, now=NOW)

    def test_undo_is_exact(self, output: Output, expert: User) -> None:
        made = [suggest(output, expert, *words) for words in [("Plus", "**Max**"), ("six", "6")]]
        for one in made:
            suggestions.accept(annotation=one, by=expert, now=NOW)
        suggestions.undo(annotation=made[0], by=expert, now=LATER)
        assert text_of(output, expert) == TEXT.replace("six", "6")
        suggestions.undo(annotation=made[1], by=expert, now=LATER)
        assert text_of(output, expert) == TEXT
        assert Event.objects.filter(output=output, verb="undone").count() == 2

    def test_a_rejected_one_is_left_out(self, output: Output, expert: User) -> None:
        made = suggest(output, expert, "six", "twelve")
        suggestions.reject(annotation=made, by=expert, now=NOW)
        made.refresh_from_db()
        assert (made.decision, made.decided_by, made.decided_at) == ("rejected", expert, NOW)
        assert text_of(output, expert) == TEXT

    def test_twice_by_one_person_is_once(self, output: Output, expert: User) -> None:
        made = suggest(output, expert, "six", "twelve")
        for _ in range(2):
            suggestions.accept(annotation=made, by=expert, now=NOW)
        assert Event.objects.filter(verb="accepted").count() == 1

    def test_whoever_comes_second_is_told(self, output: Output, expert: User) -> None:
        made = suggest(output, expert, "six", "twelve")
        suggestions.reject(annotation=made, by=expert, now=NOW)
        with pytest.raises(ConflictError, match=f"{expert.username} rejected this before you"):
            suggestions.accept(annotation=made, by=make_user(output.project), now=NOW)

    def test_an_overlap_is_refused_by_name_until_the_other_goes(
        self, output: Output, expert: User
    ) -> None:
        first = suggest(output, expert, "covers six", "pays for six")
        second = suggest(output, expert, "six sessions", "twelve sessions")
        suggestions.accept(annotation=first, by=expert, now=NOW)
        with pytest.raises(suggestions.OverlapError, match=f"#{first.pk}") as caught:
            suggestions.accept(annotation=second, by=expert, now=NOW)
        assert caught.value.others == [first]
        suggestions.undo(annotation=first, by=expert, now=NOW)
        suggestions.accept(annotation=second, by=expert, now=NOW)
        assert "covers twelve sessions" in text_of(output, expert)

    def test_rebased_it_keeps_what_is_not_in_the_way(self, output: Output, expert: User) -> None:
        first = suggest(output, expert, "covers six", "pays for six")
        second = suggest(output, expert, "covers six sessions", "covers six visits")
        suggestions.accept(annotation=first, by=expert, now=NOW)
        suggestions.rebase(annotation=second, by=expert, now=NOW)
        suggestions.accept(annotation=second, by=expert, now=NOW)
        assert "pays for six visits a year" in text_of(output, expert)

    def test_rebased_it_is_embedded_anew(self, output: Output, expert: User) -> None:
        first = suggest(output, expert, "covers six", "pays for six")
        second = suggest(output, expert, "covers six sessions", "covers six visits")
        Annotation.objects.update(embedded_with="a model")
        suggestions.accept(annotation=first, by=expert, now=NOW)
        suggestions.rebase(annotation=second, by=expert, now=NOW)
        waiting = Annotation.objects.unembedded(model="a model")
        assert [one.pk for one in waiting] == [second.pk]

    def test_nothing_of_it_is_left_beside_an_edit_of_the_same_words(
        self, output: Output, expert: User
    ) -> None:
        first = suggest(output, expert, "six", "twelve")
        second = suggest(output, expert, "six", "ten")
        suggestions.accept(annotation=first, by=expert, now=NOW)
        with pytest.raises(ConflictError, match="Nothing is left"):
            suggestions.rebase(annotation=second, by=expert, now=NOW)

    def test_a_removed_one_or_one_of_a_former_version_is_refused(
        self, output: Output, expert: User
    ) -> None:
        gone = suggest(output, expert, "six", "twelve")
        former = suggest(output, expert, "Plus", "**Max**")
        again = Annotation.objects.get(pk=gone.pk)
        remove(annotation=gone, by=expert, now=NOW)
        with pytest.raises(ConflictError, match="removed"):
            suggestions.accept(annotation=again, by=expert, now=NOW)
        Output.objects.update(version=2)
        with pytest.raises(ConflictError, match="newer version"):
            suggestions.accept(annotation=former, by=expert, now=NOW)

    def test_each_sees_only_their_own_while_judging_blindly(
        self, project: Project, expert: User
    ) -> None:
        item = make_item(make_queue(project, reviewers_per_item=2), make_output(project, text=TEXT))
        other = make_user(project)
        for person, words in ((expert, "twelve"), (other, "ten")):
            made = suggest(item.output, person, "six", words)
            suggestions.accept(annotation=made, by=person, now=NOW)
        assert "covers twelve" in text_of(item.output, expert)
        assert "covers ten" in text_of(item.output, other)
        type(item).objects.update(status="done", closed_at=NOW)
        found = corrections.corrected(output=item.output, to=other)
        assert "covers twelve" in found.text
        assert [one.author for one in found.left_out] == [other]


@pytest.mark.django_db
class TestDecideAll:
    def test_accepts_what_goes_together_and_takes_it_back_in_one(
        self, output: Output, expert: User
    ) -> None:
        first = suggest(output, expert, "six", "twelve")
        in_the_way = suggest(output, expert, "six sessions", "ten visits")
        done = suggest(output, expert, "Plus", "**Max**")
        suggestions.accept(annotation=done, by=expert, now=NOW)
        assert suggestions.accept_all(output=output, by=expert, now=LATER) == [first]
        assert "Max** covers twelve sessions" in text_of(output, expert)
        back = suggestions.undo_all(output=output, decided_at=LATER, by=expert, now=LATER)
        assert back == [first]
        assert "Max** covers six sessions" in text_of(output, expert)
        in_the_way.refresh_from_db()
        assert in_the_way.decision == ""

    def test_rejects_what_is_undecided(self, output: Output, expert: User) -> None:
        made = suggest(output, expert, "six", "twelve")
        assert suggestions.reject_all(output=output, by=expert, now=NOW) == [made]
        assert suggestions.reject_all(output=output, by=expert, now=NOW) == []
        suggestions.undo_all(output=output, decided_at=NOW, by=expert, now=LATER)
        made.refresh_from_db()
        assert made.decision == ""


@pytest.mark.django_db
class TestRewrite:
    def write(self, output: Output, by: User, text: str, **fields: Any) -> list[Annotation]:
        given: dict[str, Any] = {"version": output.version, "now": NOW}
        return suggestions.rewrite(output=output, text=text, by=by, **(given | fields))

    def test_makes_an_accepted_suggestion_of_each_change(
        self, output: Output, expert: User
    ) -> None:
        text = TEXT.replace("six", "twelve").replace("x = 1", "x = 2").replace("Ask", "Do ask")
        made = self.write(output, expert, text.replace("\n", "\r\n"))
        assert [(one.exact, one.replacement) for one in made] == [
            ("six", "twelve"),
            ("Ask", "Do ask"),
            ("1", "2"),
        ]
        assert text_of(output, expert) == text

    def test_keeps_what_is_accepted_and_not_written_over(
        self, output: Output, expert: User
    ) -> None:
        kept = suggest(output, expert, "six", "twelve")
        gone = suggest(output, expert, "sessions", "visits")
        for one in (kept, gone):
            suggestions.accept(annotation=one, by=expert, now=NOW)
        [made] = self.write(
            output, expert, text_of(output, expert).replace("visits", "meetings"), now=LATER
        )
        assert (made.exact, made.replacement) == ("sessions", "meetings")
        kept.refresh_from_db()
        gone.refresh_from_db()
        assert (kept.decision, gone.decision) == ("accepted", "rejected")
        assert "covers twelve meetings" in text_of(output, expert)

    def test_what_is_only_put_in_is_anchored_at_the_word_before(
        self, output: Output, expert: User
    ) -> None:
        [made] = self.write(output, expert, TEXT.replace("a year.", "a year. Ask us."))
        assert (made.exact, made.replacement) == ("year.", " Ask us.")
        assert made.edit.start == made.edit.end

    def test_twice_is_once(self, output: Output, expert: User) -> None:
        key = uuid4()
        for _ in range(2):
            self.write(output, expert, TEXT.replace("six", "6").replace("1", "2"), request_key=key)
        assert Annotation.objects.count() == 2

    def test_the_text_as_it_is_changes_nothing(self, output: Output, expert: User) -> None:
        assert self.write(output, expert, TEXT.replace("\n", "\r\n")) == []

    @pytest.mark.parametrize("text", ["a\x00", "a" * 200_001])
    def test_a_text_that_cannot_be_kept_is_refused(
        self, output: Output, expert: User, text: str
    ) -> None:
        with pytest.raises(AnnotationError):
            self.write(output, expert, text)

    def test_over_a_former_version_is_refused(self, output: Output, expert: User) -> None:
        with pytest.raises(StaleVersionError):
            self.write(output, expert, "New", version=2)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_of_two_in_conflict_one_is_accepted(self) -> None:
        output = make_output(make_project(), text=TEXT)
        people = [make_user(output.project) for _ in range(2)]
        made = [suggest(output, people[0], "six", words) for words in ("twelve", "ten")]

        def act(number: int) -> str:
            try:
                suggestions.accept(annotation=made[number], by=people[number], now=NOW)
            except suggestions.OverlapError:
                return "conflict"
            return "accepted"

        assert sorted(at_once(lambda: act(0), lambda: act(1))) == ["accepted", "conflict"]
        try:
            assert "six" not in text_of(output, people[0])
        except ConflictingEditsError:
            pytest.fail("two in conflict were accepted")

    def test_accept_and_reject_leave_one_decision(self) -> None:
        output = make_output(make_project(), text=TEXT)
        people = [make_user(output.project) for _ in range(2)]
        made = suggest(output, people[0], "six", "twelve")

        def act(decide: Any, by: User) -> str:
            try:
                decide(annotation=made, by=by, now=NOW)
            except ConflictError:
                return "told"
            return "decided"

        said = at_once(
            lambda: act(suggestions.accept, people[0]), lambda: act(suggestions.reject, people[1])
        )
        assert sorted(said) == ["decided", "told"]
        assert Event.objects.filter(verb__in=["accepted", "rejected"]).count() == 1


@pytest.mark.django_db
class TestPages:
    def post(self, client: Client, name: str, pk: int, output: Output, **sent: Any) -> Any:
        url = reverse(name, args=[output.project.slug, pk])
        return client.post(url, sent, headers={"HX-Request": "true"})

    def test_accepting_answers_with_the_card_the_words_and_the_count(
        self, client: Client, output: Output, expert: User
    ) -> None:
        client.force_login(expert)
        made = suggest(output, expert, "six", "twelve")
        since = str(sheet(output=output, to=expert).stamp)
        page = self.post(client, "accept", made.pk, output, since=since).content.decode()
        assert f'id="a{made.pk}"' in page
        assert "Accepted" in page
        assert '<span class="num muted" id="num-applied" hx-swap-oob="true">1</span>' in page
        made.refresh_from_db()
        assert made.decision == "accepted"

    def test_whoever_comes_second_gets_409_and_the_card_as_it_is(
        self, client: Client, output: Output, expert: User
    ) -> None:
        client.force_login(expert)
        made = suggest(output, expert, "six", "twelve")
        since = str(sheet(output=output, to=expert).stamp)
        other = make_user(output.project)
        suggestions.reject(annotation=made, by=other, now=NOW)
        response = self.post(client, "accept", made.pk, output, since=since)
        assert response.status_code == 409
        assert f"by {other.username}" in response.content.decode()

    def test_a_conflict_is_shown_by_number_on_the_other_card(
        self, client: Client, output: Output, expert: User
    ) -> None:
        client.force_login(expert)
        first = suggest(output, expert, "covers six", "pays for six")
        second = suggest(output, expert, "six sessions", "twelve sessions")
        since = str(sheet(output=output, to=expert).stamp)
        page = self.post(client, "accept", first.pk, output, since=since).content.decode()
        assert f'id="a{second.pk}"' in page
        assert f'Conflicts with <a href="#a{first.pk}">#{first.pk}</a>' in page

    def test_all_are_accepted_and_taken_back(
        self, client: Client, output: Output, expert: User
    ) -> None:
        client.force_login(expert)
        suggest(output, expert, "six", "twelve")
        suggest(output, expert, "Plus", "**Max**")
        said = self.post(client, "suggestions_decide", output.pk, output, act="accept")
        assert "2 suggestions accepted" in str(said.headers)
        url = reverse("applied", args=[output.project.slug, output.pk])
        page = client.get(url).content.decode()
        assert "2 of 2" in page
        [batch] = re.findall(r'name="undo" value="([^"]*)"', page)
        self.post(client, "suggestions_decide", output.pk, output, undo=batch)
        assert "0 of 2" in client.get(url).content.decode()
        for wrong in ({}, {"act": "x"}, {"undo": "x"}, {"undo": "2026-13-01"}):
            found = self.post(client, "suggestions_decide", output.pk, output, **wrong)
            assert found.status_code == 400

    @pytest.mark.parametrize("address", ["output", "shown"])
    def test_each_view_is_a_page_and_a_fragment(
        self, client: Client, output: Output, expert: User, address: str
    ) -> None:
        client.force_login(expert)
        noted = suggest(output, expert, "a year", "each year")
        made = suggest(output, expert, "six", "<b>twelve</b>")
        suggestions.accept(annotation=made, by=expert, now=NOW)
        key = output.external_id if address == "output" else output.pk
        url = reverse(address, args=[output.project.slug, key])
        page = client.get(url, {"show": "corrected"}).content.decode()
        part = page[page.index('id="shown"') :]
        assert "&lt;b&gt;twelve&lt;/b&gt;</mark>" in part
        assert f'data-a="a{noted.pk}"' in part
        assert "data-start" not in part[: part.index("a year")]
        page = client.get(url, {"show": "changes"}).content.decode()
        assert "<del>six</del><ins>&lt;b&gt;twelve&lt;/b&gt;</ins>" in page
        assert "**Plus**" in client.get(url, {"show": "markdown"}).content.decode()
        assert "covers &lt;b&gt;twelve" in client.get(url, {"show": "edit"}).content.decode()
        assert 'data-show="answer"' in client.get(url, {"show": "x"}).content.decode()

    def test_whoever_may_only_read_gets_no_form_to_edit(
        self, client: Client, output: Output
    ) -> None:
        client.force_login(make_user(output.project, "viewer"))
        url = reverse("shown", args=[output.project.slug, output.pk])
        assert 'data-show="answer"' in client.get(url, {"show": "edit"}).content.decode()

    def test_the_whole_answer_is_edited_without_a_script(
        self, client: Client, output: Output, expert: User
    ) -> None:
        client.force_login(expert)
        url = reverse("rewrite", args=[output.project.slug, output.pk])
        response = client.post(url, {"version": 1, "text": TEXT.replace("six", "ten")})
        place = reverse("output", args=[output.project.slug, output.external_id])
        assert (response.status_code, response["Location"]) == (302, f"{place}?show=corrected")
        assert "ten" in client.get(response["Location"]).content.decode()
        for sent, status in (
            ({"version": 2, "text": "x"}, 409),
            ({"version": 1, "text": "\x00"}, 422),
        ):
            response = client.post(url, sent)
            assert response.status_code == status
            assert 'name="text"' in response.content.decode()

    def test_the_answer_shows_what_goes_and_what_comes(
        self, client: Client, output: Output, expert: User
    ) -> None:
        client.force_login(expert)
        made = suggest(output, expert, "six", "</mark><b>12")
        url = reverse("output", args=[output.project.slug, output.external_id])
        page = client.get(url).content.decode()
        assert f'<span role="suggestion" aria-details="a{made.pk}"><mark class="hl hl--del"' in page
        assert (
            f'<ins role="insertion" data-no-text="" data-a="a{made.pk}">'
            "&lt;/mark&gt;&lt;b&gt;12</ins></span>" in page
        )
        suggestions.reject(annotation=made, by=expert, now=NOW)
        assert "hl--del" not in client.get(url).content.decode()

    def test_looking_takes_a_fixed_number_of_queries(
        self,
        client: Client,
        output: Output,
        expert: User,
        django_assert_num_queries: Any,
    ) -> None:
        client.force_login(expert)
        url = reverse("shown", args=[output.project.slug, output.pk]) + "?show=corrected"
        suggest(output, expert, "six", "1")
        client.get(url)
        suggest(output, expert, "Plus", "**And**")
        with CaptureQueriesContext(connection) as few:
            client.get(url)
        for number in range(12):
            suggest(output, expert, "Plus", f"**{number}**")
        with django_assert_num_queries(len(few)):
            client.get(url)


@pytest.mark.django_db
def test_a_card_compares_words_only_when_it_is_drawn(
    output: Output, expert: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    suggest(output, expert, "six", "twelve")
    [card] = sheet(output=output, to=expert).cards
    assert [(one.kind, one.text) for one in card.change] == [
        ("delete", "six"),
        ("insert", "twelve"),
    ]
    monkeypatch.delattr("review.sheets.word_diff")
    assert sheet(output=output, to=expert).num_cards == 1
