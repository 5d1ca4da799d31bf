//! Moodle's `CodeRunner`: what a combinator template grader prints. Cells under `%s` are escaped by `CodeRunner` itself.

use super::Format;
use super::html::{list, summary};
use super::text::{instructor, line, markup, message, more, name, number, parts, passes, share_of, whole};
use crate::grading::report::Report;
use crate::spec::write::Writer;

pub(super) const FORMAT: Format = Format {
    name: "coderunner",
    media_type: "application/json",
    summary: "What a combinator template grader of CodeRunner prints.",
    extension: "json",
    joins: false,
    header: false,
    write,
};

fn write(report: &Report) -> Vec<u8> {
    let mut w = Writer::new();
    w.object(|w| {
        w.key("fraction").number(share_of(report));
        if !report.gradable {
            w.key("prologuehtml").string(&format!("<p>This submission cannot be graded: {}</p>", markup(&whole(report))));
            return;
        }
        w.key("prologuehtml").string(&summary(report));
        let (shown, left) = parts(report);
        w.key("testresults").array(|w| {
            w.array(|w| ["iscorrect", "Part", "Result", "Points"].iter().for_each(|head| w.string(head)));
            for part in shown {
                w.array(|w| {
                    w.integer(u64::from(passes(part)));
                    w.string(&name(part));
                    w.string(&line(&message(part)));
                    w.string(&format!("{} of {}", number(part.score), number(part.max_score)));
                });
            }
        });
        w.key("columnformats").strings(["%s", "%s", "%s"]);
        w.key("epiloguehtml").string(&more(left).map_or_else(String::new, |text| format!("<p>{text}</p>")));
        w.key("instructorhtml").string(&list(&instructor(report)));
    });
    w.into_bytes()
}
