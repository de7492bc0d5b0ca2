-- Made by treaty from a schema file. Run as a whole.

-- Bookkeeping of the sidecar in an application's SQLite database. Run once, in order, inside the installing transaction.
-- Built-in SQL of SQLite 3.32 and later only: a function that the application's library lacks would fail its writes.

-- Rows that were written here and are not in the log yet: keys only, in the order of the statements.
-- Filled by triggers with plain INSERTs (an outer OR IGNORE or OR REPLACE overrides any other form, and here there is
-- nothing to conflict with). Emptied by the sidecar, all but the last line, which it turns into a mark: so no number is
-- used twice. (AUTOINCREMENT would promise the same, at a third of the speed of transactions of one row.)
CREATE TABLE treaty_queue (
  seq        INTEGER PRIMARY KEY,
  table_name TEXT,                               -- NULL: a mark, a transaction starts here
  row_id,                                        -- the row's id exactly as it was written
  at         INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))  -- milliseconds
);

-- What this database is and what its tables show. One row.
CREATE TABLE treaty_state (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  space    TEXT NOT NULL,     -- id of the space
  identity TEXT NOT NULL,     -- the node's default identity: the author of rows that name none
  instance TEXT NOT NULL,     -- random; the data directory holds the same
  schema   TEXT NOT NULL,     -- the schema version that the triggers are made for
  shown    TEXT NOT NULL      -- the version that the tables show: entry ids, sorted, separated by spaces
);

-- INSERT INTO treaty_tx DEFAULT VALUES, as the first statement of a transaction, marks its start.
CREATE TABLE treaty_tx (mark INTEGER PRIMARY KEY);
CREATE TRIGGER treaty_tx_mark AFTER INSERT ON treaty_tx BEGIN
  INSERT INTO treaty_queue (table_name) VALUES (NULL);
  DELETE FROM treaty_tx;
END;

-- Holds a row while, and only while, the sidecar writes (in its own transaction): triggers then do nothing.
CREATE TABLE treaty_applying (one INTEGER PRIMARY KEY CHECK (one = 1));

-- The row whose author the application named last, by writing treaty_author. Only early warnings of policies read it.
CREATE TABLE treaty_named (one INTEGER PRIMARY KEY CHECK (one = 1), table_name TEXT, row_id);

-- Rows that are in the log but not in their tables, because an earlier claim of a unique key stands against them.
CREATE TABLE treaty_withheld (
  table_name TEXT NOT NULL,
  row_id     TEXT NOT NULL,
  winner     TEXT NOT NULL,   -- id of the row that holds the key
  report     INTEGER NOT NULL,  -- its cursor in treaty_rollbacks
  PRIMARY KEY (table_name, row_id)
);

-- What was rolled back, one line per operation. For applications to read; never written by them. What is revived gets a
-- second line, with the same words and a new cursor; both have `reinstated` then. What stands: WHERE reinstated IS NULL.
CREATE TABLE treaty_rollbacks (
  cursor     INTEGER PRIMARY KEY AUTOINCREMENT,
  entry      TEXT,            -- NULL: refused before it entered the log
  table_name TEXT NOT NULL,
  row_id     TEXT NOT NULL,
  operation  TEXT NOT NULL,   -- 'insert', 'update', 'delete'
  author     TEXT NOT NULL,
  lost       TEXT NOT NULL,   -- JSON: the values that were lost, by column
  reason     TEXT NOT NULL,   -- a stable code
  message    TEXT NOT NULL,   -- a sentence for a person
  culprit    TEXT,            -- the entry that caused it
  noticed    TEXT NOT NULL,   -- UTC
  reinstated TEXT             -- UTC, if it was revived since
);

-- What the tables show is a version and the verdicts on it: the number of the last change of a verdict that they follow.
ALTER TABLE treaty_state ADD COLUMN basis INTEGER NOT NULL DEFAULT 0;
-- The last of these files that was run here.
ALTER TABLE treaty_state ADD COLUMN migration INTEGER NOT NULL DEFAULT 2;

