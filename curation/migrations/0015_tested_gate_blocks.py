from django.db import migrations


class Migration(migrations.Migration):
    """Sets that hold a release up for leakage between splits do so for test cases too."""

    dependencies = [("curation", "0014_tested_gate")]

    operations = [
        migrations.RunSQL(
            "UPDATE curation_gaterules SET blocking = array_append(blocking, 'tested') "
            "WHERE 'leak' = ANY (blocking) AND NOT 'tested' = ANY (blocking)",
            "UPDATE curation_gaterules SET blocking = array_remove(blocking, 'tested')",
        )
    ]
