//! The workspace's own tests: what the repository keeps (`tidy`), and the product end to end.

mod e2e;
mod tidy;
