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

CREATE TABLE "admins" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "who" TEXT NOT NULL CONSTRAINT "who must be IDENTITY in lower case" CHECK (length("who") = 63 AND "who" = lower("who")),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "admins_who_key" UNIQUE ("who")
);

CREATE TRIGGER "treaty_admins_insert" AFTER INSERT ON "admins"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'admins: policy admins_appoint refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "admins" r1 WHERE r1."id" <> NEW."id" AND (r1."who" = coalesce(NEW."treaty_author", s.identity))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT 1 FROM "admins" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('admins', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'admins', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_admins_update" AFTER UPDATE OF "id", "who" ON "admins"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('admins', NEW."id");
  UPDATE "admins" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_admins_author" AFTER UPDATE OF "treaty_author" ON "admins"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('admins', NEW."id");
  UPDATE "admins" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_admins_delete" AFTER DELETE ON "admins"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('admins', OLD."id");
END;

CREATE TRIGGER "treaty_admins_fixed" BEFORE UPDATE OF "id", "who" ON "admins"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'admins: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'admins.who never changes after insert (REVOKE UPDATE)') WHERE OLD."who" IS NOT NEW."who";
END;

CREATE TRIGGER "treaty_admins_displaceinsert" BEFORE INSERT ON "admins"
WHEN EXISTS (SELECT 1 FROM "admins" WHERE "who" = NEW."who" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'admins', "id" FROM "admins" WHERE "who" = NEW."who" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_admins_displaceupdate" BEFORE UPDATE OF "who" ON "admins"
WHEN EXISTS (SELECT 1 FROM "admins" WHERE "who" = NEW."who" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'admins', "id" FROM "admins" WHERE "who" = NEW."who" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_admins_named" BEFORE UPDATE OF "treaty_author" ON "admins"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'admins', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_admins_maydelete" BEFORE DELETE ON "admins"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'admins: policy admins_dismiss refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "admins" r1 WHERE (r1."who" = s.identity)), 0) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT 1 FROM "admins" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "projects" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "key" TEXT NOT NULL CONSTRAINT "key must be VARCHAR(10)" CHECK (length("key") <= 10),
  "name" TEXT NOT NULL,
  "archived" INTEGER NOT NULL DEFAULT 0 CONSTRAINT "archived must be BOOLEAN, 0 or 1" CHECK ("archived" IN (0, 1)),
  "created_at" TEXT NOT NULL DEFAULT (rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', 'now'), '0'), '.') || '+00') CONSTRAINT "created_at must be TIMESTAMPTZ as in 2024-01-31 13:05:00+00" CHECK ("created_at" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "projects_key_check" CHECK (length("key") >= 2),
  CONSTRAINT "projects_name_check" CHECK ((length("name") >= 1) AND (length("name") <= 100)),
  CONSTRAINT "projects_key_key" UNIQUE ("key")
);

CREATE TRIGGER "treaty_projects_insert" AFTER INSERT ON "projects"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'projects: policy admins_open refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "admins" r1 WHERE (r1."who" = coalesce(NEW."treaty_author", s.identity))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT 1 FROM "admins" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('projects', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'projects', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_projects_update" AFTER UPDATE OF "id", "key", "name", "archived", "created_at" ON "projects"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'projects: policy admins_change refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "admins" r1 WHERE (r1."who" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'projects' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END)), 0) AND ((NEW."key" IS NOT OLD."key" OR NEW."name" IS NOT OLD."name") OR (NEW."archived" IS NOT OLD."archived" OR NEW."created_at" IS NOT OLD."created_at")) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT 1 FROM "admins" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('projects', NEW."id");
  UPDATE "projects" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_projects_author" AFTER UPDATE OF "treaty_author" ON "projects"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('projects', NEW."id");
  UPDATE "projects" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_projects_delete" AFTER DELETE ON "projects"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('projects', OLD."id");
END;

