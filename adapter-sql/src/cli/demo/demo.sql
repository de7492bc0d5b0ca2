-- The schema of `treaty demo`: a list of tasks, and a van that one of the members has for a day. Who reads, who writes, and
-- who appoints is told by rows of members, one for each role.
CREATE TABLE members (
  id    UUID PRIMARY KEY,
  who   IDENTITY NOT NULL,
  name  TEXT NOT NULL,
  role  TEXT NOT NULL CHECK (role IN ('admin', 'editor', 'reader'))
);
REVOKE UPDATE (who, role) ON members FROM PUBLIC;
CREATE POLICY admins_appoint ON members FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
CREATE POLICY admins_dismiss ON members FOR DELETE
  USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));

CREATE TABLE tasks (
  id     UUID PRIMARY KEY,
  title  TEXT NOT NULL CHECK (length(title) <= 200),
  done   BOOLEAN NOT NULL DEFAULT false,
  price  NUMERIC(8,2)
);
CREATE POLICY editors_add ON tasks FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role IN ('admin', 'editor')));
CREATE POLICY editors_edit ON tasks FOR UPDATE
  USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role IN ('admin', 'editor')));
CREATE POLICY editors_remove ON tasks FOR DELETE
  USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role IN ('admin', 'editor')));

CREATE TABLE van (
  id   UUID PRIMARY KEY,
  day  DATE NOT NULL CONSTRAINT one_trip_a_day UNIQUE,
  trip TEXT NOT NULL
);
CREATE POLICY editors_book ON van FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role IN ('admin', 'editor')));

CREATE POLICY admins_deploy ON treaty_schema FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
CREATE POLICY members_sync ON treaty_peers FOR SELECT
  USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));

INSERT INTO members (who, name, role) VALUES (author(), 'Anna', 'admin'), (author(), 'Anna', 'reader');
