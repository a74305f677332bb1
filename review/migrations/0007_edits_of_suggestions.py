from django.db import migrations, models
from django.db.models import F, Value
from django.db.models.functions import Concat


def fill(apps, schema_editor):
    Annotation = apps.get_model("review", "Annotation")
    Annotation.objects.update(changed_at=F("created_at"))
    suggestions = Annotation.objects.filter(replacement__isnull=False)
    suggestions.filter(source_start__isnull=False).update(
        edit_start=F("source_start"), edit_end=F("source_end")
    )
    # What cannot be told in the answer as sent cannot be applied to it; the words stay readable.
    suggestions.filter(source_start=None).update(
        comment=Concat(
            F("comment"), Value("\n\nSuggested: "), F("replacement"), output_field=models.TextField()
        ),
        replacement=None,
    )
    Event = apps.get_model("review", "Event")
    Output = apps.get_model("feedback", "Output")
    for event in Event.objects.filter(data__has_key="output").iterator():
        if Output.objects.filter(pk=event.data["output"]).exists():
            event.output_id = event.data["output"]
            event.save(update_fields=["output"])


class Migration(migrations.Migration):

    dependencies = [("review", "0006_threads")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
