import django.db.models.deletion
import django.db.models.functions.comparison
from django.db import migrations, models


def _row(to):
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name="+",
        to=to,
    )


class Migration(migrations.Migration):

    dependencies = [
        ("curation", "0020_candidates"),
        ("feedback", "0017_confirmations"),
        ("review", "0031_theme_states"),
    ]

    operations = [
        migrations.AddField(
            model_name="example", name="is_pair", field=models.BooleanField(default=False)
        ),
        migrations.AddField(
            model_name="example", name="chosen_review", field=_row("review.review")
        ),
        migrations.AddField(
            model_name="example", name="rejected_output", field=_row("feedback.output")
        ),
        migrations.AddField(
            model_name="example", name="rejected_review", field=_row("review.review")
        ),
        migrations.AddConstraint(
            model_name="example",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_pair", True),
                    models.Q(
                        ("chosen_review", None),
                        ("rejected_output", None),
                        ("rejected_review", None),
                    ),
                    _connector="OR",
                ),
                name="curation_example_other_is_of_pair",
            ),
        ),
        migrations.AddConstraint(
            model_name="example",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_pair", False),
                    ("erased_at__isnull", False),
                    models.Q(
                        models.Q(("chosen", ""), _negated=True),
                        models.Q(("rejected", ""), _negated=True),
                        ("review", None),
                    ),
                    _connector="OR",
                ),
                name="curation_example_pair_is_of_two",
            ),
        ),
        migrations.AddConstraint(
            model_name="example",
            constraint=models.UniqueConstraint(
                models.F("training_set"),
                django.db.models.functions.comparison.Least("output", "rejected_output"),
                django.db.models.functions.comparison.Greatest("output", "rejected_output"),
                condition=models.Q(
                    ("output__isnull", False),
                    ("rejected_output__isnull", False),
                    ("removed_at", None),
                ),
                name="curation_example_pair_once",
            ),
        ),
    ]
