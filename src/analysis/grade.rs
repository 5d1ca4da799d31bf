//! Judge submitted answers: verdicts, points, and what went wrong.
//!
//! The exercise of a request is all of its text but the claims. It is run once; whoever sends the same text with other claims has
//! only the claims read and judged.

use std::ops::Range;
use std::sync::Arc;

use super::answer::meta;
use super::arguments::{refuse_options, required};
use super::exercises::{Digest, Known};
use super::function::drawn_flops;
use super::query::pairs;
use super::sealed;
use super::{Analysis, Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, request_hash, within};
use crate::config::Limits;
use crate::grading::claims::Claims;
use crate::grading::diagnosis::{Diagnosis, Predictions, diagnose, likely_runs};
use crate::grading::exercise::Exercise;
use crate::grading::formats::{self, FORMATS, Format};
use crate::grading::judge::Judge;
use crate::grading::parts::Parts;
use crate::grading::policy::{Feedback, Policy};
use crate::grading::report::Report;
use crate::grading::tolerance::BY_HAND_RUNS;
use crate::lower::{Lowered, Need, hint};
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::{self, Json};
use crate::spec::write::Writer;

/// `POST /v1/grade`.
pub const GRADE: Analysis = Analysis {
    name: "grade",
    summary: "Judge submitted losses, outputs, gradients and traces, and say what went wrong.",
    description: "`grade.claims` holds what a student answered; every part gets a verdict and points, `first_error` names the node of the first mistake, and `diagnosis` lists every mistake of the catalogue whose answer is the student's, at every site where it fits; a right answer gets none. Whatever a student writes is graded: what cannot be read makes the reply `gradable: false`, not an error. Exercises are kept in memory by their text, so that thousands of submissions against one exercise run it once. `?format=` answers in the form of a grading platform. Instead of the exercise there may be `sealed`: a token that `dedz seal` made of the exercise and its rules, which whoever carries it can neither read nor change; `grade` then holds the claims alone.",
    forms: &[Form::Json],
    prepare,
};

fn prepare(request: Request<'_>, _: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let mut faults = Faults::new(limits.faults);
    let format = format(request.query, &mut faults);
    if !faults.is_empty() {
        return Err(Failure::Invalid(faults));
    }
    let mut ready = ready(request, limits)?;
    ready.format = format;
    Ok(Box::new(ready))
}

/// Grade one submission, for whoever wants more of the report than its text.
///
/// # Errors
/// As [`super::prepare`], and [`Failure::Stopped`] when `guard` says so.
pub fn grade(request: Request<'_>, limits: &Limits, guard: Guard<'_>) -> Result<Report, Failure> {
    ready(request, limits)?.report(guard)
}

/// The request that asks to grade these claims against an exercise; both are JSON texts, and the exercise may have a `grade` with
/// its rules. Nothing where the exercise is no object, or has claims of its own; those of an exercise that was generated are empty.
pub fn posed(exercise: &[u8], claims: &[u8]) -> Option<Vec<u8>> {
    let (whole, claims) = (exercise.trim_ascii(), claims.trim_ascii());
    let inside = |object: &[u8]| object.first() == Some(&b'{') && object.last() == Some(&b'}');
    if !inside(whole) {
        return None;
    }
    let Some(grade) = json::member(whole, "grade") else {
        return Some(after_brace(whole, 1, &[b"\"grade\":{\"claims\":", claims, b"}"].concat()));
    };
    if !inside(&whole[grade.clone()]) {
        return None;
    }
    match claims_of(whole) {
        None => Some(after_brace(whole, grade.start + 1, &[b"\"claims\":", claims].concat())),
        Some(own) => {
            let empty = json::compact(&whole[own.clone()]) == b"{}";
            empty.then(|| [&whole[..own.start], claims, &whole[own.end..]].concat())
        }
    }
}

/// Put a member first in the object whose brace ends at this place.
fn after_brace(text: &[u8], at: usize, member: &[u8]) -> Vec<u8> {
    let empty = text[at..].trim_ascii_start().first() == Some(&b'}');
    let comma: &[u8] = if empty { b"" } else { b"," };
    [&text[..at], member, comma, &text[at..]].concat()
}

