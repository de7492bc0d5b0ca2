//! The workspace's own tests: what the repository keeps (`tidy`), and the product end to end.

mod applications;
mod authors;
mod commands;
mod concurrent;
mod crash;
mod demo;
mod deployment;
mod double_booking;
mod foreign_keys;
mod http;
mod keys;
mod mixed;
mod offline;
mod pooler;
mod quick_start;
mod revocation;
mod rollbacks;
mod server_crash;
mod tidy;
mod traps;
mod values;
