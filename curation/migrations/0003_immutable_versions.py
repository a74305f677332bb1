"""What is published or released cannot be changed, only deleted with what it belongs to."""

from django.db import migrations

TABLES = [
    "curation_libraryversion",
    "curation_publishedentry",
    "curation_release",
    "curation_releasedexample",
]

FUNCTION = """
CREATE FUNCTION curation_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'A row of % is published and cannot be changed.', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("curation", "0002_initial")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION curation_refuse_update()"),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER {table}_immutable BEFORE UPDATE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION curation_refuse_update()",
                f"DROP TRIGGER {table}_immutable ON {table}",
            )
            for table in TABLES
        ),
    ]
