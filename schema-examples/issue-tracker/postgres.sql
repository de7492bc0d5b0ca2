-- Made by treaty from a schema file. Run as a whole, in one transaction.

-- Bookkeeping of the sidecar in an application's PostgreSQL database (13 and later). Run once, in order, inside the
-- installing transaction, by the role that the sidecar connects as. All of it lives in a schema of its own.
CREATE SCHEMA treaty;

-- Rows that were written here and are not in the log yet: keys only. Filled by triggers, emptied by the sidecar, which
-- deletes exactly the lines that it read: commits become visible out of order.
CREATE TABLE treaty.queue (
  seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name  text COLLATE "C" NOT NULL,
  row_id      uuid NOT NULL,
  transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
  view        bigint               -- treaty.state.view when the statement ran
);
ALTER TABLE treaty.queue SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What this database is and what its tables show. One row.
CREATE TABLE treaty.state (
  one      integer PRIMARY KEY DEFAULT 1 CHECK (one = 1),
  space    text NOT NULL,          -- id of the space
  identity text NOT NULL,          -- the node's default identity: the author of rows that name none
  instance text NOT NULL,          -- random; the data directory holds the same
  schema   text NOT NULL,          -- the schema version that the triggers are made for
  shown    text NOT NULL,          -- the version that the tables show: entry ids, sorted, separated by spaces
  view     bigint NOT NULL DEFAULT 0,          -- counts the changes of shown
  role     name NOT NULL DEFAULT session_user  -- who the sidecar is: nobody else can put the triggers to rest
);

-- Rows that are in the log but not in their tables, because an earlier claim of a unique key stands against them.
CREATE TABLE treaty.withheld (
  table_name text COLLATE "C" NOT NULL,
  row_id     uuid NOT NULL,
  winner     uuid NOT NULL,        -- id of the row that holds the key
  report     bigint NOT NULL,      -- its cursor in treaty.rollbacks
  PRIMARY KEY (table_name, row_id)
);

-- What was rolled back, one line per operation. For applications to read; never written by them. What is revived gets a
-- second line, with the same words and a new cursor; both have `reinstated` then. What stands: WHERE reinstated IS NULL.
CREATE TABLE treaty.rollbacks (
  cursor     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry      text,                 -- NULL: refused before it entered the log
  table_name text NOT NULL,
  row_id     uuid NOT NULL,
  operation  text NOT NULL,        -- 'insert', 'update', 'delete'
  author     text NOT NULL,
  lost       jsonb NOT NULL,       -- the values that were lost, by column
  reason     text NOT NULL,        -- a stable code
  message    text NOT NULL,        -- a sentence for a person
  culprit    text,                 -- the entry that caused it
  noticed    timestamptz NOT NULL,
  reinstated timestamptz           -- if it was revived since
);
CREATE VIEW public.treaty_rollbacks AS SELECT * FROM treaty.rollbacks;

-- Whether the session is the sidecar's: asked only where treaty.applying is on, which any role could set.
CREATE FUNCTION treaty.is_sidecar() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM treaty.state s WHERE s.role = session_user)
$$;

-- Capture, by statement; the argument is the table's name in the schema.
CREATE FUNCTION treaty.capture_new() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  INSERT INTO treaty.queue (table_name, row_id, view)
  SELECT TG_ARGV[0], n.id, (SELECT s.view FROM treaty.state s) FROM new_rows n;
  RETURN NULL;
END $$;

CREATE FUNCTION treaty.capture_old() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  INSERT INTO treaty.queue (table_name, row_id, view)
  SELECT TG_ARGV[0], o.id, (SELECT s.view FROM treaty.state s) FROM old_rows o;
  RETURN NULL;
END $$;

-- TRUNCATE shows no rows to any trigger: it becomes the deletion of each.
CREATE FUNCTION treaty.capture_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  EXECUTE format('INSERT INTO treaty.queue (table_name, row_id, view) SELECT %L, t.id, (SELECT s.view FROM treaty.state s) FROM %I.%I t',
    TG_ARGV[0], TG_TABLE_SCHEMA, TG_TABLE_NAME);
  RETURN NULL;
END $$;

-- Fires only if a statement names the author, and says so to the trigger after it, in the row itself.
CREATE FUNCTION treaty.name_author() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NEW; END IF;
  NEW.treaty_status := 'named';
  RETURN NEW;
