//! What went wrong: every mistake of the catalogue, at every site, is held against the claims; those that predict what the student
//! wrote are returned, all of them, and never a guess.
//!
//! A hypothesis fits when everything that was claimed is what it predicts, by the exercise's own tolerance, and something that it
//! predicts is wrong. Claims are mostly far more exact than the tolerance: of those that fit, the ones that are off by much more
//! than the best are dropped. Where no single mistake fits, pairs are tried within a budget that depends on nothing but the exercise.

use std::sync::OnceLock;

use super::change::{Both, Change};
use super::claims::{Claim, Claims};
use super::exercise::Exercise;
use super::judge::{Judge, Judgement, Verdict};
use super::mistakes::{CATALOG, Clues, Hypothesis, Mistake};
use super::parts::Answer;
use super::site::Site;
use crate::lower::Lowered;
use crate::tensor::Tensor;

/// A mistake that explains what a student wrote.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The mistake.
    pub mistake: &'static Mistake,
    /// Where it was made.
    pub site: Site,
    /// What is particular about it: "twice as large", "η = 0.5".
    pub detail: Option<String>,
    /// A second mistake that was made as well.
    pub with: Option<(&'static Mistake, Site, Option<String>)>,
    /// The parts that are wrong and that it predicts, by their places.
    pub explains: Vec<usize>,
    /// How far claims and prediction are apart: the largest `‖claim − predicted‖ / ‖predicted‖` of a part.
    pub residual: f64,
}

/// What was found, and whether all was tried.
#[derive(Debug, Clone, Default)]
pub struct Diagnosis {
    /// Every hypothesis that fits, the best first.
    pub findings: Vec<Finding>,
    /// Whether the budget ended before all pairs were tried.
    pub truncated: bool,
}

/// The hypotheses of an exercise with what each predicts, kept between submissions.
#[derive(Debug, Default)]
pub struct Predictions {
    fixed: OnceLock<Vec<Predicted>>,
}

/// A hypothesis and its answer.
#[derive(Debug)]
pub struct Predicted {
    /// The mistake.
    pub mistake: &'static Mistake,
    /// Where and how.
    pub hypothesis: Hypothesis,
    /// What somebody who makes it answers.
    pub answer: Answer,
}

/// Floating-point operations that one exercise's hypotheses may take, and one submission's pairs.
const BUDGET_FLOPS: u64 = 500_000_000;
/// Runs that one submission's pairs may take, whatever they cost.
const PAIR_RUNS: usize = 1_000;
/// Predictions whose numbers are kept, in numbers.
const KEPT_NUMBERS: usize = 8 << 20;

impl Predictions {
    /// How many there are by now.
    pub fn count(&self) -> usize {
        self.fixed.get().map_or(0, Vec::len)
    }

    /// The hypotheses that do not depend on what is claimed.
    pub fn of(&self, exercise: &Exercise) -> &[Predicted] {
        self.fixed.get_or_init(|| {
            let clues = Clues { learning_rate: None, claims: None };
            predict(exercise, CATALOG.iter().copied().filter(|mistake| !mistake.fitted), &clues)
        })
    }
}

/// About how many runs grading takes, where each takes `flops`: one for each hypothesis of a network of this size.
pub fn likely_runs(lowered: &Lowered, flops: u64) -> u64 {
    let edges: usize = lowered.nodes.iter().map(|node| node.inputs.len()).sum();
    let hypotheses = 50 + 15 * lowered.nodes.len() + 4 * edges + 4 * lowered.parameters.len();
    (hypotheses as u64).min(BUDGET_FLOPS / flops.max(1)).max(2)
}

/// How many hypotheses of an exercise are run: fewer where each is dear.
fn affordable(exercise: &Exercise) -> usize {
    let numbers: usize = exercise.key().0.iter().map(|value| value.data().len()).sum();
    let runs = BUDGET_FLOPS / exercise.flops().max(1);
    usize::try_from(runs).unwrap_or(usize::MAX).min(KEPT_NUMBERS / numbers.max(1)).max(1)
}

fn predict(exercise: &Exercise, mistakes: impl Iterator<Item = &'static Mistake>, clues: &Clues<'_>) -> Vec<Predicted> {
    let hypotheses = mistakes.flat_map(|mistake| (mistake.hypotheses)(exercise, clues).into_iter().map(move |h| (mistake, h)));
    let run = |(mistake, hypothesis): (&'static Mistake, Hypothesis)| {
        let mut answer = exercise.answer(hypothesis.change.as_ref());
        share(&mut answer, exercise.key()).then_some(Predicted { mistake, hypothesis, answer })
    };
    // A mistake that changes nothing here cannot have been made.
    hypotheses.take(affordable(exercise)).filter_map(run).collect()
}

/// Share with the key what is the same there; whether anything differs, by more than two orders of adding do.
fn share(answer: &mut Answer, key: &Answer) -> bool {
    const SAME: f64 = 1e-13;
    let largest = |value: &Tensor<f64>| value.data().iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    let mut differs = false;
    for (value, key) in answer.0.iter_mut().zip(&key.0) {
        if value == key {
            value.clone_from(key);
            continue;
        }
        let scale = SAME * largest(key);
        differs |= value.shape() != key.shape()
            || value.data().iter().zip(key.data()).any(|(a, k)| (a - k).abs() > scale || (a - k).is_nan());
    }
    differs
}

