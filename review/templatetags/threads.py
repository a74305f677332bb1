"""Tags for cards. There may be hundreds on a page, so they are cheap: a few microseconds each."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b

from django import template
from django.core.cache import caches
from django.template import Context, Template
from django.template.loader import get_template
from django.utils.html import escape
from django.utils.safestring import SafeString

from feedback.models import Reason, User
from review.sheets import Card, Sheet
from review.templatetags.postil import avatar

register = template.Library()

# Stand in a rendered form for what differs from card to card; no page has them otherwise.
_PK, _KEY, _WORDS, _FIX = "\ue000pk", "\ue000key", "\ue000words", "\ue000fix"
# The same in a card that is kept; nobody can write these.
_KEPT_TOKEN, _KEPT_KEY = secrets.token_hex(), secrets.token_hex()
_TOKEN_PIECE, _KEY_PIECE = _KEPT_TOKEN.encode(), _KEPT_KEY.encode()
_KEPT = re.compile(b"(" + _TOKEN_PIECE + b"|" + _KEY_PIECE + b")")
_SAID = re.compile(f"{_WORDS}|{_FIX}")
_REQUEST_KEY = re.compile(r'(name="request_key" value=")[0-9a-f-]{36}')


@register.simple_tag
def fresh_key() -> uuid.UUID:
    """A key for a form that may be sent twice and shall act once."""
    return uuid.uuid4()


@register.simple_tag
def card_attributes(card: Card, total: int) -> SafeString:
    """Write what a card says of itself to scripts, styles and screen readers."""
    note = card.annotation
    settled = " note--done" if card.state == "resolved" else ""
    category = f' data-cat="{card.category}"' if card.category else ""
    suggestion = (
        f' data-suggestion data-decision="{note.decision}"' if note and note.is_suggestion else ""
    )
    return SafeString(
        f'class="note{settled}" id="{card.id}" role="comment" tabindex="0"'
        f' aria-label="Comment {card.number} of {total}, {escape(card.name)}"'
        f' data-state="{card.state}" data-anchor="{card.anchor}"'
        f' data-author="{escape(card.author)}"{category}{suggestion}'
    )


@register.simple_tag
def card_reasons(card: Card) -> SafeString:
    """Show a card's reasons in the line form."""
    return SafeString("".join(_reason(one) for one in card.reasons))


def _reason(reason: Reason) -> str:
    return _reason_line(reason.position, reason.name, reason.definition)


@lru_cache(maxsize=1_000)
def _reason_line(position: int, name: str, definition: str) -> str:
    return (
        f'<span class="cat" data-cat="{position}" title="{escape(definition)}">'
        f'<span class="cat__n">{position}</span><span>{escape(name)}</span></span>'
    )


@register.simple_tag
def byline(
    user: User, at: datetime, edited_at: datetime | None, base: str = "", pk: int = 0
) -> SafeString:
    """Say who wrote something and when, in UTC; the time leads to `pk` below `base`."""
    day = f"{at.day} {at:%b}"
    time = (
        f'<time datetime="{at.isoformat()}" title="{day} {at:%Y, %H:%M} UTC">'
        f"{day} {at:%H:%M}</time>"
    )
    if base:
        time = f'<a class="note__at" href="{base}{pk}/">{time}</a>'
    edited = '<span class="muted">edited</span>' if edited_at else ""
    name = user.get_username()
    return SafeString(
        f"{_face(name, user.first_name, user.last_name)}<b>{escape(name)}</b>{time}{edited}"
    )


@lru_cache(maxsize=1_000)
def _face(name: str, first_name: str, last_name: str) -> str:
    return avatar(User(username=name, first_name=first_name, last_name=last_name))


@register.simple_tag(takes_context=True)
def cards_of(context: Context, sheet: Sheet) -> SafeString:
    """Draw the cards of a sheet; neither all nor one that is as it was before is drawn again."""
    token = str(context.get("csrf_token", ""))
    whole = _digest([_eyes(context), sheet.digest, sheet.version, sheet.stamp.is_blind])
    kept = caches["cards"].get(whole) if sheet.digest else None
    if kept is None:
        html = "".join(_drawn(context, sheet, token))
        kept = _KEPT.split(html.encode())
        if sheet.digest:
            caches["cards"].set(whole, kept)
    pieces = _filled(kept, token.encode())
    splices = context.get("splices")
    return splices.mark(pieces) if splices is not None else SafeString(b"".join(pieces).decode())


def _filled(kept: list[bytes], token: bytes) -> Iterator[bytes]:
    """What was kept, with what is another for each page; every second piece stands for that."""
    keys = _keys(kept.count(_KEY_PIECE))
    for piece in kept:
        yield token if piece == _TOKEN_PIECE else next(keys) if piece == _KEY_PIECE else piece