END $$;

-- Whether the running transaction has written a row that names an author: asked before a DELETE is refused early, because a
-- deleted row names none and goes with its transaction.
CREATE FUNCTION treaty.names_author() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  written text;
  found boolean;
BEGIN
  FOR written IN SELECT DISTINCT q.table_name FROM treaty.queue q WHERE q.transaction = pg_current_xact_id() LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM treaty.queue q JOIN public.%I t ON t.id = q.row_id
      WHERE q.transaction = pg_current_xact_id() AND q.table_name = %L AND t.treaty_author IS NOT NULL)', written, written)
    INTO found;
    IF found THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;

-- What the tables show is a version and the verdicts on it: the number of the last change of a verdict that they follow.
ALTER TABLE treaty.state ADD COLUMN basis bigint NOT NULL DEFAULT 0;
-- The last of these files that was run here.
ALTER TABLE treaty.state ADD COLUMN migration bigint NOT NULL DEFAULT 2;

-- Which operation of its entry a report is about: a revived change is told again by its report, found here.
ALTER TABLE treaty.rollbacks ADD COLUMN tx bigint;    -- index of the co-transaction in the entry; NULL: refused
ALTER TABLE treaty.rollbacks ADD COLUMN step bigint;  -- index of the operation in the co-transaction; NULL: refused
CREATE INDEX rollbacks_operation ON treaty.rollbacks (entry, tx, step) WHERE reinstated IS NULL;
CREATE INDEX rollbacks_row ON treaty.rollbacks (table_name, row_id) WHERE reinstated IS NULL;
CREATE OR REPLACE VIEW public.treaty_rollbacks AS SELECT * FROM treaty.rollbacks;

-- Of two claims of a key one is rolled back: nothing that stands is withheld from its table any more.
DROP TABLE treaty.withheld;

-- Whom the statement named: the row's treaty_author if it named one, else the setting treaty.author; NULL: nobody.
ALTER TABLE treaty.queue ADD COLUMN author text COLLATE "C";
-- When the statement ran: with seq it tells a line from one of the same number in a database restored from a backup.
ALTER TABLE treaty.queue ADD COLUMN at timestamptz NOT NULL DEFAULT statement_timestamp();
-- Before the row of treaty.state is there, the tables show the first view.
UPDATE treaty.queue SET view = 0 WHERE view IS NULL;
ALTER TABLE treaty.queue ALTER COLUMN view SET NOT NULL;
-- No index: it is read whole, and an index costs a third of a line. Without a key, lines could not be deleted in a database with
-- a publication of all tables, but for this.
ALTER TABLE treaty.queue DROP CONSTRAINT queue_pkey;
ALTER TABLE treaty.queue REPLICA IDENTITY FULL;

-- What the tables showed at each view that undrained work may have seen. A view counts what others did: a batch of theirs
-- adds the next one; what is taken from the queue joins every view that it was or could have been written on. The row
-- of treaty.state.view always says what treaty.state says.
CREATE TABLE treaty.views (
  view  bigint PRIMARY KEY,
  shown text NOT NULL,
  basis bigint NOT NULL,
  made  timestamptz NOT NULL DEFAULT now()
);

-- Whether the sidecar sleeps and wants to be told of the next commit. Empty unless the operator chose NOTIFY, which a trigger
-- on the queue does then (treaty.tell): a pending NOTIFY takes a lock of the whole cluster at commit. Empty after a crash, too.
CREATE UNLOGGED TABLE treaty.wake (armed boolean NOT NULL);

-- Functions are in functions.sql from here on, which is run again whenever one differs.
DROP FUNCTION treaty.names_author();

-- Made so that nobody writes through it, whatever he is granted: "all tables in schema public" often are. Who may not read a
-- table is not told of the values that were lost there.
CREATE OR REPLACE VIEW public.treaty_rollbacks WITH (security_barrier) AS
  WITH reports AS (SELECT * FROM treaty.rollbacks) SELECT * FROM reports
  WHERE pg_catalog.has_table_privilege(pg_catalog.to_regclass('public.' || pg_catalog.quote_ident(table_name)), 'SELECT');

-- Applications read their reports, and ask treaty.is_applying() in triggers of their own. Nothing else is theirs.
GRANT SELECT ON public.treaty_rollbacks TO PUBLIC;
GRANT USAGE ON SCHEMA treaty TO PUBLIC;

