//! The application's SQLite database.
//!
//! * [`values`] - cells between storage classes and canonical values.
//! * [`watch`] - noticing other processes' writes.

pub mod values;
pub mod watch;
