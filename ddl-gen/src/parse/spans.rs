//! Where things of a patch stand in the text: from a [`Place`] to line and column.

use sqlparser::tokenizer::Location;
use treaty_schema::{Part, Place};

/// Where the parts of one change stand; lists run parallel to those of the change.
#[derive(Debug, Clone)]
pub(super) struct ChangeSpans {
    /// The change's name.
    pub(super) whole: Location,
    /// Its columns.
    pub(super) columns: Vec<Location>,
    /// Their defaults.
    pub(super) defaults: Vec<Option<Location>>,
    /// The primary key.
    pub(super) primary_key: Option<Location>,
    /// Its checks.
    pub(super) checks: Vec<Location>,
    /// Its unique keys.
    pub(super) uniques: Vec<Location>,
    /// Its foreign keys.
    pub(super) foreign_keys: Vec<Location>,
    /// The condition of USING.
    pub(super) using: Option<Location>,
    /// The condition of WITH CHECK.
    pub(super) with_check: Option<Location>,
    /// The columns of a REVOKE.
    pub(super) revoked: Vec<Location>,
}

impl ChangeSpans {
    /// Starts with the change's name alone.
    pub(super) fn new(whole: Location) -> ChangeSpans {
        ChangeSpans {
            whole,
            columns: Vec::new(),
            defaults: Vec::new(),
            primary_key: None,
            checks: Vec::new(),
            uniques: Vec::new(),
            foreign_keys: Vec::new(),
            using: None,
            with_check: None,
            revoked: Vec::new(),
        }
    }

    /// Where `part` stands, or the change where the part has no place of its own.
    fn part(&self, part: &Part) -> Location {
        let found = match part {
            Part::Whole => None,
            Part::Column(index) => self.columns.get(*index).copied(),
            Part::Default(index) => self.defaults.get(*index).copied().flatten(),
            Part::PrimaryKey => self.primary_key,
            Part::Check(index) => self.checks.get(*index).copied(),
            Part::Unique(index) => self.uniques.get(*index).copied(),
            Part::ForeignKey(index) => self.foreign_keys.get(*index).copied(),
            Part::Using => self.using,
            Part::WithCheck => self.with_check,
            Part::Revoked(index) => self.revoked.get(*index).copied(),
        };
        found.unwrap_or(self.whole)
    }
}

/// Where `place` stands in the text.
pub(super) fn locate(changes: &[ChangeSpans], place: &Place) -> Location {
    changes.get(place.change).map_or(Location { line: 1, column: 1 }, |spans| spans.part(&place.part))
}
