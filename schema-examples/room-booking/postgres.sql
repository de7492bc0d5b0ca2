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

CREATE TABLE "public"."residents" (
  "id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  "who" text COLLATE "C" NOT NULL CONSTRAINT "who must be an IDENTITY" CHECK ("who" ~ '^id1[a-z2-7]{60}$'),
  "name" text COLLATE "C" NOT NULL,
  "steward" boolean NOT NULL DEFAULT FALSE,
  "treaty_status" text NOT NULL DEFAULT 'pending',
  "treaty_author" text,
  CONSTRAINT "residents_who_key" UNIQUE ("who")
);

CREATE FUNCTION treaty."update_residents"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NEW; END IF;
  IF NEW."id" IS DISTINCT FROM OLD."id" THEN
    RAISE EXCEPTION USING MESSAGE = 'residents: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW."who" IS DISTINCT FROM OLD."who" THEN
    RAISE EXCEPTION USING MESSAGE = 'residents.who never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW."steward" IS DISTINCT FROM OLD."steward" THEN
    RAISE EXCEPTION USING MESSAGE = 'residents.steward never changes after insert (REVOKE UPDATE)', ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.treaty_status <> 'pending' AND NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."residents" FOR EACH ROW
WHEN (NEW.treaty_author IS NOT NULL) EXECUTE FUNCTION treaty.name_author();
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."residents" FOR EACH ROW EXECUTE FUNCTION treaty."update_residents"();
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."residents" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('residents');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."residents" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('residents');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."residents" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('residents');
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."residents"
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('residents');
CREATE FUNCTION treaty."may_insert_residents"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE r1."id" <> n."id" AND ((r1."who" = coalesce(n.treaty_author, s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'residents: policy stewards_admit refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."residents" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_residents"();
CREATE FUNCTION treaty."may_update_residents"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE ((o."who" = coalesce(n.treaty_author, s.identity))) IS NOT TRUE AND ROW(o."id", o."who", o."name", o."steward") IS DISTINCT FROM ROW(n."id", n."who", n."name", n."steward")) THEN
    RAISE EXCEPTION USING MESSAGE = 'residents: policy own_name refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."residents" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_residents"();
CREATE FUNCTION treaty."may_delete_residents"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (((o."who" = s.identity) OR EXISTS (SELECT FROM (SELECT * FROM "public"."residents" UNION ALL SELECT * FROM old_rows) r1 WHERE ((r1."who" = s.identity) AND (r1."steward" = TRUE))))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) AND NOT treaty.names_author() THEN
    RAISE EXCEPTION USING MESSAGE = 'residents: policy stewards_remove refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
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
  CONSTRAINT "rooms_name_key" UNIQUE ("name")
);

CREATE FUNCTION treaty."update_rooms"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NEW; END IF;
  IF NEW."id" IS DISTINCT FROM OLD."id" THEN
    RAISE EXCEPTION USING MESSAGE = 'rooms: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.treaty_status <> 'pending' AND NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."rooms" FOR EACH ROW
WHEN (NEW.treaty_author IS NOT NULL) EXECUTE FUNCTION treaty.name_author();
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."rooms" FOR EACH ROW EXECUTE FUNCTION treaty."update_rooms"();
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."rooms" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('rooms');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."rooms" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('rooms');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."rooms" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('rooms');
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."rooms"
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('rooms');
CREATE FUNCTION treaty."may_insert_rooms"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(n.treaty_author, s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'rooms: policy stewards_open refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."rooms" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_rooms"();
CREATE FUNCTION treaty."may_update_rooms"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(n.treaty_author, s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND ROW(o."id", o."name", o."seats", o."floor") IS DISTINCT FROM ROW(n."id", n."name", n."seats", n."floor") AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'rooms: policy stewards_rename refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."rooms" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_rooms"();
CREATE FUNCTION treaty."may_delete_rooms"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = s.identity) AND (r1."steward" = TRUE)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) AND NOT treaty.names_author() THEN
    RAISE EXCEPTION USING MESSAGE = 'rooms: policy stewards_close refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
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

CREATE FUNCTION treaty."update_bookings"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NEW; END IF;
  IF NEW."id" IS DISTINCT FROM OLD."id" THEN
    RAISE EXCEPTION USING MESSAGE = 'bookings: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
  END IF;
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
  IF OLD.treaty_status <> 'pending' AND NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."bookings" FOR EACH ROW
WHEN (NEW.treaty_author IS NOT NULL) EXECUTE FUNCTION treaty.name_author();
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."bookings" FOR EACH ROW EXECUTE FUNCTION treaty."update_bookings"();
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."bookings" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('bookings');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."bookings" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('bookings');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."bookings" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('bookings');
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."bookings"
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('bookings');
CREATE FUNCTION treaty."may_insert_bookings"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (((n."holder" = coalesce(n.treaty_author, s.identity)) AND EXISTS (SELECT FROM "public"."residents" r1 WHERE (r1."who" = coalesce(n.treaty_author, s.identity))))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'bookings: policy residents_book refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."bookings" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_bookings"();
CREATE FUNCTION treaty."may_update_bookings"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE ((o."holder" = coalesce(n.treaty_author, s.identity))) IS NOT TRUE AND ROW(o."id", o."room_id", o."day", o."slot", o."holder", o."purpose", o."guests", o."booked_at") IS DISTINCT FROM ROW(n."id", n."room_id", n."day", n."slot", n."holder", n."purpose", n."guests", n."booked_at")) THEN
    RAISE EXCEPTION USING MESSAGE = 'bookings: policy holders_describe refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."bookings" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_bookings"();
CREATE FUNCTION treaty."may_delete_bookings"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (((o."holder" = s.identity) OR EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = s.identity) AND (r1."steward" = TRUE))))) IS NOT TRUE AND (o."room_id" IS NULL OR EXISTS (SELECT FROM "public"."rooms" p WHERE p."id" = o."room_id")) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) AND NOT treaty.names_author() THEN
    RAISE EXCEPTION USING MESSAGE = 'bookings: policy holders_release refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
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

