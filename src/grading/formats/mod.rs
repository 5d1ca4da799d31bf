//! What platforms want to be told of a graded submission. Each file holds one: a pure function of a [`Report`].
//!
//! Names of extra claims are a student's own words, and every platform renders text in a way of its own: what is not ours is
//! escaped for the place where it goes, and cut to a length. Scores are finite and within bounds whatever the report holds.
//! What the instructor alone should read (`instructor` of a diagnosis) goes only where students do not look.
//!
//! A submission that cannot be graded costs no attempt where the platform knows of such a thing; where it does not, it scores 0 and
//! the message says so.
//!
//! To add a platform: a file here, a line in [`FORMATS`], a golden in `tests/golden/formats`.

mod autolab;
mod coderunner;
mod coursera;
mod csv;
mod edx;
mod gradescope;
mod html;
mod junit;
mod prairielearn;
mod text;
mod vocareum;

use super::report::Report;

/// A platform's form of a report.
#[derive(Debug)]
pub struct Format {
    /// Its name, for `?format=` and `--format`.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Where the platform looks for it, and what it is in a word.
    pub summary: &'static str,
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
pub const FORMATS: &[Format] = &[
    gradescope::FORMAT,
    prairielearn::FORMAT,
    junit::FORMAT,
    autolab::FORMAT,
    coderunner::FORMAT,
    coursera::FORMAT,
    edx::FORMAT,
    csv::FORMAT,
    vocareum::FORMAT,
];

/// The format of this name.
pub fn named(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

#[cfg(test)]
mod tests;
