//! What all platforms share: scores within bounds, text made harmless, and a bound on how much of it there is.

use crate::grading::report::{Mistaken, PartReport, Report};

/// Bytes of a name or a message; names of parts are shorter, a student's own words may be anything.
const LONGEST_NAME: usize = 200;
const LONGEST_MESSAGE: usize = 2_000;
/// Bytes of everything that is said of parts. `PrairieLearn` takes a megabyte, Codio too; escapes and diagnoses need room as well.
const LONGEST_LIST: usize = 600_000;
/// Diagnoses that are shown.
const MOST_DIAGNOSES: usize = 20;

/// A score that a platform can take.
pub(super) fn points(score: f64) -> f64 {
    if score.is_finite() { score.max(0.0) } else { 0.0 }
}

/// A share of the points, from 0 to 1; of no points, all or nothing.
pub(super) fn share(score: f64, max_score: f64, passed: bool) -> f64 {
    let (score, max_score) = (points(score), points(max_score));
    if max_score > 0.0 { (score / max_score).min(1.0) } else { f64::from(u8::from(passed)) }
}

/// What the points of the parts must be multiplied by to add up to those of the report: where all or nothing counts, the parts'
/// own are not what is given.
pub(super) fn scale(report: &Report) -> f64 {
    let sum: f64 = report.parts.iter().map(|part| points(part.score)).sum();
    if sum > 0.0 && sum.is_finite() { points(report.score) / sum } else { 0.0 }
}

/// The share of the whole report.
pub(super) fn share_of(report: &Report) -> f64 {
    if report.gradable { share(report.score, report.max_score, report.passed) } else { 0.0 }
}

/// Whether a part is right; where verdicts are not told, whether it has all its points.
pub(super) fn passes(part: &PartReport) -> bool {
    part.verdict.map_or(part.score >= part.max_score, super::super::judge::Verdict::passes)
}

/// At most so many bytes, cut between characters.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// A part's name on one line, without control characters.
pub(super) fn name(part: &PartReport) -> String {
    line(&cut(&part.name, LONGEST_NAME))
}

/// What is said of a part, or its verdict, or whether it is right.
pub(super) fn message(part: &PartReport) -> String {
    let word = if passes(part) { "right" } else { "not right" };
    let said = part.message.as_deref().or(part.verdict.map(super::super::judge::Verdict::as_str));
    line(&cut(said.unwrap_or(word), LONGEST_MESSAGE))
}

/// What is wrong with the claims as a whole.
pub(super) fn whole(report: &Report) -> String {
    let said = report.message.as_deref().unwrap_or("the claims could not be read");
    line(&cut(said, LONGEST_MESSAGE))
}

/// The first of the parts, as many as there is room for, and how many are left.
pub(super) fn parts(report: &Report) -> (&[PartReport], usize) {
    let mut room = LONGEST_LIST;
    let fits = |part: &&PartReport| {
        // Each stands with some markup around it, and what is said stands twice, escaped in one place as HTML (`&quot;`).
        let said =
            8 * (part.name.len().min(LONGEST_NAME) + part.message.as_ref().map_or(0, |text| text.len().min(LONGEST_MESSAGE)));
        let took = said + 160;
        let enough = took <= room;
        room = room.saturating_sub(took);
        enough
    };
    let count = report.parts.iter().take_while(fits).count();
    (&report.parts[..count], report.parts.len() - count)
}

/// "and 7 more parts", where some are left out.
pub(super) fn more(left: usize) -> Option<String> {
    (left > 0).then(|| format!("and {left} more part{}", if left == 1 { "" } else { "s" }))
}

/// One line a diagnosis, for the student; the words where they may be told, else the mistake's name and place.
pub(super) fn diagnoses(report: &Report) -> Vec<String> {
    let said =
        |mistaken: &Mistaken| mistaken.text.clone().unwrap_or_else(|| format!("{} {}", mistaken.mistake, mistaken.site.words()));
    report.diagnosis.iter().take(MOST_DIAGNOSES).map(|mistaken| line(&cut(said(mistaken).trim(), LONGEST_MESSAGE))).collect()
}

/// The same for the instructor.
pub(super) fn instructor(report: &Report) -> Vec<String> {
    let said = report.diagnosis.iter().take(MOST_DIAGNOSES).filter_map(|mistaken| mistaken.instructor.as_deref());
    said.map(|text| line(&cut(text, LONGEST_MESSAGE))).collect()
}

/// "3 of 4 points".
pub(super) fn tally(report: &Report) -> String {
    format!("{} of {} points", number(report.score), number(report.max_score))
}

/// A score to the last digit, for machines.
pub(super) fn exact(score: f64) -> String {
    points(score).to_string()
}

/// A score for a reader.
pub(super) fn number(score: f64) -> String {
    crate::draw::number::short(points(score), 6)
}

/// On one line, with nothing that a terminal or a parser acts upon.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || c == '\t' || c == '\r' { ' ' } else { printable(c) }).collect()
}

/// The character, or what stands for one that XML 1.0 does not have, that controls something, or that turns text around.
fn printable(c: char) -> char {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    if c.is_control() || turns || matches!(c, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c }
}

/// For HTML and XML, in text and in quoted attributes.
pub(super) fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(printable(c)),
        }
    }
    out
}

/// For Markdown: every punctuation mark of ASCII may be escaped, and then means itself.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in line(text).trim().chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// For pages that show text as it comes, as HTML perhaps: without what begins a tag or an entity.
pub(super) fn inert(text: &str) -> String {
    line(text).replace('<', "‹").replace('&', "＆")
}

/// A cell of CSV (RFC 4180), quoted where it must be; one that a spreadsheet would take for a formula begins with an apostrophe.
pub(super) fn cell(text: &str) -> String {
    let text = line(text);
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"', ';', '\'']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_harmless_where_it_goes() {
        assert_eq!(markup("<b a='1'>&\"\u{0}"), "&lt;b a=&#39;1&#39;&gt;&amp;&quot;\u{fffd}");
        assert_eq!(markdown("  [x](y) *a*\n# 1.`"), "\\[x\\]\\(y\\) \\*a\\* \\# 1\\.\\`");
        assert_eq!(inert("<img onerror=1>&lt;\u{1b}[31m"), "‹img onerror=1>＆lt;\u{fffd}[31m");
        assert_eq!(line("a\u{202e}b\tc"), "a\u{fffd}b c");
        for (text, expected) in [
            ("gradients/z7->z5", "gradients/z7->z5"),
            ("=1+1", "'=1+1"),
            ("\t@SUM(A1)", "\"' @SUM(A1)\""),
            ("-2", "'-2"),
            ("+a\"b", "\"'+a\"\"b\""),
            ("a,b", "\"a,b\""),
        ] {
            let found = cell(text);
            // An apostrophe is quoted along, which changes nothing to a reader.
            assert_eq!(
                found.trim_matches('"').replace("\"\"", "\""),
                expected.trim_matches('"').replace("\"\"", "\""),
                "{text:?}"
            );
        }
    }

    #[test]
    fn scores_are_numbers_within_bounds() {
        for (score, most, passed, expected) in [
            (3.0, 4.0, false, 0.75),
            (f64::NAN, 4.0, true, 0.0),
            (9.0, 4.0, true, 1.0),
            (-1.0, 4.0, false, 0.0),
            (0.0, 0.0, true, 1.0),
            (1.0, f64::INFINITY, false, 0.0),
        ] {
            assert_eq!(share(score, most, passed), expected, "{score} of {most}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 6), "äöü");
        assert_eq!(cut("äöüx", 6), "ä…");
    }
}
