"""Words of documents that annotations rest on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from feedback.models import Output, Project, User
from review.annotations import NotYoursError, annotate, remove
from review.evidencing import (
    MOST_EVIDENCE,
    EvidenceError,
    add_evidence,
    passages,
    remove_evidence,
)
from review.models import Annotation, Event, Evidence
from review.passages import painted
from review.rendering import render
from review.threads import reply
from tests.factories import (
    NOW,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)

pytestmark = pytest.mark.django_db

TEXT = "Bloom is the second album.\r\nIt came out in August 👩🏽\u200d🌾 2018."
DATA = os.environ.get("POSTIL_DATA")


def documents(*texts: str) -> list[dict[str, str]]:
    return [{"id": f"KB-{n}", "title": "", "text": text} for n, text in enumerate(texts)]


def comment(output: Output, by: User, words: str = "Bloom", **fields: Any) -> Annotation:
    start = output.text.index(words)
    return annotate(
        output=output,
        version=output.version,
        by=by,
        start=start,
        end=start + len(words),
        exact=words,
        now=NOW,
        **({"comment": "Which one?"} | fields),
    )


def rest(annotation: Annotation, words: str, by: User, text: str = TEXT) -> Evidence:
    start = text.index(words)
    return add_evidence(
        annotation=annotation,
        document=0,
        start=start,
        end=start + len(words),
        exact=words,
        by=by,
        now=NOW,
    )


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project, documents=documents(TEXT))


@pytest.fixture
def expert(project: Project) -> User:
    return make_user(project, "expert")


class TestAddEvidence:
    def test_keeps_the_words_their_place_and_who_marked_them(
        self, output: Output, expert: User
    ) -> None:
        written = comment(output, expert)
        other = make_user(output.project, "expert")
        added = rest(written, "second album", other)
        assert TEXT[added.start : added.end] == added.exact == "second album"
        assert (added.document, added.added_by, added.created_at) == (0, other, NOW)
        event = Event.objects.latest("pk")
        assert (event.verb, event.output, event.target_id) == (
            "evidence_added",
            output,
            written.pk,
        )
        assert "second album" not in json.dumps(event.data)

    def test_a_comment_that_is_gone_meanwhile_takes_none(
        self, output: Output, expert: User
    ) -> None:
        written = comment(output, expert)
        seen = Annotation.objects.get()
        remove(annotation=written, by=expert, now=NOW)
        with pytest.raises(EvidenceError, match="deleted"):
            rest(seen, "second album", expert)

    def test_goes_with_a_comment_whose_replies_stay(self, output: Output, expert: User) -> None:
        written = comment(output, expert)
        rest(written, "second album", expert)
        reply(annotation=written, by=expert, text="Which?", now=NOW)
        remove(annotation=written, by=expert, now=NOW)
        assert Annotation.objects.exists()
        assert not Evidence.objects.exists()

    def test_of_others_is_not_seen_while_judging_blindly(
        self, output: Output, expert: User, client: Client
    ) -> None:
        item = make_item(make_queue(output.project, reviewers_per_item=3), output)
        other = make_user(output.project, "expert")
        make_review(output, other, item=item)
        written = comment(output, expert)
        hidden = rest(written, "second album", other)
        shown = rest(written, "came out", expert)
        client.force_login(expert)
        page = client.get(reverse("item", args=[output.project.slug, item.pk])).content.decode()
        assert f'id="e{shown.pk}"' in page
        assert not re.search(rf"\be{hidden.pk}\b", page)
        gone = reverse("evidence_remove", args=[output.project.slug, shown.pk])
        reply = client.post(gone, headers={"hx-request": "true"}).content.decode()
        assert not re.search(rf"\be{hidden.pk}\b", reply)

    def test_touches_the_thread(self, output: Output, expert: User) -> None:
        written = comment(output, expert)
        Annotation.objects.update(changed_at=NOW.replace(year=2000))
        rest(written, "second", expert)
        written.refresh_from_db()
        assert written.changed_at == NOW

    def test_widens_to_graphemes_and_trims_white_space(self, output: Output, expert: User) -> None:
        added = rest(comment(output, expert), " August 👩🏽", expert)
        assert added.exact == "August 👩🏽\u200d🌾"

    def test_takes_words_however_their_line_ends_were_sent(
        self, output: Output, expert: User
    ) -> None:
        start = TEXT.index("album.")
        added = add_evidence(
            annotation=comment(output, expert),
            document=0,
            start=start,
            end=start + len("album.\r\nIt"),
            exact="album.\nIt",
            by=expert,
            now=NOW,
        )
        assert added.exact == "album.\r\nIt"

    def test_the_same_words_count_once(self, output: Output, expert: User) -> None:
        written = comment(output, expert)
        assert rest(written, "second", expert) == rest(written, " second ", expert)
        assert Event.objects.filter(verb="evidence_added").count() == 1

    @pytest.mark.parametrize(
        ("place", "path"),
        [
            ({"document": 1}, "document"),
            ({"start": 1}, "exact"),
            ({"exact": "blooM"}, "exact"),
            ({"start": 5, "end": 5, "exact": ""}, "end"),
            ({"start": 900, "end": 905, "exact": ""}, "start"),
            ({"start": 5, "end": 6, "exact": " "}, "exact"),
        ],
    )
    def test_refuses_what_is_not_there(
        self, output: Output, expert: User, place: dict[str, Any], path: str
    ) -> None:
        given: dict[str, Any] = {"document": 0, "start": 0, "end": 5, "exact": "Bloom"} | place
        with pytest.raises(EvidenceError) as refused:
            add_evidence(annotation=comment(output, expert), **given, by=expert, now=NOW)
        assert refused.value.path == path
        assert not Evidence.objects.exists()

    def test_refuses_more_than_a_comment_can_show(self, output: Output, expert: User) -> None:
        written = comment(output, expert)
        rest(written, "second", expert)
        Evidence.objects.bulk_create(
            Evidence(
                annotation=written,
                document=0,
                start=number,
                end=100,
                exact="x",
                text_sha256="0" * 64,
                added_by=expert,
                created_at=NOW,
            )
            for number in range(MOST_EVIDENCE - Evidence.objects.count())
        )
        with pytest.raises(EvidenceError, match="at most"):
            rest(written, "2018", expert)

    def test_refuses_a_deleted_comment(self, output: Output, expert: User) -> None:
        written = comment(output, expert)
        Annotation.objects.update(deleted_at=NOW)
        with pytest.raises(EvidenceError, match="deleted"):
            rest(written, "second", expert)


class TestRemoveEvidence:
    def test_is_for_who_added_it_and_moderators(self, output: Output, expert: User) -> None:
        written = comment(output, expert)
        added = rest(written, "second", expert)
        with pytest.raises(NotYoursError):
            remove_evidence(evidence=added, by=make_user(output.project, "expert"), now=NOW)
        remove_evidence(evidence=added, by=make_user(output.project, "moderator"), now=NOW)
        assert not Evidence.objects.exists()
        assert Event.objects.latest("pk").verb == "evidence_removed"
        num_events = Event.objects.count()
        remove_evidence(evidence=added, by=expert, now=NOW)
        assert Event.objects.count() == num_events


class TestPassages:
    def test_leaves_out_what_lies_in_a_changed_text(self, output: Output, expert: User) -> None:
        written = comment(output, expert, reason="factually-incorrect")
        added = rest(written, "second", expert)
        [mark] = passages(annotations=[written], documents=output.documents)[0]
        assert (mark.id, mark.category) == (f"e{added.pk} a{written.pk}", 1)
        assert passages(annotations=[written], documents=documents(TEXT + "!")) == {}
        assert passages(annotations=[written], documents=[]) == {}


@pytest.mark.skipif(not DATA, reason="POSTIL_DATA names no folder of data sets")
class TestFaithbench:
    def test_every_source_span_is_kept_as_its_quote(self, project: Project, expert: User) -> None:
        num_spans = 0
        for row, spans in self.rows():
            output = make_output(project, text=row["summary"], documents=documents(row["source"]))
            for span in spans:
                written = self.comment(output, expert, span)
                added = add_evidence(
                    annotation=written,
                    document=0,
                    start=span["source_start"],
                    end=span["source_end"],
                    exact=span["source_span"],
                    by=expert,
                    now=NOW,
                )
                assert added.exact == span["source_span"].strip()
                assert row["source"][added.start : added.end] == added.exact
                num_spans += 1
        assert num_spans == sum(len(spans) for _, spans in self.rows())
        assert num_spans > 200

    def comment(self, output: Output, by: User, span: dict[str, Any]) -> Annotation:
        """A comment on the words of the answer that the source words speak about."""
        rendered = render(output.text)
        place = rendered.source_to_canonical(span["summary_start"], span["summary_end"])
        start, end = place or (0, 1)
        return annotate(
            output=output,
            version=1,
            by=by,
            start=start,
            end=end,
            exact=rendered.canonical[start:end],
            comment=span["note"] or "See the source.",
            now=NOW,
        )

    def rows(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Every third: all take three times as long and show the same."""
        path = Path(str(DATA)) / "faithbench" / "faithbench.jsonl"
        with path.open(encoding="utf-8") as lines:
            for line in islice(lines, 0, None, 3):
                row = json.loads(line)
                spans = [one for one in row["annotations"] if one["source_span"] is not None]
                if spans:
                    yield row, spans


