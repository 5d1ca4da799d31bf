//! Autolab: the grader's last lines of output. The lab's problems are the kinds of parts: `loss`, `losses`, `outputs`, `gradients`,
//! `input_gradients`, `trace`; create those that the exercise asks for, with these names. The line before the last is the semantic
//! feedback of the same. What scores is the last line alone.

use super::Format;
use super::text::{diagnoses, inert, message, name, parts, passes, points, scale, whole};
use crate::grading::report::{PartReport, Report};
use crate::spec::write::Writer;

pub(super) const FORMAT: Format = Format {
    name: "autolab",
    media_type: "text/plain; charset=utf-8",
    summary: "Autolab's last lines of output.",
    extension: "txt",
    joins: false,
    header: false,
    write,
};

/// The kinds of parts, in the order of an exercise; a student's own words are none of them.
const KINDS: &[&str] = &["loss", "losses", "outputs", "gradients", "input_gradients", "trace"];

fn write(report: &Report) -> Vec<u8> {
    let mut out = Vec::new();
    if !report.gradable {
        // No problem is named, so none gets a score.
        out.extend_from_slice(
            format!("This submission cannot be graded: {}\n{{\"scores\":{{}}}}\n", inert(&whole(report))).as_bytes(),
        );
        return out;
    }
    for line in diagnoses(report) {
        out.extend_from_slice(inert(&line).as_bytes());
        out.push(b'\n');
    }
    out.extend(stages(report));
    out.push(b'\n');
    out.extend(scores(report));
    out.push(b'\n');
    out
}

fn of_kind<'r>(report: &'r Report, kind: &'static str) -> impl Iterator<Item = &'r PartReport> {
    report.parts.iter().filter(move |part| part.name.split('/').next() == Some(kind))
}

/// The kinds that there are.
fn kinds(report: &Report) -> impl Iterator<Item = &'static str> {
    KINDS.iter().copied().filter(|kind| of_kind(report, kind).next().is_some())
}

fn stages(report: &Report) -> Vec<u8> {
    let shown = parts(report).0;
    let mut w = Writer::new();
    w.object(|w| {
        w.key("_presentation").string("semantic");
        w.key("stages").strings(kinds(report));
        for kind in kinds(report) {
            w.key(kind).object(|w| {
                for part in shown.iter().filter(|part| part.name.split('/').next() == Some(kind)) {
                    w.key(&inert(&name(part))).object(|w| {
                        w.key("passed").boolean(passes(part));
                        if !passes(part) {
                            w.key("hint").string(&inert(&message(part)));
                        }
                    });
                }
            });
        }
    });
    w.into_bytes()
}

fn scores(report: &Report) -> Vec<u8> {
    let scale = scale(report);
    let mut w = Writer::new();
    w.object(|w| {
        w.key("scores").object(|w| {
            for kind in kinds(report) {
                w.key(kind).number(of_kind(report, kind).map(|part| points(part.score)).sum::<f64>() * scale);
            }
        });
        w.key("scoreboard").array(|w| w.number(points(report.score)));
    });
    w.into_bytes()
}
