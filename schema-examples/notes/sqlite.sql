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

CREATE TABLE "members" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "who" TEXT NOT NULL CONSTRAINT "who must be IDENTITY in lower case" CHECK (length("who") = 63 AND "who" = lower("who")),
  "role" TEXT NOT NULL,
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "members_role_check" CHECK ("role" IN ('admin', 'editor')),
  CONSTRAINT "members_who_role_key must be at most 1984 bytes" CHECK (length(CAST("role" AS BLOB)) <= 1984),
  CONSTRAINT "members_who_role_key" UNIQUE ("who", "role")
);

CREATE TRIGGER "treaty_members_insert" AFTER INSERT ON "members"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'members: policy admins_appoint refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "members" r1 WHERE r1."id" <> NEW."id" AND ((r1."who" = coalesce(NEW."treaty_author", s.identity)) AND (r1."role" = 'admin'))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('members', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'members', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_members_update" AFTER UPDATE OF "id", "who", "role" ON "members"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('members', NEW."id");
  UPDATE "members" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_members_author" AFTER UPDATE OF "treaty_author" ON "members"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('members', NEW."id");
  UPDATE "members" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_members_delete" AFTER DELETE ON "members"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('members', OLD."id");
END;

CREATE TRIGGER "treaty_members_fixed" BEFORE UPDATE OF "id", "who", "role" ON "members"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'members: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'members.who never changes after insert (REVOKE UPDATE)') WHERE OLD."who" IS NOT NEW."who";
  SELECT RAISE(ABORT, 'members.role never changes after insert (REVOKE UPDATE)') WHERE OLD."role" IS NOT NEW."role";
END;

CREATE TRIGGER "treaty_members_displaceinsert" BEFORE INSERT ON "members"
WHEN EXISTS (SELECT 1 FROM "members" WHERE "who" = NEW."who" AND "role" = NEW."role" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'members', "id" FROM "members" WHERE "who" = NEW."who" AND "role" = NEW."role" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_members_displaceupdate" BEFORE UPDATE OF "who", "role" ON "members"
WHEN EXISTS (SELECT 1 FROM "members" WHERE "who" = NEW."who" AND "role" = NEW."role" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'members', "id" FROM "members" WHERE "who" = NEW."who" AND "role" = NEW."role" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_members_named" BEFORE UPDATE OF "treaty_author" ON "members"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'members', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_members_maydelete" BEFORE DELETE ON "members"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'members: policy admins_dismiss refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "members" r1 WHERE ((r1."who" = s.identity) AND (r1."role" = 'admin'))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "notes" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "owner" TEXT NOT NULL CONSTRAINT "owner must be IDENTITY in lower case" CHECK (length("owner") = 63 AND "owner" = lower("owner")),
  "title" TEXT NOT NULL,
  "body" TEXT NOT NULL DEFAULT '',
  "stars" INTEGER NOT NULL DEFAULT 0 CONSTRAINT "stars must be INTEGER, 32 bits" CHECK (typeof("stars") = 'integer' AND "stars" BETWEEN -2147483648 AND 2147483647),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "notes_title_check" CHECK (length("title") <= 200),
  CONSTRAINT "notes_stars_check" CHECK ("stars" >= 0)
);

CREATE TRIGGER "treaty_notes_insert" AFTER INSERT ON "notes"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'notes: policy editors_write refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(((NEW."owner" = coalesce(NEW."treaty_author", s.identity)) AND EXISTS (SELECT 1 FROM "members" r1 WHERE (r1."who" = coalesce(NEW."treaty_author", s.identity)))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('notes', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'notes', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_notes_update" AFTER UPDATE OF "id", "owner", "title", "body", "stars" ON "notes"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'notes: policy owners_edit refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce((OLD."owner" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'notes' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END), 0) AND ((NEW."owner" IS NOT OLD."owner" OR NEW."title" IS NOT OLD."title") OR (NEW."body" IS NOT OLD."body" OR NEW."stars" IS NOT OLD."stars"));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('notes', NEW."id");
  UPDATE "notes" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_notes_author" AFTER UPDATE OF "treaty_author" ON "notes"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('notes', NEW."id");
  UPDATE "notes" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_notes_delete" AFTER DELETE ON "notes"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('notes', OLD."id");
END;

CREATE TRIGGER "treaty_notes_fixed" BEFORE UPDATE OF "id", "owner" ON "notes"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'notes: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'notes.owner never changes after insert (REVOKE UPDATE)') WHERE OLD."owner" IS NOT NEW."owner";
END;

CREATE TRIGGER "treaty_notes_named" BEFORE UPDATE OF "treaty_author" ON "notes"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'notes', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_notes_maydelete" BEFORE DELETE ON "notes"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'notes: policy owners_remove refuses this DELETE') FROM treaty_state s WHERE NOT coalesce((OLD."owner" = s.identity), 0) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id);
END;