fn ready(request: Request<'_>, limits: &Limits) -> Result<Ready, Failure> {
    let Some(problem) = sealed::opened(request, limits)? else { return open(request, limits) };
    // Known by its own text: exercises that are sealed again, with another nonce, are run once.
    let ready = open(Request { problem: &problem, ..request }, limits).map_err(sealed::veiled)?;
    Ok(Ready { request_hash: request_hash(request), ..ready })
}

/// A request that says all that it means.
fn open(request: Request<'_>, limits: &Limits) -> Result<Ready, Failure> {
    let digest = digest(request);
    let known = request.library.zip(digest.as_ref()).and_then(|(library, (digest, _))| library.exercises().get(digest));
    if let (Some(known), Some((_, claims))) = (known, &digest)
        && let Ok(json) = json::parse(claims, limits)
    {
        let claims = Claims::read(json, &known.exercise.parts, known.policy.layout);
        let cost = Cost { flops: 0, bytes: (request.problem.len() as u64).saturating_mul(8) };
        let request_hash = request_hash(request);
        return Ok(Ready { stage: Stage::Known(known), claims, format: None, cost, request_hash });
    }
    let own = |json: Option<Json<'_>>, posed: &Posed, faults: &mut Faults| {
        refuse_options(&posed.options, "grade", false, faults);
        let at = At::ROOT.name("grade");
        let mut fields = Fields::of(required(json, "grade", faults)?, at, faults)?;
        let parts = Parts::of(&posed.lowered);
        let claims = fields.require("claims", faults);
        let policy = Policy::read(&mut fields, at, &parts, faults);
        fields.finish(faults);
        let (policy, claims) = (policy?, claims?);
        let claims = Claims::read(claims, &parts, policy.layout);
        Some((parts, policy, claims))
    };
    let (posed, (parts, policy, claims)) = pose(request, Some("grade"), Need::Loss, limits, own)?;
    let Posed { lowered, request_hash, .. } = posed;
    let cost = price(&lowered, &policy, request.problem.len());
    within(cost, limits)?;
    let kept = request.library.zip(digest).map(|(library, (digest, _))| (Arc::clone(library.exercises()), digest));
    let stage = Stage::New(Box::new((lowered, parts, policy)), kept);
    Ok(Ready { stage, claims, format: None, cost, request_hash })
}

/// What grading costs: the exercise's run, and one for every hypothesis.
fn price(lowered: &Lowered, policy: &Policy, text: usize) -> Cost {
    let plan = Exercise::plan(lowered);
    let run = plan.forward_flops().saturating_add(plan.backward_flops());
    let by_hand = if policy.tolerance.digits().is_some() { BY_HAND_RUNS } else { 0 };
    let flops = run.saturating_mul(likely_runs(lowered, run) + by_hand).saturating_add(drawn_flops(lowered));
    let bytes = plan.peak_elements().saturating_mul(8 * 4).saturating_add((text as u64).saturating_mul(8));
    Cost { flops, bytes }
}

/// Where a request's claims stand in its text.
pub(super) fn claims_of(text: &[u8]) -> Option<Range<usize>> {
    let grade = json::member(text, "grade")?;
    let claims = json::member(&text[grade.clone()], "claims")?;
    Some(grade.start + claims.start..grade.start + claims.end)
}

/// A digest of everything but the claims, and the claims' own text; nothing where it cannot be told apart.
fn digest(request: Request<'_>) -> Option<(Digest, &[u8])> {
    let text = request.problem;
    let claims = claims_of(text)?;
    let mut hash = blake3::Hasher::new();
    hash.update(&text[..claims.start]);
    hash.update(&[0]);
    hash.update(&text[claims.end..]);
    for part in [request.parameters, request.inputs, request.targets] {
        hash.update(&(part.map_or(u64::MAX, |part| part.len() as u64)).to_le_bytes());
        hash.update(part.unwrap_or_default());
    }
    Some((*hash.finalize().as_bytes(), &text[claims]))
}

