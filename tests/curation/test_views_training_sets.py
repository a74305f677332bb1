from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from curation import promotion, releasing, training_sets
from curation.formats import canonical, line
from curation.models import Example, Revocation, TrainingSet
from feedback.models import Project, User
from tests.curation.training_rows import VARIANTS, taken
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(project: Project) -> User:
    return make_user(project, role="viewer")


@pytest.fixture
def training_set(project: Project) -> TrainingSet:
    return make_training_set(project, slug="answers")


@pytest.fixture
def address(training_set: TrainingSet) -> str:
    return f"/p/{training_set.project.slug}/training-sets/answers/"


def add(training_set: TrainingSet, by: User, correction: str = "", **fields: Any) -> Example:
    output = make_output(training_set.project, **fields)
    make_feedback(output, comment="Wrong")
    verdict = "fix" if correction else "accept"
    review = make_review(output, by, verdict=verdict, correction=correction)
    return promotion.promote_to_training_set(
        review=review, training_set=training_set, by=by, now=NOW
    )


def release(training_set: TrainingSet, by: User) -> None:
    releasing.release(training_set=training_set, by=by, now=NOW)


class TestTrainingSetList:
    def test_shows_examples_and_the_last_release(
        self, client: Client, training_set: TrainingSet, curator: User, viewer: User
    ) -> None:
        add(training_set, curator)
        release(training_set, curator)
        make_training_set(make_project(), name="Of another project")
        client.force_login(viewer)
        response = client.get(f"/p/{training_set.project.slug}/training-sets/")
        [shown] = response.context["training_sets"]
        assert (shown.num_examples, shown.last_number, shown.last_released_at) == (1, 1, NOW)

    def test_costs_the_same_for_many(
        self,
        client: Client,
        project: Project,
        curator: User,
        viewer: User,
        django_assert_max_num_queries: Any,
    ) -> None:
        for _ in range(10):
            add(make_training_set(project), curator)
        client.force_login(viewer)
        with django_assert_max_num_queries(7):
            client.get(f"/p/{project.slug}/training-sets/")


class TestTrainingSetCreate:
    def test_makes_one(self, client: Client, project: Project, curator: User) -> None:
        client.force_login(curator)
        create = f"/p/{project.slug}/new-training-set/"
        assert client.get(create).status_code == 200
        response = client.post(create, {"name": "Answers"})
        assert response["Location"] == f"/p/{project.slug}/training-sets/answers/"

    @pytest.mark.parametrize("name", ["", "Answers", "—", "x" * 121])
    def test_says_what_is_wrong_with_a_name(
        self, client: Client, training_set: TrainingSet, curator: User, name: str
    ) -> None:
        client.force_login(curator)
        create = f"/p/{training_set.project.slug}/new-training-set/"
        response = client.post(create, {"name": name})
        assert response.status_code == 422
        assert response.context["form"].errors["name"]


