from django.db import migrations, models

# What says of earlier ones that they did.
OF_EARLIER = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE curation_libraryversion DISABLE TRIGGER curation_libraryversion_immutable;
UPDATE curation_libraryversion AS version SET follows_erasure = true
FROM review_event AS event
WHERE event.verb = 'published' AND event.target_type = 'context_library'
AND event.target_id = version.library_id AND event.data @> '{"erased": 1}'
AND (event.data ->> 'version')::int = version.number;
ALTER TABLE curation_libraryversion ENABLE TRIGGER curation_libraryversion_immutable;
SET CONSTRAINTS ALL DEFERRED;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0026_filters_of_releases"),
        ("review", "0041_numbers_of_themes"),
    ]

    operations = [
        migrations.AddField(
            model_name="libraryversion",
            name="follows_erasure",
            field=models.BooleanField(default=False),
        ),
        migrations.RunSQL(OF_EARLIER, migrations.RunSQL.noop),
    ]
