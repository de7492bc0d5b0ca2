//! The words of a Treaty schema: what tables, columns, values and rules *are*, without history, SQL text or I/O.
//!
//! Everything here is a checked value: a [`Schema`], an [`Ident`], a [`Value`] that exists is valid. A schema is
//! made by applying a [`Patch`] to its predecessor ([`Schema::apply`]); each version is named by the hash of its
//! predecessor's name and its patch, and each table, column and rule by the version that introduced it. The crate
//! evaluates expressions (CHECK, policies) over rows it is handed, three-valued, the same everywhere.
//!
//! What it deliberately lacks: SQL text in or out (`ddl-gen`), versions of rows and of schemas (`engine`), any I/O.

mod calendar;
mod codec;
mod decimal;
mod expr;
mod expr_codec;
mod ident;
mod identity;
mod json;
mod number;
mod patch;
mod read;
mod schema;
mod types;
mod value;

pub use calendar::*;
pub use decimal::*;
pub use expr::*;
pub use ident::*;
pub use identity::*;
pub use json::*;
pub use patch::*;
pub use read::*;
pub use schema::*;
pub use types::*;
pub use value::*;
