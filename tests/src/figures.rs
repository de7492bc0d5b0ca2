//! Figures of a benchmark: several measurements under one name, printed as one line each.

use std::collections::BTreeMap;

/// Measurements by name, printed in the order of the names.
#[derive(Default)]
pub struct Figures(BTreeMap<String, (&'static str, Vec<f64>)>);

impl Figures {
    /// Adds one measurement of `name` in `unit`.
    pub fn add(&mut self, name: &str, unit: &'static str, value: f64) {
        self.0.entry(name.to_owned()).or_insert((unit, Vec::new())).1.push(value);
    }

    /// Prints one line a figure: name, median, unit, min, max, number of measurements.
    pub fn print(&self) {
        for (name, (unit, values)) in &self.0 {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else { continue };
            let median = sorted[sorted.len() / 2];
            println!("{name:<52} {median:>12.3} {unit:<10} {min:>12.3} {max:>12.3} {:>5}", sorted.len());
        }
    }
}

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
