from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("review", "0008_edit_with_replacement")]

    operations = [
        migrations.RemoveConstraint(model_name="annotation", name="review_annotation_once"),
        migrations.RemoveConstraint(model_name="comment", name="review_comment_once"),
        migrations.AddConstraint(
            model_name="annotation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("request_key__isnull", False)),
                fields=("output", "author", "request_key"),
                name="review_annotation_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="comment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("request_key__isnull", False)),
                fields=("annotation", "author", "request_key"),
                name="review_comment_once",
            ),
        ),
    ]