/// `?format=`, if there is one other than our own.
fn format(query: &str, faults: &mut Faults) -> Option<&'static Format> {
    let (_, name) = pairs(query).find(|(name, _)| name == "format")?;
    let found = formats::named(&name);
    if found.is_none() && name != "dedz" {
        let known = || std::iter::once("dedz").chain(FORMATS.iter().map(|format| format.name));
        let hint = hint(&name, known());
        let detail = format!("no format is named \"{name}\"{hint}; expected {}", known().collect::<Vec<_>>().join(", "));
        faults.push(At::ROOT.name("?format"), Code::InvalidValue, detail);
    }
    found
}

/// Where an exercise comes from.
enum Stage {
    /// It was run before.
    Known(Arc<Known>),
    /// It is to be run, and kept where somebody keeps exercises.
    New(Box<(Lowered, Parts, Policy)>, Option<(Arc<super::exercises::Exercises>, Digest)>),
}

struct Ready {
    stage: Stage,
    claims: Claims,
    format: Option<&'static Format>,
    cost: Cost,
    request_hash: String,
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let (format, request_hash) = (self.format, self.request_hash.clone());
        let report = self.report(guard)?;
        let (content_type, body) = match format {
            Some(format) => (format.media_type, (format.write)(&report)),
            None => {
                let mut w = Writer::new();
                w.object(|w| {
                    report.members(w);
                    meta::<f64>(w.key("meta"), &request_hash);
                });
                ("application/json", w.into_bytes())
            }
        };
        Ok(Reply { content_type, body })
    }
}

impl Ready {
    fn report(self, guard: Guard<'_>) -> Result<Report, Failure> {
        let (known, keep) = match self.stage {
            Stage::Known(known) => (known, None),
            Stage::New(parts, keep) => {
                let (lowered, parts, policy) = *parts;
                let exercise = Exercise::new(lowered, parts, guard).map_err(Failure::Stopped)?;
                (Arc::new(Known { exercise, policy, predictions: Predictions::default() }), keep)
            }
        };
        let report = report(&known, &self.claims, guard)?;
        if let Some((exercises, digest)) = keep {
            exercises.put(digest, known);
        }
        Ok(report)
    }
}

fn report(known: &Known, claims: &Claims, guard: Guard<'_>) -> Result<Report, Failure> {
    let Known { exercise, policy, predictions } = known;
    if let Some(digits) = policy.tolerance.digits() {
        exercise.by_hand(digits, guard).map_err(Failure::Stopped)?;
    }
    let judge = Judge::new(exercise, policy);
    let judgement = judge.judge(claims);
    let told = policy.feedback >= Feedback::What && !policy.check_only && claims.malformed.is_empty();
    let diagnosis = if told {
        diagnose(&judge, claims, &judgement, predictions, guard).map_err(Failure::Stopped)?
    } else {
        Diagnosis::default()
    };
    Ok(Report::of(&judge, claims, judgement, &diagnosis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_put_into_exercises() {
        for (exercise, claims, expect) in [
            (r#"{"network":{}}"#, "{}", Some(r#"{"grade":{"claims":{}},"network":{}}"#)),
            (" {} \n", r#" {"loss":1} "#, Some(r#"{"grade":{"claims":{"loss":1}}}"#)),
            (r#"{"a":1,"grade":{"feedback":"what"}}"#, "{}", Some(r#"{"a":1,"grade":{"claims":{},"feedback":"what"}}"#)),
            (r#"{"a":1,"grade": { } }"#, "1", Some(r#"{"a":1,"grade": {"claims":1 } }"#)),
            (r#"{"grade":{"x":1,"claims": { } }}"#, r#" {"loss":1}"#, Some(r#"{"grade":{"x":1,"claims": {"loss":1} }}"#)),
            (r#"{"grade":{"claims":{"loss":1}}}"#, "{}", None),
            (r#"{"grade":3}"#, "{}", None),
            ("[]", "{}", None),
            ("", "{}", None),
        ] {
            let found = posed(exercise.as_bytes(), claims.as_bytes()).map(|text| String::from_utf8(text).unwrap());
            assert_eq!(found.as_deref(), expect, "{exercise}");
        }
    }
}
