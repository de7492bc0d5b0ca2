//! Figures in Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

use super::node::ReasonCounts;
use crate::cli::objects::StatusObject;
use crate::sidecar::{BATCH_MS_BOUNDS, Counts};

/// The media type of the format.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is told of.
pub(super) struct Figures {
    /// Where the node stands.
    pub(super) status: StatusObject,
    /// Reports by reason.
    pub(super) reasons: ReasonCounts,
    /// What the sidecar did.
    pub(super) counts: Counts,
    /// Open HTTP connections.
    pub(super) connections: usize,
    /// HTTP readers that wait for reports.
    pub(super) waiters: usize,
}

/// Writes the figures.
pub(super) fn render(figures: &Figures) -> String {
    let Figures { status, reasons, counts, connections, waiters } = figures;
    let mut page = Page(String::new());
    let versions = [("version", status.versions.treaty), ("sqlite", status.versions.sqlite)];
    page.family("treaty_build_info", "gauge", "Versions of this program; always 1.").line("", &versions, 1);
    page.gauge("treaty_start_time_seconds", "When the sidecar started, in seconds since 1970.", counts.started_seconds);
    page.gauge("treaty_entries", "Entries in the log.", status.entries);
    page.gauge("treaty_frontier_entries", "Newest entries of the log, not joined yet.", status.frontier.len());
    page.gauge(
        "treaty_waiting",
        "Local changes not in the log yet, and entries not in the tables yet.",
        status.waiting,
    );
    page.gauge("treaty_rollbacks_standing", "Operations that are rolled back now.", status.rollbacks);
    let connected = status.peers.iter().filter(|peer| peer.connected);
    page.gauge("treaty_peers_known", "Peers seen since the sidecar started.", status.peers.len());
    page.gauge("treaty_peers_connected", "Peers connected now.", connected.clone().count());
    let behind = connected.filter_map(|peer| peer.behind).max().unwrap_or(0);
    page.gauge("treaty_peers_behind_max", "Entries that the slowest connected peer has not confirmed.", behind);
    let mut family = page.family(
        "treaty_rollbacks_total",
        "counter",
        "Operations rolled back that the database reports, by reason.",
    );
    for (reason, count) in &reasons.by_reason {
        family.line("", &[("reason", reason)], count);
    }
    let counter = &mut page;
    counter.counter("treaty_imported_operations_total", "Local operations signed.", counts.imported_operations);
    counter.counter("treaty_imported_transactions_total", "Local transactions signed.", counts.imported_transactions);
    counter.counter("treaty_imported_entries_total", "Entries written here.", counts.imported_entries);
    counter.counter("treaty_refused_transactions_total", "Local transactions refused.", counts.refused_transactions);
    counter.counter("treaty_applied_rows_total", "Rows of others written or removed.", counts.applied_rows);
    counter.counter("treaty_applied_entries_total", "Entries written into the tables.", counts.applied_entries);
    batches(&mut page, counts);
    page.gauge("treaty_http_connections", "Open HTTP connections.", connections);
    page.gauge("treaty_http_waiting", "HTTP readers that wait for reports.", waiters);
    page.0
}

fn batches(page: &mut Page, counts: &Counts) {
    let help = "How long batches took: taking local changes out of the database, and writing others' into it.";
    let mut family = page.family("treaty_batch_seconds", "histogram", help);
    let mut so_far = 0;
    for (class, count) in counts.batch_classes.iter().enumerate() {
        so_far += count;
        let bound = BATCH_MS_BOUNDS.get(class).map_or("+Inf".to_owned(), |ms| seconds(u128::from(*ms) * 1_000));
        family.line("_bucket", &[("le", &bound)], so_far);
    }
    family.line("_sum", &[], seconds(counts.batch_time.as_micros()));
    family.line("_count", &[], so_far);
}

/// Prints microseconds as seconds, exactly.
fn seconds(micros: u128) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The text so far.
struct Page(String);

/// Lines of one name.
struct Family<'p> {
    page: &'p mut Page,
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing to memory does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { page: self, name }
    }

    fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, "gauge", help).line("", &[], value);
    }

    fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, "counter", help).line("", &[], value);
    }
}

impl Family<'_> {
    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.page.0, "{}{suffix}{labels} {value}", self.name);
    }
}

/// A label's value may hold anything, but these three only so.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page(String::new());
        page.family("f", "gauge", "H.").line("", &[("l", "a\"b\\c\nd")], 1);
        assert_eq!(page.0, "# HELP f H.\n# TYPE f gauge\nf{l=\"a\\\"b\\\\c\\nd\"} 1\n");
    }

    #[test]
    fn seconds_are_exact() {
        assert_eq!([0, 1_000, 15_000, 1_000_000, 1_234_567].map(seconds), ["0", "0.001", "0.015", "1", "1.234567"]);
    }
}
