-- The tables of with_sqlalchemy.py, as a schema file.
CREATE TABLE projects (id UUID PRIMARY KEY, name VARCHAR(80) NOT NULL UNIQUE, started DATE);
CREATE TABLE tasks (
  id         UUID PRIMARY KEY,
  project_id UUID NOT NULL REFERENCES projects (id),
  title      TEXT NOT NULL,
  hours      NUMERIC(8, 2) NOT NULL,
  is_done    BOOLEAN NOT NULL,
  due        TIMESTAMP,
  share      DOUBLE PRECISION,
  sketch     BYTEA,
  UNIQUE (project_id, title)
);
CREATE POLICY projects_come   ON projects FOR INSERT WITH CHECK (true);
CREATE POLICY projects_change ON projects FOR UPDATE USING (true);
CREATE POLICY projects_go     ON projects FOR DELETE USING (true);
CREATE POLICY tasks_come      ON tasks FOR INSERT WITH CHECK (true);
CREATE POLICY tasks_change    ON tasks FOR UPDATE USING (true);
CREATE POLICY tasks_go        ON tasks FOR DELETE USING (true);
CREATE POLICY all_sync        ON treaty_peers FOR SELECT USING (true);
