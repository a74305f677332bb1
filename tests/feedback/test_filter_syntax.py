from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.filter_syntax import FilterSyntaxError, Term, Word, parse, write

TEXTS = st.text(min_size=1, max_size=12)
TERMS = st.builds(
    Term,
    name=st.sampled_from(["model", "tag", "prompt_version"]),
    values=st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(tuple),
    is_excluded=st.booleans(),
)
BARE = st.from_regex(r"\A[^\W\d_][\w'/.]{0,8}\Z").filter(lambda text: '"' not in text)
WORDS = st.one_of(
    st.builds(Word, text=st.text(max_size=12), is_exact=st.just(True), is_excluded=st.booleans()),
    st.builds(Word, text=BARE, is_excluded=st.booleans()),
)


class TestParse:
    def test_reads_words_phrases_and_terms(self) -> None:
        assert parse('refund -trial "money back" model:a,"b, c" -tag:x') == (
            (Word("refund"), Word("trial", is_excluded=True), Word("money back", is_exact=True)),
            (Term("model", ("a", "b, c")), Term("tag", ("x",), is_excluded=True)),
        )

    def test_leaves_what_only_looks_special_alone(self) -> None:
        words, terms = parse("12:30 - e-mail it's --x 5\"")
        assert [word.text for word in words] == ["12:30", "-", "e-mail", "it's", "-x", '5"']
        assert [word.is_excluded for word in words] == [False] * 4 + [True, False]
        assert not terms

    @pytest.mark.parametrize(
        ("text", "token"),
        [
            ('a "b c', '"b'),
            ("a model: b", "model:"),
            ("model:a,,b", "model:a,,b"),
            ("model:a, b", "model:a,"),
            ("a " * 41, "a"),
        ],
    )
    def test_names_the_token_that_means_nothing(self, text: str, token: str) -> None:
        with pytest.raises(FilterSyntaxError) as error:
            parse(text)
        assert error.value.token == token

    @given(st.text(max_size=60))
    def test_reads_or_refuses_any_text_and_writes_what_it_read(self, text: str) -> None:
        try:
            words, terms = parse(text)
        except FilterSyntaxError:
            return
        assert parse(write(words, terms)) == (words, terms)

    @given(st.lists(WORDS, max_size=5), st.lists(TERMS, max_size=5))
    def test_reads_back_what_was_written(self, words: list[Word], terms: list[Term]) -> None:
        assert parse(write(words, terms)) == (tuple(words), tuple(terms))