-- Whether the sidecar sleeps is an advisory lock now, which no snapshot is too old for (treaty.tell). The trigger asks for it
-- by a function that is replaced after this: until then there is none, or writers would ask for a table that is gone.
DROP TRIGGER IF EXISTS treaty_tell ON treaty.queue;
DROP TABLE treaty.wake;

-- The functions of the bookkeeping, as they are now: run after the numbered files, and again whenever one is not as here.

-- Whether the session is the sidecar's: asked only where treaty.applying is on, which any role could set.
-- IS NOT DISTINCT FROM there: where it was never set, NULL = 'on' AND … would ask for every row.
CREATE OR REPLACE FUNCTION treaty.is_sidecar() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM treaty.state s WHERE s.role = session_user)
$$;
REVOKE EXECUTE ON FUNCTION treaty.is_sidecar() FROM PUBLIC;

-- Whether the sidecar writes: for triggers of the application that must not run again for what they caused elsewhere.
CREATE OR REPLACE FUNCTION treaty.is_applying() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(current_setting('treaty.applying', true), '') = 'on' AND EXISTS (SELECT FROM treaty.state s WHERE s.role = session_user)
$$;
GRANT EXECUTE ON FUNCTION treaty.is_applying() TO PUBLIC;

-- Capture, by statement; the argument is the table's name in the schema. What runs for each statement of an application is
-- counted in microseconds: one expression decides whether anything is out of the ordinary, one statement writes the lines.
-- (A function in that expression costs more than the lines, called or not.)
--
-- The view is read now, not when the statement began: what the sidecar applied in between the statement's rows hold already,
-- because a row is written in its newest version. A row whose status is not 'pending' was copied from somewhere, and its author
-- with it: nobody named that author now.
CREATE OR REPLACE FUNCTION treaty.capture_new() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' OR current_setting('treaty.author', true) !~ '^(id1[a-z2-7]{60})?$' THEN
    IF treaty.is_sidecar() AND current_setting('treaty.applying', true) = 'on' THEN RETURN NULL; END IF;
    PERFORM treaty.check_author();
  END IF;
  INSERT INTO treaty.queue (table_name, row_id, view, author)
  SELECT TG_ARGV[0], n.id, coalesce((SELECT s.view FROM treaty.state s), 0),
    coalesce(CASE WHEN n.treaty_status = 'pending' THEN n.treaty_author END, nullif(current_setting('treaty.author', true), ''))
  FROM new_rows n;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION treaty.capture_new() FROM PUBLIC;

-- A deleted row names nobody.
CREATE OR REPLACE FUNCTION treaty.capture_old() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' OR current_setting('treaty.author', true) !~ '^(id1[a-z2-7]{60})?$' THEN
    IF treaty.is_sidecar() AND current_setting('treaty.applying', true) = 'on' THEN RETURN NULL; END IF;
    PERFORM treaty.check_author();
  END IF;
  INSERT INTO treaty.queue (table_name, row_id, view, author)
  SELECT TG_ARGV[0], o.id, coalesce((SELECT s.view FROM treaty.state s), 0), nullif(current_setting('treaty.author', true), '')
  FROM old_rows o;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION treaty.capture_old() FROM PUBLIC;

-- Capture, by row, of what runs in the replica role (the workers of logical replication, loaders): they fire no triggers by
-- statement.
CREATE OR REPLACE FUNCTION treaty.capture_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' OR current_setting('treaty.author', true) !~ '^(id1[a-z2-7]{60})?$' THEN
    IF treaty.is_sidecar() AND current_setting('treaty.applying', true) = 'on' THEN RETURN NULL; END IF;
    PERFORM treaty.check_author();
  END IF;
  IF TG_OP = 'DELETE' THEN
    INSERT INTO treaty.queue (table_name, row_id, view, author)
    VALUES (TG_ARGV[0], OLD.id, coalesce((SELECT s.view FROM treaty.state s), 0), nullif(current_setting('treaty.author', true), ''));
  ELSE
    INSERT INTO treaty.queue (table_name, row_id, view, author)
    VALUES (TG_ARGV[0], NEW.id, coalesce((SELECT s.view FROM treaty.state s), 0),
      coalesce(CASE WHEN NEW.treaty_status = 'pending' THEN NEW.treaty_author END, nullif(current_setting('treaty.author', true), '')));
  END IF;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION treaty.capture_row() FROM PUBLIC;

