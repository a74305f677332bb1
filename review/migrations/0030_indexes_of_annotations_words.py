from django.db import migrations

INDEXES = [('annotation_exact_words', 'words_exact'), ('annotation_stems', 'words_stems')]


class Migration(migrations.Migration):
    # An index that is built beside the writing cannot be built in a transaction.
    atomic = False

    dependencies = [
        ('review', '0029_meaning_of_annotations'),
    ]

    operations = [
        *[
            migrations.RunSQL(
                f'CREATE INDEX CONCURRENTLY {name} ON review_annotation USING gin ({column})',
                f'DROP INDEX CONCURRENTLY {name}',
            )
            for name, column in INDEXES
        ],
        migrations.RemoveIndex(model_name='annotation', name='annotation_words'),
    ]
