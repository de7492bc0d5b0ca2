//! A newcomer to a space of many rows, beside the first copy of a subscription.

use treaty_tests::{Figures, Node, found, join, size_from_environment, wait_until};

use crate::clusters::Clusters;
use crate::logical::Logical;
use crate::session::{Session, rows_per_second, until_visible};

/// One round: the same rows written first, then copied and joined.
pub(crate) fn measure(clusters: &Clusters, figures: &mut Figures) {
    let row_count = size_from_environment("TREATY_BENCH_JOIN", 100_000);
    let theirs = {
        let mut logical = Logical::publish(clusters);
        logical.source.insert(0..row_count, 100);
        rows_per_second(row_count, || {
            logical.subscribe();
            until_visible(&mut logical.target, row_count);
        })
    };
    let (first, second) = (Node::on_server(clusters.source), Node::on_server(clusters.target));
    let up_first = found(&first, &second, &[]);
    connect(&first).insert(0..row_count, 100);
    wait_until("everything is in the log", || first.status()["waiting"] == 0);
    let mut up_second = None;
    let ours = rows_per_second(row_count, || {
        join(&first, &second);
        up_second = Some(second.up(&[up_first.listen()]));
        until_visible(&mut connect(&second), row_count);
    });
    figures.add("join.rows.logical", "rows/s", theirs);
    figures.add("join.rows.treaty", "rows/s", ours);
    figures.add("join.rows.share", "of logical", ours / theirs);
    figures.add("join.memory_peak.server", "MiB", up_first.mebibytes_peak());
    let joiner = up_second.expect("it was started");
    figures.add("join.memory_peak.joiner", "MiB", joiner.mebibytes_peak());
}

fn connect(node: &Node) -> Session {
    let database = node.postgres().unwrap_or_else(|| panic!("the node's database is a file"));
    Session::connect(database.server(), database.name(), "postgres")
}
