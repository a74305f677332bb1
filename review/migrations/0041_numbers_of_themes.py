from django.db import migrations, models

# A project's newest theme may be erased before its themes are computed again.
OF_EARLIER = """
UPDATE review_themerun AS run SET last_number = given.last
FROM (SELECT project_id, max(number) AS last FROM review_theme GROUP BY project_id) AS given
WHERE given.project_id = run.project_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("review", "0040_own_by_one_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="themerun",
            name="last_number",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.RunSQL(OF_EARLIER, migrations.RunSQL.noop),
    ]
