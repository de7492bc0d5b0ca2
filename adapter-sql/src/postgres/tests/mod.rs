//! Tests against a real server.

mod peek;
mod session;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use treaty_testkit::PostgresServer;

/// How to reach a database as a role of the same name.
fn options(server: &PostgresServer, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(server.port())
        .username(database)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

/// Makes an empty database on the shared server.
fn database() -> (String, PgConnectOptions) {
    let server = PostgresServer::shared();
    let name = server.create_database();
    let options = options(server, &name);
    (name, options)
}
