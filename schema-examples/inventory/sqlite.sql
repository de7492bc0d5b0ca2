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

CREATE TABLE "staff" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "who" TEXT NOT NULL CONSTRAINT "who must be IDENTITY in lower case" CHECK (length("who") = 63 AND "who" = lower("who")),
  "name" TEXT NOT NULL,
  "lead" INTEGER NOT NULL DEFAULT 0 CONSTRAINT "lead must be BOOLEAN, 0 or 1" CHECK ("lead" IN (0, 1)),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "staff_who_key" UNIQUE ("who")
);

CREATE TRIGGER "treaty_staff_insert" AFTER INSERT ON "staff"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'staff: policy leads_hire refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE r1."id" <> NEW."id" AND ((r1."who" = coalesce(NEW."treaty_author", s.identity)) AND r1."lead")), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('staff', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'staff', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_staff_update" AFTER UPDATE OF "id", "who", "name", "lead" ON "staff"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'staff: policy own_name refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce((OLD."who" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'staff' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END), 0) AND (NEW."who" IS NOT OLD."who" OR (NEW."name" IS NOT OLD."name" OR NEW."lead" IS NOT OLD."lead"));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('staff', NEW."id");
  UPDATE "staff" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_staff_author" AFTER UPDATE OF "treaty_author" ON "staff"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('staff', NEW."id");
  UPDATE "staff" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_staff_delete" AFTER DELETE ON "staff"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('staff', OLD."id");
END;

CREATE TRIGGER "treaty_staff_fixed" BEFORE UPDATE OF "id", "who", "lead" ON "staff"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'staff: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'staff.who never changes after insert (REVOKE UPDATE)') WHERE OLD."who" IS NOT NEW."who";
  SELECT RAISE(ABORT, 'staff.lead never changes after insert (REVOKE UPDATE)') WHERE OLD."lead" IS NOT NEW."lead";
END;

