//! CSV (RFC 4180): a row a part, then the total. Spreadsheets open it without taking a cell for a formula.

use super::Format;
use super::text::{cell, cut, exact, message, name, parts, passes, whole};
use crate::grading::report::Report;

pub(super) const FORMAT: Format = Format {
    name: "csv",
    media_type: "text/csv; charset=utf-8",
    summary: "A row a part, then the total.",
    extension: "csv",
    joins: true,
    header: true,
    write,
};

/// The columns.
const HEADER: &str = "submission,part,score,max_score,verdict,message";

fn write(report: &Report) -> Vec<u8> {
    let submission = cell(&cut(report.submission.as_deref().unwrap_or_default(), 200));
    let mut out = format!("{HEADER}\r\n");
    let (shown, _) = parts(report);
    for part in shown.iter().filter(|_| report.gradable) {
        let verdict = part.verdict.map_or(if passes(part) { "passed" } else { "failed" }, crate::grading::judge::Verdict::as_str);
        out.push_str(&format!(
            "{submission},{},{},{},{verdict},{}\r\n",
            cell(&name(part)),
            exact(part.score),
            exact(part.max_score),
            cell(&message(part))
        ));
    }
    let (verdict, message) = match (report.gradable, report.passed) {
        (true, true) => ("passed", String::new()),
        (true, false) => ("failed", String::new()),
        (false, _) => ("ungradable", cell(&whole(report))),
    };
    let score = if report.gradable { exact(report.score) } else { String::new() };
    out.push_str(&format!("{submission},total,{score},{},{verdict},{message}\r\n", exact(report.max_score)));
    out.into_bytes()
}
