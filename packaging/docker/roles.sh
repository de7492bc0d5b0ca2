#!/usr/bin/env bash
# Makes two roles and a database, when the server is new. `treaty` owns the database, and so the tables that `treaty init`
# makes in it; `app` reads and writes these tables and has no right on the sidecar's bookkeeping. Neither is a superuser.
set -euo pipefail
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --quiet <<'SQL'
\getenv sidecar SIDECAR_PASSWORD
\getenv application APPLICATION_PASSWORD
CREATE ROLE treaty LOGIN PASSWORD :'sidecar';
CREATE ROLE app LOGIN PASSWORD :'application';
CREATE DATABASE notes OWNER treaty;
\connect notes
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO treaty;
ALTER DEFAULT PRIVILEGES FOR ROLE treaty IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
SQL
