import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('review', '0014_notifications'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='notification',
            name='review_notification_kind_known',
        ),
        migrations.RemoveConstraint(
            model_name='queueitem',
            name='review_queueitem_closed_when_done',
        ),
        migrations.AddField(
            model_name='notification',
            name='item',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='notifications', to='review.queueitem'),
        ),
        migrations.AddField(
            model_name='queue',
            name='required',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('severity', 'Severity'), ('reasons', 'Reasons'), ('confidence', 'How sure')], max_length=10), blank=True, default=list, size=None),
        ),
        migrations.AddField(
            model_name='review',
            name='place',
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='notification',
            name='annotation',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='notifications', to='review.annotation'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='kind',
            field=models.CharField(choices=[('mention', 'Mention'), ('reply', 'Reply'), ('decided', 'Suggestion decided'), ('taken', 'Item taken over')], max_length=8),
        ),
        migrations.AlterField(
            model_name='queueitem',
            name='status',
            field=models.CharField(choices=[('open', 'Open'), ('disputed', 'Disputed'), ('done', 'Done'), ('out', 'Taken out')], default='open', max_length=8),
        ),
        migrations.AddIndex(
            model_name='queueitem',
            index=models.Index(condition=models.Q(('status', 'disputed')), fields=['queue', '-rank', 'id'], name='queueitem_disputed'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('annotation__isnull', False), ('item', None), ('kind__in', ['mention', 'reply', 'decided'])), models.Q(('annotation', None), ('item__isnull', False), ('kind', 'taken')), _connector='OR'), name='review_notification_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.UniqueConstraint(fields=('user', 'item'), name='review_notification_one_an_item'),
        ),
        migrations.AddConstraint(
            model_name='queueitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('status__in', ['open', 'disputed'])), models.Q(('closed_at__isnull', False), ('status__in', ['done', 'out'])), _connector='OR'), name='review_queueitem_closed_when_done'),
        ),
    ]
