//! Treaty as a product: the sidecar that keeps an ordinary SQL database and a signed log in step.
//!
//! * [`application`] - the application's database, opened, of whatever kind.
//! * [`apply`] - from the log into the tables; [`audit`] - do they agree.
//! * [`cli`] - the commands, one file each.
//! * [`config`] - `treaty.toml`, environment and flags, read once into one checked value.
//! * [`database`] - what is common knows of a database: one trait, implemented by each kind.
//! * [`home`] - the data directory: the identity key, the lock, remembered peers, the running sidecar's status.
//! * [`capture`] - from what the triggers noted to transactions.
//! * [`http`] - reports, status and metrics for whoever asks by HTTP.
//! * [`keystore`] - the keys of the identities that a node signs for.
//! * [`link`] - what the adapter asks of the engine.
//! * `peek` - reading the application's database beside a running sidecar.
//! * [`postgres`] - an application's PostgreSQL database.
//! * `sidecar` - the threads of `treaty up`.
//! * [`sqlite`] - an application's SQLite database.
//!
//! This is the only crate that touches the application's database.

pub mod application;
pub mod apply;
pub mod audit;
pub mod capture;
pub mod cli;
pub mod config;
pub mod database;
pub mod home;
pub mod http;
pub mod keystore;
pub mod link;
pub(crate) mod peek;
pub mod postgres;
mod sidecar;
pub mod sqlite;