CREATE TRIGGER "treaty_staff_displaceinsert" BEFORE INSERT ON "staff"
WHEN EXISTS (SELECT 1 FROM "staff" WHERE "who" = NEW."who" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'staff', "id" FROM "staff" WHERE "who" = NEW."who" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_staff_displaceupdate" BEFORE UPDATE OF "who" ON "staff"
WHEN EXISTS (SELECT 1 FROM "staff" WHERE "who" = NEW."who" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'staff', "id" FROM "staff" WHERE "who" = NEW."who" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_staff_named" BEFORE UPDATE OF "treaty_author" ON "staff"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'staff', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_staff_maydelete" BEFORE DELETE ON "staff"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'staff: policy leads_dismiss refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE ((r1."who" = s.identity) AND r1."lead")), 0) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "suppliers" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "name" TEXT NOT NULL CONSTRAINT "name must be VARCHAR(120)" CHECK (length("name") <= 120),
  "vat" TEXT CONSTRAINT "vat must be VARCHAR(20)" CHECK (length("vat") <= 20),
  "since" TEXT CONSTRAINT "since must be DATE as in 2024-01-31" CHECK ("since" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]'),
  "until" TEXT CONSTRAINT "until must be DATE as in 2024-01-31" CHECK ("until" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]'),
  "opens" TEXT NOT NULL DEFAULT '08:00:00' CONSTRAINT "opens must be TIME as in 13:05:00" CHECK ("opens" GLOB '[0-2][0-9]:[0-5][0-9]*'),
  "closes" TEXT NOT NULL DEFAULT '17:30:00' CONSTRAINT "closes must be TIME as in 13:05:00" CHECK ("closes" GLOB '[0-2][0-9]:[0-5][0-9]*'),
  "contract" BLOB CONSTRAINT "contract must be BYTEA, a BLOB" CHECK (typeof("contract") IN ('blob', 'null')),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "contract_runs_forward" CHECK (("until" IS NULL) OR ((NOT ("since" IS NULL)) AND ("since" <= "until"))),
  CONSTRAINT "opens_before_it_closes" CHECK (CASE WHEN ("opens" IS NULL OR "opens" GLOB '[0-9][0-9]:[0-9][0-9]:[0-9][0-9]' OR ("opens" GLOB '[0-9][0-9]:[0-9][0-9]:[0-9][0-9].*[1-9]' AND substr("opens", 10, length("opens") - 9) NOT GLOB '*[^0-9]*' AND length(substr("opens", 10, length("opens") - 9)) <= 6)) AND ("closes" IS NULL OR "closes" GLOB '[0-9][0-9]:[0-9][0-9]:[0-9][0-9]' OR ("closes" GLOB '[0-9][0-9]:[0-9][0-9]:[0-9][0-9].*[1-9]' AND substr("closes", 10, length("closes") - 9) NOT GLOB '*[^0-9]*' AND length(substr("closes", 10, length("closes") - 9)) <= 6)) THEN ("opens" < "closes") ELSE 1 END),
  CONSTRAINT "suppliers_vat_key" UNIQUE ("vat")
);

CREATE TRIGGER "treaty_suppliers_insert" AFTER INSERT ON "suppliers"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'suppliers: policy staff_add refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE (r1."who" = coalesce(NEW."treaty_author", s.identity))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('suppliers', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'suppliers', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_suppliers_update" AFTER UPDATE OF "id", "name", "vat", "since", "until", "opens", "closes", "contract" ON "suppliers"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'suppliers: policy staff_edit refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE (r1."who" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'suppliers' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END)), 0) AND ((NEW."name" IS NOT OLD."name" OR (NEW."vat" IS NOT OLD."vat" OR NEW."since" IS NOT OLD."since")) OR ((NEW."until" IS NOT OLD."until" OR NEW."opens" IS NOT OLD."opens") OR (NEW."closes" IS NOT OLD."closes" OR NEW."contract" IS NOT OLD."contract"))) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('suppliers', NEW."id");
  UPDATE "suppliers" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_suppliers_author" AFTER UPDATE OF "treaty_author" ON "suppliers"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('suppliers', NEW."id");
  UPDATE "suppliers" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_suppliers_delete" AFTER DELETE ON "suppliers"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('suppliers', OLD."id");
END;