-- Which operation of its entry a report is about: a revived change is told again by its report, found here.
ALTER TABLE treaty_rollbacks ADD COLUMN tx INTEGER;   -- index of the co-transaction in the entry; NULL: refused
ALTER TABLE treaty_rollbacks ADD COLUMN step INTEGER; -- index of the operation in the co-transaction; NULL: refused
CREATE INDEX treaty_rollbacks_operation ON treaty_rollbacks (entry, tx, step) WHERE reinstated IS NULL;
CREATE INDEX treaty_rollbacks_row ON treaty_rollbacks (table_name, row_id) WHERE reinstated IS NULL;

-- Of two claims of a key one is rolled back: nothing that stands is withheld from its table any more.
DROP TABLE treaty_withheld;

CREATE TABLE "residents" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "who" TEXT NOT NULL CONSTRAINT "who must be IDENTITY in lower case" CHECK (length("who") = 63 AND "who" = lower("who")),
  "name" TEXT NOT NULL,
  "steward" INTEGER NOT NULL DEFAULT 0 CONSTRAINT "steward must be BOOLEAN, 0 or 1" CHECK ("steward" IN (0, 1)),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "residents_who_key" UNIQUE ("who")
);

CREATE TRIGGER "treaty_residents_insert" AFTER INSERT ON "residents"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'residents: policy stewards_admit refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "residents" r1 WHERE r1."id" <> NEW."id" AND ((r1."who" = coalesce(NEW."treaty_author", s.identity)) AND (r1."steward" = 1))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT 1 FROM "residents" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('residents', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'residents', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_residents_update" AFTER UPDATE OF "id", "who", "name", "steward" ON "residents"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'residents: policy own_name refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce((OLD."who" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'residents' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END), 0) AND (NEW."who" IS NOT OLD."who" OR (NEW."name" IS NOT OLD."name" OR NEW."steward" IS NOT OLD."steward"));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('residents', NEW."id");
  UPDATE "residents" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_residents_author" AFTER UPDATE OF "treaty_author" ON "residents"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('residents', NEW."id");
  UPDATE "residents" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_residents_delete" AFTER DELETE ON "residents"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('residents', OLD."id");
END;

CREATE TRIGGER "treaty_residents_fixed" BEFORE UPDATE OF "id", "who", "steward" ON "residents"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'residents: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'residents.who never changes after insert (REVOKE UPDATE)') WHERE OLD."who" IS NOT NEW."who";
  SELECT RAISE(ABORT, 'residents.steward never changes after insert (REVOKE UPDATE)') WHERE OLD."steward" IS NOT NEW."steward";
END;

CREATE TRIGGER "treaty_residents_displaceinsert" BEFORE INSERT ON "residents"
WHEN EXISTS (SELECT 1 FROM "residents" WHERE "who" = NEW."who" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'residents', "id" FROM "residents" WHERE "who" = NEW."who" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_residents_displaceupdate" BEFORE UPDATE OF "who" ON "residents"
WHEN EXISTS (SELECT 1 FROM "residents" WHERE "who" = NEW."who" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'residents', "id" FROM "residents" WHERE "who" = NEW."who" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_residents_named" BEFORE UPDATE OF "treaty_author" ON "residents"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'residents', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_residents_maydelete" BEFORE DELETE ON "residents"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'residents: policy stewards_remove refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(((OLD."who" = s.identity) OR EXISTS (SELECT 1 FROM "residents" r1 WHERE ((r1."who" = s.identity) AND (r1."steward" = 1)))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT 1 FROM "residents" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "rooms" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "name" TEXT NOT NULL,
  "seats" INTEGER NOT NULL CONSTRAINT "seats must be INTEGER, 32 bits" CHECK (typeof("seats") = 'integer' AND "seats" BETWEEN -2147483648 AND 2147483647),
  "floor" INTEGER NOT NULL DEFAULT 0 CONSTRAINT "floor must be INTEGER, 32 bits" CHECK (typeof("floor") = 'integer' AND "floor" BETWEEN -2147483648 AND 2147483647),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "rooms_seats_check" CHECK (("seats" >= 1) AND ("seats" <= 500)),
  CONSTRAINT "rooms_floor_check" CHECK (("floor" >= (- 3)) AND ("floor" <= 60)),
  CONSTRAINT "rooms_name_key must be at most 2048 bytes" CHECK (length(CAST("name" AS BLOB)) <= 2048),
  CONSTRAINT "rooms_name_key" UNIQUE ("name")
);

CREATE TRIGGER "treaty_rooms_insert" AFTER INSERT ON "rooms"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'rooms: policy stewards_open refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "residents" r1 WHERE ((r1."who" = coalesce(NEW."treaty_author", s.identity)) AND (r1."steward" = 1))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT 1 FROM "residents" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('rooms', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'rooms', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_rooms_update" AFTER UPDATE OF "id", "name", "seats", "floor" ON "rooms"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'rooms: policy stewards_rename refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "residents" r1 WHERE ((r1."who" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'rooms' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END) AND (r1."steward" = 1))), 0) AND (NEW."name" IS NOT OLD."name" OR (NEW."seats" IS NOT OLD."seats" OR NEW."floor" IS NOT OLD."floor")) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT 1 FROM "residents" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('rooms', NEW."id");
  UPDATE "rooms" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_rooms_author" AFTER UPDATE OF "treaty_author" ON "rooms"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('rooms', NEW."id");
  UPDATE "rooms" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_rooms_delete" AFTER DELETE ON "rooms"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('rooms', OLD."id");
