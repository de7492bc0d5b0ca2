//! A small HTTP server in the sidecar: reports of rollbacks for applications, status, health, metrics. It only reads.
//!
//! * [`request`] - what may be asked; [`answer`] - what is said; [`server`] - connections, stopping.
//! * [`feed`] - reports by page, by long poll, as server-sent events; [`node`] - where they are read.
//! * [`metrics`] - Prometheus; [`patience`] - readers that stall; [`limits`] - every bound.
//!
//! Spec: docs/spec/http.md, docs/spec/openapi.json. It asks nobody for a password: it listens on loopback unless told
//! otherwise, and there it answers to names of loopback only.

mod answer;
mod feed;
pub mod limits;
mod metrics;
mod node;
mod patience;
mod request;
mod server;

pub use request::paths;

pub(crate) use node::Node;
pub(crate) use server::{Listener, Server};
