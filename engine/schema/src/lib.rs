//! The words of a Treaty schema: what tables, columns, values and rules *are*, without history, SQL text or I/O.
//!
//! Everything here is a checked value: a [`Schema`], an [`Ident`], a [`Value`] that exists is valid. A schema is
//! made by applying a [`Patch`] to its predecessor ([`Schema::apply`]); each version is named by the hash of its
//! predecessor's name and its patch, and each table, column and rule by the version that introduced it. The crate
//! evaluates expressions (CHECK, policies) over rows it is handed, three-valued, the same everywhere.
//!
//! What it deliberately lacks: SQL text in or out (`ddl-gen`), versions of rows and of schemas (`engine`), any I/O.

// Words.
mod ident;
mod identity;
mod types;

// Values.
mod value;

mod calendar;
mod decimal;
mod json;

mod number;
mod read;

// Expressions, patches and schemas.
mod expr;
mod patch;
mod schema;

mod codec;
mod expr_codec;

// From a patch to a schema.
mod apply;

mod class;
mod plan;
mod resolve;

// Judging rows and permissions.
mod eval;
mod key;
mod least;
mod policy;
mod row;

#[cfg(test)]
mod sketch;
#[cfg(test)]
mod tests;

pub use apply::VIOLATIONS_MAX;
pub use calendar::*;
pub use decimal::*;
pub use eval::{Env, EvalError, eval, is_not_false, is_true};
pub use expr::*;
pub use ident::*;
pub use identity::*;
pub use json::*;
pub use key::*;
pub use least::*;
pub use patch::*;
pub use plan::{EXISTS_TABLES_MAX, POLICY_CLAUSES_MAX, POLICY_EXISTS_MAX};
pub use policy::*;
pub use read::*;
pub use row::*;
pub use schema::*;
pub use types::*;
pub use value::*;