class TestPages:
    def post(self, client: Client, output: Output, **fields: object) -> Any:
        url = reverse("evidence_create", args=[output.project.slug, output.pk])
        return client.post(url, {"document": 0, "start": 13, "end": 19, "exact": "second"} | fields)

    def test_marks_the_words_and_goes_back_to_the_desk(
        self, client: Client, output: Output, expert: User
    ) -> None:
        written = comment(output, expert)
        item = make_item(make_queue(output.project), output)
        client.force_login(expert)
        reply = self.post(client, output, annotation=written.pk, item=item.pk)
        added = Evidence.objects.get()
        desk = reverse("item", args=[output.project.slug, item.pk])
        assert reply.url == f"{desk}#e{added.pk}"
        page = client.get(desk).content.decode()
        assert f'href="#e{added.pk}"' in page
        assert "KB-0" in page

    def test_says_what_is_wrong(self, client: Client, output: Output, expert: User) -> None:
        written = comment(output, expert)
        client.force_login(expert)
        assert self.post(client, output, annotation=0).status_code == 422
        reply = self.post(client, output, annotation=written.pk, exact="sixth")
        assert (reply.status_code, "not at this place" in reply.content.decode()) == (422, True)
        other = make_output(output.project, documents=documents(TEXT))
        assert self.post(client, other, annotation=written.pk).status_code == 422
        assert not Evidence.objects.exists()

    def test_removal_is_refused_to_others_and_unknown_elsewhere(
        self, client: Client, output: Output, expert: User
    ) -> None:
        added = rest(comment(output, expert), "second", expert)
        url = reverse("evidence_remove", args=[output.project.slug, added.pk])
        client.force_login(make_user(output.project, "expert"))
        assert client.post(url).status_code == 403
        client.force_login(make_user(make_project(), "admin"))
        assert client.post(url).status_code == 404
        client.force_login(expert)
        assert client.post(url).status_code == 302
        assert not Evidence.objects.exists()


