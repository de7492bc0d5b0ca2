//! Limits of schema text: what bounds the parser's time, memory and stack.

/// Largest schema file, in bytes. A thousand tables with their policies fit many times over.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// Most tokens of one expression. Bounds the depth of `sqlparser`'s left-deep operator chains, and with it the stack.
pub const EXPR_TOKENS_MAX: usize = 2_000;

/// Deepest nesting that `sqlparser` follows in one expression: its own default, stated here because we rely on it.
pub const EXPR_NESTING_MAX: usize = 50;
