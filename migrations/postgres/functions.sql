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