class TestBlindReview:
    def test_others_evidence_is_hidden_with_their_comments(
        self, client: Client, output: Output, expert: User
    ) -> None:
        written = comment(output, expert)
        added = rest(written, "second", expert)
        item = make_item(make_queue(output.project, reviewers_per_item=2), output)
        desk = reverse("item", args=[output.project.slug, item.pk])
        client.force_login(expert)
        assert f'id="e{added.pk}"' in client.get(desk).content.decode()
        other = make_user(output.project, "moderator")
        client.force_login(other)
        page = client.get(desk).content.decode()
        assert f'id="e{added.pk}"' not in page
        assert 'class="evidence"' not in page
        text = reverse("turn_text", args=[output.project.slug, output.pk, "0"])
        headers = {"HX-Request": "true"}
        assert "<mark" not in client.get(text, headers=headers).content.decode()
        create = reverse("evidence_create", args=[output.project.slug, output.pk])
        sent = {"annotation": written.pk, "document": 0, "start": 0, "end": 5, "exact": "Bloom"}
        assert client.post(create, sent).status_code == 422
        remove = reverse("evidence_remove", args=[output.project.slug, added.pk])
        assert client.post(remove).status_code == 404


class TestPainted:
    def test_reads_back_as_the_text(self) -> None:
        from html.parser import HTMLParser

        from review.anchoring import Mark

        class Reader(HTMLParser):
            text = ""

            def handle_data(self, data: str) -> None:
                self.text += data

        hostile = "</mark><script>x</script>\r\n\t&amp; \"'\u202e"
        html = painted(hostile, [Mark("e1 a1", 2, 12, 1), Mark("e2 a2", 8, 20), Mark("", 0, 9)])
        reader = Reader()
        reader.feed(html)
        reader.close()
        assert reader.text == hostile
        assert "<script>" not in html
        assert html.count('id="e1"') == html.count('id="e2"') == 1
