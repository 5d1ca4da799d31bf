//! Coursera's `/shared/feedback.json`.

use super::Format;
use super::html::page;
use super::text::share_of;
use crate::grading::report::Report;
use crate::spec::write::Writer;

pub(super) const FORMAT: Format = Format {
    name: "coursera",
    media_type: "application/json",
    summary: "Coursera's /shared/feedback.json.",
    extension: "json",
    joins: false,
    header: false,
    write,
};

fn write(report: &Report) -> Vec<u8> {
    let mut w = Writer::new();
    w.object(|w| {
        w.key("fractionalScore").number(share_of(report));
        w.key("feedback").string(&page(report));
        w.key("feedbackType").string("HTML");
    });
    w.into_bytes()
}
