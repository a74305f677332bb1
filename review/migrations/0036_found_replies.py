import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

# The text is cut, for a tsvector may not be larger than a megabyte.
COLUMNS = """
ALTER TABLE review_comment
    ADD COLUMN words_exact tsvector NOT NULL GENERATED ALWAYS AS
        (to_tsvector('simple', left(text, 10000))) STORED,
    ADD COLUMN words_stems tsvector NOT NULL GENERATED ALWAYS AS
        (strip(to_tsvector('english', left(text, 10000)))) STORED;
"""
NO_COLUMNS = 'ALTER TABLE review_comment DROP COLUMN words_exact, DROP COLUMN words_stems'
PROJECTS = """
UPDATE review_comment SET project_id = review_annotation.project_id
FROM review_annotation WHERE review_annotation.id = review_comment.annotation_id;
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('feedback', '0017_confirmations'),
        ('review', '0035_named_reviewers'),
    ]

    operations = [
        migrations.AddField(
            model_name='comment',
            name='project',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='feedback.project'),
        ),
        migrations.RunSQL(PROJECTS, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='comment',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='feedback.project'),
        ),
        migrations.AddField(
            model_name='comment',
            name='embedded_with',
            field=models.CharField(blank=True, default='', max_length=200),
        ),
        migrations.RunSQL(COLUMNS, NO_COLUMNS),
        migrations.CreateModel(
            name='CommentWords',
            fields=[
                ('exact', django.contrib.postgres.search.SearchVectorField(db_column='words_exact')),
                ('stems', django.contrib.postgres.search.SearchVectorField(db_column='words_stems')),
                ('comment', models.OneToOneField(db_column='id', on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='+', serialize=False, to='review.comment')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='feedback.project')),
            ],
            options={
                'db_table': 'review_comment',
                'managed': False,
            },
        ),
        migrations.RemoveConstraint(
            model_name='annotationembedding',
            name='review_annotationembedding_known_part',
        ),
        migrations.AlterField(
            model_name='annotationembedding',
            name='annotation',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='embeddings', to='review.annotation'),
        ),
        migrations.AddField(
            model_name='annotationembedding',
            name='reply',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='embeddings', to='review.comment'),
        ),
        migrations.AlterField(
            model_name='annotationembedding',
            name='part',
            field=models.CharField(choices=[('comment', 'Comment'), ('replacement', 'Replacement'), ('reply', 'Reply')], max_length=11),
        ),
        migrations.AddConstraint(
            model_name='annotationembedding',
            constraint=models.UniqueConstraint(fields=('reply', 'part', 'model'), name='review_annotationembedding_of_reply'),
        ),
        migrations.AddConstraint(
            model_name='annotationembedding',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('annotation__isnull', False), ('part__in', ['comment', 'replacement']), ('reply', None)), models.Q(('annotation', None), ('part', 'reply'), ('reply__isnull', False)), _connector='OR'), name='review_annotationembedding_one_target'),
        ),
    ]
