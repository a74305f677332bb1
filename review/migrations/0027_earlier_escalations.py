"""What was escalated before escalations had a table waits for a moderator too.

A review that has no item any more gets none: an escalation is settled in the item it came from. Nor
does a third person's, whose decision is the last one.
"""

from django.db import migrations

# A third person decided after it.
DECIDED = """
INSERT INTO review_escalation (
    project_id, output_id, item_id, review_id, raised_at, status, settled_by_id, settled_at,
    decision_id, comment
)
SELECT
    review.project_id, review.output_id, review.item_id, review.id, review.created_at, 'decided',
    decision.reviewer_id, decision.created_at, decision.id, ''
FROM review_review AS review
JOIN review_review AS decision ON decision.item_id = review.item_id AND decision.place = 0
WHERE 'escalate' = ANY(review.routes) AND review.place > 0 AND NOT EXISTS (
    SELECT FROM review_escalation AS other WHERE other.output_id = review.output_id
)
"""

# Nobody did: the first of an output is open, and its item, if it is done, has a place for one.
OPEN = """
WITH opened AS (
    INSERT INTO review_escalation (
        project_id, output_id, item_id, review_id, raised_at, status, comment
    )
    SELECT DISTINCT ON (review.output_id)
        review.project_id, review.output_id, review.item_id, review.id, review.created_at, 'open', ''
    FROM review_review AS review
    WHERE 'escalate' = ANY(review.routes) AND review.place > 0 AND NOT EXISTS (
        SELECT FROM review_escalation AS other
        WHERE other.output_id = review.output_id
            AND (other.status = 'open' OR other.settled_at >= review.created_at)
    )
    ORDER BY review.output_id, review.created_at, review.id
    RETURNING item_id
), places AS (
    INSERT INTO review_claim (item_id, place, fence)
    SELECT item.id, 0, 0 FROM opened JOIN review_queueitem AS item ON item.id = opened.item_id
    WHERE item.status = 'done'
    ON CONFLICT DO NOTHING
    RETURNING item_id
)
UPDATE review_queueitem AS item SET status = 'escalated', closed_at = NULL
FROM places WHERE places.item_id = item.id
"""


class Migration(migrations.Migration):
    dependencies = [("review", "0026_due_times")]

    operations = [
        migrations.RunSQL(DECIDED, migrations.RunSQL.noop),
        migrations.RunSQL(OPEN, migrations.RunSQL.noop),
    ]
