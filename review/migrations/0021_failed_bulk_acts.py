"""Bulk acts that failed say why."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("review", "0020_routing_rules"),
    ]

    operations = [
        migrations.AddField(
            model_name="bulkjob",
            name="num_failures",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="bulkjob",
            name="problem",
            field=models.CharField(blank=True, default="", max_length=300),
        ),
        migrations.AlterField(
            model_name="bulkjob",
            name="status",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting"),
                    ("running", "Running"),
                    ("done", "Done"),
                    ("cancelled", "Cancelled"),
                    ("failed", "Failed"),
                    ("undoing", "Being undone"),
                    ("undone", "Undone"),
                ],
                default="waiting",
                max_length=9,
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "failed"), models.Q(("problem", ""), _negated=True)),
                    models.Q(models.Q(("status", "failed"), _negated=True), ("problem", "")),
                    _connector="OR",
                ),
                name="review_bulkjob_says_why_it_failed",
            ),
        ),
    ]
