from django.db import migrations, models

OF_ONE_PROJECT = """
ALTER TABLE review_comment
ADD CONSTRAINT review_comment_of_its_annotations_project
FOREIGN KEY (annotation_id, project_id) REFERENCES review_annotation (id, project_id)
DEFERRABLE INITIALLY DEFERRED
"""


class Migration(migrations.Migration):
    dependencies = [("review", "0038_news_of_naming")]

    operations = [
        migrations.AddConstraint(
            model_name="annotation",
            constraint=models.UniqueConstraint(
                fields=("id", "project"), name="review_annotation_of_a_project"
            ),
        ),
        migrations.RunSQL(
            OF_ONE_PROJECT,
            "ALTER TABLE review_comment DROP CONSTRAINT review_comment_of_its_annotations_project",
        ),
    ]
