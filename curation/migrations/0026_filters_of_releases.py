from django.db import migrations

# A release that is taking in what a filter matches goes by the one that it began with.
OF_BEGUN = """
UPDATE curation_release AS release
SET checkpoint = release.checkpoint || jsonb_build_object('filter', kept.filter)
FROM curation_trainingset AS kept
WHERE kept.id = release.training_set_id AND kept.filter IS NOT NULL
AND release.status IN ('collecting', 'held') AND release.checkpoint ? 'after_review'
AND NOT release.checkpoint ? 'filter'
"""


class Migration(migrations.Migration):
    dependencies = [("curation", "0025_annotations_in_lineage")]

    operations = [migrations.RunSQL(OF_BEGUN, migrations.RunSQL.noop)]