-- TRUNCATE shows no rows to any trigger: it becomes the deletion of each. It removes rows, too, that a transaction with a
-- snapshot of its own does not see, and nobody could note.
CREATE OR REPLACE FUNCTION treaty.capture_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF treaty.is_sidecar() AND current_setting('treaty.applying', true) = 'on' THEN RETURN NULL; END IF;
  PERFORM treaty.check_author();
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0] || ': TRUNCATE in a transaction that is ' || current_setting('transaction_isolation')
      || ' could remove rows that it does not see', HINT = 'Use DELETE, or READ COMMITTED.', ERRCODE = 'feature_not_supported';
  END IF;
  EXECUTE format('INSERT INTO treaty.queue (table_name, row_id, view, author)
    SELECT %L, t.id, coalesce((SELECT s.view FROM treaty.state s), 0), %L FROM %I.%I t',
    TG_ARGV[0], nullif(current_setting('treaty.author', true), ''), TG_TABLE_SCHEMA, TG_TABLE_NAME);
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION treaty.capture_truncate() FROM PUBLIC;

-- Fails a statement whose session names an author who is none: an error now, instead of a refusal later.
CREATE OR REPLACE FUNCTION treaty.check_author() RETURNS void LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('treaty.author', true) !~ '^(id1[a-z2-7]{60})?$' THEN
    RAISE EXCEPTION USING MESSAGE = 'the setting treaty.author is no identity: ' || current_setting('treaty.author', true),
      ERRCODE = 'invalid_parameter_value';
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION treaty.check_author() FROM PUBLIC;

-- Tells the sidecar, if it sleeps: it then has the advisory lock for itself. Whoever can share it has it until the end of his
-- transaction, says nothing, and the sidecar does not sleep before that end. (A table could not say it: a snapshot may be older than
-- what it says.) Run by a trigger on the queue, which is there only if the operator chose NOTIFY.
CREATE OR REPLACE FUNCTION treaty.tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock_shared(8390880524984975361) THEN PERFORM pg_notify('treaty', ''); END IF;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION treaty.tell() FROM PUBLIC;

-- Fires only if a statement names the author, and says so to the trigger after it, in the row itself.
CREATE OR REPLACE FUNCTION treaty.name_author() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.treaty_status := 'named';
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION treaty.name_author() FROM PUBLIC;

-- Whether the running transaction has named an author other than this one: asked before a DELETE is refused early, because
-- a deleted row names none and goes with its transaction.
CREATE OR REPLACE FUNCTION treaty.names_other(author text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM treaty.queue q WHERE q.transaction = pg_current_xact_id() AND q.author <> names_other.author)
$$;
REVOKE EXECUTE ON FUNCTION treaty.names_other(author text) FROM PUBLIC;

-- Whether the running transaction has written a row: asked by triggers that run as whoever writes.
CREATE OR REPLACE FUNCTION treaty.has_written(table_name text, row_id uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM treaty.queue q WHERE q.transaction = pg_current_xact_id()
    AND q.row_id = has_written.row_id AND q.table_name = has_written.table_name)
$$;
GRANT EXECUTE ON FUNCTION treaty.has_written(table_name text, row_id uuid) TO PUBLIC;

CREATE TABLE "public"."admins" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "who" text COLLATE "C" NOT NULL CONSTRAINT "who must be an IDENTITY" CHECK ("who" ~ '^id1[a-z2-7]{60}$'),
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "admins_who_key" UNIQUE ("who")
);

