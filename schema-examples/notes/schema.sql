CREATE TABLE members (
  id    UUID PRIMARY KEY,
  who   IDENTITY NOT NULL,
  role  TEXT NOT NULL CHECK (role IN ('admin', 'editor')),
  UNIQUE (who, role)
);
REVOKE UPDATE (who, role) ON members FROM PUBLIC;       -- policies read these columns, so they never change after insert
CREATE POLICY admins_appoint ON members FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
CREATE POLICY admins_dismiss ON members FOR DELETE
  USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));

CREATE TABLE notes (
  id     UUID PRIMARY KEY,
  owner  IDENTITY NOT NULL,
  title  TEXT NOT NULL CHECK (length(title) <= 200),
  body   TEXT NOT NULL DEFAULT '',
  stars  INTEGER NOT NULL DEFAULT 0 CHECK (stars >= 0)
);
REVOKE UPDATE (owner) ON notes FROM PUBLIC;
CREATE POLICY editors_write ON notes FOR INSERT
  WITH CHECK (owner = author() AND EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY owners_edit   ON notes FOR UPDATE USING (owner = author());
CREATE POLICY owners_remove ON notes FOR DELETE USING (owner = author());

CREATE POLICY admins_deploy ON treaty_schema FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
CREATE POLICY members_sync ON treaty_peers FOR SELECT
  USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));

INSERT INTO members (who, role) VALUES (author(), 'admin');    -- genesis rows: author() is the founder
