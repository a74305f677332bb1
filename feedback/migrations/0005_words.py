import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

# The texts are cut, for a tsvector may not be larger than a megabyte.
COLUMNS = """
ALTER TABLE feedback_output
    ADD COLUMN words_exact tsvector NOT NULL GENERATED ALWAYS AS
        (to_tsvector('simple', left(query, 10000) || ' ' || left(text, 40000))) STORED,
    ADD COLUMN words_stems tsvector NOT NULL GENERATED ALWAYS AS
        (strip(to_tsvector('english', left(query, 10000) || ' ' || left(text, 40000)))) STORED;
ALTER TABLE feedback_feedback
    ADD COLUMN words_exact tsvector NOT NULL GENERATED ALWAYS AS
        (to_tsvector('simple', left(comment, 10000) || ' ' || left(correction, 40000))) STORED,
    ADD COLUMN words_stems tsvector NOT NULL GENERATED ALWAYS AS
        (strip(to_tsvector('english', left(comment, 10000) || ' ' || left(correction, 40000)))) STORED;
"""
NO_COLUMNS = """
ALTER TABLE feedback_output DROP COLUMN words_exact, DROP COLUMN words_stems;
ALTER TABLE feedback_feedback DROP COLUMN words_exact, DROP COLUMN words_stems;
"""


def words(name, target, table):
    return migrations.CreateModel(
        name=name,
        fields=[
            ('exact', django.contrib.postgres.search.SearchVectorField(db_column='words_exact')),
            ('stems', django.contrib.postgres.search.SearchVectorField(db_column='words_stems')),
            (target, models.OneToOneField(db_column='id', on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='+', serialize=False, to=f'feedback.{target}')),
            ('project', models.ForeignKey(on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='feedback.project')),
        ],
        options={'db_table': table, 'managed': False},
    )


class Migration(migrations.Migration):

    dependencies = [
        ('feedback', '0004_newest_embedded_first'),
    ]

    operations = [
        migrations.RunSQL(COLUMNS, NO_COLUMNS),
        words('OutputWords', 'output', 'feedback_output'),
        words('FeedbackWords', 'feedback', 'feedback_feedback'),
    ]
