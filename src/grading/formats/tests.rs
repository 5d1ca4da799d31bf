//! What each platform is told of two submissions, against files that were written by hand from the platforms' own documents
//! (`tests/golden/formats`), and of the worst that a report can hold.

use super::*;
use crate::grading::judge::Verdict;
use crate::grading::report::{Mistaken, PartReport};
use crate::grading::site::Site;

fn part(name: &str, verdict: Verdict, score: f64, max_score: f64, message: &str) -> PartReport {
    PartReport {
        name: name.to_owned(),
        verdict: Some(verdict),
        score,
        max_score,
        message: Some(message.to_owned()),
        metrics: None,
        worst_index: None,
        expected: None,
    }
}

/// A student's own word for a part, made to hurt HTML, Markdown, CSV and terminals.
const HOSTILE: &str = "=cmd|' /C calc'!A0,<b>&\"*x*\u{1b}[31m";

/// Half a student's work, with a name that is an attack.
fn graded() -> Report {
    Report {
        submission: Some("ada".to_owned()),
        gradable: true,
        score: 2.5,
        max_score: 4.0,
        parts: vec![
            part("gradients/z7->z5", Verdict::Ok, 1.0, 1.0, "correct"),
            part("gradients/z5->z2", Verdict::FollowThrough, 1.0, 1.0, "not the right number, but right for your earlier ones"),
            part("trace/dE_dz/z5", Verdict::Mismatch, 0.0, 1.0, "wrong: off by 200.00 %"),
            part("outputs/z1", Verdict::Mismatch, 0.5, 1.0, "wrong at index [0, 1]"),
            part(HOSTILE, Verdict::Extra, 0.0, 0.0, "no part of the exercise"),
        ],
        diagnosis: vec![Mistaken {
            mistake: "sign_flipped",
            site: Site::Node("z5".to_owned()),
            with: None,
            explains: vec!["trace/dE_dz/z5".to_owned()],
            residual: Some(0.0),
            text: Some("The sign is the wrong way round at z5.".to_owned()),
            instructor: Some("dE/dz is negated at z5.".to_owned()),
            section: Some("4"),
        }],
        first_error: Some("z5".to_owned()),
        ..Report::default()
    }
}

fn ungradable() -> Report {
    Report {
        message: Some("/grade/claims/loss: expected a number, found {\"<i>\": 1}".to_owned()),
        max_score: 4.0,
        ..Report::default()
    }
}

/// With every number as a double: `1` is `1.0`.
fn plain(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(number) => serde_json::json!(number.as_f64()),
        serde_json::Value::Array(values) => values.iter().map(plain).collect(),
        serde_json::Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

/// Compares as JSON what is JSON, and bytes otherwise.
fn assert_golden(format: &Format, report: &Report, golden: &str, which: &str) {
    let found = String::from_utf8((format.write)(report)).expect("text");
    if format.media_type == "application/json" {
        let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
        let golden: serde_json::Value = serde_json::from_str(golden).expect("a golden file is JSON");
        assert_eq!(plain(&found), plain(&golden), "{} {which}:\n{found:#}", format.name);
    } else {
        assert_eq!(found, golden, "{} {which}:\n{found}", format.name);
    }
}

macro_rules! goldens {
    ($($name:literal . $extension:literal),* $(,)?) => {
        &[$((
            $name,
            include_str!(concat!("../../../tests/golden/formats/", $name, ".", $extension)),
            include_str!(concat!("../../../tests/golden/formats/", $name, "_ungradable.", $extension)),
        )),*]
    };
}

const GOLDENS: &[(&str, &str, &str)] = goldens![
    "gradescope"."json",
    "prairielearn"."json",
    "junit"."xml",
    "autolab"."txt",
    "coderunner"."json",
    "coursera"."json",
    "edx"."json",
    "csv"."csv",
    "vocareum"."csv",
];

#[test]
fn every_platform_is_told_what_it_understands() {
    let names: Vec<_> = GOLDENS.iter().map(|golden| golden.0).collect();
    assert_eq!(names, FORMATS.iter().map(|format| format.name).collect::<Vec<_>>(), "a golden for every format");
    for (name, right, wrong) in GOLDENS {
        let format = named(name).expect("a format");
        assert_golden(format, &graded(), right, "graded");
        assert_golden(format, &ungradable(), wrong, "ungradable");
    }
}

#[test]
fn whatever_a_report_holds_is_within_a_platforms_limits() {
    const MEGABYTE: usize = 1 << 20;
    let mut worst = graded();
    worst.submission = Some("<&\"'".repeat(10_000));
    worst.score = f64::NAN;
    worst.max_score = f64::INFINITY;
    worst.first_error = Some("\"'&<z5".to_owned());
    let long = format!("{HOSTILE}\u{0}\u{ffff}'\"").repeat(1_000);
    worst.parts.extend((0..20_000).map(|i| part(&format!("{i}{long}"), Verdict::Extra, f64::NAN, f64::NEG_INFINITY, &long)));
    worst.diagnosis = std::iter::repeat_n(worst.diagnosis[0].clone(), 5_000).collect();
    worst.diagnosis[0].text = Some(long.clone());
    for format in FORMATS {
        for report in [&worst, &Report { message: Some(long.clone()), ..Report::default() }] {
            let text = String::from_utf8((format.write)(report)).expect("text");
            assert!(text.len() < MEGABYTE, "{}: {} bytes", format.name, text.len());
            assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\r'), "{} controls a terminal", format.name);
            if format.media_type == "application/json" {
                let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                for share in ["score", "fraction", "fractionalScore"] {
                    let score = found.get(share).map(|score| score.as_f64().expect("a finite number"));
                    assert!(score.is_none_or(|score| (0.0..=1.0).contains(&score)), "{} {share}", format.name);
                }
            }
        }
    }
}

#[test]
fn all_or_nothing_is_what_platforms_add_up_to() {
    let none = Report { score: 0.0, ..graded() };
    let found: serde_json::Value = serde_json::from_slice(&(prairielearn::FORMAT.write)(&none)).expect("JSON");
    for (name, partial) in found["partial_scores"].as_object().expect("an object") {
        assert_eq!(partial["score"], serde_json::json!(0.0), "{name}");
    }
    let text = String::from_utf8((autolab::FORMAT.write)(&none)).expect("text");
    let last: serde_json::Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert!(last["scores"].as_object().expect("scores").values().all(|score| score.as_f64() == Some(0.0)), "{last}");
}