CREATE TRIGGER "treaty_projects_fixed" BEFORE UPDATE OF "id" ON "projects"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'projects: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_projects_displaceinsert" BEFORE INSERT ON "projects"
WHEN EXISTS (SELECT 1 FROM "projects" WHERE "key" = NEW."key" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'projects', "id" FROM "projects" WHERE "key" = NEW."key" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_projects_displaceupdate" BEFORE UPDATE OF "key" ON "projects"
WHEN EXISTS (SELECT 1 FROM "projects" WHERE "key" = NEW."key" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'projects', "id" FROM "projects" WHERE "key" = NEW."key" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_projects_named" BEFORE UPDATE OF "treaty_author" ON "projects"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'projects', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_projects_maydelete" BEFORE DELETE ON "projects"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'projects: policy admins_discard refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "admins" r1 WHERE (r1."who" = s.identity)), 0) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT 1 FROM "admins" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "members" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "project_id" TEXT NOT NULL CONSTRAINT "project_id must be UUID in lower case" CHECK (length("project_id") = 36 AND "project_id" = lower("project_id")),
  "who" TEXT NOT NULL CONSTRAINT "who must be IDENTITY in lower case" CHECK (length("who") = 63 AND "who" = lower("who")),
  "role" TEXT NOT NULL DEFAULT 'reporter',
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "members_role_check" CHECK ("role" IN ('maintainer', 'reporter')),
  CONSTRAINT "members_project_id_who_key" UNIQUE ("project_id", "who"),
  CONSTRAINT "members_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects" ("id") ON DELETE CASCADE
);

CREATE TRIGGER "treaty_members_insert" AFTER INSERT ON "members"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'members: policies admins_add, maintainers_add refuse this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "admins" r1 WHERE (r1."who" = coalesce(NEW."treaty_author", s.identity))), 0) AND NOT coalesce(((NEW."role" = 'reporter') AND EXISTS (SELECT 1 FROM "members" r1 WHERE r1."id" <> NEW."id" AND ((r1."project_id" = NEW."project_id") AND ((r1."who" = coalesce(NEW."treaty_author", s.identity)) AND (r1."role" = 'maintainer'))))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT 1 FROM "admins" d WHERE d."id" = q.row_id)) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('members', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'members', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_members_update" AFTER UPDATE OF "id", "project_id", "who", "role" ON "members"
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

CREATE TRIGGER "treaty_members_fixed" BEFORE UPDATE OF "id", "project_id", "who", "role" ON "members"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'members: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'members.project_id never changes after insert (REVOKE UPDATE)') WHERE OLD."project_id" IS NOT NEW."project_id";
  SELECT RAISE(ABORT, 'members.who never changes after insert (REVOKE UPDATE)') WHERE OLD."who" IS NOT NEW."who";
  SELECT RAISE(ABORT, 'members.role never changes after insert (REVOKE UPDATE)') WHERE OLD."role" IS NOT NEW."role";
END;

CREATE TRIGGER "treaty_members_displaceinsert" BEFORE INSERT ON "members"
WHEN EXISTS (SELECT 1 FROM "members" WHERE "project_id" = NEW."project_id" AND "who" = NEW."who" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'members', "id" FROM "members" WHERE "project_id" = NEW."project_id" AND "who" = NEW."who" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_members_displaceupdate" BEFORE UPDATE OF "project_id", "who" ON "members"
WHEN EXISTS (SELECT 1 FROM "members" WHERE "project_id" = NEW."project_id" AND "who" = NEW."who" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'members', "id" FROM "members" WHERE "project_id" = NEW."project_id" AND "who" = NEW."who" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_members_named" BEFORE UPDATE OF "treaty_author" ON "members"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'members', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_members_maydelete" BEFORE DELETE ON "members"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'members: policy admins_remove refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(((OLD."who" = s.identity) OR EXISTS (SELECT 1 FROM "admins" r1 WHERE (r1."who" = s.identity))), 0) AND (OLD."project_id" IS NULL OR EXISTS (SELECT 1 FROM "projects" p WHERE p."id" = OLD."project_id")) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'admins' AND NOT EXISTS (SELECT 1 FROM "admins" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "issues" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "project_id" TEXT NOT NULL CONSTRAINT "project_id must be UUID in lower case" CHECK (length("project_id") = 36 AND "project_id" = lower("project_id")),
  "reporter" TEXT NOT NULL CONSTRAINT "reporter must be IDENTITY in lower case" CHECK (length("reporter") = 63 AND "reporter" = lower("reporter")),
  "assignee" TEXT CONSTRAINT "assignee must be UUID in lower case" CHECK (length("assignee") = 36 AND "assignee" = lower("assignee")),
  "parent_id" TEXT CONSTRAINT "parent_id must be UUID in lower case" CHECK (length("parent_id") = 36 AND "parent_id" = lower("parent_id")),
  "title" TEXT NOT NULL,
  "body" TEXT NOT NULL DEFAULT '',
  "state" TEXT NOT NULL DEFAULT 'open',
  "priority" INTEGER NOT NULL DEFAULT 3 CONSTRAINT "priority must be INTEGER, 32 bits" CHECK (typeof("priority") = 'integer' AND "priority" BETWEEN -2147483648 AND 2147483647),
  "due" TEXT CONSTRAINT "due must be DATE as in 2024-01-31" CHECK ("due" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]'),
  "details" TEXT NOT NULL DEFAULT '{}' CONSTRAINT "details must be JSONB" CHECK (typeof("details") = 'text'),
  "created_at" TEXT NOT NULL DEFAULT (rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', 'now'), '0'), '.') || '+00') CONSTRAINT "created_at must be TIMESTAMPTZ as in 2024-01-31 13:05:00+00" CHECK ("created_at" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "issues_title_check" CHECK ((length("title") >= 1) AND (length("title") <= 200)),
  CONSTRAINT "issues_state_check" CHECK ("state" IN ('open', 'active', 'done', 'rejected')),
  CONSTRAINT "issues_priority_check" CHECK (("priority" >= 1) AND ("priority" <= 5)),
  CONSTRAINT "issues_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects" ("id") ON DELETE CASCADE,
  CONSTRAINT "issues_assignee_fkey" FOREIGN KEY ("assignee") REFERENCES "members" ("id") ON DELETE SET NULL,
  CONSTRAINT "issues_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "issues" ("id")
);

CREATE TRIGGER "treaty_issues_insert" AFTER INSERT ON "issues"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'issues: policy members_report refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(((NEW."reporter" = coalesce(NEW."treaty_author", s.identity)) AND EXISTS (SELECT 1 FROM "members" r1 WHERE ((r1."project_id" = NEW."project_id") AND (r1."who" = coalesce(NEW."treaty_author", s.identity))))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('issues', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'issues', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_issues_update" AFTER UPDATE OF "id", "project_id", "reporter", "assignee", "parent_id", "title", "body", "state", "priority", "due", "details", "created_at" ON "issues"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'issues: policy members_edit refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "members" r1 WHERE ((r1."project_id" = OLD."project_id") AND (r1."who" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'issues' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END))), 0) AND (((NEW."project_id" IS NOT OLD."project_id" OR NEW."reporter" IS NOT OLD."reporter") OR (NEW."assignee" IS NOT CASE WHEN NEW."assignee" IS NULL THEN (SELECT p."id" FROM "members" p WHERE p."id" = OLD."assignee") ELSE OLD."assignee" END OR (NEW."parent_id" IS NOT OLD."parent_id" OR NEW."title" IS NOT OLD."title"))) OR ((NEW."body" IS NOT OLD."body" OR (NEW."state" IS NOT OLD."state" OR NEW."priority" IS NOT OLD."priority")) OR (NEW."due" IS NOT OLD."due" OR (NEW."details" IS NOT OLD."details" OR NEW."created_at" IS NOT OLD."created_at")))) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('issues', NEW."id");
  UPDATE "issues" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_issues_author" AFTER UPDATE OF "treaty_author" ON "issues"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('issues', NEW."id");
  UPDATE "issues" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_issues_delete" AFTER DELETE ON "issues"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('issues', OLD."id");
END;

CREATE TRIGGER "treaty_issues_fixed" BEFORE UPDATE OF "id", "project_id", "reporter", "created_at" ON "issues"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'issues: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'issues.project_id never changes after insert (REVOKE UPDATE)') WHERE OLD."project_id" IS NOT NEW."project_id";
  SELECT RAISE(ABORT, 'issues.reporter never changes after insert (REVOKE UPDATE)') WHERE OLD."reporter" IS NOT NEW."reporter";
  SELECT RAISE(ABORT, 'issues.created_at never changes after insert (REVOKE UPDATE)') WHERE OLD."created_at" IS NOT NEW."created_at";
END;

CREATE TRIGGER "treaty_issues_named" BEFORE UPDATE OF "treaty_author" ON "issues"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'issues', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_issues_maydelete" BEFORE DELETE ON "issues"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'issues: policy maintainers_remove refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "members" r1 WHERE ((r1."project_id" = OLD."project_id") AND ((r1."who" = s.identity) AND (r1."role" = 'maintainer')))), 0) AND (OLD."project_id" IS NULL OR EXISTS (SELECT 1 FROM "projects" p WHERE p."id" = OLD."project_id")) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "comments" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "issue_id" TEXT NOT NULL CONSTRAINT "issue_id must be UUID in lower case" CHECK (length("issue_id") = 36 AND "issue_id" = lower("issue_id")),
  "writer" TEXT NOT NULL CONSTRAINT "writer must be IDENTITY in lower case" CHECK (length("writer") = 63 AND "writer" = lower("writer")),
  "body" TEXT NOT NULL,
  "at" TEXT NOT NULL DEFAULT (rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', 'now'), '0'), '.') || '+00') CONSTRAINT "at must be TIMESTAMPTZ as in 2024-01-31 13:05:00+00" CHECK ("at" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "comments_body_check" CHECK (length("body") > 0),
  CONSTRAINT "comments_issue_id_fkey" FOREIGN KEY ("issue_id") REFERENCES "issues" ("id") ON DELETE CASCADE
);

CREATE TRIGGER "treaty_comments_insert" AFTER INSERT ON "comments"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'comments: policy members_comment refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(((NEW."writer" = coalesce(NEW."treaty_author", s.identity)) AND EXISTS (SELECT 1 FROM "issues" r1, "members" r2 WHERE ((r1."id" = NEW."issue_id") AND ((r2."project_id" = r1."project_id") AND (r2."who" = coalesce(NEW."treaty_author", s.identity)))))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id)) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'issues' AND NOT EXISTS (SELECT 1 FROM "issues" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('comments', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'comments', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_comments_update" AFTER UPDATE OF "id", "issue_id", "writer", "body", "at" ON "comments"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'comments: policy writers_edit refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce((OLD."writer" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'comments' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END), 0) AND ((NEW."issue_id" IS NOT OLD."issue_id" OR NEW."writer" IS NOT OLD."writer") OR (NEW."body" IS NOT OLD."body" OR NEW."at" IS NOT OLD."at"));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('comments', NEW."id");
  UPDATE "comments" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_comments_author" AFTER UPDATE OF "treaty_author" ON "comments"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('comments', NEW."id");
  UPDATE "comments" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_comments_delete" AFTER DELETE ON "comments"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('comments', OLD."id");
END;

CREATE TRIGGER "treaty_comments_fixed" BEFORE UPDATE OF "id", "issue_id", "writer", "at" ON "comments"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'comments: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'comments.issue_id never changes after insert (REVOKE UPDATE)') WHERE OLD."issue_id" IS NOT NEW."issue_id";
  SELECT RAISE(ABORT, 'comments.writer never changes after insert (REVOKE UPDATE)') WHERE OLD."writer" IS NOT NEW."writer";
  SELECT RAISE(ABORT, 'comments.at never changes after insert (REVOKE UPDATE)') WHERE OLD."at" IS NOT NEW."at";
END;

CREATE TRIGGER "treaty_comments_named" BEFORE UPDATE OF "treaty_author" ON "comments"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'comments', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_comments_maydelete" BEFORE DELETE ON "comments"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'comments: policy writers_remove refuses this DELETE') FROM treaty_state s WHERE NOT coalesce((OLD."writer" = s.identity), 0) AND (OLD."issue_id" IS NULL OR EXISTS (SELECT 1 FROM "issues" p WHERE p."id" = OLD."issue_id")) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id);
END;

CREATE TABLE "labels" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "project_id" TEXT NOT NULL CONSTRAINT "project_id must be UUID in lower case" CHECK (length("project_id") = 36 AND "project_id" = lower("project_id")),
  "name" TEXT NOT NULL CONSTRAINT "name must be VARCHAR(40)" CHECK (length("name") <= 40),
  "colour" INTEGER CONSTRAINT "colour must be INTEGER, 32 bits" CHECK (typeof("colour") IN ('integer', 'null') AND "colour" BETWEEN -2147483648 AND 2147483647),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "labels_colour_check" CHECK (("colour" >= 0) AND ("colour" <= 16777215)),
  CONSTRAINT "labels_project_id_name_key" UNIQUE ("project_id", "name"),
  CONSTRAINT "labels_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects" ("id") ON DELETE CASCADE
);

