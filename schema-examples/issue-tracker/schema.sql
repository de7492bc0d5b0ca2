-- An issue tracker: projects with their members, issues, comments, labels.

CREATE TABLE admins (
  id   UUID PRIMARY KEY,
  who  IDENTITY NOT NULL UNIQUE
);
REVOKE UPDATE (who) ON admins FROM PUBLIC;
CREATE POLICY admins_appoint ON admins FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM admins a WHERE a.who = author()));
CREATE POLICY admins_dismiss ON admins FOR DELETE USING (EXISTS (SELECT 1 FROM admins a WHERE a.who = author()));

CREATE TABLE projects (
  id          UUID PRIMARY KEY,
  key         VARCHAR(10) NOT NULL UNIQUE CHECK (length(key) >= 2),
  name        TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  archived    BOOLEAN NOT NULL DEFAULT FALSE,
  created_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE POLICY admins_open    ON projects FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM admins a WHERE a.who = author()));
CREATE POLICY admins_change  ON projects FOR UPDATE USING (EXISTS (SELECT 1 FROM admins a WHERE a.who = author()));
CREATE POLICY admins_discard ON projects FOR DELETE USING (EXISTS (SELECT 1 FROM admins a WHERE a.who = author()));

CREATE TABLE members (
  id          UUID PRIMARY KEY,
  project_id  UUID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  who         IDENTITY NOT NULL,
  role        TEXT NOT NULL DEFAULT 'reporter' CHECK (role IN ('maintainer', 'reporter')),
  UNIQUE (project_id, who)
);
REVOKE UPDATE (project_id, who, role) ON members FROM PUBLIC;
CREATE POLICY admins_add ON members FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM admins a WHERE a.who = author()));
CREATE POLICY maintainers_add ON members FOR INSERT
  WITH CHECK (role = 'reporter' AND EXISTS (
    SELECT 1 FROM members m WHERE m.project_id = members.project_id AND m.who = author() AND m.role = 'maintainer'));
CREATE POLICY admins_remove ON members FOR DELETE
  USING (who = author() OR EXISTS (SELECT 1 FROM admins a WHERE a.who = author()));

CREATE TABLE issues (
  id          UUID PRIMARY KEY,
  project_id  UUID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  reporter    IDENTITY NOT NULL,
  assignee    UUID REFERENCES members (id) ON DELETE SET NULL,
  parent_id   UUID REFERENCES issues (id) ON DELETE NO ACTION,
  title       TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
  body        TEXT NOT NULL DEFAULT '',
  state       TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'active', 'done', 'rejected')),
  priority    INTEGER NOT NULL DEFAULT 3 CHECK (priority BETWEEN 1 AND 5),
  due         DATE,
  details     JSONB NOT NULL DEFAULT '{}',
  created_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);
REVOKE UPDATE (project_id, reporter, created_at) ON issues FROM PUBLIC;
CREATE POLICY members_report ON issues FOR INSERT
  WITH CHECK (reporter = author() AND EXISTS (
    SELECT 1 FROM members m WHERE m.project_id = issues.project_id AND m.who = author()));
CREATE POLICY members_edit ON issues FOR UPDATE
  USING (EXISTS (SELECT 1 FROM members m WHERE m.project_id = issues.project_id AND m.who = author()));
CREATE POLICY maintainers_remove ON issues FOR DELETE
  USING (EXISTS (
    SELECT 1 FROM members m WHERE m.project_id = issues.project_id AND m.who = author() AND m.role = 'maintainer'));

CREATE TABLE comments (
  id        UUID PRIMARY KEY,
  issue_id  UUID NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
  writer    IDENTITY NOT NULL,
  body      TEXT NOT NULL CHECK (length(body) > 0),
  at        TIMESTAMPTZ NOT NULL DEFAULT now()
);
REVOKE UPDATE (issue_id, writer, at) ON comments FROM PUBLIC;
CREATE POLICY members_comment ON comments FOR INSERT
  WITH CHECK (writer = author() AND EXISTS (
    SELECT 1 FROM issues i, members m
    WHERE i.id = comments.issue_id AND m.project_id = i.project_id AND m.who = author()));
CREATE POLICY writers_edit   ON comments FOR UPDATE USING (writer = author());
CREATE POLICY writers_remove ON comments FOR DELETE USING (writer = author());

CREATE TABLE labels (
  id          UUID PRIMARY KEY,
  project_id  UUID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  name        VARCHAR(40) NOT NULL,
  colour      INTEGER CHECK (colour BETWEEN 0 AND 16777215),
  UNIQUE (project_id, name)
);
REVOKE UPDATE (project_id, name) ON labels FROM PUBLIC;
CREATE POLICY maintainers_define ON labels FOR INSERT
  WITH CHECK (EXISTS (
    SELECT 1 FROM members m WHERE m.project_id = labels.project_id AND m.who = author() AND m.role = 'maintainer'));
CREATE POLICY maintainers_paint ON labels FOR UPDATE
  USING (EXISTS (
    SELECT 1 FROM members m WHERE m.project_id = labels.project_id AND m.who = author() AND m.role = 'maintainer'));
CREATE POLICY maintainers_drop ON labels FOR DELETE
  USING (EXISTS (
    SELECT 1 FROM members m WHERE m.project_id = labels.project_id AND m.who = author() AND m.role = 'maintainer'));

CREATE TABLE issue_labels (
  id        UUID PRIMARY KEY,
  issue_id  UUID NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
  label_id  UUID NOT NULL REFERENCES labels (id) ON DELETE RESTRICT
);
REVOKE UPDATE (issue_id, label_id) ON issue_labels FROM PUBLIC;
CREATE UNIQUE INDEX issue_labels_once ON issue_labels (issue_id, label_id);
CREATE POLICY members_label ON issue_labels FOR INSERT
  WITH CHECK (EXISTS (
    SELECT 1 FROM issues i, members m
    WHERE i.id = issue_labels.issue_id AND m.project_id = i.project_id AND m.who = author()));
CREATE POLICY members_unlabel ON issue_labels FOR DELETE
  USING (EXISTS (
    SELECT 1 FROM issues i, members m
    WHERE i.id = issue_labels.issue_id AND m.project_id = i.project_id AND m.who = author()));

CREATE POLICY admins_deploy ON treaty_schema FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM admins a WHERE a.who = author()));
CREATE POLICY members_sync ON treaty_peers FOR SELECT
  USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()) OR EXISTS (SELECT 1 FROM admins a WHERE a.who = author()));

INSERT INTO admins (who) VALUES (author());
INSERT INTO projects (id, key, name) VALUES ('5f0c3b1e-9a1d-4c53-8a34-1b2f6f0a7d11', 'MAIN', 'The first project');
INSERT INTO members (project_id, who, role) VALUES ('5f0c3b1e-9a1d-4c53-8a34-1b2f6f0a7d11', author(), 'maintainer');