CREATE OR REPLACE FUNCTION treaty."update_admins"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR NEW."who" IS DISTINCT FROM OLD."who" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'admins: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW."who" IS DISTINCT FROM OLD."who" THEN
      RAISE EXCEPTION USING MESSAGE = 'admins.who never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('admins', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_admins"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_admins"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."admins" r1 WHERE r1."id" <> n."id" AND (r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT FROM "public"."admins" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'admins: policy admins_appoint refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_admins"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_admins"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM (SELECT * FROM "public"."admins" UNION ALL SELECT * FROM old_rows) r1 WHERE (r1."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT FROM "public"."admins" d WHERE d."id" = q.row_id))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'admins: policy admins_dismiss refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_admins"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."admins" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."admins" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."admins" FOR EACH ROW EXECUTE FUNCTION treaty."update_admins"();
ALTER TABLE "public"."admins" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."admins" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('admins');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."admins" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('admins');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."admins" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('admins');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."admins" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('admins');
ALTER TABLE "public"."admins" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."admins" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('admins');
ALTER TABLE "public"."admins" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."admins" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_admins"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."admins" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_admins"();

CREATE TABLE "public"."projects" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "key" varchar(10) COLLATE "C" NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  "archived" boolean NOT NULL DEFAULT FALSE,
  "created_at" timestamptz NOT NULL DEFAULT now() CONSTRAINT "created_at must be within the years 1 to 9999" CHECK ("created_at" >= '0001-01-01 00:00:00+00' AND "created_at" < '10000-01-01 00:00:00+00'),
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "projects_key_check" CHECK ((length("key") >= 2)),
  CONSTRAINT "projects_name_check" CHECK (((length("name") >= 1) AND (length("name") <= 100))),
  CONSTRAINT "projects_key_key" UNIQUE ("key")
);

CREATE OR REPLACE FUNCTION treaty."update_projects"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'projects: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('projects', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_projects"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_projects"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."admins" r1 WHERE (r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT FROM "public"."admins" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'projects: policy admins_open refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_projects"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_update_projects"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."admins" r1 WHERE (r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)))) IS NOT TRUE AND ROW(o."id", o."key", o."name", o."archived", o."created_at") IS DISTINCT FROM ROW(n."id", n."key", n."name", n."archived", n."created_at") AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT FROM "public"."admins" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'projects: policy admins_change refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_update_projects"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_projects"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."admins" r1 WHERE (r1."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT FROM "public"."admins" d WHERE d."id" = q.row_id))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'projects: policy admins_discard refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_projects"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."projects" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."projects" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."projects" FOR EACH ROW EXECUTE FUNCTION treaty."update_projects"();
ALTER TABLE "public"."projects" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."projects" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('projects');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."projects" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('projects');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."projects" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('projects');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."projects" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('projects');
ALTER TABLE "public"."projects" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."projects" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('projects');
ALTER TABLE "public"."projects" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."projects" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_projects"();
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."projects" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_projects"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."projects" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_projects"();

CREATE TABLE "public"."members" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "project_id" uuid NOT NULL,
  "who" text COLLATE "C" NOT NULL CONSTRAINT "who must be an IDENTITY" CHECK ("who" ~ '^id1[a-z2-7]{60}$'),
  "role" text COLLATE "C" NOT NULL DEFAULT 'reporter',
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "members_role_check" CHECK (("role" IN ('maintainer', 'reporter'))),
  CONSTRAINT "members_project_id_who_key" UNIQUE ("project_id", "who"),
  CONSTRAINT "members_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "public"."projects" ("id") ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE
);

CREATE OR REPLACE FUNCTION treaty."update_members"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR NEW."project_id" IS DISTINCT FROM OLD."project_id" OR NEW."who" IS DISTINCT FROM OLD."who" OR NEW."role" IS DISTINCT FROM OLD."role" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'members: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW."project_id" IS DISTINCT FROM OLD."project_id" THEN
      RAISE EXCEPTION USING MESSAGE = 'members.project_id never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."who" IS DISTINCT FROM OLD."who" THEN
      RAISE EXCEPTION USING MESSAGE = 'members.who never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."role" IS DISTINCT FROM OLD."role" THEN
      RAISE EXCEPTION USING MESSAGE = 'members.role never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('members', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_members"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_members"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."admins" r1 WHERE (r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)))) IS NOT TRUE AND (((n."role" = 'reporter') AND EXISTS (SELECT FROM "public"."members" r1 WHERE r1."id" <> n."id" AND ((r1."project_id" = n."project_id") AND ((r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."role" = 'maintainer')))))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT FROM "public"."admins" d WHERE d."id" = q.row_id)) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT FROM "public"."members" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'members: policies admins_add, maintainers_add refuse this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_members"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_members"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (((o."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)) OR EXISTS (SELECT FROM "public"."admins" r1 WHERE (r1."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity))))) IS NOT TRUE AND (o."project_id" IS NULL OR EXISTS (SELECT FROM "public"."projects" p WHERE p."id" = o."project_id")) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT FROM "public"."admins" d WHERE d."id" = q.row_id))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'members: policy admins_remove refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_members"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."members" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."members" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."members" FOR EACH ROW EXECUTE FUNCTION treaty."update_members"();
