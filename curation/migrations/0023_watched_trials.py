from django.db import migrations
from django.db.models import Q


def keep_unwatched(apps, schema_editor):
    """Widen no more what has too few held out for harm to show: it stays at its present stage."""
    experiments = apps.get_model("curation", "Experiment").objects
    unwatched = experiments.exclude(status="ended").filter(stages__len__gt=1, held_out__lt=5)
    for one in unwatched:
        one.stages, one.stage = [one.stages[one.stage]], 0
        one.save(update_fields=["stages", "stage"])


def fall_back_on_proven(apps, schema_editor):
    """Give the rest of the sessions no version that was stopped, or tried until this one came."""
    experiments = apps.get_model("curation", "Experiment").objects
    for one in experiments.filter(status="running").exclude(baseline=None):
        latest, baseline = one, one.baseline_id
        while latest := experiments.filter(
            Q(status="stopped") | Q(status="ended", ended_at=latest.started_at), version=baseline
        ).first():
            baseline = latest.baseline_id
        if baseline != one.baseline_id:
            experiments.filter(pk=one.pk).update(baseline=baseline)


class Migration(migrations.Migration):
    dependencies = [("curation", "0022_taken_reports")]

    operations = [
        migrations.RunPython(keep_unwatched, migrations.RunPython.noop),
        migrations.RunPython(fall_back_on_proven, migrations.RunPython.noop),
    ]
