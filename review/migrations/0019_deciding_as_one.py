"""Samples of groups, what is decided on them, and what must hold of such decisions."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Deferred: an operation writes the item and the decision one after the other.
ITEM_FUNCTION = """
CREATE FUNCTION review_check_provisional_item() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    checked bigint;
BEGIN
    IF TG_TABLE_NAME = 'review_queueitem' THEN
        checked := NEW.id;
    ELSIF TG_OP = 'DELETE' THEN
        checked := OLD.item_id;
    ELSE
        checked := NEW.item_id;
    END IF;
    IF EXISTS (
        SELECT FROM review_queueitem item
        LEFT JOIN review_provisional decision ON decision.item_id = item.id
        WHERE item.id = checked
            AND (
                (item.status = 'provisional') <> (decision.id IS NOT NULL)
                OR decision.output_id <> item.output_id
            )
    ) THEN
        RAISE EXCEPTION 'Item % is not provisional together with a decision on its output.', checked
            USING ERRCODE = 'integrity_constraint_violation',
                CONSTRAINT = 'review_provisional_item';
    END IF;
    RETURN NULL;
END
$$
"""
ITEM_OF_DECISION = """
CREATE CONSTRAINT TRIGGER review_provisional_item
AFTER INSERT OR UPDATE OR DELETE ON review_provisional
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION review_check_provisional_item()
"""
ITEM_CHANGED = """
CREATE CONSTRAINT TRIGGER review_queueitem_provisional
AFTER UPDATE OF status ON review_queueitem
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.status <> NEW.status AND 'provisional' IN (OLD.status, NEW.status))
EXECUTE FUNCTION review_check_provisional_item()
"""
ITEM_MADE = """
CREATE CONSTRAINT TRIGGER review_queueitem_made_provisional
AFTER INSERT ON review_queueitem
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (NEW.status = 'provisional')
EXECUTE FUNCTION review_check_provisional_item()
"""
BESIDE_FUNCTION = """
CREATE FUNCTION review_check_provisional_alone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM review_provisional decision
        JOIN review_review review ON review.output_id = decision.output_id
        WHERE decision.output_id = NEW.output_id AND review.is_authoritative
    ) THEN
        RAISE EXCEPTION 'Output % has a review that counts, and a provisional decision.',
            NEW.output_id
            USING ERRCODE = 'integrity_constraint_violation',
                CONSTRAINT = 'review_provisional_alone';
    END IF;
    RETURN NULL;
