"""PURE. Looks through an entry's text for what should not get into anybody's prompt unseen.

An entry is text that somebody else's model reads. Whoever writes feedback can write to that model:
so text that commands it, sends it somewhere or hides is shown to the curator before it is
published. What could pass for the structure of a prompt, or cannot be seen at all, is stopped; the
rest is a question of meaning, which a person answers.

Phrases are looked for as they are, and as they would read without look-alike letters, spacing,
digits for letters, Base64, ROT13 and reversal, all of which language models read. Lists of phrases
are never complete: the second approver reads every entry, and an entry's text cannot leave its
place in the messages whatever it says (see prompts.compose).
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from curation import phrases


class Danger(StrEnum):
    """What a text may be up to."""

    HIDDEN = "hidden"
    STRUCTURE = "structure"
    OUT_OF_SIGHT = "out_of_sight"
    TURNS = "turns"
    ACTIVE = "active"
    COMMAND = "command"
    REVEAL = "reveal"
    SEND = "send"
    DICTATED = "dictated"
    ADDRESS = "address"
    ENCODED = "encoded"
    LOOK_ALIKE = "look_alike"


LABELS = {
    Danger.HIDDEN: "has characters that cannot be seen",
    Danger.STRUCTURE: "has marks that chat models take for the structure of a prompt",
    Danger.OUT_OF_SIGHT: "has text where nobody looks",
    Danger.TURNS: "reads like turns or headings of a prompt",
    Danger.ACTIVE: "has an image, script or link that acts by itself",
    Danger.COMMAND: "speaks to the model as if to command it",
    Danger.REVEAL: "asks for what the prompt holds",
    Danger.SEND: "asks for something to be sent, run or called",
    Danger.DICTATED: "tells the model what to claim or recommend",
    Danger.ADDRESS: "has an address",
    Danger.ENCODED: "has text in another encoding",
    Danger.LOOK_ALIKE: "has look-alike letters of another script",
}
# What a person cannot judge by reading, or no answer needs.
STOPPED = frozenset({Danger.HIDDEN, Danger.STRUCTURE})


@dataclass(frozen=True)
class Finding:
    """Why a text was noticed, and the words that were, up to MOST_SHOWN characters."""

    danger: Danger
    words: str

    @property
    def is_stopped(self) -> bool:
        """Whether it cannot be published, whoever approves of it."""
        return self.danger in STOPPED


MOST_SHOWN = 80


def screen(text: str, *, is_instruction: bool = False) -> list[Finding]:
    """Return what is noticed in a text, each danger once.

    An instruction is meant to command: how to answer is its own affair. What commands the model
    against its other instructions is noticed in one, and what tells it what to claim.
    """
    found: dict[Danger, Finding] = {}
    for finding in _all(text, is_instruction=is_instruction):
        found.setdefault(finding.danger, finding)
    return list(found.values())


def _all(text: str, *, is_instruction: bool) -> Iterator[Finding]:
    yield from _hidden(text)
    plain = _visible(text)
    yield from _matches(Danger.STRUCTURE, _STRUCTURE, plain)
    yield from _matches(Danger.OUT_OF_SIGHT, (_UNSHOWN, _LONG_GAP), plain.rstrip())
    yield from _matches(Danger.TURNS, _TURNS, plain)
    yield from _matches(Danger.ACTIVE, _ACTIVE, plain)
    yield from _matches(Danger.ADDRESS, _ADDRESS, plain)
    yield from _look_alikes(text)
    folded = _folded(plain)
    yield from _phrases(folded)
    yield from _matches(*(_IN_INSTRUCTIONS if is_instruction else _IN_DATA), folded)
    for reading in _readings(plain, folded):
        yield from _phrases(reading)
    yield from _encoded(plain)


# --- What cannot be seen

_JOINERS = "\u200c\u200d"
# Scripts whose spelling needs joiners: Arabic and its relatives, and those of India.
_JOINED = re.compile("[\u0600-\u08ff\u0900-\u0dff\u1780-\u17ff\ufb50-\ufeff]")
_BLANKS = set("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\uffa0\ufe0e")
_LONG_GAP = re.compile(r"[^\S\n]{60}|\n(?:[^\S\n]*\n){14}")
_UNSHOWN = re.compile(
    r"<!--|display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])"
    r"|<[^>]{0,200}\shidden(?:\s|>|=)|^\[//\]: #|^\[comment\]:",
    re.IGNORECASE | re.MULTILINE,
)


def _hidden(text: str) -> Iterator[Finding]:
    for at, one in enumerate(text):
        if _is_hidden(text, at):
            name = unicodedata.name(one, f"U+{ord(one):04X}")
            before = _visible(text[max(0, at - 20) : at])
            after = _visible(text[at + 1 : at + 21])
            yield Finding(Danger.HIDDEN, f"{before}[{name}]{after}")
            return


def _is_hidden(text: str, at: int) -> bool:
    one = text[at]
    if one.isascii():
        return (one < " " and one not in "\n\t\r") or one == "\x7f"
    if one in _BLANKS or 0xE0000 <= ord(one) <= 0xE0FFF:
        return True
    if one == "\ufe0f":
        # The emoji style of what stands before it; anywhere else it may carry a bit.
        return at == 0 or unicodedata.category(text[at - 1]) not in {"So", "Sm", "Po", "Nd", "Sc"}
    if one in _JOINERS:
        return not _joins(text, at)
    return unicodedata.category(one) in {"Cf", "Cc", "Co", "Cn", "Cs"}


def _joins(text: str, at: int) -> bool:
    """Whether a joiner stands where a script or an emoji needs one."""
    before, after = text[max(0, at - 1) : at], text[at + 1 : at + 2]
    if not (before and after):
        return False
    if _JOINED.match(before) and _JOINED.match(after):
        return True
    emoji = {"So", "Sk"}
    return text[at] == "\u200d" and (
        (unicodedata.category(before) in emoji or before == "\ufe0f")
        and unicodedata.category(after) in {"So", "Sm"}
    )


def _visible(text: str) -> str:
    return "".join(one for at, one in enumerate(text) if not _is_hidden(text, at))


# --- What passes for a prompt, and what acts

_STRUCTURE = (
    re.compile(r"<\s?[|｜]\s?[\w\u2581 ]{2,40}\s?[|｜]\s?>"),
    re.compile(r"\[/?INST\]|<</?SYS>>|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"),
    re.compile(r"</?(?:start_of_turn|end_of_turn|bos|eos|s|unk|pad)>"),
    re.compile(r"\[(?:SYSTEM|DEVELOPER|ASSISTANT)\]|\{\{#?/?(?:system|user|assistant)~?\}\}"),
    re.compile(
        r"</?(?:system|developer|assistant|user|human|instructions?|im_start|im_end|tool_call"
        r"|tool_calls|tool_response|tool_result|function_calls?|function_results|invoke|parameter"
        r"|antml:\w+|thinking|think|scratchpad|documents?|context|guidance"
        r"|background)(?:\s[^>]{0,200})?>",
        re.IGNORECASE,
    ),
    re.compile(r"\"role\"\s*:\s*\"(?:system|developer|assistant|tool|user)\"", re.IGNORECASE),
)
_TURNS = (
    re.compile(
        r"^[ \t>#*_-]{0,8}(?:system|developer|assistant|human|user|ai|tool|function)(?: message"
        r"| prompt| instructions?)?[*_]{0,2}[ \t]*(?::|\]:|=>)",
        re.IGNORECASE | re.MULTILINE,
    ),
    re.compile(
        r"^#{1,6} ?(?:system|instructions?|response|assistant"
        r"|guidance)\b.{0,40}$",
        re.IGNORECASE | re.MULTILINE,
    ),
    re.compile(r"^-{3,}\s*(?:end|begin|start)\b.{0,60}-{3,}\s*$", re.IGNORECASE | re.MULTILINE),
)
_ACTIVE = (
    re.compile(r"!\[[^\]]{0,300}\]\s?[(\[]"),
    re.compile(
        r"(?<![\w-])(?:javascript|vbscript|data|file"
        r"|blob)\s?:\s?(?=[\w/%+.(]{2})(?!\s)",
        re.IGNORECASE,
    ),
    re.compile(
        r"<\s?/?\s?(?:script|img|iframe|object|embed|svg|link|meta|form|style|base|audio|video"
        r"|source|input|button|body|html|math|a)(?:[\s/][^>]{0,400})?>",
        re.IGNORECASE,
    ),
    re.compile(r"\son\w{3,20}\s?=\s?[\"']", re.IGNORECASE),
)
_TLD = "com|net|org|io|ai|app|dev|info|biz|example|test|xyz|site|online|co|me|ru|cn|top|link|click"
_ADDRESS = (
    re.compile(r"(?:h[tx]{2}ps?|ftp|wss?|ssh)\s?:\s?//|(?:mailto|tel|sms):\S{3}", re.IGNORECASE),
    re.compile(r"(?<![\w.])www\.\w", re.IGNORECASE),
    re.compile(
        rf"(?<![\w@./-])(?:[a-z0-9-]{{1,63}}(?:\.|\[\.\]|\(\.\)"
        rf"| dot )){{1,8}}(?:{_TLD})(?![\w-])",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5}|/)"),
)


def _matches(danger: Danger, rules: tuple[re.Pattern[str], ...], text: str) -> Iterator[Finding]:
    for rule in rules:
        if match := rule.search(text):
            around = text[match.start() : max(match.end(), match.start() + 40)].split()
            # A gap says nothing itself: what lies behind it does.
            words = " ".join(around or text[match.end() :].split())
            yield Finding(danger, words[:MOST_SHOWN])


# --- What is said


def _compiled(rules: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rule, re.IGNORECASE) for rule in rules)


_ANYWHERE = (
    (Danger.COMMAND, _compiled(phrases.OVERRIDES)),
    (Danger.REVEAL, _compiled(phrases.REVEALS)),
    (Danger.SEND, _compiled(phrases.SENDS)),
)
_IN_DATA = (Danger.COMMAND, _compiled(phrases.COMMANDS))
_IN_INSTRUCTIONS = (Danger.DICTATED, _compiled(phrases.DICTATES))


def _phrases(folded: str) -> Iterator[Finding]:
    for danger, rules in _ANYWHERE:
        yield from _matches(danger, rules, folded)


# --- The same, read otherwise

# Letters of other scripts that look like Latin ones (Unicode's confusables, those of one stroke).
_LOOKS = str.maketrans(
    "аеорсухіјѕԁһӏԛԝвкмнтԍгοαερυικνχτβ",
    "aeopcyxijsdhlqwbkmhtgroaepuiknxtb",
)
_LEET = str.maketrans("013457@$!|", "oieastasil")
_OTHER_SCRIPTS = re.compile("[\u0370-\u03ff\u0400-\u052f\u0530-\u058f\u13a0-\u13ff\ua4d0-\ua4ff]")
_MIXED = re.compile(r"[^\W\d_]{3,}")
_SPACED = re.compile(r"(?<!\w)(?:\w[ .\-_*·|/]{1,2}){5,}\w(?!\w)")
_BASE64 = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{24,}={0,2}(?![\w+/=])")
_HEX = re.compile(r"(?<![\w])(?:(?:0x|\\x|%)?[0-9a-f]{2}[ ,:]?){16,}(?!\w)", re.IGNORECASE)
_ESCAPES = re.compile(r"(?:\\u[0-9a-f]{4}|&#x?[0-9a-f]{2,6};|%[0-9a-f]{2}){6,}", re.IGNORECASE)
_BITS = re.compile(r"(?:[01]{8}[ ,]?){4,}")
_MORSE = re.compile(r"(?:[.\-–·]{1,5} ){8,}[.\-–·]{1,5}")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _readings(plain: str, folded: str) -> Iterator[str]:
    """The text as a model might read it: without look-alikes, spacing, digits for letters."""
    looked = folded.translate(_LOOKS)
    marks = unicodedata.normalize("NFD", looked)
    stripped = "".join(one for one in marks if not unicodedata.combining(one))
    if stripped != folded:
        yield stripped
    if any(one.isdecimal() or one in "@$!|" for one in folded):
        yield stripped.translate(_LEET)
    if spaced := _SPACED.findall(stripped):
        # Single letters with one separator are words whose ends two separators mark.
        yield " ".join(
            re.sub(r"[ .\-_*·|/]", "", re.sub(r"[ .\-_*·|/]{2}", "\n", one)).replace("\n", " ")
            for one in spaced
        )
        yield re.sub(r"(?<=\w)[.\-_*·|/](?=\w)", "", stripped)
    yield codecs.encode(folded, "rot13")
    yield folded[::-1]
    for match in _BASE64.finditer(plain):
        if decoded := _decoded(match[0]):
            yield decoded.casefold()


def _encoded(plain: str) -> Iterator[Finding]:
    for match in _BASE64.finditer(plain):
        if _decoded(match[0]):
            yield Finding(Danger.ENCODED, match[0][:MOST_SHOWN])
    yield from _matches(Danger.ENCODED, (_HEX, _ESCAPES, _BITS, _MORSE), plain)
    folded = _folded(plain).translate(_LOOKS)
    for match in _SPACED.finditer(folded):
        if sum(one.isalpha() for one in match[0]) >= 8:
            yield Finding(Danger.ENCODED, match[0][:MOST_SHOWN])


def _decoded(text: str) -> str:
    """Base64 as text; "" when it is none, or not one that reads."""
    padded = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        read = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    shown = sum(one.isprintable() or one in "\n\t" for one in read)
    return read if shown == len(read) and " " in read.strip() else ""


def _look_alikes(text: str) -> Iterator[Finding]:
    for match in _MIXED.finditer(text):
        word = match[0]
        if _OTHER_SCRIPTS.search(word) and re.search("[A-Za-z]", word):
            yield Finding(Danger.LOOK_ALIKE, word[:MOST_SHOWN])
            return
