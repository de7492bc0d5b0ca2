//! Being asked to stop: SIGINT and SIGTERM.

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

/// Calls `on_signal` with the signal's name when this process is asked to stop.
///
/// # Errors
/// If signals cannot be received.
pub(super) fn wait_for_signal(runtime: &Runtime, on_signal: impl FnOnce(&'static str) + Send + 'static) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    drop(inside);
    runtime.spawn(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        on_signal(name);
    });
    Ok(())
}
