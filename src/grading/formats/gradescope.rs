//! Gradescope's `/autograder/results/results.json`. A top-level `score` stands above the sum of the tests' own.

use super::Format;
use super::text::{diagnoses, instructor, markdown, message, more, name, parts, passes, points, tally, whole};
use crate::grading::report::Report;
use crate::spec::write::Writer;

pub(super) const FORMAT: Format = Format {
    name: "gradescope",
    media_type: "application/json",
    summary: "Gradescope's /autograder/results/results.json.",
    extension: "json",
    joins: false,
    header: false,
    write,
};

fn write(report: &Report) -> Vec<u8> {
    let mut w = Writer::new();
    w.object(|w| {
        w.key("score").number(if report.gradable { points(report.score) } else { 0.0 });
        w.key("output").string(&output(report));
        w.key("output_format").string("md");
        w.key("test_output_format").string("text");
        w.key("test_name_format").string("text");
        w.key("visibility").string("visible");
        w.key("stdout_visibility").string("hidden");
        // Stored, and shown to nobody.
        w.key("extra_data").object(|w| {
            w.key("gradable").boolean(report.gradable);
            w.key("mistakes").strings(report.diagnosis.iter().map(|mistaken| mistaken.mistake));
            w.key("instructor").strings(instructor(report).iter().map(String::as_str));
        });
        w.key("tests").array(|w| {
            for (i, part) in parts(report).0.iter().enumerate().filter(|_| report.gradable) {
                w.object(|w| {
                    w.key("name").string(&name(part));
                    w.key("number").string(&(i + 1).to_string());
                    w.key("score").number(points(part.score));
                    w.key("max_score").number(points(part.max_score));
                    w.key("status").string(if passes(part) { "passed" } else { "failed" });
                    w.key("output").string(&message(part));
                });
            }
        });
    });
    w.into_bytes()
}

fn output(report: &Report) -> String {
    if !report.gradable {
        return format!("**This submission cannot be graded.** {}\n", markdown(&whole(report)));
    }
    let mut out = format!("{}\n", markdown(&tally(report)));
    if let Some(first) = &report.first_error {
        out.push_str(&format!("\nThe first mistake is at {}\\.\n", markdown(first)));
    }
    let lines = diagnoses(report);
    if !lines.is_empty() {
        out.push('\n');
        lines.iter().for_each(|line| out.push_str(&format!("- {}\n", markdown(line))));
    }
    out.push_str(&more(parts(report).1).map_or_else(String::new, |text| format!("\n{text}\n")));
    out
}
