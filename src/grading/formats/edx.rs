//! edX: an external grader's reply to `XQueue`. `score` is a share of the problem's points; `msg` must be well-formed XML, or the
//! LMS refuses the reply.

use super::Format;
use super::html::page;
use super::text::share_of;
use crate::grading::report::Report;
use crate::spec::write::Writer;

pub(super) const FORMAT: Format = Format {
    name: "edx",
    media_type: "application/json",
    summary: "An external grader's reply to edX's XQueue.",
    extension: "json",
    joins: false,
    header: false,
    write,
};

fn write(report: &Report) -> Vec<u8> {
    let mut w = Writer::new();
    w.object(|w| {
        w.key("correct").boolean(report.gradable && report.passed);
        w.key("score").number(share_of(report));
        w.key("msg").string(&page(report));
    });
    w.into_bytes()
}
