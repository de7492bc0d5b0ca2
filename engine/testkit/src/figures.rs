//! Figures of a benchmark: several measurements under one name, printed as one line each.

use std::collections::BTreeMap;

/// Measurements by name, printed in the order of the names.
#[derive(Debug, Default)]
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