CREATE TRIGGER "treaty_suppliers_fixed" BEFORE UPDATE OF "id" ON "suppliers"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'suppliers: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_suppliers_displaceinsert" BEFORE INSERT ON "suppliers"
WHEN EXISTS (SELECT 1 FROM "suppliers" WHERE "vat" = NEW."vat" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'suppliers', "id" FROM "suppliers" WHERE "vat" = NEW."vat" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_suppliers_displaceupdate" BEFORE UPDATE OF "vat" ON "suppliers"
WHEN EXISTS (SELECT 1 FROM "suppliers" WHERE "vat" = NEW."vat" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'suppliers', "id" FROM "suppliers" WHERE "vat" = NEW."vat" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_suppliers_named" BEFORE UPDATE OF "treaty_author" ON "suppliers"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'suppliers', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_suppliers_maydelete" BEFORE DELETE ON "suppliers"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'suppliers: policy leads_remove refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE ((r1."who" = s.identity) AND r1."lead")), 0) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
END;

-- CHECK no_loss of products is left to treaty: SQLite would not evaluate it exactly.
CREATE TABLE "products" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "sku" TEXT NOT NULL CONSTRAINT "sku must be VARCHAR(32)" CHECK (length("sku") <= 32),
  "name" TEXT NOT NULL,
  "supplier_id" TEXT CONSTRAINT "supplier_id must be UUID in lower case" CHECK (length("supplier_id") = 36 AND "supplier_id" = lower("supplier_id")),
  "cost" TEXT NOT NULL CONSTRAINT "cost must be NUMERIC(12, 4)" CHECK ("cost" GLOB '*[0-9]*' AND "cost" NOT GLOB '*[^-+.0-9eE]*'),
  "price" TEXT NOT NULL CONSTRAINT "price must be NUMERIC(12, 2)" CHECK ("price" GLOB '*[0-9]*' AND "price" NOT GLOB '*[^-+.0-9eE]*'),
  "reduced" TEXT CONSTRAINT "reduced must be NUMERIC(12, 2)" CHECK ("reduced" GLOB '*[0-9]*' AND "reduced" NOT GLOB '*[^-+.0-9eE]*'),
  "tax" TEXT NOT NULL DEFAULT '0.200' CONSTRAINT "tax must be NUMERIC(4, 3)" CHECK ("tax" GLOB '*[0-9]*' AND "tax" NOT GLOB '*[^-+.0-9eE]*'),
  "weight_kg" REAL CONSTRAINT "weight_kg must be DOUBLE PRECISION" CHECK (typeof("weight_kg") IN ('real', 'null')),
  "pack_size" INTEGER NOT NULL DEFAULT 1 CONSTRAINT "pack_size must be INTEGER, 32 bits" CHECK (typeof("pack_size") = 'integer' AND "pack_size" BETWEEN -2147483648 AND 2147483647),
  "attributes" TEXT CONSTRAINT "attributes must be JSONB" CHECK (typeof("attributes") IN ('text', 'null')),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "products_cost_check" CHECK (CAST("cost" AS REAL) >= 0.0),
  CONSTRAINT "products_tax_check" CHECK ((CAST("tax" AS REAL) >= 0.0) AND (CAST("tax" AS REAL) <= 1.0)),
  CONSTRAINT "products_weight_kg_check" CHECK ("weight_kg" > 0.0),
  CONSTRAINT "products_pack_size_check" CHECK ("pack_size" > 0),
  CONSTRAINT "reduced_is_less" CHECK (CAST("reduced" AS REAL) < CAST("price" AS REAL)),
  CONSTRAINT "products_sku_key" UNIQUE ("sku"),
  CONSTRAINT "products_supplier_id_fkey" FOREIGN KEY ("supplier_id") REFERENCES "suppliers" ("id") ON DELETE RESTRICT
);

CREATE TRIGGER "treaty_products_insert" AFTER INSERT ON "products"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'products: policy staff_list refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE (r1."who" = coalesce(NEW."treaty_author", s.identity))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('products', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'products', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_products_update" AFTER UPDATE OF "id", "sku", "name", "supplier_id", "cost", "price", "reduced", "tax", "weight_kg", "pack_size", "attributes" ON "products"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'products: policy staff_price refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE (r1."who" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'products' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END)), 0) AND (((NEW."sku" IS NOT OLD."sku" OR NEW."name" IS NOT OLD."name") OR (NEW."supplier_id" IS NOT OLD."supplier_id" OR (NEW."cost" IS NOT OLD."cost" OR NEW."price" IS NOT OLD."price"))) OR ((NEW."reduced" IS NOT OLD."reduced" OR NEW."tax" IS NOT OLD."tax") OR (NEW."weight_kg" IS NOT OLD."weight_kg" OR (NEW."pack_size" IS NOT OLD."pack_size" OR NEW."attributes" IS NOT OLD."attributes")))) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('products', NEW."id");
  UPDATE "products" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_products_author" AFTER UPDATE OF "treaty_author" ON "products"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('products', NEW."id");
  UPDATE "products" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_products_delete" AFTER DELETE ON "products"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('products', OLD."id");
END;

