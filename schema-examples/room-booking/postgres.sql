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

CREATE TABLE "public"."residents" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "who" text COLLATE "C" NOT NULL CONSTRAINT "who must be an IDENTITY" CHECK ("who" ~ '^id1[a-z2-7]{60}$'),
  "name" text COLLATE "C" NOT NULL,
  "steward" boolean NOT NULL DEFAULT FALSE,
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "residents_who_key" UNIQUE ("who")
);

CREATE OR REPLACE FUNCTION treaty."update_residents"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR NEW."who" IS DISTINCT FROM OLD."who" OR NEW."steward" IS DISTINCT FROM OLD."steward" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'residents: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW."who" IS DISTINCT FROM OLD."who" THEN
      RAISE EXCEPTION USING MESSAGE = 'residents.who never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."steward" IS DISTINCT FROM OLD."steward" THEN
      RAISE EXCEPTION USING MESSAGE = 'residents.steward never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('residents', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_residents"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_residents"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE r1."id" <> n."id" AND ((r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'residents: policy stewards_admit refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_residents"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_update_residents"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE ((o."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity))) IS NOT TRUE AND ROW(o."id", o."who", o."name", o."steward") IS DISTINCT FROM ROW(n."id", n."who", n."name", n."steward")) THEN
    RAISE EXCEPTION USING MESSAGE = 'residents: policy own_name refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_update_residents"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_residents"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (((o."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)) OR EXISTS (SELECT FROM (SELECT * FROM "public"."residents" UNION ALL SELECT * FROM old_rows) r1 WHERE ((r1."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."steward" = TRUE))))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'residents: policy stewards_remove refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_residents"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."residents" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."residents" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."residents" FOR EACH ROW EXECUTE FUNCTION treaty."update_residents"();
ALTER TABLE "public"."residents" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."residents" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('residents');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."residents" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('residents');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."residents" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('residents');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."residents" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('residents');
ALTER TABLE "public"."residents" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."residents" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('residents');
ALTER TABLE "public"."residents" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."residents" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_residents"();
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."residents" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_residents"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."residents" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_residents"();

CREATE TABLE "public"."rooms" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "name" text COLLATE "C" NOT NULL,
  "seats" integer NOT NULL,
  "floor" integer NOT NULL DEFAULT 0,
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "rooms_seats_check" CHECK ((("seats" >= 1) AND ("seats" <= 500))),
  CONSTRAINT "rooms_floor_check" CHECK ((("floor" >= (- 3)) AND ("floor" <= 60))),
  CONSTRAINT "rooms_name_key must be at most 2048 bytes" CHECK (octet_length("name") <= 2048),
  CONSTRAINT "rooms_name_key" UNIQUE ("name")
);

CREATE OR REPLACE FUNCTION treaty."update_rooms"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'rooms: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('rooms', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_rooms"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_rooms"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'rooms: policy stewards_open refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_rooms"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_update_rooms"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND ROW(o."id", o."name", o."seats", o."floor") IS DISTINCT FROM ROW(n."id", n."name", n."seats", n."floor") AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'rooms: policy stewards_rename refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_update_rooms"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_rooms"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'rooms: policy stewards_close refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_rooms"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."rooms" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."rooms" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."rooms" FOR EACH ROW EXECUTE FUNCTION treaty."update_rooms"();
ALTER TABLE "public"."rooms" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."rooms" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('rooms');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."rooms" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('rooms');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."rooms" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('rooms');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."rooms" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('rooms');
ALTER TABLE "public"."rooms" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."rooms" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('rooms');
ALTER TABLE "public"."rooms" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."rooms" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_rooms"();
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."rooms" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_rooms"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."rooms" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_rooms"();

CREATE TABLE "public"."bookings" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "room_id" uuid NOT NULL,
  "day" date NOT NULL CONSTRAINT "day must be a day of the years 1 to 9999" CHECK ("day" BETWEEN '0001-01-01' AND '9999-12-31'),
  "slot" integer NOT NULL,
  "holder" text COLLATE "C" NOT NULL CONSTRAINT "holder must be an IDENTITY" CHECK ("holder" ~ '^id1[a-z2-7]{60}$'),
  "purpose" text COLLATE "C" NOT NULL DEFAULT '',
  "guests" integer NOT NULL DEFAULT 0,
  "booked_at" timestamptz NOT NULL DEFAULT now() CONSTRAINT "booked_at must be within the years 1 to 9999" CHECK ("booked_at" >= '0001-01-01 00:00:00+00' AND "booked_at" < '10000-01-01 00:00:00+00'),
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "bookings_slot_check" CHECK ((("slot" >= 0) AND ("slot" <= 47))),
  CONSTRAINT "bookings_guests_check" CHECK (("guests" >= 0)),
  CONSTRAINT "one_booking_per_slot" UNIQUE ("room_id", "day", "slot"),
  CONSTRAINT "bookings_room_id_fkey" FOREIGN KEY ("room_id") REFERENCES "public"."rooms" ("id") ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE
);