class TestTrainingSet:
    def test_shows_an_example_with_its_way_back(
        self, client: Client, training_set: TrainingSet, curator: User, viewer: User, address: str
    ) -> None:
        example = add(training_set, curator, "<i>good</i>", text="<i>bad</i>", external_id="o/1")
        client.force_login(viewer)
        response = client.get(f"{address}?example={example.pk}&format=openai-dpo")
        page = response.content.decode()
        assert "&lt;i&gt;good&lt;/i&gt;" in page
        assert "&lt;i&gt;bad&lt;/i&gt;" in page
        assert f"/p/{training_set.project.slug}/outputs/o/1" in page
        line = json.loads(response.context["line"])
        assert line["preferred_output"][0]["content"] == "<i>good</i>"
        assert "Remove" not in page
        assert "Download r" not in page

    def test_hides_the_review_from_who_is_to_judge_without_it(
        self, client: Client, training_set: TrainingSet, curator: User, viewer: User, address: str
    ) -> None:
        example = add(training_set, curator)
        client.force_login(viewer)
        assert "Reviewed by" in client.get(address).content.decode()
        assert example.output is not None
        make_item(make_queue(training_set.project, reviewers_per_item=2), example.output)
        assert "Reviewed by" not in client.get(address).content.decode()

    def test_says_when_a_format_leaves_an_example_out(
        self, client: Client, training_set: TrainingSet, curator: User, viewer: User, address: str
    ) -> None:
        add(training_set, curator)
        client.force_login(viewer)
        page = client.get(address, {"format": "openai-dpo"}).content.decode()
        assert "Left out of this format" in page
        assert client.get(address, {"format": "nonsense"}).context["format"] == "openai-sft"
        # Its trainer would refuse the row.
        Example.objects.update(prompt=[{"role": "user", "content": " "}])
        page = client.get(address, {"format": "openai-sft"}).content.decode()
        assert "Left out of this format" in page

    def test_offers_files_that_have_rows(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        add(training_set, curator)
        release(training_set, curator)
        client.force_login(curator)
        page = client.get(address).content.decode()
        assert f"{address}releases/1/files/openai/sft-train.jsonl" in page
        assert "All files of r1" in page
        assert "dpo-train" not in page
        assert "-validation" not in page

    def test_pages_by_keys_and_costs_the_same_for_many(
        self,
        client: Client,
        training_set: TrainingSet,
        curator: User,
        address: str,
        django_assert_max_num_queries: Any,
    ) -> None:
        for number in range(30):
            add(training_set, curator, "good", text=f"bad {number}")
        for number in range(3):
            add(training_set, curator, text=f"fine {number}")
            release(training_set, curator)
        client.force_login(curator)
        with django_assert_max_num_queries(20):
            first = client.get(address)
        second = client.get(address, {"cursor": first.context["examples"].next_cursor})
        assert [len(one.context["examples"].rows) for one in (first, second)] == [25, 8]
        assert client.get(address, {"cursor": "x"}).status_code == 400

    def test_tells_what_holds_the_next_release_up(
        self, client: Client, project: Project, curator: User
    ) -> None:
        gated = make_training_set(project, slug="gated", is_gated=True)
        add(gated, curator, "good", text="bad")
        client.force_login(curator)
        address = f"/p/{project.slug}/training-sets/gated/"
        assert "not checked yet" in client.get(address).content.decode()
        add(gated, curator, "good", text="bad")
        client.post(f"{address}gates/check/")
        page = client.get(address)
        assert "1 hold it up" in page.content.decode()
        assert [line.gate for line in page.context["failing"]] == ["exact", "consent"]
        add(gated, curator, "other", text="worse")
        assert "to be checked again" in client.get(address).content.decode()

    def test_finds_only_its_own_examples(
        self, client: Client, training_set: TrainingSet, curator: User, viewer: User, address: str
    ) -> None:
        other = add(make_training_set(training_set.project), curator)
        client.force_login(viewer)
        assert client.get(address, {"example": other.pk}).status_code == 404
        assert client.get(address, {"example": "x"}).status_code == 200


class TestTrainingSetRelease:
    def test_releases_and_says_why_not(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        client.force_login(curator)
        response = client.post(f"{address}release/")
        assert response.status_code == 409
        assert "no examples" in response.content.decode()
        add(training_set, curator)
        response = client.post(f"{address}release/", {"format": ["trl-sft"]})
        assert response["Location"] == f"{address}releases/1/"
        assert training_set.releases.get().released_by == curator
        response = client.post(f"{address}release/")
        assert response.status_code == 409
        assert "being made already" in response.content.decode()
        while releasing.work_off(now=NOW):
            pass
        assert training_set.releases.get().formats == ["trl-sft", "examples"]
        response = client.post(f"{address}release/")
        assert response.status_code == 409
        assert "Nothing has changed since release 1" in response.content.decode()

    def test_is_for_curators(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        add(training_set, curator)
        client.force_login(make_user(training_set.project, role="moderator"))
        assert client.post(f"{address}release/").status_code == 403
        assert client.get(f"{address}release/").status_code == 405


class TestExampleRemove:
    def test_takes_it_out_of_the_next_release(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        example = add(training_set, curator)
        other = add(make_training_set(training_set.project), curator)
        client.force_login(curator)
        assert client.post(f"{address}examples/{other.pk}/remove/").status_code == 404
        assert client.post(f"{address}examples/{example.pk}/remove/")["Location"] == address
        assert not training_set.examples.kept().exists()
        client.force_login(make_user(training_set.project, role="moderator"))
        assert client.post(f"{address}examples/{example.pk}/remove/").status_code == 403


class TestExampleRevoke:
    def test_takes_one_that_was_removed_after_its_release(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        example = add(training_set, curator)
        release(training_set, curator)
        training_sets.remove_example(example=example, by=curator, now=NOW)
        client.force_login(curator)
        released = f"{address}releases/1/"
        assert f'action="{released}#revoke"' in client.get(released).content.decode()
        found = client.get(released, {"example": example.pk})
        assert found["Location"] == f"{address}?example={example.pk}#example"
        page = client.get(found["Location"]).content.decode()
        revoke = f"{address}examples/{example.pk}/revoke/"
        assert revoke in page
        assert f"{address}examples/{example.pk}/remove/" not in page
        client.post(revoke, {"reason": "consent"})
        assert f"X-{example.pk}" in client.get(released).content.decode()
        assert client.get(address, {"example": example.pk}).status_code == 404

    def test_says_of_one_that_is_revoked_already_that_it_is(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        example = add(training_set, curator)
        release(training_set, curator)
        client.force_login(curator)
        revoke = f"{address}examples/{example.pk}/revoke/"
        client.post(revoke, {"reason": "consent"})
        again = client.post(revoke, {"reason": "wrong"}, follow=True).content.decode()
        assert f"X-{example.pk} is revoked already." in again
        assert Revocation.objects.get().reason == "consent"
        found = client.get(f"{address}releases/1/", {"example": example.pk})
        assert found.status_code == 200
        assert "is revoked already: consent withdrawn" in found.content.decode()

    @pytest.mark.parametrize("asked", ["other", "x", "", "9" * 30])
    def test_names_an_id_that_the_release_has_not(
        self,
        client: Client,
        training_set: TrainingSet,
        curator: User,
        viewer: User,
        address: str,
        asked: str,
    ) -> None:
        add(training_set, curator)
        release(training_set, curator)
        other = add(training_set, curator, text="Not in it.")
        client.force_login(curator)
        given = {"example": str(other.pk) if asked == "other" else asked}
        found = client.get(f"{address}releases/1/", given)
        assert found.status_code == 422
        assert found.context["form"].errors["example"]
        assert 'id="id_example_error"' in found.content.decode()
        client.force_login(viewer)
        assert client.get(f"{address}releases/1/", given).status_code == 200


class TestReleaseFile:
    def test_downloads_a_split(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        add(training_set, curator, "good", text="bad")
        release(training_set, curator)
        client.force_login(curator)
        file = f"{address}releases/1/train.jsonl"
        response = client.get(file)
        assert response["Content-Disposition"].startswith("attachment")
        [line] = response.getvalue().splitlines()
        assert json.loads(line)["messages"][-1]["content"] == "good"
        [line] = client.get(file, {"format": "openai-dpo"}).getvalue().splitlines()
        assert json.loads(line)["non_preferred_output"][0]["content"] == "bad"
        assert client.get(file, {"format": "csv"}).status_code == 400
        for missing in ("2/train", "1/dev", f"{10**30}/train"):
            assert client.get(f"{address}releases/{missing}.jsonl").status_code == 404

    def test_is_for_curators_of_the_project(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        add(training_set, curator)
        release(training_set, curator)
        file = f"{address}releases/1/train.jsonl"
        client.force_login(make_user(training_set.project, role="moderator"))
        assert client.get(file).status_code == 403
        client.force_login(make_user(make_project(), role="admin"))
        assert client.get(file).status_code == 404
        assert client.post(file).status_code == 405


class TestRelease:
    def test_shows_how_far_it_is_and_can_be_stopped(
        self, client: Client, training_set: TrainingSet, curator: User, viewer: User, address: str
    ) -> None:
        add(training_set, curator)
        releasing.start(training_set=training_set, by=curator, now=NOW)
        page = f"{address}releases/1/"
        client.force_login(viewer)
        content = client.get(page).content.decode()
        assert "Freezing r1" in content
        assert "Stop" not in content
        assert client.post(f"{page}stop/").status_code == 403
        client.force_login(curator)
        assert "Freezing r1" in client.get(address).content.decode()
        assert client.post(f"{page}stop/")["Location"] == page
        assert "r1: Stopped" in client.get(page).content.decode()
        assert client.post(f"{page}stop/").status_code == 302
        assert client.get(f"{address}releases/2/").status_code == 404

    def test_lists_its_files_and_what_is_revoked(
        self,
        client: Client,
        training_set: TrainingSet,
        curator: User,
        viewer: User,
        address: str,
        django_assert_max_num_queries: Any,
    ) -> None:
        example = add(training_set, curator, text="<b>good</b>")
        release(training_set, curator)
        client.force_login(curator)
        revoke = f"{address}examples/{example.pk}/revoke/"
        assert client.post(revoke, {"reason": "mood"}).status_code == 400
        assert client.post(revoke, {"reason": "consent"})["Location"] == address
        client.force_login(viewer)
        assert client.post(revoke, {"reason": "wrong"}).status_code == 403
        with django_assert_max_num_queries(10):
            page = client.get(f"{address}releases/1/").content.decode()
        assert f"X-{example.pk}" in page
        assert "manifest.json" in page
        assert "releases/1/files/" not in page
        assert client.get(f"{address}releases/1/files/manifest.json").status_code == 403

    def test_gives_whole_files_and_ranges(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        add(training_set, curator)
        release(training_set, curator)
        client.force_login(curator)
        file = f"{address}releases/1/files/openai/sft-train.jsonl"
        whole = client.get(file)
        body = whole.getvalue()
        assert whole["ETag"] == f'"{hashlib.sha256(body).hexdigest()}"'
        assert whole["Accept-Ranges"] == "bytes"
        assert int(whole["Content-Length"]) == len(body)
        for asked, status, expected in (
            ("bytes=0-9", 206, body[:10]),
            ("bytes=10-", 206, body[10:]),
            ("bytes=-5", 206, body[-5:]),
            ("bytes=5-99999", 206, body[5:]),
            ("bytes=9-5", 200, body),
            ("bytes=0-1,3-4", 200, body),
            ("lines=0-1", 200, body),
            ("bytes=-", 200, body),
        ):
            response = client.get(file, headers={"Range": asked})
            assert (response.status_code, response.getvalue()) == (status, expected), asked
        response = client.get(file, headers={"Range": "bytes=5-9"})
        assert response["Content-Range"] == f"bytes 5-9/{len(body)}"
        for beyond in (f"bytes={len(body)}-", "bytes=-0"):
            response = client.get(file, headers={"Range": beyond})
            assert response.status_code == 416
            assert response["Content-Range"] == f"bytes */{len(body)}"
        part = {"Range": "bytes=0-1", "If-Range": '"other"'}
        assert client.get(file, headers=part).status_code == 200
        assert client.get(file, headers=part | {"If-Range": whole["ETag"]}).status_code == 206
        assert client.get(file, headers={"If-None-Match": whole["ETag"]}).status_code == 304
        assert client.head(file).getvalue() == b""
        for missing in ("nope.jsonl", "../../1/manifest.json", "openai"):
            assert client.get(f"{address}releases/1/files/{missing}").status_code == 404


class TestTrainingSetFilter:
    def test_takes_in_what_matches_with_the_next_release(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        output = make_output(training_set.project, model="m")
        review = make_review(output, curator, verdict="accept")
        client.force_login(curator)
        response = client.post(f"{address}filter/", {"filter": "colour:red"})
        assert response.status_code == 422
        assert "There is no filter colour" in response.content.decode()
        client.post(f"{address}filter/", {"filter": "model:m"})
        assert client.get(address).context["num_matching"] == 1
        release(training_set, curator)
        assert training_set.examples.get().review == review
        client.post(f"{address}filter/", {"none": "1"})
        training_set.refresh_from_db()
        assert training_set.filter is None


class TestTrainingFile:
    def test_names_lines_and_fields_and_takes_in_what_is_sound(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        check = f"/p/{training_set.project.slug}/check-training-file/"
        client.force_login(curator)
        assert client.get(check).status_code == 200
        row = {"prompt": [{"role": "user", "content": "q"}], "chosen": "a", "rejected": "b"}
        sound, broken = (
            json.dumps(one).encode() + b"\n" for one in (row, row | {"rejected": "<i>a </i>"})
        )
        broken = sound + broken.replace(b"<i>a </i>", b"a ")

        def post(content: bytes, format_: str = "examples") -> Any:
            file = SimpleUploadedFile("a.jsonl", content)
            return client.post(
                check, {"file": file, "format": format_, "training_set": training_set.slug}
            )

        page = post(broken).content.decode()
        assert "1 fault" in page
        assert '<tr><td class="n">2</td><td class="mono">rejected</td>' in page
        assert "Both answers are the same." in page
        assert not training_set.examples.exists()
        for text in ("nothing\0", "nothing\\\0"):
            unkept = sound + json.dumps(row | {"chosen": text}).encode() + b"\n"
            told = post(unkept)
            assert told.status_code == 422
            assert "Row 2, chosen: Holds a NUL character." in told.content.decode()
        assert not training_set.examples.exists()
        written = json.dumps({"prompt": row["prompt"], "chosen": "Write \\u0000.", "rejected": ""})
        assert post(written.encode())["Location"] == address
        training_set.examples.all().delete()
        assert post(sound)["Location"] == address
        example = training_set.examples.get()
        assert (example.chosen, example.rejected, example.review) == ("a", "b", None)
        assert post(sound, "csv").status_code == 422
        text = post(b'{"text": "a"}\n', "text")
        assert "checked, but not read" in text.content.decode()
        assert post(b"").status_code == 422

    def test_takes_in_or_refuses_whatever_is_sound_and_what_it_took_can_be_released(
        self, client: Client, training_set: TrainingSet, curator: User, address: str
    ) -> None:
        client.force_login(curator)
        for format_, rows in VARIANTS.items():
            answers = set()
            for row in rows:
                # OpenAI asks for ten.
                file = SimpleUploadedFile("a.jsonl", line(row).encode() * 10)
                told = client.post(
                    f"/p/{training_set.project.slug}/check-training-file/",
                    {"file": file, "format": format_, "training_set": training_set.slug},
                )
                answers.add(told.status_code)
                if told.status_code != 302:
                    assert "error" in told.content.decode()
                    assert re.search(r"(Line|Row) 1[,:]", told.content.decode())
                elif example := training_set.examples.order_by("pk").last():
                    assert client.get(address, {"example": example.pk}).status_code == 200
            assert 302 in answers, format_
            assert answers <= {302, 422}, format_
        found = {canonical(asdict(row)): row for name in VARIANTS for row in taken(name)}
        training_sets.add_rows(training_set=training_set, rows=found.values(), by=curator, now=NOW)
        made = releasing.release(training_set=training_set, by=curator, now=NOW)
        assert made.num_examples > len(found) > 1_000
