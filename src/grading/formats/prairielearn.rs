//! `PrairieLearn`: an external grader's `/grade/results/results.json`, at most a megabyte, and in it `partial_scores` as a `server.py`
//! puts into `data`. `PrairieLearn` keeps members that it does not know, so one document serves both.

use super::Format;
use super::text::{diagnoses, markup, message, more, name, parts, points, scale, share, share_of, tally, whole};
use crate::grading::report::Report;
use crate::spec::write::Writer;

pub(super) const FORMAT: Format = Format {
    name: "prairielearn",
    media_type: "application/json",
    summary: "PrairieLearn's /grade/results/results.json, with partial_scores for server.py.",
    extension: "json",
    joins: false,
    header: false,
    write,
};

fn write(report: &Report) -> Vec<u8> {
    let mut w = Writer::new();
    w.object(|w| {
        w.key("gradable").boolean(report.gradable);
        if !report.gradable {
            // No attempt is used up.
            w.key("format_errors").strings([whole(report).as_str()]);
            return;
        }
        w.key("score").number(share_of(report));
        w.key("message").string(&tally(report));
        w.key("output").string(&output(report));
        w.key("tests").array(|w| {
            for part in parts(report).0 {
                w.object(|w| {
                    w.key("name").string(&name(part));
                    w.key("points").number(points(part.score));
                    w.key("max_points").number(points(part.max_score));
                    w.key("message").string(&message(part));
                });
            }
        });
        // PrairieLearn works the question's score out from these, so they are what is given, all-or-nothing rules included.
        let scale = scale(report);
        w.key("partial_scores").object(|w| {
            for part in parts(report).0.iter().filter(|part| part.max_score > 0.0) {
                w.key(&name(part)).object(|w| {
                    w.key("score").number(share(part.score * scale, part.max_score, false));
                    w.key("weight").number(points(part.max_score));
                    // Elements show it as HTML.
                    w.key("feedback").string(&markup(&message(part)));
                });
            }
        });
    });
    w.into_bytes()
}

/// Shown as it is, line by line.
fn output(report: &Report) -> String {
    let mut lines: Vec<String> = report.first_error.iter().map(|first| format!("The first mistake is at {first}.")).collect();
    lines.extend(diagnoses(report));
    lines.extend(more(parts(report).1));
    lines.join("\n")
}
