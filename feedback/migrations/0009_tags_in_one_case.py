from django.db import migrations

# Of tags that differ by their case the oldest stays, on all sessions that had one of them.
STATEMENTS = [
    """
    INSERT INTO feedback_sessiontag (session_id, tag_id, added_by_id, added_at)
    SELECT DISTINCT ON (of_session.session_id, kept.id)
        of_session.session_id, kept.id, of_session.added_by_id, of_session.added_at
    FROM feedback_sessiontag AS of_session
    JOIN feedback_tag AS tag ON tag.id = of_session.tag_id
    CROSS JOIN LATERAL (
        SELECT min(same.id) AS id FROM feedback_tag AS same
        WHERE same.project_id = tag.project_id AND lower(same.name) = lower(tag.name)
    ) AS kept
    WHERE kept.id <> tag.id
    ORDER BY of_session.session_id, kept.id, of_session.added_at, of_session.id
    ON CONFLICT DO NOTHING
    """,
    """
    DELETE FROM feedback_sessiontag AS of_session
    USING feedback_tag AS tag, feedback_tag AS older
    WHERE tag.id = of_session.tag_id AND older.project_id = tag.project_id
    AND lower(older.name) = lower(tag.name) AND older.id < tag.id
    """,
    """
    DELETE FROM feedback_tag AS tag USING feedback_tag AS older
    WHERE older.project_id = tag.project_id
    AND lower(older.name) = lower(tag.name) AND older.id < tag.id
    """,
]


class Migration(migrations.Migration):
    dependencies = [
        ("feedback", "0008_tag_aliases"),
    ]

    operations = [
        migrations.RunSQL(STATEMENTS, migrations.RunSQL.noop),
    ]
