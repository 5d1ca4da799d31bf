//! Vocareum's `$vocareumGradeFile`: criterion and score, a line each. The criteria are the parts' names; create them so.

use super::Format;
use super::text::{cell, exact, name, parts, scale};
use crate::grading::report::Report;

pub(super) const FORMAT: Format = Format {
    name: "vocareum",
    media_type: "text/csv; charset=utf-8",
    summary: "Vocareum's grade file: criterion, score.",
    extension: "csv",
    joins: false,
    header: false,
    write,
};

fn write(report: &Report) -> Vec<u8> {
    // A student's own words are no criterion, and have no points.
    let asked = parts(report).0.iter().filter(|part| report.gradable && part.max_score > 0.0);
    asked.map(|part| format!("{},{}\n", cell(&name(part)), exact(part.score * scale(report)))).collect::<String>().into_bytes()
}
