"""What documents point to is there."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for page in chain(ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md")):
        for link in LINK.findall(page.read_text()):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in _anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert broken == []


def test_every_how_to_is_linked_from_the_readme_or_the_tutorial() -> None:
    entrances = ROOT / "README.md", ROOT / "docs/tutorial/first-review.md"
    linked = {Path(link).name for page in entrances for link in LINK.findall(page.read_text())}
    assert {page.name for page in (ROOT / "docs/how-to").glob("*.md")} <= linked


def _anchors(page: Path) -> set[str]:
    """The anchors that a document sets, and those of its headings, as GitHub names them."""
    text = page.read_text()
    headings = (re.sub(r"[^\w\- ]", "", one.lower()) for one in HEADING.findall(text))
    return {one.replace(" ", "-") for one in headings} | set(re.findall(r'<a id="([^"]+)"', text))
