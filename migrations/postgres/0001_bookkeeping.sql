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
