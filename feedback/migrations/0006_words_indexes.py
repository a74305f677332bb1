from django.db import migrations

INDEXES = [
    ('output_exact_words', 'feedback_output', 'words_exact'),
    ('output_stems', 'feedback_output', 'words_stems'),
    ('feedback_exact_words', 'feedback_feedback', 'words_exact'),
    ('feedback_stems', 'feedback_feedback', 'words_stems'),
]


class Migration(migrations.Migration):
    # An index that is built beside the writing cannot be built in a transaction.
    atomic = False

    dependencies = [
        ('feedback', '0005_words'),
    ]

    operations = [
        migrations.RunSQL(
            f'CREATE INDEX CONCURRENTLY {name} ON {table} USING gin ({column})',
            f'DROP INDEX CONCURRENTLY {name}',
        )
        for name, table, column in INDEXES
    ]
