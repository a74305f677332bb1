"""Until now the version published last was the one served."""

from django.db import migrations

SET_LIVE = """
UPDATE curation_contextlibrary AS library SET live_id = newest.id
FROM (
    SELECT DISTINCT ON (library_id) id, library_id
    FROM curation_libraryversion ORDER BY library_id, number DESC
) AS newest
WHERE newest.library_id = library.id
"""


class Migration(migrations.Migration):
    dependencies = [("curation", "0005_experiments_and_expiry")]

    operations = [migrations.RunSQL(SET_LIVE, migrations.RunSQL.noop)]