CREATE TRIGGER "treaty_products_fixed" BEFORE UPDATE OF "id" ON "products"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'products: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_products_displaceinsert" BEFORE INSERT ON "products"
WHEN EXISTS (SELECT 1 FROM "products" WHERE "sku" = NEW."sku" AND "id" IS NOT NEW."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'products', "id" FROM "products" WHERE "sku" = NEW."sku" AND "id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_products_displaceupdate" BEFORE UPDATE OF "sku" ON "products"
WHEN EXISTS (SELECT 1 FROM "products" WHERE "sku" = NEW."sku" AND "id" IS NOT OLD."id") AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) SELECT 'products', "id" FROM "products" WHERE "sku" = NEW."sku" AND "id" IS NOT OLD."id";
END;

CREATE TRIGGER "treaty_products_named" BEFORE UPDATE OF "treaty_author" ON "products"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'products', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_products_maydelete" BEFORE DELETE ON "products"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'products: policy leads_delist refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE ((r1."who" = s.identity) AND r1."lead")), 0) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
END;

-- CHECK deliveries_freight_check of deliveries is left to treaty: SQLite would not evaluate it exactly.
CREATE TABLE "deliveries" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "supplier_id" TEXT NOT NULL CONSTRAINT "supplier_id must be UUID in lower case" CHECK (length("supplier_id") = 36 AND "supplier_id" = lower("supplier_id")),
  "ordered_at" TEXT NOT NULL DEFAULT (rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', 'now'), '0'), '.') || '+00') CONSTRAINT "ordered_at must be TIMESTAMPTZ as in 2024-01-31 13:05:00+00" CHECK ("ordered_at" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'),
  "arrived_at" TEXT CONSTRAINT "arrived_at must be TIMESTAMPTZ as in 2024-01-31 13:05:00+00" CHECK ("arrived_at" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'),
  "slot_from" TEXT NOT NULL CONSTRAINT "slot_from must be TIMESTAMP as in 2024-01-31 13:05:00" CHECK ("slot_from" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'),
  "slot_to" TEXT NOT NULL CONSTRAINT "slot_to must be TIMESTAMP as in 2024-01-31 13:05:00" CHECK ("slot_to" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'),
  "freight" TEXT NOT NULL DEFAULT '0.00' CONSTRAINT "freight must be NUMERIC(20, 2)" CHECK ("freight" GLOB '*[0-9]*' AND "freight" NOT GLOB '*[^-+.0-9eE]*'),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "arrived_after_order" CHECK (CASE WHEN ("ordered_at" IS NULL OR "ordered_at" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]+00' OR ("ordered_at" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].*[1-9]+00' AND substr("ordered_at", 21, length("ordered_at") - 23) NOT GLOB '*[^0-9]*' AND length(substr("ordered_at", 21, length("ordered_at") - 23)) <= 6)) AND ("arrived_at" IS NULL OR "arrived_at" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]+00' OR ("arrived_at" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].*[1-9]+00' AND substr("arrived_at", 21, length("arrived_at") - 23) NOT GLOB '*[^0-9]*' AND length(substr("arrived_at", 21, length("arrived_at") - 23)) <= 6)) THEN ("arrived_at" >= "ordered_at") ELSE 1 END),
  CONSTRAINT "slot_runs_forward" CHECK (CASE WHEN ("slot_from" IS NULL OR "slot_from" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]' OR ("slot_from" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].*[1-9]' AND substr("slot_from", 21, length("slot_from") - 20) NOT GLOB '*[^0-9]*' AND length(substr("slot_from", 21, length("slot_from") - 20)) <= 6)) AND ("slot_to" IS NULL OR "slot_to" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]' OR ("slot_to" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].*[1-9]' AND substr("slot_to", 21, length("slot_to") - 20) NOT GLOB '*[^0-9]*' AND length(substr("slot_to", 21, length("slot_to") - 20)) <= 6)) THEN ("slot_from" < "slot_to") ELSE 1 END),
  CONSTRAINT "deliveries_supplier_id_fkey" FOREIGN KEY ("supplier_id") REFERENCES "suppliers" ("id") ON DELETE RESTRICT
);

