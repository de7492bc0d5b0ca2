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
