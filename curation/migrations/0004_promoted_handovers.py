"""What was promoted before is done."""

from django.db import migrations

DONE = """
UPDATE review_handover AS handover
SET status = 'done', is_promoted = true, done_at = kept.created_at, done_by_id = kept.created_by_id
FROM (
    SELECT DISTINCT ON (review_id) review_id, created_at, created_by_id
    FROM {table} WHERE removed_at IS NULL AND review_id IS NOT NULL
    ORDER BY review_id, created_at
) AS kept
WHERE kept.review_id = handover.review_id
    AND handover.route = '{route}' AND handover.status = 'open'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0003_immutable_versions"),
        ("review", "0025_open_handovers"),
    ]

    operations = [
        migrations.RunSQL(
            DONE.format(table="curation_contextentry", route="library"), migrations.RunSQL.noop
        ),
        migrations.RunSQL(
            DONE.format(table="curation_example", route="training"), migrations.RunSQL.noop
        ),
    ]
