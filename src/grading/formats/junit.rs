//! `JUnit`'s XML, as GitLab, Jenkins and Artemis read it (`junit-10.xsd` of xUnit). A part is a test case of the class of its kind.

use super::Format;
use super::text::{diagnoses, exact, markup, message, more, name, number, parts, passes, whole};
use crate::grading::report::{PartReport, Report};

pub(super) const FORMAT: Format = Format {
    name: "junit",
    media_type: "application/xml",
    summary: "JUnit XML, for GitLab, Jenkins and Artemis.",
    extension: "xml",
    joins: false,
    header: false,
    write,
};

fn write(report: &Report) -> Vec<u8> {
    let shown = if report.gradable { parts(report) } else { (&[][..], 0) };
    let failures = shown.0.iter().filter(|part| !passes(part)).count();
    let errors = usize::from(!report.gradable);
    let tests = shown.0.len() + errors;
    let suite = markup(&super::text::line(&super::text::cut(report.submission.as_deref().unwrap_or("dedz"), 200)));
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"0\">\n\
         <testsuite name=\"{suite}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\" time=\"0\">\n"
    );
    out.push_str(&format!(
        "<properties>\n<property name=\"score\" value=\"{}\"/>\n<property name=\"max_score\" value=\"{}\"/>\n</properties>\n",
        exact(report.score),
        exact(report.max_score)
    ));
    if report.gradable {
        shown.0.iter().for_each(|part| out.push_str(&case(part)));
    } else {
        let message = markup(&whole(report));
        out.push_str(&format!(
            "<testcase classname=\"claims\" name=\"claims\" time=\"0\">\n<error type=\"ungradable\" message=\"{message}\"/>\n</testcase>\n"
        ));
    }
    let lines: Vec<String> = diagnoses(report).into_iter().chain(more(shown.1)).collect();
    out.push_str(&format!("<system-out>{}</system-out>\n</testsuite>\n</testsuites>\n", markup_lines(&lines)));
    out.into_bytes()
}

fn case(part: &PartReport) -> String {
    let class = part.name.split('/').next().unwrap_or_default();
    let open = format!(
        "<testcase classname=\"{}\" name=\"{}\" time=\"0\"",
        markup(&super::text::line(&super::text::cut(class, 200))),
        markup(&name(part))
    );
    if passes(part) {
        return format!("{open}/>\n");
    }
    let kind = part.verdict.map_or("failed", crate::grading::judge::Verdict::as_str);
    format!(
        "{open}>\n<failure type=\"{kind}\" message=\"{}\">{} of {} points</failure>\n</testcase>\n",
        markup(&message(part)),
        number(part.score),
        number(part.max_score)
    )
}

fn markup_lines(lines: &[String]) -> String {
    lines.iter().map(|line| markup(line)).collect::<Vec<_>>().join("\n")
}
