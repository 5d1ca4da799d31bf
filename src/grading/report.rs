//! The report on one submission: all that a student or a platform is told, already cut to what they may be told.

use super::claims::Claims;
use super::diagnosis::{Diagnosis, Finding};
use super::exercise::Exercise;
use super::judge::{Judge, Judged, Judgement, Verdict};
use super::metrics::Metrics;
use super::policy::{Feedback, Policy};
use super::site::Site;
use crate::spec::problem::Encoding;
use crate::spec::write::Writer;
use crate::tensor::Tensor;

/// A graded submission.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// What the client calls the submission: a student's id, a file's name.
    pub submission: Option<String>,
    /// Whether the claims could be read; if not, no attempt should be counted.
    pub gradable: bool,
    /// What is wrong with the claims as a whole, or a sentence about the result.
    pub message: Option<String>,
    /// Points, finite and from 0 to `max_score`.
    pub score: f64,
    /// The most points.
    pub max_score: f64,
    /// Whether every part passes.
    pub passed: bool,
    /// Each part.
    pub parts: Vec<PartReport>,
    /// The mistakes that explain what is wrong.
    pub diagnosis: Vec<Mistaken>,
    /// Whether the search for pairs of mistakes ended before all were tried.
    pub truncated: bool,
    /// The node at which the first mistake was made.
    pub first_error: Option<String>,
}

/// One part of a report; what may not be told is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct PartReport {
    /// `gradients/z7->z5`. A student's own word where the verdict is `extra`.
    pub name: String,
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// Points given.
    pub score: f64,
    /// The most points.
    pub max_score: f64,
    /// A sentence.
    pub message: Option<String>,
    /// How far it is off.
    pub(crate) metrics: Option<Metrics>,
    /// The index of the worst number.
    pub worst_index: Option<Vec<usize>>,
    /// The right value.
    pub expected: Option<Tensor<f64>>,
}

/// One explanation of what is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistaken {
    /// The mistake's name.
    pub mistake: &'static str,
    /// Where.
    pub site: Site,
    /// A second mistake that was made as well.
    pub with: Option<(&'static str, Site)>,
    /// The names of the parts that it explains.
    pub explains: Vec<String>,
    /// How far claims and prediction are apart, relatively.
    pub residual: Option<f64>,
    /// To the student.
    pub text: Option<String>,
    /// To the instructor.
    pub instructor: Option<String>,
    /// The part of the lecture that it concerns.
    pub section: Option<&'static str>,
}

impl Report {
    /// The report on claims that could be read.
    pub fn of(judge: &Judge<'_>, claims: &Claims, judgement: Judgement, diagnosis: &Diagnosis) -> Self {
        let (policy, exercise) = (judge.policy, judge.exercise);
        if !claims.malformed.is_empty() {
            return Self::ungradable(&claims.malformed, &judgement);
        }
        let told = policy.feedback;
        let what = told >= Feedback::What && !policy.check_only;
        let findings = diagnosis.findings.iter().filter(|_| what);
        let Judgement { parts, score, max_score, passed, first_error } = judgement;
        let parts: Vec<_> = parts.into_iter().map(|part| PartReport::of(part, exercise, policy)).collect();
        Self {
            submission: None,
            gradable: true,
            message: None,
            score,
            max_score,
            passed,
            parts,
            diagnosis: findings.map(|finding| Mistaken::of(finding, exercise, policy)).collect(),
            truncated: what && diagnosis.truncated,
            first_error: first_error.filter(|_| told >= Feedback::Where && !policy.check_only),
        }
    }

    /// The report on claims that cannot be graded.
    fn ungradable(malformed: &[(String, String)], judgement: &Judgement) -> Self {
        const SHOWN: usize = 5;
        let mut lines: Vec<_> =
            malformed.iter().take(SHOWN).map(|(pointer, detail)| format!("/grade/claims{pointer}: {detail}")).collect();
        if malformed.len() > SHOWN {
            lines.push(format!("and {} more", malformed.len() - SHOWN));
        }
        Self { message: Some(lines.join("; ")), max_score: judgement.max_score, ..Self::default() }
    }

    /// As JSON.
    pub fn write(&self, w: &mut Writer) {
        w.object(|w| self.members(w));
    }

    /// Its members, into an object that may have others.
    pub fn members(&self, w: &mut Writer) {
        if let Some(submission) = &self.submission {
            w.key("submission").string(submission);
        }
        w.key("gradable").boolean(self.gradable);
        if let Some(message) = &self.message {
            w.key("message").string(message);
        }
        w.key("score").number(self.score);
        w.key("max_score").number(self.max_score);
        w.key("passed").boolean(self.passed);
        w.key("parts").array(|w| self.parts.iter().for_each(|part| part.write(w)));
        w.key("diagnosis").array(|w| self.diagnosis.iter().for_each(|mistaken| mistaken.write(w)));
        if self.truncated {
            w.key("diagnosis_truncated").boolean(true);
        }
        if let Some(first) = &self.first_error {
            w.key("first_error").string(first);
        }
    }
}

