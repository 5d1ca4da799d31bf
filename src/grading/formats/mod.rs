//! What platforms want to be told of a graded submission. Each file holds one: a pure function of a [`Report`].

use super::report::Report;

/// A platform's form of a report.
#[derive(Debug)]
pub struct Format {
    /// Its name, for `?format=` and `--format`.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What its files end in.
    pub extension: &'static str,
    /// Whether the results of several students may stand one after the other.
    pub joins: bool,
    /// Whether the first line is a header, which stands once above several students.
    pub header: bool,
    /// The text.
    pub write: fn(&Report) -> Vec<u8>,
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// The platforms.
pub const FORMATS: &[Format] = &[];

/// The format of this name.
pub fn named(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}
