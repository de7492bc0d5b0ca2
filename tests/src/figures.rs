//! What benchmarks measure and how they are told their sizes.

use std::path::Path;

pub use treaty_testkit::Figures;

/// The value below which the given share of `values` lies; sorts them.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within the slice")]
    let index = ((values.len() as f64 - 1.0) * share).round() as usize;
    values.get(index).copied().unwrap_or(f64::NAN)
}

/// A whole number from the environment, for sizes of a benchmark.
pub fn size_from_environment(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The processor time that a process has used so far, in seconds (Linux only; `None` elsewhere, and where it is gone).
pub fn processor_seconds(process: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the command in parentheses; user and system time are the 12th and 13th after it.
    let mut fields = text.rsplit_once(") ")?.1.split(' ').skip(11);
    let ticks = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// The bytes of all files in and below a folder.
pub fn bytes_below(folder: &Path) -> f64 {
    let items = std::fs::read_dir(folder).expect("the folder is ours").flatten();
    items.map(|item| if item.path().is_dir() { bytes_below(&item.path()) } else { size_bytes(&item.path()) }).sum()
}

#[expect(clippy::cast_precision_loss, reason = "a size in bytes, for a figure")]
fn size_bytes(path: &Path) -> f64 {
    path.metadata().map_or(0, |facts| facts.len()) as f64
}
