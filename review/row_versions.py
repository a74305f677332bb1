"""Which rows there are of what was said on an answer, and in which version each is."""

from __future__ import annotations

from django.db import connection

from feedback.models import Output

# PostgreSQL gives each version of a row a place (ctid) and the transaction that wrote it (xmin);
# the two name it for good. The documentation calls them system columns.
_SQL = """
WITH notes AS MATERIALIZED (
    SELECT id, xmin, ctid, author_id, resolved_by_id, decided_by_id
    FROM review_annotation WHERE output_id = %(output)s
), replies AS MATERIALIZED (
    SELECT reply.xmin, reply.ctid, reply.author_id
    FROM review_comment reply JOIN notes ON notes.id = annotation_id
), said AS MATERIALIZED (
    SELECT id, xmin, ctid FROM feedback_feedback WHERE output_id = %(output)s
), people AS (
    SELECT author_id AS id FROM notes UNION SELECT resolved_by_id FROM notes
    UNION SELECT decided_by_id FROM notes UNION SELECT author_id FROM replies
), found AS (
    SELECT 1 AS kind, xmin, ctid FROM notes
    UNION ALL SELECT 2, xmin, ctid FROM replies
    UNION ALL SELECT 3, xmin, ctid FROM said
    UNION ALL SELECT 4, rests.xmin, rests.ctid
        FROM review_evidence rests JOIN notes ON notes.id = annotation_id
    UNION ALL SELECT 5, place.xmin, place.ctid
        FROM review_anchor place JOIN notes ON notes.id = annotation_id
    UNION ALL SELECT 6, given.xmin, given.ctid
        FROM feedback_feedbackreason given JOIN said ON said.id = feedback_id
    UNION ALL SELECT 7, person.xmin, person.ctid
        FROM feedback_user person JOIN people USING (id)
    UNION ALL SELECT 8, reason.xmin, reason.ctid
        FROM feedback_reason reason JOIN feedback_taxonomy ON feedback_taxonomy.id = taxonomy_id
        WHERE project_id = %(project)s
    UNION ALL SELECT 9, xmin, ctid FROM feedback_output WHERE id = %(output)s
)
SELECT md5(string_agg(concat_ws(':', kind, xmin, ctid), ' ' ORDER BY kind, ctid)) FROM found
"""


def row_versions(output: Output) -> str:
    """A digest that is another one after any change to what was said on the answer.

    It covers the rows of the output, its annotations with their replies, evidence and anchors,
    its feedback with reasons, who wrote, and the project's reasons. One query.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SQL, {"output": output.pk, "project": output.project_id})
        [digest] = cursor.fetchone()
    return str(digest)
