"""Once around the loop, through the real parts: from a user's thumb to prompt and training file."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.host import Host, serving
from tests.browser.selecting import drag, popover
from tests.journeys.conftest import ROOT, Postil, eventually

COMMENT = "Nothing about where the tour began."
BETTER = "It opened in Dublin on 1 May, and closed in Reykjavik."
NOTE = "This is what the user missed."


def real_records(num: int) -> list[dict[str, Any]]:
    lines = gzip.decompress((ROOT / "feedback/demo/qa-feedback.ndjson.gz").read_bytes())
    return [json.loads(line) for line in lines.splitlines()[:num]]


def disliked(records: list[dict[str, Any]]) -> dict[str, Any]:
    """An output that nobody has rated down yet."""
    rated = {one["output"] for one in records if one.get("score", 0) < 0}
    return next(one for one in records if one["type"] == "output" and one["id"] not in rated)


def sign_in(page: Page, postil: Postil) -> None:
    page.goto(f"{postil.url}/sign-in/")
    page.get_by_label("User name").fill(postil.access["username"])
    page.get_by_label("Password").fill(postil.access["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def rate_down(page: Page, host: Host, output: dict[str, Any], token: str) -> None:
    script = f'<script src="{host.postil}/static/embed.js" defer></script>'
    widget = f"<div data-postil data-token='{token}' data-endpoint='{host.postil}'></div>"
    body = f"<!doctype html><html lang=en><title>Shop</title>{script}<p>{output['id']}</p>{widget}"
    host.pages["/"] = ("text/html", body)
    page.goto(host.origin)
    page.get_by_role("button", name="Bad answer").click()
    page.get_by_label("Incomplete").check()
    page.get_by_label("Anything else?").fill(COMMENT)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_have_text("Thank you.")


def make_queue(page: Page, base: str, output: dict[str, Any]) -> None:
    """A queue of that one answer: what was rated down, with the question's words."""
    page.goto(f"{base}/new-queue/")
    page.get_by_label("Name").fill("Tour")
    page.get_by_text("Fields", exact=True).click()
    page.get_by_label("Rated").select_option("negative")
    page.get_by_label("Words").fill(output["query"])
    page.get_by_role("button", name="Create queue").click()
    expect(page.get_by_role("heading", name="Tour")).to_be_attached()


def review(page: Page, output: dict[str, Any]) -> None:
    page.get_by_role("button", name="Review next").first.click()
    expect(page.get_by_text(COMMENT).first).to_be_visible()
    words = " ".join(output["text"].split()[:3])
    drag(page, words)
    page.keyboard.press("c")
    page.keyboard.type(NOTE)
    popover(page).get_by_role("button", name="Incomplete").click()
    popover(page).get_by_role("button", name="Comment Ctrl").click()
    expect(page.locator("#margin .note__text").get_by_text(NOTE)).to_be_visible()
    marked = page.locator("#answer mark").all_text_contents()
    assert words in "".join(marked)
    page.get_by_label("Fix").check()
    page.locator("#applied-more").click()
    page.get_by_role("link", name="Edit whole answer").click()
    page.get_by_label("The corrected answer, as Markdown").fill(BETTER)
    page.get_by_role("button", name="Save as suggestions").click()
    expect(page.locator("#shown")).to_contain_text(BETTER)
    page.keyboard.press("Escape")
    # The drawer of the reasons may be folded.
    page.locator("#decide-form [name=reasons][value=incomplete]").evaluate(
        "(box) => box.checked || box.click()"
    )
    page.get_by_role("button", name="Submit and next").click()
    page.wait_for_url("**/queues/tour/**")


def make(page: Page, base: str, what: str, name: str) -> None:
    page.goto(f"{base}/new-{what}/")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name=name).first).to_be_visible()


def promote(page: Page, base: str, button: str) -> None:
    page.goto(f"{base}/reviews/")
    page.get_by_role("link", name="Promote: ").first.click()
    page.get_by_role("button", name=button).click()


