"""Shows real templates on the pattern page, more than once and without their effects."""

from __future__ import annotations

import re

from django import template
from django.template import Context, NodeList
from django.template.base import FilterExpression, Parser, Token
from django.utils.safestring import SafeString

register = template.Library()

_NAMING = re.compile(
    r"(?<= )(id|for|form|name|list|popovertarget|aria-(?:controls|describedby|details|labelledby))"
    r'="([^"]+)"'
)
_ACTING = re.compile(
    r' (?:hx-[\w:-]+|action|formaction|data-key|data-does)="[^"]*"| autofocus(?=[ >])'
)
_POPOVER = re.compile(r" popover(?=[ >])")


class _Specimen(template.Node):
    def __init__(self, prefix: FilterExpression, nodelist: NodeList) -> None:
        self.prefix = prefix
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        prefix = f"{self.prefix.resolve(context)}-"
        html = _POPOVER.sub("", _ACTING.sub("", self.nodelist.render(context)))
        html = html.replace('method="post"', 'method="dialog"')
        return SafeString(_NAMING.sub(lambda found: _named(found, prefix), html))


@register.tag
def specimen(parser: Parser, token: Token) -> _Specimen:
    """Draw what is inside with names of its own: `{% specimen prefix %}…{% endspecimen %}`.

    Ids and what refers to them get the prefix, requests and keys are taken out, and forms send
    nothing: `method="dialog"` outside a dialog does nothing.
    """
    _, prefix = token.split_contents()
    nodelist = parser.parse(("endspecimen",))
    parser.delete_first_token()
    return _Specimen(parser.compile_filter(prefix), nodelist)


def _named(found: re.Match[str], prefix: str) -> str:
    names = " ".join(prefix + name for name in found[2].split())
    return f'{found[1]}="{names}"'
