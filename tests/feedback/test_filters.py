from __future__ import annotations

import pytest

from feedback.filters import FilterError, OutputFilter
from feedback.models import Output, Project
from tests.factories import make_feedback, make_output, make_project


def found(text: str) -> set[str]:
    outputs = OutputFilter.parse(text).apply(Output.objects.all())
    return set(outputs.values_list("external_id", flat=True))


class TestWords:
    @pytest.fixture(autouse=True)
    def outputs(self, project: Project) -> None:
        make_output(project, external_id="1", query="My plan renewed", text="A refund is due.")
        make_output(project, external_id="2", query="The plans of Oz", text="Money back? Never.")
        make_output(project, external_id="3", query="Back money", text="Renewing <b>plans</b>")

    @pytest.mark.parametrize(
        ("text", "ids"),
        [
            ("plan", {"1", "2", "3"}),
            ("renewal plan", {"1", "3"}),
            ('"plan"', {"1"}),
            ('"money back"', {"2"}),
            ("money -never", {"3"}),
            ('-"money back"', {"1", "3"}),
            ("the", {"2"}),
            ("-the", {"1", "3"}),
            ("???", {"1", "2", "3"}),
            ("%", {"1", "2", "3"}),
            ("'); DROP TABLE", set()),
        ],
    )
    def test_are_found_by_stem_and_quoted_ones_as_they_stand(
        self, text: str, ids: set[str]
    ) -> None:
        assert found(text) == ids

    def test_follow_the_answer_when_it_changes(self) -> None:
        Output.objects.filter(external_id="1").update(text="No.")
        assert found("refund") == set()

    @pytest.mark.parametrize(
        "piece", ["word%d ", "%d-%d-%d@x%d.example/%d ", "\u6f22%d", "\U0001f600%d ", "a" * 3_000]
    )
    def test_of_the_longest_answers_are_kept(self, project: Project, piece: str) -> None:
        number = piece.count("%d")
        text = "".join(piece % ((place,) * number) for place in range(2_000_000 // len(piece)))
        output = make_output(project, query=text[:1_000_000], text=text[:1_900_000])
        assert Output.objects.get(pk=output.pk).text == text[:1_900_000]


class TestTerms:
    def test_take_one_of_several_values_and_refuse_others(self, project: Project) -> None:
        for model in ("a", "b", "c, d"):
            make_output(project, external_id=model, model=model)
        assert found("model:a,b") == {"a", "b"}
        assert found('model:"c, d"') == {"c, d"}
        assert found("-model:a,b") == {"c, d"}
        assert found("model:a -model:a") == set()

    def test_refuse_a_value_that_any_feedback_has(self, project: Project) -> None:
        both, none = make_output(project, external_id="1"), make_output(project, external_id="2")
        for score in (1, -1):
            make_feedback(both, score=score)
        assert found("score:negative") == {both.external_id}
        assert found("-score:negative") == {none.external_id}


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("https://example.org", "https://example.org"),
            ("modle:a", "modle:a"),
            ("password__startswith:a", "password__startswith:a"),
            ("score:bad", "score"),
            ("since:2026-02-30", "since"),
            ("-since:2026-02-01", "since"),
            ("min_confidence:0.1,0.2", "min_confidence"),
            ("max_confidence:nan", "max_confidence"),
            ("model:a model:b", "model:b"),
            (f"model:{'a' * 201}", "model"),
            ("model:a\x00", "model"),
        ],
    )
    def test_name_the_token(self, text: str, path: str) -> None:
        with pytest.raises(FilterError) as error:
            OutputFilter.parse(text)
        assert error.value.path == path

    @pytest.mark.parametrize(
        ("data", "path"),
        [
            ({"password": "a"}, "password"),
            ({"_connector": "OR"}, "_connector"),
            ({"model": {"a": 1}}, "model"),
            ({"model": ["a", 1]}, "model"),
            ({"model": ["a"] * 50}, None),
            ({"model": [str(number) for number in range(51)]}, "model"),
            ({"words": "model:a"}, "words"),
            ({"words": '"a'}, "words"),
            ({"words": "a\udfff"}, "words"),
            ({"model": "\ud800"}, "model"),
            ({"-model": ["a", "\ud800"]}, "-model"),
            ({"\ud800": "a"}, "\ud800"),
            ({"min_confidence": True}, "min_confidence"),
            ({"min_confidence": 0.5}, None),
        ],
    )
    def test_name_the_field_of_json(self, data: dict[str, object], path: str | None) -> None:
        if path is None:
            OutputFilter.from_json(data)
            return
        with pytest.raises(FilterError) as error:
            OutputFilter.from_json(data)
        assert error.value.path == path


def test_filters_saved_before_there_were_lists_are_read() -> None:
    saved = {"score": "negative", "model": "a", "since": "2026-01-01", "words": "late refund"}
    assert OutputFilter.from_json(saved).to_json() == saved


def test_other_projects_are_never_let_in(project: Project) -> None:
    make_output(make_project(), model="a")
    outputs = OutputFilter.parse("-model:b").apply(Output.objects.filter(project=project))
    assert not outputs.exists()
