from django.db import migrations, models

# What stood on the answer, as it was reviewed, when it was promoted.
OF_EARLIER = """
INSERT INTO {table}_annotations ({column}, annotation_id)
SELECT DISTINCT kept.id, note.id
FROM {table} AS kept
JOIN review_review AS review ON review.id IN ({reviews})
JOIN review_annotation AS note
  ON note.output_id = review.output_id AND note.output_version = review.output_version
WHERE note.deleted_at IS NULL AND note.created_at <= kept.created_at
"""


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0024_widened_beside_held_out"),
        ("review", "0040_own_by_one_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="contextentry",
            name="annotations",
            field=models.ManyToManyField(
                blank=True, related_name="context_entries", to="review.annotation"
            ),
        ),
        migrations.AddField(
            model_name="example",
            name="annotations",
            field=models.ManyToManyField(
                blank=True, related_name="training_examples", to="review.annotation"
            ),
        ),
        migrations.RunSQL(
            OF_EARLIER.format(
                table="curation_contextentry",
                column="contextentry_id",
                reviews="kept.review_id",
            ),
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            OF_EARLIER.format(
                table="curation_example",
                column="example_id",
                reviews="kept.review_id, kept.chosen_review_id, kept.rejected_review_id",
            ),
            migrations.RunSQL.noop,
        ),
    ]
