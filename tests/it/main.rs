//! The workspace's own tests: what the repository keeps (`tidy`), and the product end to end.

mod applications;
mod commands;
mod crash;
mod demo;
mod http;
mod offline;
mod quick_start;
mod rollbacks;
mod tidy;