/// Everything that a student may do wrong in an exercise, with what each comes to; also what comes to the right answer, as far as the
/// budget goes. `go_on` is asked between runs.
///
/// # Errors
/// Whatever `go_on` says.
pub(crate) fn guesses<E>(
    exercise: &Exercise,
    learning_rate: Option<f64>,
    mut go_on: impl FnMut() -> Result<(), E>,
) -> Result<Vec<Predicted>, E> {
    let clues = Clues { learning_rate, claims: None };
    let hypotheses = CATALOG.iter().copied().flat_map(|mistake| {
        let all = (mistake.hypotheses)(exercise, &clues);
        all.into_iter().map(move |hypothesis| (mistake, hypothesis))
    });
    let mut guesses = Vec::new();
    for (mistake, hypothesis) in hypotheses.take(affordable(exercise)) {
        go_on()?;
        let answer = exercise.answer(hypothesis.change.as_ref());
        guesses.push(Predicted { mistake, hypothesis, answer });
    }
    Ok(guesses)
}

/// Find what explains the claims. `go_on` is asked between runs.
///
/// # Errors
/// Whatever `go_on` says.
pub fn diagnose<E>(
    judge: &Judge<'_>,
    claims: &Claims,
    judgement: &Judgement,
    predictions: &Predictions,
    mut go_on: impl FnMut() -> Result<(), E>,
) -> Result<Diagnosis, E> {
    let case = Case::new(judge, claims, judgement);
    if case.wrong.is_empty() {
        return Ok(Diagnosis::default());
    }
    go_on()?;
    let exercise = judge.exercise;
    let fixed = predictions.of(exercise);
    let clues = Clues { learning_rate: judge.policy.learning_rate, claims: Some(claims) };
    let fitted = predict(exercise, CATALOG.iter().copied().filter(|mistake| mistake.fitted), &clues);
    let singles: Vec<&Predicted> = fixed.iter().chain(&fitted).collect();
    let mut found: Vec<Finding> = singles.iter().filter_map(|single| case.finding(single, None, &single.answer)).collect();
    let mut truncated = false;
    if found.is_empty() {
        (found, truncated) = pairs(&case, &singles, &mut go_on)?;
    }
    Ok(Diagnosis { findings: ranked(found, case.numbers()), truncated })
}

/// One submission: what is claimed, and what of it is wrong.
struct Case<'c> {
    judge: &'c Judge<'c>,
    /// Claims that are wrong, first those nearest to the loss.
    wrong: Vec<&'c Claim>,
    /// Claims that are right, which a hypothesis must leave alone.
    right: Vec<&'c Claim>,
}

impl<'c> Case<'c> {
    fn new(judge: &'c Judge<'c>, claims: &'c Claims, judgement: &Judgement) -> Self {
        let mut case = Self { judge, wrong: Vec::new(), right: Vec::new() };
        for judged in &judgement.parts {
            let Some(claim) = judged.part.and_then(|part| claims.of(part)).filter(|claim| claim.is_finite()) else { continue };
            match judged.verdict {
                Verdict::Mismatch | Verdict::FollowThrough | Verdict::Shape => case.wrong.push(claim),
                verdict if verdict.is_right() => case.right.push(claim),
                _ => {}
            }
        }
        case
    }

    /// Whether a claim is what an answer says: by the tolerance, or, where that asks for more digits than were written, by those.
    fn is(&self, claim: &Claim, answer: &Answer) -> bool {
        let value = &answer.0[claim.part];
        let same_shape = claim.tensor.is_some() || value.shape().dims() == claim.dims;
        self.judge.is(claim, value) || (same_shape && claim.data.len() == value.data().len() && as_written(claim, value))
    }

    /// The numbers of wrong claims that are not 0.
    fn numbers(&self) -> usize {
        self.wrong.iter().flat_map(|claim| &claim.data).filter(|x| **x != 0.0).count()
    }

    /// Whether everything claimed is what this answer says.
    fn fits(&self, answer: &Answer) -> bool {
        self.wrong.iter().chain(&self.right).all(|claim| self.is(claim, answer))
    }

    fn finding(&self, predicted: &Predicted, with: Option<&Predicted>, answer: &Answer) -> Option<Finding> {
        if !self.fits(answer) {
            return None;
        }
        let claims = || self.wrong.iter().chain(&self.right);
        // What should be 0 is measured by the rest of the answer: of it, rounding leaves anything.
        let size = claims().map(|claim| norm(&answer.0[claim.part])).fold(0.0, f64::max);
        let off = |claim: &Claim, answer: &Answer| distance(claim, &answer.0[claim.part], 1e-6 * size);
        let residual = claims().map(|claim| off(claim, answer)).fold(0.0, f64::max);
        // The truth must not be as near: then the claims are only rounded.
        let truth = self.wrong.iter().map(|claim| off(claim, self.judge.exercise.key())).fold(0.0, f64::max);
        if residual >= truth {
            return None;
        }
        let detail = |predicted: &Predicted| predicted.hypothesis.detail.clone();
        Some(Finding {
            mistake: predicted.mistake,
            site: predicted.hypothesis.site.clone(),
            detail: detail(predicted),
            with: with.map(|with| (with.mistake, with.hypothesis.site.clone(), detail(with))),
            explains: self.wrong.iter().map(|claim| claim.part).collect(),
            residual,
        })
    }
}

