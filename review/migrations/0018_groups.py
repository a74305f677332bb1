"""Open items of a queue that are nearly the same form groups."""

import django.db.models.deletion
from django.db import migrations, models

# Deferred: a queue's groups may go before its items.
OF_ITS_QUEUE = """
ALTER TABLE review_queueitem ADD CONSTRAINT review_queueitem_group_of_its_queue
FOREIGN KEY (group_id, queue_id) REFERENCES review_itemgroup (id, queue_id)
DEFERRABLE INITIALLY DEFERRED
"""


class Migration(migrations.Migration):

    dependencies = [
        ('feedback', '0011_own_keys'),
        ('review', '0017_triage_models'),
    ]

    operations = [
        migrations.AddField(
            model_name='queueitem',
            name='grouped_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name='ItemGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField()),
                ('queue', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='groups', to='review.queue')),
            ],
        ),
        migrations.AddField(
            model_name='queueitem',
            name='group',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='items', to='review.itemgroup'),
        ),
        migrations.AddIndex(
            model_name='queueitem',
            index=models.Index(condition=models.Q(('group__isnull', False), ('status', 'open')), fields=['group', '-rank', 'id'], name='queueitem_open_alike'),
        ),
        migrations.AddIndex(
            model_name='queueitem',
            index=models.Index(condition=models.Q(('grouped_at', None), ('status', 'open')), fields=['queue', 'id'], name='queueitem_ungrouped'),
        ),
        migrations.AddConstraint(
            model_name='itemgroup',
            constraint=models.UniqueConstraint(fields=('id', 'queue'), name='review_itemgroup_of_a_queue'),
        ),
        migrations.RunSQL(
            OF_ITS_QUEUE,
            "ALTER TABLE review_queueitem DROP CONSTRAINT review_queueitem_group_of_its_queue",
        ),
    ]