CREATE OR REPLACE FUNCTION treaty."update_bookings"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR NEW."room_id" IS DISTINCT FROM OLD."room_id" OR NEW."day" IS DISTINCT FROM OLD."day" OR NEW."slot" IS DISTINCT FROM OLD."slot" OR NEW."holder" IS DISTINCT FROM OLD."holder" OR NEW."booked_at" IS DISTINCT FROM OLD."booked_at" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'bookings: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW."room_id" IS DISTINCT FROM OLD."room_id" THEN
      RAISE EXCEPTION USING MESSAGE = 'bookings.room_id never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."day" IS DISTINCT FROM OLD."day" THEN
      RAISE EXCEPTION USING MESSAGE = 'bookings.day never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."slot" IS DISTINCT FROM OLD."slot" THEN
      RAISE EXCEPTION USING MESSAGE = 'bookings.slot never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."holder" IS DISTINCT FROM OLD."holder" THEN
      RAISE EXCEPTION USING MESSAGE = 'bookings.holder never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW."booked_at" IS DISTINCT FROM OLD."booked_at" THEN
      RAISE EXCEPTION USING MESSAGE = 'bookings.booked_at never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('bookings', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_bookings"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_bookings"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (((n."holder" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND EXISTS (SELECT FROM "public"."residents" r1 WHERE (r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity))))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'bookings: policy residents_book refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_bookings"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_update_bookings"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE ((o."holder" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity))) IS NOT TRUE AND ROW(o."id", o."room_id", o."day", o."slot", o."holder", o."purpose", o."guests", o."booked_at") IS DISTINCT FROM ROW(n."id", n."room_id", n."day", n."slot", n."holder", n."purpose", n."guests", n."booked_at")) THEN
    RAISE EXCEPTION USING MESSAGE = 'bookings: policy holders_describe refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_update_bookings"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_bookings"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (((o."holder" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)) OR EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."steward" = TRUE))))) IS NOT TRUE AND (o."room_id" IS NULL OR EXISTS (SELECT FROM "public"."rooms" p WHERE p."id" = o."room_id")) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'bookings: policy holders_release refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_bookings"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."bookings" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."bookings" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."bookings" FOR EACH ROW EXECUTE FUNCTION treaty."update_bookings"();
ALTER TABLE "public"."bookings" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."bookings" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('bookings');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."bookings" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('bookings');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."bookings" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('bookings');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."bookings" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('bookings');
ALTER TABLE "public"."bookings" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."bookings" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('bookings');
ALTER TABLE "public"."bookings" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."bookings" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_bookings"();
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."bookings" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_bookings"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."bookings" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_bookings"();

CREATE TABLE "public"."keys" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "room_id" uuid NOT NULL,
  "number" varchar(12) COLLATE "C" NOT NULL,
  "resident_id" uuid,
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "keys_resident_id_key" UNIQUE ("resident_id"),
  CONSTRAINT "keys_number" UNIQUE ("room_id", "number"),
  CONSTRAINT "keys_room_id_fkey" FOREIGN KEY ("room_id") REFERENCES "public"."rooms" ("id") ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
  CONSTRAINT "keys_resident_id_fkey" FOREIGN KEY ("resident_id") REFERENCES "public"."residents" ("id") ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE
);

CREATE OR REPLACE FUNCTION treaty."update_keys"() RETURNS trigger LANGUAGE plpgsql AS $treaty$
BEGIN
  IF NEW."id" IS DISTINCT FROM OLD."id" OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
    IF NEW."id" IS DISTINCT FROM OLD."id" THEN
      RAISE EXCEPTION USING MESSAGE = 'keys: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written('keys', OLD."id") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."update_keys"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_insert_keys"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'keys: policy stewards_cut refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_insert_keys"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_update_keys"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(n.treaty_author, nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND ROW(o."id", o."room_id", o."number", CASE WHEN n."resident_id" IS NULL THEN (SELECT p."id" FROM "public"."residents" p WHERE p."id" = o."resident_id") ELSE o."resident_id" END) IS DISTINCT FROM ROW(n."id", n."room_id", n."number", n."resident_id") AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'keys: policy stewards_hand refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_update_keys"() FROM PUBLIC;
CREATE OR REPLACE FUNCTION treaty."may_delete_keys"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' THEN
    IF treaty.is_sidecar() THEN RETURN NULL; END IF;
  END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(nullif(current_setting('treaty.author', true), ''), s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND (o."room_id" IS NULL OR EXISTS (SELECT FROM "public"."rooms" p WHERE p."id" = o."room_id")) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) AND NOT treaty.names_other((SELECT coalesce(nullif(current_setting('treaty.author', true), ''), s.identity) FROM treaty.state s)) THEN
    RAISE EXCEPTION USING MESSAGE = 'keys: policy stewards_melt refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
REVOKE EXECUTE ON FUNCTION treaty."may_delete_keys"() FROM PUBLIC;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."keys" FOR EACH ROW
WHEN ((NEW.treaty_author IS NOT NULL) AND (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author();
ALTER TABLE "public"."keys" ENABLE ALWAYS TRIGGER "zz_treaty_named";
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."keys" FOR EACH ROW EXECUTE FUNCTION treaty."update_keys"();
ALTER TABLE "public"."keys" ENABLE ALWAYS TRIGGER "zz_treaty_update";
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."keys" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('keys');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."keys" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('keys');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."keys" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('keys');
CREATE TRIGGER treaty_capture_replica AFTER INSERT OR DELETE OR UPDATE ON "public"."keys" FOR EACH ROW EXECUTE FUNCTION treaty.capture_row('keys');
ALTER TABLE "public"."keys" ENABLE REPLICA TRIGGER "treaty_capture_replica";
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."keys" FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('keys');
ALTER TABLE "public"."keys" ENABLE ALWAYS TRIGGER "treaty_capture_truncate";
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."keys" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_keys"();
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."keys" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_keys"();
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."keys" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_keys"();
