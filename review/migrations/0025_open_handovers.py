"""What earlier decisions asked for is on the board too."""

from django.db import migrations

OPEN = """
INSERT INTO review_handover
    (project_id, review_id, route, status, opened_at, is_promoted, comment)
SELECT project_id, id, route, 'open', created_at, false, ''
FROM review_review, unnest(routes) AS route
WHERE route IN ('library', 'training', 'issue')
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("review", "0024_handovers")]

    operations = [migrations.RunSQL(OPEN, migrations.RunSQL.noop)]