ALTER TABLE "public"."members" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."members" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('members');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."members" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('members');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."members" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('members');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."members" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('members');
ALTER TABLE "public"."members" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."members" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('members');
ALTER TABLE "public"."members" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."members" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_members"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."members" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_members"();

CREATE TABLE "public"."issues" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "project_id" uuid NOT NULL,
  "reporter" text COLLATE "C" NOT NULL CONSTRAINT "reporter must be an IDENTITY" CHECK ("reporter" ~ '^id1[a-z2-7]{60}$'),
  "assignee" uuid,
  "parent_id" uuid,
  "title" text COLLATE "C" NOT NULL,
  "body" text COLLATE "C" NOT NULL DEFAULT '',
  "state" text COLLATE "C" NOT NULL DEFAULT 'open',
  "priority" integer NOT NULL DEFAULT 3,
  "due" date CONSTRAINT "due must be a day of the years 1 to 9999" CHECK ("due" BETWEEN '0001-01-01' AND '9999-12-31'),
  "details" jsonb NOT NULL DEFAULT '{}'::jsonb,
  "created_at" timestamptz NOT NULL DEFAULT now() CONSTRAINT "created_at must be within the years 1 to 9999" CHECK ("created_at" >= '0001-01-01 00:00:00+00' AND "created_at" < '10000-01-01 00:00:00+00'),
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "issues_title_check" CHECK (((length("title") >= 1) AND (length("title") <= 200))),
  CONSTRAINT "issues_state_check" CHECK (("state" IN ('open', 'active', 'done', 'rejected'))),
  CONSTRAINT "issues_priority_check" CHECK ((("priority" >= 1) AND ("priority" <= 5))),
  CONSTRAINT "issues_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "public"."projects" ("id") ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
  CONSTRAINT "issues_assignee_fkey" FOREIGN KEY ("assignee") REFERENCES "public"."members" ("id") ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
  CONSTRAINT "issues_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "public"."issues" ("id") DEFERRABLE INITIALLY IMMEDIATE
);

CREATE OR REPLACE FUNCTION treaty."update_issues"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR NEW."project_id" IS DISTINCT FROM OLD."project_id" OR NEW."reporter" IS DISTINCT FROM OLD."reporter" OR NEW."created_at" IS DISTINCT FROM OLD."created_at" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'issues: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW."project_id" IS DISTINCT FROM OLD."project_id" THEN
      RAISE EXCEPTION USING MESSAGE = 'issues.project_id never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."reporter" IS DISTINCT FROM OLD."reporter" THEN
      RAISE EXCEPTION USING MESSAGE = 'issues.reporter never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."created_at" IS DISTINCT FROM OLD."created_at" THEN
      RAISE EXCEPTION USING MESSAGE = 'issues.created_at never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('issues', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_issues"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_issues"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (((n."reporter" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND EXISTS (SELECT FROM "public"."members" r1 WHERE ((r1."project_id" = n."project_id") AND (r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)))))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT FROM "public"."members" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'issues: policy members_report refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_issues"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_update_issues"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."members" r1 WHERE ((r1."project_id" = o."project_id") AND (r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity))))) IS NOT TRUE AND ROW(o."id", o."project_id", o."reporter", CASE WHEN n."assignee" IS NULL THEN (SELECT p."id" FROM "public"."members" p WHERE p."id" = o."assignee") ELSE o."assignee" END, o."parent_id", o."title", o."body", o."state", o."priority", o."due", o."details", o."created_at") IS DISTINCT FROM ROW(n."id", n."project_id", n."reporter", n."assignee", n."parent_id", n."title", n."body", n."state", n."priority", n."due", n."details", n."created_at") AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT FROM "public"."members" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'issues: policy members_edit refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_update_issues"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_issues"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."members" r1 WHERE ((r1."project_id" = o."project_id") AND ((r1."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."role" = 'maintainer'))))) IS NOT TRUE AND (o."project_id" IS NULL OR EXISTS (SELECT FROM "public"."projects" p WHERE p."id" = o."project_id")) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT FROM "public"."members" d WHERE d."id" = q.row_id))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'issues: policy maintainers_remove refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_issues"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."issues" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."issues" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."issues" FOR EACH ROW EXECUTE FUNCTION treaty."update_issues"();
