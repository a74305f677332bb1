from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    dependencies = [
        ("feedback", "0009_tags_in_one_case"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="tag", name="feedback_tag_name"),
        migrations.AddConstraint(
            model_name="tag",
            constraint=models.UniqueConstraint(
                models.F("project"), Lower("name"), name="feedback_tag_name"
            ),
        ),
    ]