/// Whether a claim is this value as far as its own digits go: at least three of them, each number a rounding of the value's.
fn as_written(claim: &Claim, value: &Tensor<f64>) -> bool {
    const DIGITS: f64 = 100.0;
    let near = |(i, (&c, &v)): (usize, (&f64, &f64))| {
        let unit = claim.unit(i);
        (c == 0.0 && v == 0.0) || (c.abs() >= DIGITS * unit && (c - v).abs() <= 0.51 * unit)
    };
    claim.data.iter().zip(value.data()).enumerate().all(near)
}

/// `‖claim − value‖ / max(‖value‖, least)`.
fn distance(claim: &Claim, value: &Tensor<f64>, least: f64) -> f64 {
    if claim.data.len() != value.data().len() {
        return f64::INFINITY;
    }
    let off = f64::sqrt(claim.data.iter().zip(value.data()).map(|(a, n)| (a - n) * (a - n)).sum());
    if off == 0.0 { 0.0 } else { off / norm(value).max(least) }
}

fn norm(value: &Tensor<f64>) -> f64 {
    f64::sqrt(value.data().iter().map(|x| x * x).sum())
}

/// Two mistakes at once. The one nearer to the loss mostly shows undisturbed in some part, so that one of the two explains something
/// alone; the rest are pairs of mistakes that are made everywhere, such as factors.
fn pairs<E>(
    case: &Case<'_>,
    singles: &[&Predicted],
    go_on: &mut impl FnMut() -> Result<(), E>,
) -> Result<(Vec<Finding>, bool), E> {
    let exercise = case.judge.exercise;
    let explained = |single: &Predicted| case.wrong.iter().filter(|claim| case.is(claim, &single.answer)).count();
    let mut order: Vec<(usize, usize)> = singles.iter().enumerate().map(|(i, single)| (explained(single), i)).collect();
    order.sort_by_key(|&(explained, i)| (std::cmp::Reverse(explained), i));
    let wide = |i: usize| singles[i].hypothesis.site == Site::Everywhere;
    let runs = usize::try_from(BUDGET_FLOPS / exercise.flops().max(1)).unwrap_or(usize::MAX).min(PAIR_RUNS);
    let (mut found, mut tried) = (Vec::new(), 0);
    for (rank, &(explained, first)) in order.iter().enumerate() {
        for &(_, second) in &order[rank + 1..] {
            if singles[first].mistake.name == singles[second].mistake.name || (explained == 0 && !(wide(first) && wide(second))) {
                continue;
            }
            if tried == runs {
                return Ok((found, true));
            }
            tried += 1;
            go_on()?;
            let [one, two] = [first, second].map(|i| singles[i].hypothesis.change.as_ref() as &dyn Change);
            let answer = exercise.answer(&Both(one, two));
            // A pair that says what one of the two says alone is no pair.
            found.extend(case.finding(singles[first], Some(singles[second]), &answer));
        }
    }
    Ok((found, false))
}

/// The best first; those that are off by much more than the best are none.
fn ranked(mut found: Vec<Finding>, numbers: usize) -> Vec<Finding> {
    /// Below this a difference is that of two orders of adding.
    const SAME: f64 = 1e-9;
    /// One number or two may be a rounding of the right ones by chance.
    const CHANCE: usize = 2;
    // Numbers that are only less precise than asked are no mistake of another kind.
    if numbers > CHANCE && found.iter().any(|finding| ["rounded", "float32"].contains(&finding.mistake.name)) {
        found.retain(|finding| ["rounded", "float32"].contains(&finding.mistake.name));
    }
    let best = found.iter().map(|finding| finding.residual).fold(f64::INFINITY, f64::min);
    found.retain(|finding| finding.residual <= (30.0 * best).max(SAME));
    let prior = |mistake: &Mistake| CATALOG.iter().position(|known| known.name == mistake.name);
    found.sort_by(|a, b| {
        let nearness = |finding: &Finding| finding.residual.max(SAME).log10().floor();
        let key = |finding: &Finding| (finding.site.rank(), prior(finding.mistake));
        nearness(a).total_cmp(&nearness(b)).then_with(|| key(a).cmp(&key(b)))
    });
    // What two ways of making one mistake at one site have in common is not told twice.
    let mut told: Vec<(&str, Site, Option<(&str, Site)>)> = Vec::new();
    found.retain(|finding| {
        let with = finding.with.as_ref().map(|(mistake, site, _)| (mistake.name, site.clone()));
        let this = (finding.mistake.name, finding.site.clone(), with);
        let new = !told.contains(&this);
        if new {
            told.push(this);
        }
        new
    });
    found
}