END;

CREATE TRIGGER "treaty_rooms_fixed" BEFORE UPDATE OF "id" ON "rooms"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'rooms: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_rooms_displaceinsert" BEFORE INSERT ON "rooms"
WHEN EXISTS (SELECT 1 FROM "rooms" WHERE "name" = NEW."name" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'rooms', "id" FROM "rooms" WHERE "name" = NEW."name" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_rooms_displaceupdate" BEFORE UPDATE OF "name" ON "rooms"
WHEN EXISTS (SELECT 1 FROM "rooms" WHERE "name" = NEW."name" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'rooms', "id" FROM "rooms" WHERE "name" = NEW."name" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_rooms_named" BEFORE UPDATE OF "treaty_author" ON "rooms"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'rooms', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_rooms_maydelete" BEFORE DELETE ON "rooms"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'rooms: policy stewards_close refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "residents" r1 WHERE ((r1."who" = s.identity) AND (r1."steward" = 1))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT 1 FROM "residents" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "bookings" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "room_id" TEXT NOT NULL CONSTRAINT "room_id must be UUID in lower case" CHECK (length("room_id") = 36 AND "room_id" = lower("room_id")),
  "day" TEXT NOT NULL CONSTRAINT "day must be DATE as in 2024-01-31" CHECK ("day" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]'),
  "slot" INTEGER NOT NULL CONSTRAINT "slot must be INTEGER, 32 bits" CHECK (typeof("slot") = 'integer' AND "slot" BETWEEN -2147483648 AND 2147483647),
  "holder" TEXT NOT NULL CONSTRAINT "holder must be IDENTITY in lower case" CHECK (length("holder") = 63 AND "holder" = lower("holder")),
  "purpose" TEXT NOT NULL DEFAULT '',
  "guests" INTEGER NOT NULL DEFAULT 0 CONSTRAINT "guests must be INTEGER, 32 bits" CHECK (typeof("guests") = 'integer' AND "guests" BETWEEN -2147483648 AND 2147483647),
  "booked_at" TEXT NOT NULL DEFAULT (rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', 'now'), '0'), '.') || '+00') CONSTRAINT "booked_at must be TIMESTAMPTZ as in 2024-01-31 13:05:00+00" CHECK ("booked_at" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "bookings_slot_check" CHECK (("slot" >= 0) AND ("slot" <= 47)),
  CONSTRAINT "bookings_guests_check" CHECK ("guests" >= 0),
  CONSTRAINT "one_booking_per_slot" UNIQUE ("room_id", "day", "slot"),
  CONSTRAINT "bookings_room_id_fkey" FOREIGN KEY ("room_id") REFERENCES "rooms" ("id") ON DELETE CASCADE
);

CREATE TRIGGER "treaty_bookings_insert" AFTER INSERT ON "bookings"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'bookings: policy residents_book refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(((NEW."holder" = coalesce(NEW."treaty_author", s.identity)) AND EXISTS (SELECT 1 FROM "residents" r1 WHERE (r1."who" = coalesce(NEW."treaty_author", s.identity)))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT 1 FROM "residents" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('bookings', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'bookings', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_bookings_update" AFTER UPDATE OF "id", "room_id", "day", "slot", "holder", "purpose", "guests", "booked_at" ON "bookings"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'bookings: policy holders_describe refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce((OLD."holder" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'bookings' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END), 0) AND ((NEW."room_id" IS NOT OLD."room_id" OR (NEW."day" IS NOT OLD."day" OR NEW."slot" IS NOT OLD."slot")) OR ((NEW."holder" IS NOT OLD."holder" OR NEW."purpose" IS NOT OLD."purpose") OR (NEW."guests" IS NOT OLD."guests" OR NEW."booked_at" IS NOT OLD."booked_at")));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('bookings', NEW."id");
  UPDATE "bookings" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_bookings_author" AFTER UPDATE OF "treaty_author" ON "bookings"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('bookings', NEW."id");
  UPDATE "bookings" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_bookings_delete" AFTER DELETE ON "bookings"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('bookings', OLD."id");
END;

CREATE TRIGGER "treaty_bookings_fixed" BEFORE UPDATE OF "id", "room_id", "day", "slot", "holder", "booked_at" ON "bookings"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'bookings: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'bookings.room_id never changes after insert (REVOKE UPDATE)') WHERE OLD."room_id" IS NOT NEW."room_id";
  SELECT RAISE(ABORT, 'bookings.day never changes after insert (REVOKE UPDATE)') WHERE OLD."day" IS NOT NEW."day";
  SELECT RAISE(ABORT, 'bookings.slot never changes after insert (REVOKE UPDATE)') WHERE OLD."slot" IS NOT NEW."slot";
  SELECT RAISE(ABORT, 'bookings.holder never changes after insert (REVOKE UPDATE)') WHERE OLD."holder" IS NOT NEW."holder";
  SELECT RAISE(ABORT, 'bookings.booked_at never changes after insert (REVOKE UPDATE)') WHERE OLD."booked_at" IS NOT NEW."booked_at";
END;

CREATE TRIGGER "treaty_bookings_displaceinsert" BEFORE INSERT ON "bookings"
WHEN EXISTS (SELECT 1 FROM "bookings" WHERE "room_id" = NEW."room_id" AND "day" = NEW."day" AND "slot" = NEW."slot" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'bookings', "id" FROM "bookings" WHERE "room_id" = NEW."room_id" AND "day" = NEW."day" AND "slot" = NEW."slot" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_bookings_displaceupdate" BEFORE UPDATE OF "room_id", "day", "slot" ON "bookings"
WHEN EXISTS (SELECT 1 FROM "bookings" WHERE "room_id" = NEW."room_id" AND "day" = NEW."day" AND "slot" = NEW."slot" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'bookings', "id" FROM "bookings" WHERE "room_id" = NEW."room_id" AND "day" = NEW."day" AND "slot" = NEW."slot" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_bookings_named" BEFORE UPDATE OF "treaty_author" ON "bookings"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'bookings', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_bookings_maydelete" BEFORE DELETE ON "bookings"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'bookings: policy holders_release refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(((OLD."holder" = s.identity) OR EXISTS (SELECT 1 FROM "residents" r1 WHERE ((r1."who" = s.identity) AND (r1."steward" = 1)))), 0) AND (OLD."room_id" IS NULL OR EXISTS (SELECT 1 FROM "rooms" p WHERE p."id" = OLD."room_id")) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT 1 FROM "residents" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "keys" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "room_id" TEXT NOT NULL CONSTRAINT "room_id must be UUID in lower case" CHECK (length("room_id") = 36 AND "room_id" = lower("room_id")),
  "number" TEXT NOT NULL CONSTRAINT "number must be VARCHAR(12)" CHECK (length("number") <= 12),
  "resident_id" TEXT CONSTRAINT "resident_id must be UUID in lower case" CHECK (length("resident_id") = 36 AND "resident_id" = lower("resident_id")),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "keys_resident_id_key" UNIQUE ("resident_id"),
  CONSTRAINT "keys_number" UNIQUE ("room_id", "number"),
  CONSTRAINT "keys_room_id_fkey" FOREIGN KEY ("room_id") REFERENCES "rooms" ("id") ON DELETE CASCADE,
  CONSTRAINT "keys_resident_id_fkey" FOREIGN KEY ("resident_id") REFERENCES "residents" ("id") ON DELETE SET NULL
);

CREATE TRIGGER "treaty_keys_insert" AFTER INSERT ON "keys"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'keys: policy stewards_cut refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "residents" r1 WHERE ((r1."who" = coalesce(NEW."treaty_author", s.identity)) AND (r1."steward" = 1))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT 1 FROM "residents" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('keys', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'keys', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_keys_update" AFTER UPDATE OF "id", "room_id", "number", "resident_id" ON "keys"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'keys: policy stewards_hand refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "residents" r1 WHERE ((r1."who" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'keys' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END) AND (r1."steward" = 1))), 0) AND (NEW."room_id" IS NOT OLD."room_id" OR (NEW."number" IS NOT OLD."number" OR NEW."resident_id" IS NOT CASE WHEN NEW."resident_id" IS NULL THEN (SELECT p."id" FROM "residents" p WHERE p."id" = OLD."resident_id") ELSE OLD."resident_id" END)) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT 1 FROM "residents" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('keys', NEW."id");
  UPDATE "keys" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_keys_author" AFTER UPDATE OF "treaty_author" ON "keys"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('keys', NEW."id");
  UPDATE "keys" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_keys_delete" AFTER DELETE ON "keys"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('keys', OLD."id");
END;

CREATE TRIGGER "treaty_keys_fixed" BEFORE UPDATE OF "id" ON "keys"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'keys: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_keys_displaceinsert" BEFORE INSERT ON "keys"
WHEN (EXISTS (SELECT 1 FROM "keys" WHERE "resident_id" = NEW."resident_id" AND "id" IS NOT NEW."id") OR EXISTS (SELECT 1 FROM "keys" WHERE "room_id" = NEW."room_id" AND "number" = NEW."number" AND "id" IS NOT NEW."id")) AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'keys', "id" FROM "keys" WHERE "resident_id" = NEW."resident_id" AND "id" IS NOT NEW."id";
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'keys', "id" FROM "keys" WHERE "room_id" = NEW."room_id" AND "number" = NEW."number" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_keys_displaceupdate" BEFORE UPDATE OF "room_id", "number", "resident_id" ON "keys"
WHEN (EXISTS (SELECT 1 FROM "keys" WHERE "resident_id" = NEW."resident_id" AND "id" IS NOT OLD."id") OR EXISTS (SELECT 1 FROM "keys" WHERE "room_id" = NEW."room_id" AND "number" = NEW."number" AND "id" IS NOT OLD."id")) AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'keys', "id" FROM "keys" WHERE "resident_id" = NEW."resident_id" AND "id" IS NOT OLD."id";
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'keys', "id" FROM "keys" WHERE "room_id" = NEW."room_id" AND "number" = NEW."number" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_keys_named" BEFORE UPDATE OF "treaty_author" ON "keys"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'keys', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_keys_maydelete" BEFORE DELETE ON "keys"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'keys: policy stewards_melt refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "residents" r1 WHERE ((r1."who" = s.identity) AND (r1."steward" = 1))), 0) AND (OLD."room_id" IS NULL OR EXISTS (SELECT 1 FROM "rooms" p WHERE p."id" = OLD."room_id")) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'residents' AND NOT EXISTS (SELECT 1 FROM "residents" d WHERE d."id" = q.row_id));
END;
