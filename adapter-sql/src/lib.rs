//! Being built.

pub mod capture;
pub mod sqlite;
