from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.deletion import CASCADE


class Migration(migrations.Migration):
    dependencies = [
        ("feedback", "0007_changed_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="tag",
            name="alias_of",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=CASCADE, related_name="aliases", to="feedback.tag"
            ),
        ),
        migrations.AddConstraint(
            model_name="tag",
            constraint=models.CheckConstraint(
                condition=~Q(alias_of=F("id")), name="feedback_tag_not_its_own_alias"
            ),
        ),
    ]