ALTER TABLE "public"."issues" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."issues" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('issues');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."issues" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('issues');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."issues" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('issues');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."issues" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('issues');
ALTER TABLE "public"."issues" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."issues" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('issues');
ALTER TABLE "public"."issues" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."issues" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_issues"();
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."issues" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_issues"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."issues" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_issues"();

CREATE TABLE "public"."comments" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "issue_id" uuid NOT NULL,
  "writer" text COLLATE "C" NOT NULL CONSTRAINT "writer must be an IDENTITY" CHECK ("writer" ~ '^id1[a-z2-7]{60}$'),
  "body" text COLLATE "C" NOT NULL,
  "at" timestamptz NOT NULL DEFAULT now() CONSTRAINT "at must be within the years 1 to 9999" CHECK ("at" >= '0001-01-01 00:00:00+00' AND "at" < '10000-01-01 00:00:00+00'),
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "comments_body_check" CHECK ((length("body") > 0)),
  CONSTRAINT "comments_issue_id_fkey" FOREIGN KEY ("issue_id") REFERENCES "public"."issues" ("id") ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE
);

CREATE OR REPLACE FUNCTION treaty."update_comments"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR NEW."issue_id" IS DISTINCT FROM OLD."issue_id" OR NEW."writer" IS DISTINCT FROM OLD."writer" OR NEW."at" IS DISTINCT FROM OLD."at" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'comments: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW."issue_id" IS DISTINCT FROM OLD."issue_id" THEN
      RAISE EXCEPTION USING MESSAGE = 'comments.issue_id never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."writer" IS DISTINCT FROM OLD."writer" THEN
      RAISE EXCEPTION USING MESSAGE = 'comments.writer never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."at" IS DISTINCT FROM OLD."at" THEN
      RAISE EXCEPTION USING MESSAGE = 'comments.at never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('comments', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_comments"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_comments"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (((n."writer" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND EXISTS (SELECT FROM "public"."issues" r1, "public"."members" r2 WHERE ((r1."id" = n."issue_id") AND ((r2."project_id" = r1."project_id") AND (r2."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity))))))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT FROM "public"."members" d WHERE d."id" = q.row_id)) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'issues' AND NOT EXISTS (SELECT FROM "public"."issues" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'comments: policy members_comment refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_comments"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_update_comments"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE ((o."writer" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity))) IS NOT TRUE AND ROW(o."id", o."issue_id", o."writer", o."body", o."at") IS DISTINCT FROM ROW(n."id", n."issue_id", n."writer", n."body", n."at")) THEN
    RAISE EXCEPTION USING MESSAGE = 'comments: policy writers_edit refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_update_comments"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_comments"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE ((o."writer" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity))) IS NOT TRUE AND (o."issue_id" IS NULL OR EXISTS (SELECT FROM "public"."issues" p WHERE p."id" = o."issue_id"))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'comments: policy writers_remove refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_comments"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."comments" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."comments" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."comments" FOR EACH ROW EXECUTE FUNCTION treaty."update_comments"();
ALTER TABLE "public"."comments" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."comments" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('comments');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."comments" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('comments');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."comments" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('comments');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."comments" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('comments');
ALTER TABLE "public"."comments" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."comments" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('comments');
ALTER TABLE "public"."comments" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."comments" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_comments"();
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."comments" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_comments"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."comments" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_comments"();

CREATE TABLE "public"."labels" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "project_id" uuid NOT NULL,
  "name" varchar(40) COLLATE "C" NOT NULL,
  "colour" integer,
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "labels_colour_check" CHECK ((("colour" >= 0) AND ("colour" <= 16777215))),
  CONSTRAINT "labels_project_id_name_key" UNIQUE ("project_id", "name"),
  CONSTRAINT "labels_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "public"."projects" ("id") ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE
);

