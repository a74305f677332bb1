"""What is published may lose what is erased, and nothing else of it may change."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION curation_only_count_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.num_erased > OLD.num_erased
        AND to_jsonb(NEW) - 'num_erased' = to_jsonb(OLD) - 'num_erased'
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'A row of % is published and cannot be changed.', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE FUNCTION curation_only_empty() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    emptied CONSTANT text[] := '{prompt,tools,chosen,rejected,lineage,erased_at}';
BEGIN
    IF OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL
        AND NEW.prompt = '[]' AND NEW.tools = '[]' AND NEW.chosen = '' AND NEW.rejected = ''
        AND NEW.lineage = '{}' AND to_jsonb(NEW) - emptied = to_jsonb(OLD) - emptied
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'A row of % is published and cannot be changed.', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE OR REPLACE FUNCTION curation_refuse_update_of_done() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- What says how far it came, and what it holds when some of it was erased.
    written_anew CONSTANT text[] := '{status,checkpoint,content_hash,former_hashes,num_erased,'
        'num_done,num_failures,ended_at}';
BEGIN
    IF OLD.status <> 'done' THEN
        RETURN NEW;
    END IF;
    IF NEW.status = 'writing' AND NEW.num_erased >= OLD.num_erased
        AND NEW.former_hashes = OLD.former_hashes || OLD.content_hash
        AND to_jsonb(NEW) - written_anew = to_jsonb(OLD) - written_anew
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'A row of % is published and cannot be changed.', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
DROP TRIGGER curation_libraryversion_immutable ON curation_libraryversion;
CREATE TRIGGER curation_libraryversion_immutable BEFORE UPDATE ON curation_libraryversion
    FOR EACH ROW EXECUTE FUNCTION curation_only_count_erased();
DROP TRIGGER curation_releasedexample_immutable ON curation_releasedexample;
CREATE TRIGGER curation_releasedexample_immutable BEFORE UPDATE ON curation_releasedexample
    FOR EACH ROW EXECUTE FUNCTION curation_only_empty();
"""
UNDO = """
DROP TRIGGER curation_libraryversion_immutable ON curation_libraryversion;
CREATE TRIGGER curation_libraryversion_immutable BEFORE UPDATE ON curation_libraryversion
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_update();
DROP TRIGGER curation_releasedexample_immutable ON curation_releasedexample;
CREATE TRIGGER curation_releasedexample_immutable BEFORE UPDATE ON curation_releasedexample
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_update();
DROP FUNCTION curation_only_count_erased();
DROP FUNCTION curation_only_empty();
CREATE OR REPLACE FUNCTION curation_refuse_update_of_done() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'done' THEN
        RAISE EXCEPTION 'A row of % is published and cannot be changed.', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("curation", "0018_erasures")]

    operations = [migrations.RunSQL(FUNCTIONS, UNDO)]
