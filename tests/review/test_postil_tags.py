from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django import forms
from django.template import Context, Template

from feedback.models import Reason, User
from review.templatetags.postil import initials, percent, since, tone, tone_icon

NOW = datetime(2026, 11, 24, 9, 29, tzinfo=UTC)
REASON = Reason(slug="unsafe", name="Unsafe", definition='Could "harm".', position=7)


def drawn(source: str, **context: Any) -> str:
    return Template("{% load postil %}" + source).render(Context(context)).strip()


class TestIcon:
    def test_is_hidden_from_screen_readers(self) -> None:
        assert drawn('{% icon "check" %}') == (
            '<svg class="i" aria-hidden="true"><use href="/static/icons.svg#check"/></svg>'
        )

    def test_with_a_label_is_an_image(self) -> None:
        assert 'role="img" aria-label="Done"' in drawn('{% icon "check" "i--s" label="Done" %}')

    def test_escapes_its_label(self) -> None:
        assert "<b>" not in drawn('{% icon "check" label=words %}', words='"><b>')


class TestKbd:
    def test_prints_each_key_on_its_own_cap(self) -> None:
        assert drawn('{% kbd "⌘" "K" %}') == '<kbd class="kbd">⌘</kbd><kbd class="kbd">K</kbd>'


class TestReason:
    def test_shows_digit_and_name(self) -> None:
        shown = drawn("{% reason one %}", one=REASON)
        assert 'data-cat="7"' in shown
        assert '<span class="cat__n">7</span><span>Unsafe</span>' in shown
        assert 'title="Could &quot;harm&quot;."' in shown

    def test_keeps_its_name_for_screen_readers_when_short(self) -> None:
        assert '<span class="vh">Unsafe</span>' in drawn(
            "{% reason one is_short=True %}", one=REASON
        )

    def test_can_be_boxed(self) -> None:
        assert 'class="cat cat--chip"' in drawn("{% reason one is_chip=True %}", one=REASON)


class TestMeter:
    @pytest.mark.parametrize(
        ("value", "maximum", "width"),
        [(62, 100, "62"), (1, 3, "33.33"), (5, 4, "100"), (-1, 4, "0"), (3, 0, "0")],
    )
    def test_is_filled_to_the_share(self, value: float, maximum: float, width: str) -> None:
        shown = drawn("{% meter value maximum=maximum %}", value=value, maximum=maximum)
        assert f'<rect width="{width}%"' in shown
        assert 'aria-hidden="true"' in shown

    def test_says_its_label(self) -> None:
        assert 'role="img" aria-label="2 of 3"' in drawn('{% meter 2 maximum=3 label="2 of 3" %}')


class TestInitials:
    @pytest.mark.parametrize(
        ("user", "letters"),
        [
            (User(username="mira"), "M"),
            (User(username="expert-2"), "E2"),
            (User(username="anna.lena.moor"), "AM"),
            (User(username="x", first_name="Ada", last_name="King Lovelace"), "AL"),
            (User(username="-"), ""),
        ],
    )
    def test_are_of_the_first_and_the_last_part(self, user: User, letters: str) -> None:
        assert initials(user) == letters


class TestAvatar:
    def test_shows_initials_and_the_user_name(self) -> None:
        shown = drawn("{% avatar user %}", user=User(username="<b>"))
        assert 'title="&lt;b&gt;"' in shown
        assert ">B</span>" in shown

    def test_stands_for_nobody(self) -> None:
        assert 'aria-label="Nobody"' in drawn("{% avatar None %}")


class TestSince:
    @pytest.mark.parametrize(
        ("passed", "words"),
        [
            (timedelta(seconds=-5), "now"),
            (timedelta(seconds=59), "now"),
            (timedelta(minutes=1), "1 min"),
            (timedelta(minutes=59), "59 min"),
            (timedelta(hours=23, minutes=59), "23 h"),
            (timedelta(days=1), "1 d"),
            (timedelta(days=29), "29 d"),
            (timedelta(days=30), "25 Oct 2026"),
        ],
    )
    def test_says_how_long_ago(self, passed: timedelta, words: str) -> None:
        assert since(NOW - passed, now=NOW) == words


class TestAgo:
    def test_has_the_full_time_in_utc(self) -> None:
        assert drawn("{% ago at now=now %}", at=NOW - timedelta(hours=3), now=NOW) == (
            '<time datetime="2026-11-24T06:29:00+00:00" title="24 Nov 2026, 06:29 UTC">3 h</time>'
        )


class TestAt:
    def test_shows_day_and_time(self) -> None:
        assert ">24 Nov 09:29</time>" in drawn("{% at moment %}", moment=NOW)


class TestMoment:
    def test_says_what_the_page_says(self) -> None:
        assert ">5 mo</time>" in drawn('{% moment at "5 mo" %}', at=NOW)


class TestPercent:
    @pytest.mark.parametrize(
        ("share", "places", "words"),
        [(0.256, 0, "26 %"), (0.0213, 1, "2.1 %"), (0, 0, "0 %"), (None, 0, "–")],
    )
    def test_writes_a_share(self, share: float | None, places: int, words: str) -> None:
        assert percent(share, places).replace("\N{NO-BREAK SPACE}", " ") == words


class TestTone:
    @pytest.mark.parametrize(
        ("level", "expected", "icon"),
        [
            ("success", "good", "circle-check"),
            ("warning", "warn", "triangle-alert"),
            ("error", "bad", "circle-x"),
            ("info", "ink", "info"),
        ],
    )
    def test_follows_the_level_of_a_message(self, level: str, expected: str, icon: str) -> None:
        assert tone(level) == expected
        assert tone_icon(tone(level)) == icon


class NameForm(forms.Form):
    name = forms.CharField(label="Name", max_length=3, help_text="Shown to reviewers")


class TestField:
    def test_ties_label_and_hint_to_the_control(self) -> None:
        shown = drawn("{% field form.name %}", form=NameForm())
        assert '<label for="id_name">Name</label>' in shown
        assert 'class="input"' in shown
        assert 'aria-describedby="id_name_helptext"' in shown
        assert 'id="id_name_helptext"' in shown

    def test_ties_errors_to_the_control(self) -> None:
        shown = drawn("{% field form.name %}", form=NameForm({"name": "too long"}))
        assert 'aria-invalid="true"' in shown
        assert 'aria-describedby="id_name_helptext id_name_error"' in shown
        assert 'id="id_name_error"' in shown
        assert "at most 3 characters" in shown
