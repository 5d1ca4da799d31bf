//! The report as a piece of HTML, which is well-formed XML as well: edX reads it as such.

use super::text::{diagnoses, markup, message, more, name, number, parts, passes, tally, whole};
use crate::grading::report::Report;

/// Points, what went wrong, and a table of parts; no scripts, no styles, no attributes.
pub(super) fn page(report: &Report) -> String {
    if !report.gradable {
        return format!("<div><p>This submission cannot be graded: {}</p></div>", markup(&whole(report)));
    }
    format!("<div>{}{}</div>", summary(report), table(report))
}

/// Points and what went wrong.
pub(super) fn summary(report: &Report) -> String {
    let mut out = format!("<p>{}</p>", markup(&tally(report)));
    if let Some(first) = &report.first_error {
        out.push_str(&format!("<p>The first mistake is at {}.</p>", markup(first)));
    }
    out.push_str(&list(&diagnoses(report)));
    out
}

/// Sentences as a list; nothing for none.
pub(super) fn list(sentences: &[String]) -> String {
    if sentences.is_empty() {
        return String::new();
    }
    format!("<ul>{}</ul>", sentences.iter().map(|text| format!("<li>{}</li>", markup(text))).collect::<String>())
}

fn table(report: &Report) -> String {
    let (shown, left) = parts(report);
    let mut out = String::from("<table><thead><tr><th></th><th>Part</th><th>Points</th><th>Result</th></tr></thead><tbody>");
    for part in shown {
        out.push_str(&format!(
            "<tr><td>{}</td><td><code>{}</code></td><td>{} of {}</td><td>{}</td></tr>",
            if passes(part) { "✓" } else { "✗" },
            markup(&name(part)),
            number(part.score),
            number(part.max_score),
            markup(&message(part)),
        ));
    }
    out.push_str("</tbody></table>");
    out.push_str(&more(left).map_or_else(String::new, |text| format!("<p>{text}</p>")));
    out
}
