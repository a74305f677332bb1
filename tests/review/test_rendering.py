"""Answers as HTML and canonical text, and the map between answer and canonical text."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.anchoring import Mark
from review.rendering import RENDERER_VERSION, Rendered, render

ALLOWED = {
    *("a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "mark"),
    *("ol", "p", "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
BLOCKS = {"p", "h3", "h4", "h5", "h6", "th", "td", "pre", "li", "ul", "ol", "blockquote", "table"}

# Markdown is made mostly of its own punctuation, so that rules meet each other.
PARTS = [
    *("*", "**", "_", "~~", "`", "``", "```\n", "~~~\n", "[", "](", ")", "![", "]", "<", ">", "\\"),
    *("# ", "## ", " #", "- ", "1. ", "3) ", "> ", "    ", "\t", " ", "  \n", "\\\n", "\n", "\n\n"),
    *(
        "\r\n",
        "\r",
        "| a | b |\n|---|---|\n",
        "|",
        "\\|",
        "| c |",
        "---\n",
        "===\n",
        "&amp;",
        "&lt;",
    ),
    *(
        "&#13;",
        "&#x1F600;",
        "&NotEqualTilde;",
        "&nope;",
        "http://a.example",
        "<http://b.example/%20>",
    ),
    *("<me@example.com>", "mailto:x@y.z", "javascript:alert(1)", "<script>", "</mark>", "\x00"),
    *(
        "a",
        "word",
        "A long sentence.",
        "é",
        "e\u0301",
        "👩🏽\u200d🌾",
        "🇫🇷",
        "שלום",
        "\u202e",
        "\u00a0",
    ),
    *("\u00a0", "&lt;", "http://a.example"),
    *("\\(", "\\)", "\\[", "\\]", "$", "$$", "$$\n", "\\[\n", "\\]\n", "[x] ", "[ ] "),
    *("\u2028", "\x0b", "\x0c", "\x85", "\x01", "\ufeff", "[ref]: http://c.example\n", "[ref]"),
]
markdown = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=30).map("".join),
    st.text(max_size=60),
    st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=5)), max_size=20).map("".join),
)


class Page(HTMLParser):
    """Reads HTML as strictly as a browser does the little that is written."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.starts: list[tuple[str, int, int]] = []
        self.marked: dict[str, str] = {}
        self.ids: list[str] = []
        self.inserted = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in {"br", "hr"}:
            return
        values = dict(attrs)
        if tag in BLOCKS:
            assert "mark" not in self.open, "a mark around a block"
        if tag == "mark":
            assert "mark" not in self.open, "a mark in a mark"
            self.ids = (values["data-a"] or "").split()
        if (start := values.get("data-start")) is not None:
            self.starts.append((tag, int(start), len(self.text)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "mark":
            self.ids = []

    def handle_data(self, data: str) -> None:
        if "ins" in self.open:
            self.inserted += data
            return
        self.text += data
        for mark in self.ids:
            self.marked[mark] = self.marked.get(mark, "") + data


def assert_sound(source: str, rendered: Rendered) -> None:
    """What must hold for every answer whatsoever."""
    page = Page(rendered.html)
    assert page.text == rendered.canonical
    assert page.open == []
    assert page.tags <= ALLOWED
    for tag, name, value in page.attributes:
        assert name in {"data-start", "href", "title", "target", "rel", "start"}
        if name == "href":
            assert tag == "a"
            assert value.lower().startswith(("http://", "https://", "mailto:"))
        if name == "rel":
            assert value == "nofollow noopener noreferrer"
    assert all(start == where for _, start, where in page.starts)
    at = source_at = 0
    for run in rendered.runs:
        assert run.start == at, "runs cover the text without gaps"
        assert run.text == rendered.canonical[run.start : run.end]
        assert run.text
        assert source_at <= run.source_start <= run.source_end <= len(source)
        if run.is_exact:
            assert source[run.source_start : run.source_end] == run.text
        elif not run.is_separator:
            assert run.source_start < run.source_end
        at, source_at = run.end, run.source_end
    assert at == len(rendered.canonical)


class TestRender:
    @given(markdown)
    @settings(max_examples=400, deadline=None)
    def test_text_of_the_page_is_the_canonical_text_and_every_run_its_source(
        self, source: str
    ) -> None:
        assert_sound(source, render(source))

    @given(markdown)
    @settings(max_examples=50, deadline=None)
    def test_says_the_same_every_time(self, source: str) -> None:
        assert render(source).html == render(source).html

    @given(markdown, st.data())
    @settings(max_examples=200, deadline=None)
    def test_marks_are_painted_exactly_and_change_no_text(
        self, source: str, data: st.DataObject
    ) -> None:
        rendered = render(source)
        if not rendered.canonical:
            return
        places = st.integers(0, len(rendered.canonical))
        marks = []
        for number in range(data.draw(st.integers(1, 5))):
            start, end = sorted((data.draw(places), data.draw(places)))
            if start < end:
                marks.append(Mark(f"a{number}", start, end, data.draw(st.integers(0, 8))))
        page = Page(rendered.painted(marks))
        assert page.text == rendered.canonical
        for mark in marks:
            assert page.marked.get(mark.id, "") == rendered.marked_text(mark.start, mark.end)

    @given(markdown, st.data())
    @settings(max_examples=200, deadline=None)
    def test_maps_there_and_back_to_at_least_the_same_place(
        self, source: str, data: st.DataObject
    ) -> None:
        rendered = render(source)
        texts = [run for run in rendered.runs if not run.is_separator]
        if not texts:
            return
        run = data.draw(st.sampled_from(texts))
        start = data.draw(st.integers(run.start, run.end - 1))
        end = data.draw(st.integers(start + 1, run.end))
        back = rendered.source_to_canonical(*rendered.canonical_to_source(start, end))
        assert back is not None
        assert back == (start, end) if run.is_exact else back == (run.start, run.end)

    @pytest.mark.parametrize(
        ("source", "canonical"),
        [
            ("", ""),
            ("**Bloom** is _an_ `album` by ~~B~~ T", "Bloom is an album by B T"),
            ("one\r\ntwo\r\n\r\nthree", "one\ntwo\nthree"),
            ("one\\\ntwo  \nthree", "one\ntwo\nthree"),
            ("AT&amp;T &lt;b&gt; &copy; &unknown;", "AT&T <b> © &unknown;"),
            (r"\*not bold\* \q 1\|2", r"*not bold* \q 1|2"),
            ("# One #\n\ntext\n\nTwo\n===", "One\ntext\nTwo"),
            ("| a | b |\n|---|:-:|\n| 1\\|2 | |\n| `x` |", "a\tb\n1|2\t\nx\t"),
            ("- a\n  - b\n    c\n- d\n\n7. e", "a\nb\nc\nd\ne"),
            ("```python\n\n\n  x = 1\n\ty\n```\nend", "\n\n  x = 1\n\ty\nend"),
            ("```python\npython\n```", "python"),
            ("    indented\n    code", "indented\ncode"),
            ("> quoted\nlazily\n> > deeper", "quoted\nlazily\ndeeper"),
            ("![the alt](http://x.example/i.png) text", "the alt text"),
            ("![](http://x.example/i.png)", "image"),
            ("[![badge](http://i.example)](http://x.example)", "badge"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
            ("[a](http://x.example 'title') <http://y.example>", "a http://y.example"),
            ("[r]\n\n[r]: http://x.example", "r"),
            ("a\u0301 👩🏽\u200d🌾 שלום", "a\u0301 👩🏽\u200d🌾 שלום"),
            ("one\n\n---\n\ntwo", "one\ntwo"),
            ("a\x00b", "a\ufffdb"),
            ("`` a`b `` and `  `", "a`b and   "),
            (r"so \(x_1 * y_1 * z\) is", r"so \(x_1 * y_1 * z\) is"),
            (r"so \[ x_1 * y_1 * z \] is", r"so \[ x_1 * y_1 * z \] is"),
            ("$a_1 * b * c$, $$d * e * f$$", "$a_1 * b * c$, $$d * e * f$$"),
            ("costs $5, not $10 *or* so", "costs $5, not $10 or so"),
            (r"\[sic\] \(no end *of it*", "[sic] (no end of it"),
            ("so\n\\[\n- b\n\n  + c\n\\]\nis", "so\n\\[\n- b\n\n  + c\n\\]\nis"),
            ("> $$ a\n> b $$\n> c", "$$ a\nb $$\nc"),
            ("- [ ] to do\n- [x] *done*\n- [y] so\n\n  [ ] so", "☐ to do\n☑ done\n[y] so\n[ ] so"),
        ],
    )
    def test_gives_the_text_that_is_read(self, source: str, canonical: str) -> None:
        rendered = render(source)
        assert rendered.canonical == canonical
        assert_sound(source, rendered)

    @pytest.mark.parametrize(
        "source",
        [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1)) ![x](javascript:alert(1))",
            "[x](JaVaScRiPt&colon;alert(1)) [x](&#106;avascript:alert(1))",
            "[x](data:text/html,<script>alert(1)</script>)",
            "![x](data:image/svg+xml;base64,PHN2Zy8+)",
            '[x](http://a.example "onmouseover=alert(1) \\" x=")',
            "<http://a.example/\"onclick='alert(1)'>",
            "</mark></p></article><script>alert(1)</script>",
            "`</code><script>alert(1)</script>`",
            "```\n</code></pre><script>alert(1)</script>\n```",
            "| <script> |\n|---|\n| </table><img onerror=x> |",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "[x](/sign-out/) [y](//evil.example) [z](ftp://a.example)",
            "<style>*{display:none}</style><!-- c --><![CDATA[x]]><?php?>",
        ],
    )
    def test_hostile_answers_are_only_text(self, source: str) -> None:
        rendered = render(source)
        assert_sound(source, rendered)
        page = Page(rendered.html)
        assert not page.tags & {"script", "img", "style", "iframe"}
        assert all(not name.startswith("on") for _, name, _ in page.attributes)

    @pytest.mark.parametrize(
        "source",
        [
            "> " * 500 + "deep",
            "- " * 500 + "deep",
            "[" * 5_000,
            "*a " * 5_000,
            "![" * 3_000,
            "`" * 2_000 + "a" + "``" * 2_000,
            "<" * 5_000,
            "&" * 5_000,
            "|" * 300 + "\n" + "|-" * 300 + "\n" + "a\n" * 300,
            "x" * 300_000,
            "\\(" * 40_000,
            "$a " * 40_000,
            "$$ a\n" * 20_000,
            ("> " * 58 + "deep word\n\n") * 1_600,
            "".join("  " * (number % 28) + "- a\n" for number in range(6_000)),
        ],
        ids=range(15),
    )
    def test_bombs_are_shown_whole_in_time(self, source: str) -> None:
        began = time.process_time()
        rendered = render(source)
        assert time.process_time() - began < 5
        assert_sound(source, rendered)

    def test_deeply_nested_text_is_shown_as_it_is(self) -> None:
        source = "> " * 500 + "deep"
        assert render(source).canonical == source

    def test_version_is_a_number_that_rows_can_hold(self) -> None:
        assert RENDERER_VERSION >= 1


class TestSourceToCanonical:
    @pytest.mark.parametrize(
        ("source", "marked", "painted"),
        [
            ("Family **Plus** covers", "**Plus**", "Plus"),
            ("Family **Plus** covers", "ly **Pl", "ly Pl"),
            ("AT&amp;T works", "&amp;", "&"),
            ("AT&amp;T works", "amp", "&"),
            ("one\r\ntwo\r\nthree", "two", "two"),
            ("one\r\ntwo", "one\r\ntwo", "one\ntwo"),
            (r"a \* b", r"\*", "*"),
            ("a 👩🏽\u200d🌾 b", "👩🏽\u200d🌾", "👩🏽\u200d🌾"),
            ("| a | b |\n|---|---|\n| c | d |", "c | d", "cd"),
            ("# Title\n\nText", "# Title\n\nTe", "TitleTe"),
            ("```py\ncode\n```", "code", "code"),
            ("so-called **bold words** here", "**bold", "bold"),
        ],
    )
    def test_paints_what_was_marked(self, source: str, marked: str, painted: str) -> None:
        rendered = render(source)
        start = source.index(marked)
        span = rendered.source_to_canonical(start, start + len(marked))
        assert span is not None
        assert rendered.marked_text(*span) == painted

    @pytest.mark.parametrize(
        ("source", "start", "end", "painted"),
        [
            ("plain **bold words** here", 6, 8, "bold"),
            ("plain **bold words** here", 18, 20, "words"),
            ("```py\ncode\n```", 0, 5, "code"),
            ("text [link](http://a.example)", 11, 29, "link"),
        ],
    )
    def test_markup_alone_maps_to_the_nearest_word(
        self, source: str, start: int, end: int, painted: str
    ) -> None:
        rendered = render(source)
        span = rendered.source_to_canonical(start, end)
        assert span is not None
        assert rendered.canonical[slice(*span)] == painted

    def test_an_answer_without_text_has_no_place(self) -> None:
        assert render("***\n").source_to_canonical(0, 2) is None
