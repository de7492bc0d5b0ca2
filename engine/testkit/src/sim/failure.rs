//! What a run found wrong.

use std::error::Error;
use std::fmt;

/// A check that failed, or something that broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which check; the same one must fail for a smaller run to count as the same failure.
    pub check: &'static str,
    /// What was found.
    pub text: String,
}

/// What every part of a run answers.
pub(super) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Names a failed check.
    pub fn new(check: &'static str, text: impl Into<String>) -> Failure {
        Failure { check, text: text.into() }
    }

    /// Makes a failure of an error that nothing excuses.
    pub fn of<E: Error>(doing: &'static str) -> impl Fn(E) -> Failure {
        move |cause| {
            let mut text = format!("{doing}: {cause}");
            let mut source = cause.source();
            while let Some(below) = source {
                text = format!("{text}: {below}");
                source = below.source();
            }
            Failure { check: doing, text }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.text)
    }
}
