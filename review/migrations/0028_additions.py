"""Reasons and routes that are added to decisions later, and the bulk acts that do so."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('feedback', '0012_spot_check_share'),
        ('review', '0027_earlier_escalations'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AddedReason',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('added_at', models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='bulkjob',
            name='review_bulkjob_has_what_it_needs',
        ),
        migrations.AddField(
            model_name='bulkjob',
            name='reason',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='+', to='feedback.reason'),
        ),
        migrations.AddField(
            model_name='bulkjob',
            name='route',
            field=models.CharField(blank=True, choices=[('library', 'Library'), ('training', 'Training set'), ('issue', 'Product issue'), ('escalate', 'Escalate')], default='', max_length=10),
        ),
        migrations.AddField(
            model_name='handover',
            name='added_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='bulkjob',
            name='act',
            field=models.CharField(choices=[('tag_add', 'Add tags'), ('tag_remove', 'Remove tags'), ('queue_add', 'Add to queue'), ('queue_remove', 'Take out of queue'), ('decide', 'Decide as one'), ('reason_add', 'Add reason'), ('route_add', 'Add route')], max_length=12),
        ),
        migrations.AddConstraint(
            model_name='bulkjob',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('act__in', ['tag_add', 'tag_remove']), models.Q(('tags__len', 0), _negated=True), ('route', ''), ('queue', None), ('spot_check', None), ('reason', None)), models.Q(('act__in', ['queue_add', 'queue_remove']), ('tags__len', 0), ('route', ''), models.Q(('queue', None), _negated=True), ('spot_check', None), ('reason', None)), models.Q(('act__in', ['decide']), ('tags__len', 0), ('route', ''), models.Q(('queue', None), _negated=True), models.Q(('spot_check', None), _negated=True), ('reason', None)), models.Q(('act__in', ['reason_add']), ('tags__len', 0), ('route', ''), ('queue', None), ('spot_check', None), models.Q(('reason', None), _negated=True)), models.Q(('act__in', ['route_add']), ('tags__len', 0), models.Q(('route', ''), _negated=True), ('queue', None), ('spot_check', None), ('reason', None)), _connector='OR'), name='review_bulkjob_has_what_it_needs'),
        ),
        migrations.AddField(
            model_name='addedreason',
            name='added_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='addedreason',
            name='reason',
            field=models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='+', to='feedback.reason'),
        ),
        migrations.AddField(
            model_name='addedreason',
            name='review',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='added_reasons', to='review.review'),
        ),
        migrations.AddConstraint(
            model_name='addedreason',
            constraint=models.UniqueConstraint(fields=('review', 'reason'), name='review_addedreason_once'),
        ),
    ]