CREATE FUNCTION treaty."update_keys"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NEW; END IF;
  IF NEW."id" IS DISTINCT FROM OLD."id" THEN
    RAISE EXCEPTION USING MESSAGE = 'keys: the id of a row never changes; insert a new row and delete this one', ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.treaty_status <> 'pending' AND NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END $treaty$;
CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON "public"."keys" FOR EACH ROW
WHEN (NEW.treaty_author IS NOT NULL) EXECUTE FUNCTION treaty.name_author();
CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON "public"."keys" FOR EACH ROW EXECUTE FUNCTION treaty."update_keys"();
CREATE TRIGGER treaty_capture_insert AFTER INSERT ON "public"."keys" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('keys');
CREATE TRIGGER treaty_capture_update AFTER UPDATE ON "public"."keys" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('keys');
CREATE TRIGGER treaty_capture_delete AFTER DELETE ON "public"."keys" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old('keys');
CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON "public"."keys"
FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate('keys');
CREATE FUNCTION treaty."may_insert_keys"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM new_rows n CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(n.treaty_author, s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'keys: policy stewards_cut refuses this INSERT', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
CREATE TRIGGER treaty_a_may_insert AFTER INSERT ON "public"."keys" REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_insert_keys"();
CREATE FUNCTION treaty."may_update_keys"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM old_rows o JOIN new_rows n ON n."id" = o."id" CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = coalesce(n.treaty_author, s.identity)) AND (r1."steward" = TRUE)))) IS NOT TRUE AND ROW(o."id", o."room_id", o."number", o."resident_id") IS DISTINCT FROM ROW(n."id", n."room_id", n."number", n."resident_id") AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) THEN
    RAISE EXCEPTION USING MESSAGE = 'keys: policy stewards_hand refuses this UPDATE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
CREATE TRIGGER treaty_a_may_update AFTER UPDATE ON "public"."keys" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_update_keys"();
CREATE FUNCTION treaty."may_delete_keys"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $treaty$
BEGIN
  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM old_rows o CROSS JOIN treaty.state s WHERE (EXISTS (SELECT FROM "public"."residents" r1 WHERE ((r1."who" = s.identity) AND (r1."steward" = TRUE)))) IS NOT TRUE AND (o."room_id" IS NULL OR EXISTS (SELECT FROM "public"."rooms" p WHERE p."id" = o."room_id")) AND NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT FROM "public"."residents" d WHERE d."id" = q.row_id))) AND NOT treaty.names_author() THEN
    RAISE EXCEPTION USING MESSAGE = 'keys: policy stewards_melt refuses this DELETE', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $treaty$;
CREATE TRIGGER treaty_a_may_delete AFTER DELETE ON "public"."keys" REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION treaty."may_delete_keys"();
