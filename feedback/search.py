"""Finds outputs and feedback by meaning."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass

import orjson
from django.db import connection
from pgvector import HalfVector

from feedback.embedding import Encoder
from feedback.models import Feedback, Output, Project

MAX_LIMIT = 100

# The planner must not walk an approximate index here: a project's vectors are few beside all
# projects', and such a walk returns too few of them. 100,000 vectors are compared in some 50 ms.
_NEAREST = """
WITH distances AS MATERIALIZED (
    SELECT id, output_id, feedback_id, part, (vector <=> %(query)s::halfvec)::float8 AS distance
    FROM feedback_embedding
    WHERE project_id = %(project)s AND model = %(model)s
), nearest AS (
    SELECT DISTINCT ON (output_id, feedback_id) id, output_id, feedback_id, part, distance
    FROM distances
    ORDER BY output_id, feedback_id, distance, id
)
SELECT id, output_id, feedback_id, part, distance
FROM nearest
WHERE (distance, id) > (%(distance)s, %(id)s)
ORDER BY distance, id
LIMIT %(limit)s
"""


class CursorError(ValueError):
    """The cursor is not one that a search gave."""


@dataclass(frozen=True)
class Hit:
    """One output or feedback, the part of it that is nearest, and its cosine similarity."""

    target: Output | Feedback
    part: str
    text: str
    score: float


@dataclass(frozen=True)
class Page:
    """Hits, the nearest first, and the cursor of the next page, if there is one."""

    hits: list[Hit]
    next_cursor: str | None


def search(
    *, project: Project, query: str, encoder: Encoder, limit: int = 20, cursor: str | None = None
) -> Page:
    """Return the outputs and feedback of a project nearest in meaning to the query.

    Each comes once, by the nearest of its parts. `limit` is 1 to MAX_LIMIT. Raises CursorError.
    """
    after_distance, after_id = _read_cursor(cursor) if cursor else (-math.inf, 0)
    [vector] = encoder.encode([query])
    with connection.cursor() as rows:
        rows.execute(
            _NEAREST,
            {
                "query": HalfVector(vector).to_text(),
                "project": project.pk,
                "model": encoder.model_id,
                "distance": after_distance,
                "id": after_id,
                "limit": limit + 1,
            },
        )
        found = rows.fetchall()
    outputs = Output.objects.select_related("session").in_bulk([row[1] for row in found if row[1]])
    feedback = Feedback.objects.select_related("session", "output").in_bulk(
        [row[2] for row in found if row[2]]
    )
    hits = [
        _hit(outputs[output] if output else feedback[said], part, distance)
        for _, output, said, part, distance in found[:limit]
        if output in outputs or said in feedback
    ]
    more = len(found) > limit
    return Page(hits, _write_cursor(found[limit - 1][4], found[limit - 1][0]) if more else None)


def _hit(target: Output | Feedback, part: str, distance: float) -> Hit:
    text = getattr(target, "text" if part == "answer" else part)
    return Hit(target=target, part=part, text=text, score=round(1 - distance, 6))


def _write_cursor(distance: float, pk: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([distance, pk])).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[float, int]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        distance, pk = orjson.loads(base64.urlsafe_b64decode(padded.encode()))
        distance, pk = float(distance), int(pk)
    except (ValueError, TypeError, binascii.Error, OverflowError):
        raise CursorError("This is no cursor that a search gave.") from None
    if not (math.isfinite(distance) and 0 <= pk < 2**63):
        raise CursorError("This is no cursor that a search gave.")
    return distance, pk