class TestLoop:
    @pytest.mark.browser
    def test_a_thumb_down_comes_back_as_context_and_training_data(
        self, postil: Postil, browser: Browser
    ) -> None:
        with serving(postil.url) as host:
            self.go_around(postil, browser, host)

    def go_around(self, postil: Postil, browser: Browser, host: Host) -> None:
        postil.manage("create_project", "loop", "--admin", "curator", "--origin", host.origin)
        scopes = ("ingest", "feedback", "read", "context", "export")
        asked = [part for scope in scopes for part in ("--scope", scope)]
        key = postil.manage("create_key", "loop", "--name", "product", *asked).strip()
        base = f"{postil.url}/p/loop"

        records = real_records(200)
        status, reply = postil.call("POST", "/api/v1/ingest", {"records": records}, key=key)
        assert (status, reply["accepted"]) == (200, 200)

        output = disliked(records)
        status, token = postil.call(
            "POST", "/api/v1/feedback-tokens", {"output": output["id"]}, key=key
        )
        assert status == 200
        user = browser.new_page()
        rate_down(user, host, output, token["token"])

        search = f"/api/v1/search?limit=1&q={quote(COMMENT)}"
        found = eventually(lambda: postil.call("GET", search, key=key)[1]["results"], within=120)
        eventually(
            lambda: postil.call("GET", search, key=key)[1]["results"][0]["text"] == COMMENT,
            within=120,
        )
        assert found

        page = browser.new_page()
        sign_in(page, postil)
        make_queue(page, base, output)
        review(page, output)

        self.feeds_a_queue(postil, page, base, output, key)

        session = quote(output["session"], safe="")
        _, trail = postil.call("GET", f"/api/v1/sessions/{session}", key=key)
        said = [one for one in trail["trail"] if one.get("output") == output["id"]]
        assert BETTER in [one["correction"] for one in said if one["type"] == "review"]
        assert NOTE in [one["comment"] for one in said if one["type"] == "annotation"]

        self.sees_themes(postil, page, base)

        make(page, base, "library", "House style")
        promote(page, base, "Add to the draft")
        page.goto(f"{base}/libraries/house-style/draft/")
        page.get_by_role("button", name="Publish v1").click()
        expect(page.get_by_text("Version 1 is live.")).to_be_visible()
        question = {"library": "house-style", "query": output["query"]}
        status, context = postil.call("POST", "/api/v1/context", question, key=key)
        assert status == 200
        assert BETTER in [message["content"] for message in context["messages"]]
        source = context["entries"][0]["source"]
        assert (source["output"], source["session"]) == (output["id"], output["session"])
        assert source["feedback"]

        make(page, base, "training-set", "Corrections")
        promote(page, base, "Add example")
        page.goto(f"{base}/training-sets/corrections/")
        page.get_by_role("button", name="Release").click()
        expect(page.get_by_text("r1 is whole")).to_be_visible(timeout=60_000)
        lines = self.released(postil, key)
        assert lines["openai-sft"][0]["messages"][-1]["content"] == BETTER
        [dpo] = lines["openai-dpo"]
        assert dpo["preferred_output"][0]["content"] == BETTER
        assert dpo["non_preferred_output"][0]["content"] == output["text"]

    def feeds_a_queue(
        self, postil: Postil, page: Page, base: str, output: dict[str, Any], key: str
    ) -> None:
        """What comes later and matches is in the queue a minute after, and stays there once."""
        session = {"type": "session", "id": "again"}
        again = output | {"id": "again", "session": "again"}
        said = {"type": "feedback", "id": "down", "output": "again", "name": "thumb", "score": -1}
        records = [session, again, said | {"annotator_kind": "HUMAN"}]
        rows = page.locator("a.q__text")
        page.goto(f"{base}/queues/tour/")
        assert rows.count() == 0
        status, reply = postil.call("POST", "/api/v1/ingest", {"records": records}, key=key)
        assert (status, reply["accepted"]) == (200, 3)

        def is_fed() -> bool:
            page.goto(f"{base}/queues/tour/")
            return rows.count() == 1

        eventually(is_fed, within=60)

    def sees_themes(self, postil: Postil, page: Page, base: str) -> None:
        ask = "from review.tasks import refresh_themes; refresh_themes.delay()"
        postil.manage("shell", "--verbosity=0", "--command", ask)

        def listed() -> bool:
            page.goto(f"{base}/themes/")
            return page.locator("main a[href^='/p/loop/themes/']").count() > 0

        eventually(listed, within=180)
        page.locator("main a[href^='/p/loop/themes/']").first.click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()

    def released(self, postil: Postil, key: str) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for format_ in ("openai-sft", "openai-dpo"):
            address = f"/api/v1/training-sets/corrections/releases/1/train.jsonl?format={format_}"
            status, content = postil.call("GET", address, key=key)
            assert status == 200
            found[format_] = [json.loads(line) for line in content.splitlines()]
        return found
