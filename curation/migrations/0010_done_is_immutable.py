"""What is done cannot be changed; what is being made may. Groups keep the splits they have."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION curation_refuse_update_of_done() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'done' THEN
        RAISE EXCEPTION 'A row of % is published and cannot be changed.', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION curation_refuse_more_of_done() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM curation_release WHERE id = NEW.release_id AND status = 'done') THEN
        RAISE EXCEPTION 'The release is published and cannot be changed.'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
DROP TRIGGER curation_release_immutable ON curation_release;
CREATE TRIGGER curation_release_immutable BEFORE UPDATE ON curation_release
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_update_of_done();
CREATE TRIGGER curation_releasedexample_whole BEFORE INSERT ON curation_releasedexample
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_more_of_done();
CREATE TRIGGER curation_releasefile_immutable BEFORE UPDATE ON curation_releasefile
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_update();
CREATE TRIGGER curation_releasefile_whole BEFORE INSERT ON curation_releasefile
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_more_of_done();
"""
UNDO = """
DROP TRIGGER curation_releasefile_whole ON curation_releasefile;
DROP TRIGGER curation_releasefile_immutable ON curation_releasefile;
DROP TRIGGER curation_releasedexample_whole ON curation_releasedexample;
DROP TRIGGER curation_release_immutable ON curation_release;
CREATE TRIGGER curation_release_immutable BEFORE UPDATE ON curation_release
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_update();
DROP FUNCTION curation_refuse_more_of_done();
DROP FUNCTION curation_refuse_update_of_done();
"""
GROUPS = """
INSERT INTO curation_groupsplit (training_set_id, "group", split, release_id)
SELECT DISTINCT ON (release.training_set_id, released.lineage->>'group')
    release.training_set_id, released.lineage->>'group', released.split, release.id
FROM curation_releasedexample released JOIN curation_release release ON release.id = released.release_id
ORDER BY release.training_set_id, released.lineage->>'group', release.number
"""


class Migration(migrations.Migration):
    dependencies = [("curation", "0009_releases_in_steps")]

    operations = [
        migrations.RunSQL(FUNCTIONS, UNDO),
        migrations.RunSQL(GROUPS, migrations.RunSQL.noop),
    ]
