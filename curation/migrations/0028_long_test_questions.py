from django.db import migrations, models
from django.db.models.functions import MD5


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0027_versions_that_follow_erasures"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="probe", name="curation_probe_once"),
        migrations.AddConstraint(
            model_name="probe",
            constraint=models.UniqueConstraint(
                "library", MD5("query"), "role", name="curation_probe_once"
            ),
        ),
    ]
