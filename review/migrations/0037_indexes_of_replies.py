from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

INDEXES = [('comment_exact_words', 'words_exact'), ('comment_stems', 'words_stems')]


class Migration(migrations.Migration):
    # An index that is built beside the writing cannot be built in a transaction.
    atomic = False

    dependencies = [
        ('review', '0036_found_replies'),
    ]

    operations = [
        *[
            migrations.RunSQL(
                f'CREATE INDEX CONCURRENTLY {name} ON review_comment USING gin ({column})',
                f'DROP INDEX CONCURRENTLY {name}',
            )
            for name, column in INDEXES
        ],
        AddIndexConcurrently(
            model_name='comment',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['embedded_with', '-id'], name='comment_embedded_with'),
        ),
    ]
