"""What a suggestion would make of an answer, shown before it is stored."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from feedback.models import Output, Project, User
from review import corrections
from review.anchoring import AnchorError
from review.annotations import StaleVersionError
from review.rendering import render
from tests.factories import make_output, make_user

TEXT = "Family **Plus** covers six sessions a year.\n\n- Ask *twice*\n\n```\n\tx = 1\n```\n"


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project, text=TEXT)


@pytest.fixture
def expert(project: Project) -> User:
    return make_user(project, "expert")


@pytest.mark.django_db
class TestPreview:
    def see(self, output: Output, words: str, replacement: str | None) -> corrections.Preview:
        canonical = render(output.text).canonical
        start = canonical.index(words)
        return corrections.preview(
            output=output,
            version=output.version,
            start=start,
            end=start + len(words),
            exact=words,
            replacement=replacement,
        )

    def test_offers_the_markdown_of_the_words(self, output: Output) -> None:
        shown = self.see(output, "Plus cov", None)
        assert (shown.offered, shown.is_wider, shown.is_block) == ("**Plus** cov", True, False)
        assert (shown.pieces, shown.html, shown.problem) == ((), "", "")

    def test_shows_the_changes_and_the_page(self, output: Output) -> None:
        shown = self.see(output, "six", "_twelve_")
        assert [(one.kind, one.text) for one in shown.pieces] == [
            ("delete", "six"),
            ("insert", "_twelve_"),
        ]
        assert shown.html == (
            "<p>Family <strong>Plus</strong> covers <em>twelve</em> sessions a year.</p>"
        )

    def test_says_what_would_be_refused(self, output: Output) -> None:
        assert self.see(output, "six", "six").problem == "This changes nothing."
        assert "Delete it?" in self.see(output, "Ask twice", "").problem
        for replacement in ("x" * 20_001, "\x00"):
            shown = self.see(output, "six", replacement)
            assert "20,000 printable characters" in shown.problem
            assert (shown.pieces, shown.html) == ((), "")

    def test_hostile_words_are_only_text(self, output: Output) -> None:
        shown = self.see(output, "six", "</mark><img src=x onerror=alert(1)>")
        assert "<img" not in shown.html
        assert "&lt;img" in shown.html

    def test_of_a_former_version_or_other_words_is_refused(self, output: Output) -> None:
        with pytest.raises(AnchorError):
            corrections.preview(
                output=output, version=1, start=0, end=3, exact="six", replacement=None
            )
        with pytest.raises(StaleVersionError):
            corrections.preview(
                output=output, version=2, start=0, end=6, exact="Family", replacement=None
            )

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_is_a_fragment(self, client: Client, output: Output, expert: User, method: str) -> None:
        client.force_login(expert)
        url = reverse("suggestion_preview", args=[output.project.slug, output.pk])
        sent = {"version": 1, "start": 7, "end": 11, "exact": "Plus"}
        page = getattr(client, method)(url, sent).content.decode()
        assert "<span hidden data-offered>**Plus**</span>" in page
        hostile = "</mark><img src=x onerror=alert(1)>"
        page = getattr(client, method)(url, sent | {"replacement": hostile}).content.decode()
        assert "<img" not in page
        assert "<del>**Plus**</del>" in page
        assert getattr(client, method)(url, sent | {"version": 7}).status_code == 409
        assert getattr(client, method)(url, sent | {"exact": "Max"}).status_code == 422
