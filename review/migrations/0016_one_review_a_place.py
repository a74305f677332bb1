"""Each review has its place, a place takes one review, and a queue's form stays after the first."""

from django.db import migrations, models

FILL = """
UPDATE review_review SET place = claim.place
FROM review_claim claim
WHERE claim.item_id = review_review.item_id AND claim.reviewer_id = review_review.reviewer_id
"""
# Deferred: an item's claims may go before its reviews are let go of.
IN_A_CLAIM = """
ALTER TABLE review_review ADD CONSTRAINT review_review_of_a_claim
FOREIGN KEY (item_id, place) REFERENCES review_claim (item_id, place)
DEFERRABLE INITIALLY DEFERRED
"""
REFUSE = """
CREATE FUNCTION review_refuse_form() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM review_review review
        JOIN review_queueitem item ON item.id = review.item_id
        WHERE item.queue_id = NEW.id
    ) THEN
        RAISE EXCEPTION 'The first review of queue % is in: its form cannot be changed.', NEW.id
            USING ERRCODE = 'integrity_constraint_violation',
                CONSTRAINT = 'review_queue_form_locked';
    END IF;
    RETURN NEW;
END
$$
"""
LOCK = """
CREATE TRIGGER review_queue_form_locked
BEFORE UPDATE OF reviewers_per_item, required ON review_queue FOR EACH ROW
WHEN (
    (OLD.reviewers_per_item, OLD.required) IS DISTINCT FROM (NEW.reviewers_per_item, NEW.required)
)
EXECUTE FUNCTION review_refuse_form()
"""


class Migration(migrations.Migration):
    dependencies = [("review", "0015_claims_that_hold")]

    operations = [
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.UniqueConstraint(
                condition=models.Q(item__isnull=False),
                fields=["item", "place"],
                name="review_review_one_a_place",
            ),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=models.Q(item=None) | models.Q(place__isnull=False),
                name="review_review_in_a_place",
            ),
        ),
        migrations.RunSQL(
            IN_A_CLAIM, "ALTER TABLE review_review DROP CONSTRAINT review_review_of_a_claim"
        ),
        migrations.RunSQL(REFUSE, "DROP FUNCTION review_refuse_form()"),
        migrations.RunSQL(LOCK, "DROP TRIGGER review_queue_form_locked ON review_queue"),
    ]