impl PartReport {
    fn of(judged: Judged, exercise: &Exercise, policy: &Policy) -> Self {
        let told = policy.feedback;
        let open = !policy.check_only;
        let message = (told >= Feedback::Verdict).then(|| sentence(&judged, told, open));
        let Judged { part, name, verdict, score, max_score, metrics, worst_index, .. } = judged;
        let expected = part.filter(|_| told >= Feedback::Answer && open).map(|part| exercise.key().0[part].clone());
        Self {
            name,
            verdict: Some(verdict).filter(|_| told >= Feedback::Verdict),
            score,
            max_score,
            message,
            metrics: metrics.filter(|_| told >= Feedback::What && open),
            worst_index: worst_index.filter(|_| told >= Feedback::Where && open),
            expected,
        }
    }

    fn write(&self, w: &mut Writer) {
        w.object(|w| {
            w.key("name").string(&self.name);
            if let Some(verdict) = self.verdict {
                w.key("verdict").string(verdict.as_str());
            }
            w.key("score").number(self.score);
            w.key("max_score").number(self.max_score);
            if let Some(message) = &self.message {
                w.key("message").string(message);
            }
            if let Some(metrics) = &self.metrics {
                w.key("metrics").object(|w| {
                    metrics.members(w);
                    if let Some(index) = &self.worst_index {
                        w.key("worst_index").sizes(index);
                    }
                });
            } else if let Some(index) = &self.worst_index {
                w.key("worst_index").sizes(index);
            }
            if let Some(expected) = &self.expected {
                w.key("expected").tensor(expected.shape(), expected.data(), Encoding::Nested);
            }
        });
    }
}

/// What is said of a part in one sentence; numbers only where `open`.
fn sentence(judged: &Judged, told: Feedback, open: bool) -> String {
    let place = match &judged.worst_index {
        Some(index) if !index.is_empty() && told >= Feedback::Where && open => format!(" at index {index:?}"),
        _ => String::new(),
    };
    match judged.verdict {
        Verdict::Ok => "correct".to_owned(),
        Verdict::FollowThrough => "not the right number, but right for your earlier ones".to_owned(),
        Verdict::KinkCrossed => "right on the other side of a kink that rounding may cross".to_owned(),
        Verdict::AtKink => "right by another slope at a kink".to_owned(),
        Verdict::BelowNoise => "as good as zero, like the right number".to_owned(),
        Verdict::Nonfinite => format!("not a finite number{place}"),
        Verdict::Missing => "not answered".to_owned(),
        Verdict::Extra => judged.note.clone().unwrap_or_else(|| "no part of the exercise".to_owned()),
        Verdict::Shape => judged.note.clone().filter(|_| open).unwrap_or_else(|| "not of the right shape".to_owned()),
        Verdict::Mismatch => match judged.metrics.filter(|_| told >= Feedback::What && open) {
            Some(metrics) => format!("wrong{place}: off by {:.2} %", 100.0 * metrics.rel_max.min(1.0)),
            None => format!("wrong{place}"),
        },
    }
}

impl Mistaken {
    fn of(finding: &Finding, exercise: &Exercise, policy: &Policy) -> Self {
        let why = policy.feedback >= Feedback::Why;
        let say = |text: fn(&super::mistakes::Mistake) -> &'static str| {
            let one = |mistake, site: &Site, detail: &Option<String>| {
                let detail = detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
                text(mistake).replace("{where}", &format!("{}{detail}", site.words()))
            };
            let first = one(finding.mistake, &finding.site, &finding.detail);
            match &finding.with {
                None => first,
                Some((mistake, site, detail)) => format!("{first} And: {}", one(mistake, site, detail)),
            }
        };
        Self {
            mistake: finding.mistake.name,
            site: finding.site.clone(),
            with: finding.with.as_ref().map(|(mistake, site, _)| (mistake.name, site.clone())),
            explains: finding.explains.iter().map(|&part| exercise.parts.list()[part].name.clone()).collect(),
            residual: Some(finding.residual),
            text: why.then(|| say(|mistake| mistake.student)),
            instructor: why.then(|| say(|mistake| mistake.instructor)),
            section: why.then_some(finding.mistake.section),
        }
    }

    fn write(&self, w: &mut Writer) {
        w.object(|w| {
            w.key("mistake").string(self.mistake);
            self.site.write(w.key("where"));
            if let Some((mistake, site)) = &self.with {
                w.key("with").object(|w| {
                    w.key("mistake").string(mistake);
                    site.write(w.key("where"));
                });
            }
            w.key("explains").strings(self.explains.iter().map(String::as_str));
            if let Some(residual) = self.residual {
                w.key("residual").number(residual);
            }
            if let Some(text) = &self.text {
                w.key("text").string(text);
            }
            if let Some(text) = &self.instructor {
                w.key("instructor").string(text);
            }
            if let Some(section) = self.section {
                w.key("section").string(section);
            }
        });
    }
}
