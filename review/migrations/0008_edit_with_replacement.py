from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("review", "0007_edits_of_suggestions")]

    operations = [
        migrations.AddConstraint(
            model_name='annotation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('edit_end', None), ('edit_start', None), ('replacement', None)), models.Q(('edit_end__gte', models.F('edit_start')), ('edit_start__isnull', False), ('replacement__isnull', False)), _connector='OR'), name='review_annotation_edit_with_replacement'),
        ),
    ]