CREATE TRIGGER "treaty_labels_insert" AFTER INSERT ON "labels"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'labels: policy maintainers_define refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "members" r1 WHERE ((r1."project_id" = NEW."project_id") AND ((r1."who" = coalesce(NEW."treaty_author", s.identity)) AND (r1."role" = 'maintainer')))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('labels', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'labels', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_labels_update" AFTER UPDATE OF "id", "project_id", "name", "colour" ON "labels"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'labels: policy maintainers_paint refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "members" r1 WHERE ((r1."project_id" = OLD."project_id") AND ((r1."who" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'labels' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END) AND (r1."role" = 'maintainer')))), 0) AND (NEW."project_id" IS NOT OLD."project_id" OR (NEW."name" IS NOT OLD."name" OR NEW."colour" IS NOT OLD."colour")) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('labels', NEW."id");
  UPDATE "labels" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_labels_author" AFTER UPDATE OF "treaty_author" ON "labels"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('labels', NEW."id");
  UPDATE "labels" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_labels_delete" AFTER DELETE ON "labels"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('labels', OLD."id");
END;

CREATE TRIGGER "treaty_labels_fixed" BEFORE UPDATE OF "id", "project_id", "name" ON "labels"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'labels: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'labels.project_id never changes after insert (REVOKE UPDATE)') WHERE OLD."project_id" IS NOT NEW."project_id";
  SELECT RAISE(ABORT, 'labels.name never changes after insert (REVOKE UPDATE)') WHERE OLD."name" IS NOT NEW."name";