CREATE TRIGGER "treaty_deliveries_insert" AFTER INSERT ON "deliveries"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'deliveries: policy staff_order refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE (r1."who" = coalesce(NEW."treaty_author", s.identity))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('deliveries', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'deliveries', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_deliveries_update" AFTER UPDATE OF "id", "supplier_id", "ordered_at", "arrived_at", "slot_from", "slot_to", "freight" ON "deliveries"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'deliveries: policy staff_amend refuses this UPDATE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE (r1."who" = CASE WHEN NEW."treaty_author" IS NOT NULL AND (NEW."treaty_author" IS NOT OLD."treaty_author" OR OLD."treaty_status" = 'pending' OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = 'deliveries' AND n.row_id = NEW."id")) THEN NEW."treaty_author" ELSE s.identity END)), 0) AND ((NEW."supplier_id" IS NOT OLD."supplier_id" OR (NEW."ordered_at" IS NOT OLD."ordered_at" OR NEW."arrived_at" IS NOT OLD."arrived_at")) OR (NEW."slot_from" IS NOT OLD."slot_from" OR (NEW."slot_to" IS NOT OLD."slot_to" OR NEW."freight" IS NOT OLD."freight"))) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('deliveries', NEW."id");
  UPDATE "deliveries" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_deliveries_author" AFTER UPDATE OF "treaty_author" ON "deliveries"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('deliveries', NEW."id");
  UPDATE "deliveries" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_deliveries_delete" AFTER DELETE ON "deliveries"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('deliveries', OLD."id");
END;

CREATE TRIGGER "treaty_deliveries_fixed" BEFORE UPDATE OF "id" ON "deliveries"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'deliveries: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
END;

CREATE TRIGGER "treaty_deliveries_named" BEFORE UPDATE OF "treaty_author" ON "deliveries"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'deliveries', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_deliveries_maydelete" BEFORE DELETE ON "deliveries"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'deliveries: policy leads_cancel refuses this DELETE') FROM treaty_state s WHERE NOT coalesce(EXISTS (SELECT 1 FROM "staff" r1 WHERE ((r1."who" = s.identity) AND r1."lead")), 0) AND NOT EXISTS (SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
END;

CREATE TABLE "movements" (
  "id" TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))) CONSTRAINT "id must be UUID in lower case" CHECK (length("id") = 36 AND "id" = lower("id")),
  "product_id" TEXT NOT NULL CONSTRAINT "product_id must be UUID in lower case" CHECK (length("product_id") = 36 AND "product_id" = lower("product_id")),
  "delivery_id" TEXT CONSTRAINT "delivery_id must be UUID in lower case" CHECK (length("delivery_id") = 36 AND "delivery_id" = lower("delivery_id")),
  "booked_by" TEXT NOT NULL CONSTRAINT "booked_by must be IDENTITY in lower case" CHECK (length("booked_by") = 63 AND "booked_by" = lower("booked_by")),
  "quantity" INTEGER NOT NULL CONSTRAINT "quantity must be BIGINT" CHECK (typeof("quantity") = 'integer'),
  "unit_price" TEXT CONSTRAINT "unit_price must be NUMERIC(12, 2)" CHECK ("unit_price" GLOB '*[0-9]*' AND "unit_price" NOT GLOB '*[^-+.0-9eE]*'),
  "at" TEXT NOT NULL DEFAULT (rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', 'now'), '0'), '.') || '+00') CONSTRAINT "at must be TIMESTAMPTZ as in 2024-01-31 13:05:00+00" CHECK ("at" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'),
  "treaty_status" TEXT NOT NULL DEFAULT 'pending',
  "treaty_author" TEXT,
  CONSTRAINT "movements_quantity_check" CHECK ("quantity" <> 0),
  CONSTRAINT "sales_have_a_price" CHECK (("quantity" > 0) OR (NOT ("unit_price" IS NULL))),
  CONSTRAINT "movements_product_id_fkey" FOREIGN KEY ("product_id") REFERENCES "products" ("id") ON DELETE RESTRICT,
  CONSTRAINT "movements_delivery_id_fkey" FOREIGN KEY ("delivery_id") REFERENCES "deliveries" ("id") ON DELETE CASCADE
);

