"""How candidates are told in words."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from curation.duplicates import CLOSE
from curation.models import Candidate

register = template.Library()
RELATED = 0.6


@register.filter
def nearness(similarity: float) -> str:
    """How near the nearest kept question is, by its cosine."""
    if similarity >= CLOSE:
        return "close to one kept, but told apart"
    return "related to one kept" if similarity >= RELATED else "far from all that is kept; nearest"


@register.filter
def answer_of(candidate: Candidate, answers: Mapping[int, str]) -> str:
    """What of a candidate would be kept."""
    return answers[candidate.pk]