END;

CREATE TRIGGER "treaty_labels_displaceinsert" BEFORE INSERT ON "labels"
WHEN EXISTS (SELECT 1 FROM "labels" WHERE "project_id" = NEW."project_id" AND "name" = NEW."name" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'labels', "id" FROM "labels" WHERE "project_id" = NEW."project_id" AND "name" = NEW."name" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_labels_displaceupdate" BEFORE UPDATE OF "project_id", "name" ON "labels"
WHEN EXISTS (SELECT 1 FROM "labels" WHERE "project_id" = NEW."project_id" AND "name" = NEW."name" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'labels', "id" FROM "labels" WHERE "project_id" = NEW."project_id" AND "name" = NEW."name" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_labels_named" BEFORE UPDATE OF "treaty_author" ON "labels"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'labels', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_labels_maydelete" BEFORE DELETE ON "labels"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'labels: policy maintainers_drop refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "members" r1 WHERE ((r1."project_id" = OLD."project_id") AND ((r1."who" = s.identity) AND (r1."role" = 'maintainer')))), 0) AND (OLD."project_id" IS NULL OR EXISTS (SELECT 1 FROM "projects" p WHERE p."id" = OLD."project_id")) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "issue_labels" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "issue_id" TEXT NOT NULL CONSTRAINT "issue_id must be UUID in lower case" CHECK (length("issue_id") = 36 AND "issue_id" = lower("issue_id")),
  "label_id" TEXT NOT NULL CONSTRAINT "label_id must be UUID in lower case" CHECK (length("label_id") = 36 AND "label_id" = lower("label_id")),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "issue_labels_once" UNIQUE ("issue_id", "label_id"),
  CONSTRAINT "issue_labels_issue_id_fkey" FOREIGN KEY ("issue_id") REFERENCES "issues" ("id") ON DELETE CASCADE,
  CONSTRAINT "issue_labels_label_id_fkey" FOREIGN KEY ("label_id") REFERENCES "labels" ("id") ON DELETE RESTRICT
);

CREATE TRIGGER "treaty_issue_labels_insert" AFTER INSERT ON "issue_labels"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'issue_labels: policy members_label refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "issues" r1, "members" r2 WHERE ((r1."id" = NEW."issue_id") AND ((r2."project_id" = r1."project_id") AND (r2."who" = coalesce(NEW."treaty_author", s.identity))))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id)) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'issues' AND NOT EXISTS (SELECT 1 FROM "issues" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('issue_labels', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'issue_labels', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_issue_labels_update" AFTER UPDATE OF "id", "issue_id", "label_id" ON "issue_labels"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('issue_labels', NEW."id");
  UPDATE "issue_labels" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_issue_labels_author" AFTER UPDATE OF "treaty_author" ON "issue_labels"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('issue_labels', NEW."id");
  UPDATE "issue_labels" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_issue_labels_delete" AFTER DELETE ON "issue_labels"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('issue_labels', OLD."id");
END;

CREATE TRIGGER "treaty_issue_labels_fixed" BEFORE UPDATE OF "id", "issue_id", "label_id" ON "issue_labels"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'issue_labels: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'issue_labels.issue_id never changes after insert (REVOKE UPDATE)') WHERE OLD."issue_id" IS NOT NEW."issue_id";
  SELECT RAISE(ABORT, 'issue_labels.label_id never changes after insert (REVOKE UPDATE)') WHERE OLD."label_id" IS NOT NEW."label_id";
END;

CREATE TRIGGER "treaty_issue_labels_displaceinsert" BEFORE INSERT ON "issue_labels"
WHEN EXISTS (SELECT 1 FROM "issue_labels" WHERE "issue_id" = NEW."issue_id" AND "label_id" = NEW."label_id" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'issue_labels', "id" FROM "issue_labels" WHERE "issue_id" = NEW."issue_id" AND "label_id" = NEW."label_id" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_issue_labels_displaceupdate" BEFORE UPDATE OF "issue_id", "label_id" ON "issue_labels"
WHEN EXISTS (SELECT 1 FROM "issue_labels" WHERE "issue_id" = NEW."issue_id" AND "label_id" = NEW."label_id" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'issue_labels', "id" FROM "issue_labels" WHERE "issue_id" = NEW."issue_id" AND "label_id" = NEW."label_id" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_issue_labels_named" BEFORE UPDATE OF "treaty_author" ON "issue_labels"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'issue_labels', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_issue_labels_maydelete" BEFORE DELETE ON "issue_labels"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'issue_labels: policy members_unlabel refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "issues" r1, "members" r2 WHERE ((r1."id" = OLD."issue_id") AND ((r2."project_id" = r1."project_id") AND (r2."who" = s.identity)))), 0) AND (OLD."issue_id" IS NULL OR EXISTS (SELECT 1 FROM "issues" p WHERE p."id" = OLD."issue_id")) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'members' AND NOT EXISTS (SELECT 1 FROM "members" d WHERE d."id" = q.row_id)) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'issues' AND NOT EXISTS (SELECT 1 FROM "issues" d WHERE d."id" = q.row_id));
END;