CREATE OR REPLACE FUNCTION treaty."update_labels"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR NEW."project_id" IS DISTINCT FROM OLD."project_id" OR NEW."name" IS DISTINCT FROM OLD."name" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'labels: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW."project_id" IS DISTINCT FROM OLD."project_id" THEN
      RAISE EXCEPTION USING MESSAGE = 'labels.project_id never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."name" IS DISTINCT FROM OLD."name" THEN
      RAISE EXCEPTION USING MESSAGE = 'labels.name never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('labels', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_labels"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_labels"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."members" r1 WHERE ((r1."project_id" = n."project_id") AND ((r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."role" = 'maintainer'))))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT FROM "public"."members" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'labels: policy maintainers_define refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_labels"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_update_labels"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."members" r1 WHERE ((r1."project_id" = o."project_id") AND ((r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."role" = 'maintainer'))))) IS NOT TRUE AND ROW(o."id", o."project_id", o."name", o."colour") IS DISTINCT FROM ROW(n."id", n."project_id", n."name", n."colour") AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT FROM "public"."members" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'labels: policy maintainers_paint refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_update_labels"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_labels"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."members" r1 WHERE ((r1."project_id" = o."project_id") AND ((r1."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."role" = 'maintainer'))))) IS NOT TRUE AND (o."project_id" IS NULL OR EXISTS (SELECT FROM "public"."projects" p WHERE p."id" = o."project_id")) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT FROM "public"."members" d WHERE d."id" = q.row_id))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'labels: policy maintainers_drop refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_labels"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."labels" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."labels" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."labels" FOR EACH ROW EXECUTE FUNCTION treaty."update_labels"();
ALTER TABLE "public"."labels" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."labels" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('labels');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."labels" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('labels');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."labels" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('labels');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."labels" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('labels');
ALTER TABLE "public"."labels" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."labels" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('labels');
ALTER TABLE "public"."labels" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."labels" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_labels"();
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."labels" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_labels"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."labels" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_labels"();

CREATE TABLE "public"."issue_labels" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "issue_id" uuid NOT NULL,
  "label_id" uuid NOT NULL,
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "issue_labels_once" UNIQUE ("issue_id", "label_id"),
  CONSTRAINT "issue_labels_issue_id_fkey" FOREIGN KEY ("issue_id") REFERENCES "public"."issues" ("id") ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
  CONSTRAINT "issue_labels_label_id_fkey" FOREIGN KEY ("label_id") REFERENCES "public"."labels" ("id") ON DELETE RESTRICT DEFERRABLE INITIALLY IMMEDIATE
);

CREATE OR REPLACE FUNCTION treaty."update_issue_labels"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR NEW."issue_id" IS DISTINCT FROM OLD."issue_id" OR NEW."label_id" IS DISTINCT FROM OLD."label_id" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'issue_labels: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW."issue_id" IS DISTINCT FROM OLD."issue_id" THEN
      RAISE EXCEPTION USING MESSAGE = 'issue_labels.issue_id never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."label_id" IS DISTINCT FROM OLD."label_id" THEN
      RAISE EXCEPTION USING MESSAGE = 'issue_labels.label_id never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('issue_labels', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_issue_labels"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_issue_labels"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."issues" r1, "public"."members" r2 WHERE ((r1."id" = n."issue_id") AND ((r2."project_id" = r1."project_id") AND (r2."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)))))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT FROM "public"."members" d WHERE d."id" = q.row_id)) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'issues' AND NOT EXISTS (SELECT FROM "public"."issues" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'issue_labels: policy members_label refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_issue_labels"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_issue_labels"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."issues" r1, "public"."members" r2 WHERE ((r1."id" = o."issue_id") AND ((r2."project_id" = r1."project_id") AND (r2."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)))))) IS NOT TRUE AND (o."issue_id" IS NULL OR EXISTS (SELECT FROM "public"."issues" p WHERE p."id" = o."issue_id")) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT FROM "public"."members" d WHERE d."id" = q.row_id)) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'issues' AND NOT EXISTS (SELECT FROM "public"."issues" d WHERE d."id" = q.row_id))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'issue_labels: policy members_unlabel refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_issue_labels"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."issue_labels" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."issue_labels" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."issue_labels" FOR EACH ROW EXECUTE FUNCTION treaty."update_issue_labels"();
ALTER TABLE "public"."issue_labels" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."issue_labels" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('issue_labels');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."issue_labels" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('issue_labels');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."issue_labels" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('issue_labels');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."issue_labels" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('issue_labels');
ALTER TABLE "public"."issue_labels" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."issue_labels" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('issue_labels');
ALTER TABLE "public"."issue_labels" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."issue_labels" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_issue_labels"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."issue_labels" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_issue_labels"();
