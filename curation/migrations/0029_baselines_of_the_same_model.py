from django.db import migrations


def fall_back_on_no_other_model(apps, schema_editor):
    """Give the rest of the sessions no version whose vectors are another embedding model's."""
    experiments = apps.get_model("curation", "Experiment").objects
    entries = apps.get_model("curation", "PublishedEntry").objects
    for one in experiments.filter(status="running").exclude(baseline=None):
        of_both = entries.filter(version__in=[one.version_id, one.baseline_id])
        if of_both.values("model").distinct().count() > 1:
            experiments.filter(pk=one.pk).update(baseline=None)


class Migration(migrations.Migration):
    dependencies = [("curation", "0028_long_test_questions")]

    operations = [migrations.RunPython(fall_back_on_no_other_model, migrations.RunPython.noop)]