CREATE TRIGGER "treaty_movements_insert" AFTER INSERT ON "movements"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'movements: policy staff_book refuses this INSERT') FROM treaty_state s WHERE NOT coalesce(((NEW."booked_by" = coalesce(NEW."treaty_author", s.identity)) AND EXISTS (SELECT 1 FROM "staff" r1 WHERE (r1."who" = coalesce(NEW."treaty_author", s.identity)))), 0) AND NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = 'staff' AND NOT EXISTS (SELECT 1 FROM "staff" d WHERE d."id" = q.row_id));
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('movements', NEW."id");
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'movements', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_movements_update" AFTER UPDATE OF "id", "product_id", "delivery_id", "booked_by", "quantity", "unit_price", "at" ON "movements"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('movements', NEW."id");
  UPDATE "movements" SET "treaty_status" = 'pending', "treaty_author" = NULL WHERE rowid = NEW.rowid AND NEW."treaty_status" IS NOT 'pending' AND "treaty_status" IS NOT 'pending';
END;

CREATE TRIGGER "treaty_movements_author" AFTER UPDATE OF "treaty_author" ON "movements"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('movements', NEW."id");
  UPDATE "movements" SET "treaty_status" = 'pending', "treaty_author" = NEW."treaty_author" WHERE rowid = NEW.rowid AND ("treaty_status" IS NOT 'pending' OR "treaty_author" IS NOT NEW."treaty_author");
END;

CREATE TRIGGER "treaty_movements_delete" AFTER DELETE ON "movements"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_queue (table_name, row_id) VALUES ('movements', OLD."id");
END;

CREATE TRIGGER "treaty_movements_fixed" BEFORE UPDATE OF "id", "product_id", "delivery_id", "booked_by", "quantity", "unit_price", "at" ON "movements"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'movements: the id of a row never changes; insert a new row and delete this one') WHERE OLD."id" IS NOT NEW."id";
  SELECT RAISE(ABORT, 'movements.product_id never changes after insert (REVOKE UPDATE)') WHERE OLD."product_id" IS NOT NEW."product_id";
  SELECT RAISE(ABORT, 'movements.delivery_id never changes after insert (REVOKE UPDATE)') WHERE OLD."delivery_id" IS NOT NEW."delivery_id";
  SELECT RAISE(ABORT, 'movements.booked_by never changes after insert (REVOKE UPDATE)') WHERE OLD."booked_by" IS NOT NEW."booked_by";
  SELECT RAISE(ABORT, 'movements.quantity never changes after insert (REVOKE UPDATE)') WHERE OLD."quantity" IS NOT NEW."quantity";
  SELECT RAISE(ABORT, 'movements.unit_price never changes after insert (REVOKE UPDATE)') WHERE OLD."unit_price" IS NOT NEW."unit_price";
  SELECT RAISE(ABORT, 'movements.at never changes after insert (REVOKE UPDATE)') WHERE OLD."at" IS NOT NEW."at";
END;

CREATE TRIGGER "treaty_movements_named" BEFORE UPDATE OF "treaty_author" ON "movements"
WHEN NEW."treaty_author" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, 'movements', NEW."id" WHERE NEW."treaty_author" IS NOT NULL ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id;
END;

CREATE TRIGGER "treaty_movements_maydelete" BEFORE DELETE ON "movements"
WHEN NOT EXISTS (SELECT 1 FROM treaty_applying) BEGIN
  SELECT RAISE(ABORT, 'movements: no policy permits any DELETE') WHERE (OLD."delivery_id" IS NULL OR EXISTS (SELECT 1 FROM "deliveries" p WHERE p."id" = OLD."delivery_id"));
END;