def _keys(number: int) -> Iterator[bytes]:
    """So many request keys: random UUIDs, drawn in one go."""
    drawn = secrets.token_bytes(16 * number)
    for at in range(0, len(drawn), 16):
        yield str(uuid.UUID(bytes=drawn[at : at + 16], version=4)).encode()


def _drawn(context: Context, sheet: Sheet, token: str) -> list[str]:
    """Draw the cards, without what is another for each page."""
    keys = [_key(context, sheet, card) for card in sheet.cards]
    known = caches["cards"].get_many(keys)
    fresh: dict[str, str] = {}
    template = get_template("review/desk/_card.html").template  # type: ignore[attr-defined]
    for key, card in zip(keys, sheet.cards, strict=True):
        if key not in known:
            with context.push(card=card):
                html = _REQUEST_KEY.sub(rf"\g<1>{_KEPT_KEY}", template.render(context))
            fresh[key] = html.replace(token, _KEPT_TOKEN) if token else html
    if fresh:
        caches["cards"].set_many(fresh)
    return [known.get(key) or fresh[key] for key in keys]


def _eyes(context: Context) -> list[object]:
    """Whose eyes the cards of a page are for, and where its forms lead."""
    item, request = context.get("item"), context["request"]
    return [
        (request.user.pk, context.get("may_review"), context.get("may_moderate")),
        (context.get("back"), item.pk if item else None, context.get("threads")),
    ]


def _digest(seen: list[object]) -> str:
    return blake2b(repr(seen).encode(errors="replace"), digest_size=20).hexdigest()


def _key(context: Context, sheet: Sheet, card: Card) -> str:
    """A digest of all that the looks of a card depend on, whose eyes it is for among them."""
    note, said, request = card.annotation, card.feedback, context["request"]
    seen: list[object] = [
        *_eyes(context),
        (card.id, card.name, card.number, sheet.num_cards, sheet.version, card.version),
        (card.anchor, card.is_confirmed, card.start, card.end, card.quote, card.at),
        [
            (one.pk, one.edited_at, one.deleted_at, one.text, _called(one.author))
            for one in card.replies
        ],
        card.in_the_way,
    ]
    if note:
        seen += [note.changed_at, note.edited_at, note.comment, note.replacement, note.decision]
        seen += [_called(note.author), _called(note.decided_by), _called(note.resolved_by)]
        seen += [note.decided_by_id, note.resolved_by_id, note.output_version]
        seen += [one.definition for one in card.reasons]
        seen += [one.pk for one in card.evidence]
        if note.author_id == request.user.pk:
            seen += [note.reason_id, [one.pk for one in context["choices"]]]
    if said:
        seen += [said.score, said.label, said.name, said.comment, said.correction]
        seen += [said.annotator_kind, said.author_external_id]
    return _digest(seen)


def _called(user: User | None) -> tuple[str, str, str] | None:
    return (user.username, user.first_name, user.last_name) if user else None


def _controls() -> Template:
    found: Template = get_template("review/desk/_controls.html").template  # type: ignore[attr-defined]
    return found


@register.simple_tag(takes_context=True)
def card_controls(context: Context, card: Card) -> SafeString:
    """Draw what one may do with an annotation: reply, resolve, edit, remove."""
    note = card.annotation
    if note is None or not context.get("may_review"):
        return SafeString("")
    is_own = note.author_id == context["request"].user.pk
    is_editable = (
        is_own
        and note.is_suggestion
        and not note.decision
        and note.output_version == context["sheet"].version
    )
    alike = (card.state, is_own, is_editable, note.reason_id if is_own else None)
    drawn: dict[tuple[str, bool, bool, int | None], str] = context["drawn"]
    html = drawn.get(alike)
    if html is None:
        more: dict[str, object] = {}
        if is_own:
            choices = context["choices"]
            more = {"reason": note.reason, "slugs": {one.slug for one in choices}}
        with context.push(
            state=card.state,
            is_own=is_own,
            is_editable=is_editable,
            pk=_PK,
            key=_KEY,
            words=_WORDS,
            replacement=_FIX,
            **more,
        ):
            html = str(_controls().render(context))
        drawn[alike] = html
    html = html.replace(_PK, str(note.pk)).replace(_KEY, str(uuid.uuid4()))
    if not is_own:
        return SafeString(html)
    # Last and in one go, since words may be anything.
    said = {_WORDS: escape(note.comment), _FIX: escape(note.replacement or "")}
    return SafeString(_SAID.sub(lambda found: said[found[0]], html))