END
$$
"""
BESIDE_DECISION = """
CREATE CONSTRAINT TRIGGER review_provisional_alone
AFTER INSERT OR UPDATE ON review_provisional
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION review_check_provisional_alone()
"""
BESIDE_REVIEW = """
CREATE CONSTRAINT TRIGGER review_review_replaces_provisional
AFTER INSERT OR UPDATE OF is_authoritative ON review_review
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.is_authoritative)
EXECUTE FUNCTION review_check_provisional_alone()
"""
TRIGGERS = [
    (ITEM_FUNCTION, "DROP FUNCTION review_check_provisional_item()"),
    (ITEM_OF_DECISION, "DROP TRIGGER review_provisional_item ON review_provisional"),
    (ITEM_CHANGED, "DROP TRIGGER review_queueitem_provisional ON review_queueitem"),
    (ITEM_MADE, "DROP TRIGGER review_queueitem_made_provisional ON review_queueitem"),
    (BESIDE_FUNCTION, "DROP FUNCTION review_check_provisional_alone()"),
    (BESIDE_DECISION, "DROP TRIGGER review_provisional_alone ON review_provisional"),
    (BESIDE_REVIEW, "DROP TRIGGER review_review_replaces_provisional ON review_review"),
]


class Migration(migrations.Migration):

    dependencies = [
        ('feedback', '0012_spot_check_share'),
        ('review', '0018_groups'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DrawnItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('output_version', models.PositiveIntegerField()),
                ('number', models.FloatField()),
                ('is_sampled', models.BooleanField(default=False)),
                ('left_out', models.CharField(blank=True, choices=[('', 'Not left out'), ('held', 'held by somebody'), ('reviewed', 'reviewed already'), ('begun', 'passed over or begun by somebody'), ('changed', 'changed since'), ('decided', 'decided as one elsewhere'), ('out', 'taken out of the queue')], default='', max_length=8)),
            ],
        ),
        migrations.CreateModel(
            name='Provisional',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('output_version', models.PositiveIntegerField()),
                ('verdict', models.CharField(choices=[('accept', 'Good'), ('fix', 'Fix'), ('reject', 'Reject')], max_length=6)),
                ('created_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='SpotCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('seed', models.BigIntegerField()),
                ('size', models.PositiveIntegerField()),
                ('num_asked', models.PositiveIntegerField()),
                ('share', models.FloatField()),
                ('drawn_at', models.DateTimeField()),
                ('verdict', models.CharField(blank=True, choices=[('accept', 'Good'), ('fix', 'Fix'), ('reject', 'Reject')], default='', max_length=6)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='bulkjob',
            name='review_bulkjob_has_what_it_needs',
        ),
        migrations.RemoveConstraint(
            model_name='queueitem',
            name='review_queueitem_closed_when_done',
        ),
        migrations.AlterField(
            model_name='bulkjob',
            name='act',
            field=models.CharField(choices=[('tag_add', 'Add tags'), ('tag_remove', 'Remove tags'), ('queue_add', 'Add to queue'), ('queue_remove', 'Take out of queue'), ('decide', 'Decide as one')], max_length=12),
        ),
        migrations.AlterField(
            model_name='queueitem',
            name='status',
            field=models.CharField(choices=[('open', 'Open'), ('disputed', 'Disputed'), ('done', 'Done'), ('out', 'Taken out'), ('provisional', 'Decided as one')], default='open', max_length=11),
        ),
        migrations.AddConstraint(
            model_name='queueitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('status__in', ['open', 'disputed'])), models.Q(('closed_at__isnull', False), ('status__in', ['done', 'out', 'provisional'])), _connector='OR'), name='review_queueitem_closed_when_done'),
        ),
        migrations.AddField(
            model_name='drawnitem',
            name='item',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='drawn', to='review.queueitem'),
        ),
        migrations.AddField(
            model_name='drawnitem',
            name='review',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='drawn', to='review.review'),
        ),
        migrations.AddField(
            model_name='provisional',
            name='decided_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='provisional_decisions', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='provisional',
            name='item',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='provisional', to='review.queueitem'),
        ),
        migrations.AddField(
            model_name='provisional',
            name='output',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='provisional', to='feedback.output'),
        ),
        migrations.AddField(
            model_name='provisional',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='provisional_decisions', to='feedback.project'),
        ),
        migrations.AddField(
            model_name='spotcheck',
            name='drawn_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='spotcheck',
            name='group',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='checks', to='review.itemgroup'),
        ),
        migrations.AddField(
            model_name='provisional',
            name='spot_check',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='decisions', to='review.spotcheck'),
        ),
        migrations.AddField(
            model_name='drawnitem',
            name='check_of',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='drawn', to='review.spotcheck'),
        ),
        migrations.AddField(
            model_name='bulkjob',
            name='spot_check',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='job', to='review.spotcheck'),
        ),
        migrations.AddConstraint(
            model_name='bulkjob',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('act__in', ['tag_add', 'tag_remove']), ('queue', None), ('spot_check', None), ('tags__len__gt', 0)), models.Q(('act__in', ['queue_add', 'queue_remove']), ('queue__isnull', False), ('spot_check', None), ('tags__len', 0)), models.Q(('act', 'decide'), ('queue__isnull', False), ('spot_check__isnull', False), ('tags__len', 0)), _connector='OR'), name='review_bulkjob_has_what_it_needs'),
        ),
        migrations.AddConstraint(
            model_name='spotcheck',
            constraint=models.UniqueConstraint(fields=('group', 'number'), name='review_spotcheck_number'),
        ),
        migrations.AddConstraint(
            model_name='spotcheck',
            constraint=models.CheckConstraint(condition=models.Q(('num_asked__gte', 1), ('num_asked__lt', models.F('size')), ('number__gte', 1)), name='review_spotcheck_asks_some'),
        ),
        migrations.AddConstraint(
            model_name='spotcheck',
            constraint=models.CheckConstraint(condition=models.Q(('share__gt', 0.5), ('share__lte', 1)), name='review_spotcheck_share_range'),
        ),
        migrations.AddConstraint(
            model_name='spotcheck',
            constraint=models.CheckConstraint(condition=models.Q(('verdict__in', ['', 'accept', 'fix', 'reject'])), name='review_spotcheck_verdict_known'),
        ),
        migrations.AddConstraint(
            model_name='provisional',
            constraint=models.CheckConstraint(condition=models.Q(('verdict__in', ['accept', 'fix', 'reject'])), name='review_provisional_verdict_known'),
        ),
        migrations.AddConstraint(
            model_name='drawnitem',
            constraint=models.UniqueConstraint(fields=('check_of', 'item'), name='review_drawnitem_once'),
        ),
        migrations.AddConstraint(
            model_name='drawnitem',
            constraint=models.CheckConstraint(condition=models.Q(('number__gte', 0), ('number__lt', 1)), name='review_drawnitem_number'),
        ),
        migrations.AddConstraint(
            model_name='drawnitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('is_sampled', True), ('left_out', '')), models.Q(('is_sampled', False), ('review', None)), _connector='OR'), name='review_drawnitem_reviewed_or_rest'),
        ),
        *[migrations.RunSQL(forward, back) for forward, back in TRIGGERS],
    ]
