"""Contrast of the colour tokens, from the stylesheet itself (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "static" / "css" / "tokens.css").read_text()
THEMES = {"light": 0, "dark": 1}


def luminance(lightness: float, chroma: float, hue: float) -> float:
    """Relative luminance of an oklch colour, clipped to sRGB (Björn Ottosson's Oklab matrices)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
    red, green, blue = (min(max(channel, 0), 1) for channel in (red, green, blue))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: float, other: float) -> float:
    dark, light = sorted((one, other))
    return (light + 0.05) / (dark + 0.05)


def tokens() -> dict[str, list[float]]:
    """Luminance of each plain token, light then dark."""
    number = r"([\d.]+)"
    found = {}
    for name, value in re.findall(r"--([\w-]+): light-dark\((.*)\);", CSS):
        colours = re.findall(rf"oklch\({number} {number} {number}\)", value)
        if len(colours) == 2:
            found[name] = [luminance(*map(float, colour)) for colour in colours]
    return found


def reasons() -> dict[str, tuple[float, float]]:
    """Hue and chroma of each reason by its digit."""
    rule = r'\[data-cat="(\d)"\] \{ --h: (\d+); --ch: ([.\d]+)'
    return {digit: (float(hue), float(chroma)) for digit, hue, chroma in re.findall(rule, CSS)}


def reason_tone(name: str, theme: str, hue: float, chroma: float) -> float:
    """Luminance of a tone that is derived from a reason's hue and chroma."""
    rule = re.search(rf"--{name}: light-dark\((.*)\);", CSS)
    assert rule
    tone = re.findall(r"oklch\(([\d.]+) (?:calc\(var\(--ch\) \* ([\d.]+)\)|var\(--ch\))", rule[1])
    lightness, factor = tone[THEMES[theme]]
    return luminance(float(lightness), chroma * float(factor or 1), hue)


@pytest.mark.parametrize("theme", THEMES)
class TestTokens:
    @pytest.mark.parametrize("ground", ["surface", "canvas", "raised", "sunken"])
    @pytest.mark.parametrize("ink", ["ink", "ink-2", "ink-3", "accent", "good", "warn", "bad"])
    def test_text_can_be_read(self, theme: str, ink: str, ground: str) -> None:
        found = tokens()
        assert contrast(found[ink][THEMES[theme]], found[ground][THEMES[theme]]) >= 4.5

    @pytest.mark.parametrize("state", ["good", "warn", "bad"])
    def test_a_state_can_be_read_on_its_tint(self, theme: str, state: str) -> None:
        found = tokens()
        assert contrast(found[state][THEMES[theme]], found[f"{state}-tint"][THEMES[theme]]) >= 4.5

    @pytest.mark.parametrize("edge", ["field-line", "focus"])
    def test_edges_of_controls_can_be_seen(self, theme: str, edge: str) -> None:
        found = tokens()
        assert contrast(found[edge][THEMES[theme]], found["surface"][THEMES[theme]]) >= 3


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("digit", list("12345678"))
class TestReasons:
    def test_a_name_can_be_read(self, theme: str, digit: str) -> None:
        text = reason_tone("cat", theme, *reasons()[digit])
        tint = reason_tone("cat-tint", theme, *reasons()[digit])
        assert contrast(text, tokens()["surface"][THEMES[theme]]) >= 4.5
        assert contrast(text, tint) >= 4.5

    def test_marked_words_can_be_read(self, theme: str, digit: str) -> None:
        """Words under several reasons lie on the tint of the topmost."""
        for tone in ("cat-tint", "cat-deep"):
            ground = reason_tone(tone, theme, *reasons()[digit])
            for text in ("ink", "accent", "ink-2"):
                assert contrast(tokens()[text][THEMES[theme]], ground) >= 4.5, (tone, text)

    def test_an_underline_can_be_seen(self, theme: str, digit: str) -> None:
        mark = reason_tone("cat-mark", theme, *reasons()[digit])
        assert contrast(mark, tokens()["surface"][THEMES[theme]]) >= 3

    @pytest.mark.parametrize("place", ["2", "3"])
    def test_a_further_underline_has_the_colour_of_its_reason(
        self, theme: str, digit: str, place: str
    ) -> None:
        hue, chroma = reasons()[digit]
        rule = rf'\[data-cat{place}="{digit}"\] \{{ --h{place}: (\d+); --ch{place}: ([.\d]+);'
        found = re.search(rule, CSS)
        assert found
        assert (float(found[1]), float(found[2])) == (hue, chroma)
        first = re.search(r"--cat-mark: (.*);", CSS)
        further = re.search(rf"--cat{place}-mark: (.*);", CSS)
        assert first
        assert further
        plain = re.sub(rf"\((--c?h){place}\)", r"(\1)", further[1])
        assert plain == first[1], f"tested in the {theme} theme as the first underline"


def test_each_reason_has_an_underline_of_its_own() -> None:
    styles = re.findall(r'\[data-cat="\d"\] \{.*?(--u: .*?; --uw: .*?;)', CSS)
    assert len(styles) == 8
    assert len(set(styles)) == 8
