//! Names of unnamed constraints, derived as PostgreSQL derives them.

use std::collections::BTreeSet;

use treaty_schema::{IDENT_BYTES_MAX, Ident};

/// The names of one table's constraints.
#[derive(Debug, Clone)]
pub(super) struct Names {
    table: Ident,
    taken: BTreeSet<String>,
}

impl Names {
    /// Starts for a table.
    pub(super) fn new(table: &Ident) -> Names {
        Names { table: table.clone(), taken: BTreeSet::new() }
    }

    /// Returns `table_columns_label`, shortened to fit, with a number if it is taken: `notes_stars_check1`.
    pub(super) fn derive(&mut self, columns: &[Ident], label: &str) -> Ident {
        let columns: Vec<&str> = columns.iter().map(Ident::as_str).collect();
        let columns = columns.join("_");
        for number in 0u32.. {
            let label = if number == 0 { label.to_owned() } else { format!("{label}{number}") };
            let name = object_name(self.table.as_str(), &columns, &label);
            if self.taken.insert(name.clone()) {
                return Ident::new(&name)
                    .expect("made of a checked table name, whose start it keeps, and checked columns");
            }
        }
        unreachable!("a table has fewer constraints than u32 has numbers")
    }
}

/// Joins the parts with underscores; cuts the longer of the first two, byte by byte, until it fits.
fn object_name(table: &str, columns: &str, label: &str) -> String {
    let (mut table, mut columns) = (table, columns);
    loop {
        let name = match columns {
            "" => format!("{table}_{label}"),
            columns => format!("{table}_{columns}_{label}"),
        };
        if name.len() <= IDENT_BYTES_MAX {
            return name;
        }
        let longer = if table.len() > columns.len() { &mut table } else { &mut columns };
        *longer = cut(longer);
    }
}

/// `text` without its last character.
fn cut(text: &str) -> &str {
    let end = text.char_indices().next_back().map_or(0, |(index, _)| index);
    &text[..end]
}
