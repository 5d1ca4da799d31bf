//! Verdicts: each part of an answer for itself.

use std::sync::Arc;

use super::claims::{Claim, Claims};
use super::exercise::Exercise;
use super::follow_through::{Followed, follow, is_empty_handed};
use super::metrics::Metrics;
use super::parts::{Answer, Kind};
use super::policy::{Policy, Scoring};
use super::tolerance::Claimable;
use crate::ops::kinks::has_corner;
use crate::tensor::{Dims, Tensor, index_of};

/// What is said of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Right, within the tolerance.
    Ok,
    /// Wrong.
    Mismatch,
    /// Not the right number, but what follows from the student's earlier ones.
    FollowThrough,
    /// Right on the other side of a kink that rounding may cross.
    KinkCrossed,
    /// Right by another slope at a kink.
    AtKink,
    /// Too small for the tolerance to mean anything.
    BelowNoise,
    /// NaN or infinite.
    Nonfinite,
    /// Not claimed.
    Missing,
    /// No part of the exercise.
    Extra,
    /// Of another shape.
    Shape,
}

impl Verdict {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Mismatch => "mismatch",
            Self::FollowThrough => "follow_through",
            Self::KinkCrossed => "kink_crossed",
            Self::AtKink => "at_kink",
            Self::BelowNoise => "below_noise",
            Self::Nonfinite => "nonfinite",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Shape => "shape",
        }
    }

    /// Whether the part's points are given.
    pub fn passes(self) -> bool {
        matches!(self, Self::Ok | Self::FollowThrough | Self::KinkCrossed | Self::AtKink | Self::BelowNoise)
    }

    /// Whether the numbers are the right ones, by one convention or the other.
    pub fn is_right(self) -> bool {
        matches!(self, Self::Ok | Self::KinkCrossed | Self::AtKink | Self::BelowNoise)
    }
}

/// A part with its verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Its place; nothing for what is no part.
    pub part: Option<usize>,
    /// Its name.
    pub name: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Points that it can give.
    pub max_score: f64,
    /// Points that it gives.
    pub score: f64,
    /// How far it is off, where it can be compared.
    pub(crate) metrics: Option<Metrics>,
    /// The index of its worst number.
    pub worst_index: Option<Vec<usize>>,
    /// What is wrong with it, where that is not a matter of how far.
    pub note: Option<String>,
}

/// All verdicts.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// In the order of the exercise's parts, then what is no part.
    pub parts: Vec<Judged>,
    /// Points given, finite and between 0 and the most.
    pub score: f64,
    /// The most points.
    pub max_score: f64,
    /// Whether every part passes, and there is one.
    pub passed: bool,
    /// The node at which the first mistake was made, forward and then backward; or `loss`.
    pub first_error: Option<String>,
}

/// Compares claims with values by a policy's tolerance.
#[derive(Debug)]
pub struct Judge<'e> {
    /// The exercise.
    pub exercise: &'e Exercise,
    /// Its rules.
    pub policy: &'e Policy,
    kinked: bool,
    /// What may be claimed by somebody who rounds each step, where the tolerance is one of work by hand.
    by_hand: Option<Arc<Claimable>>,
}

impl<'e> Judge<'e> {
    /// By these rules. What rounding by hand comes to is worked out unless the exercise has it.
    pub fn new(exercise: &'e Exercise, policy: &'e Policy) -> Self {
        let by_hand = policy.tolerance.digits().map(|digits| {
            let Ok(by_hand) = exercise.by_hand(digits, || Ok::<(), std::convert::Infallible>(()));
            by_hand
        });
        let ops = exercise.lowered.graph.nodes().iter().filter_map(|node| node.op.as_deref());
        Self { exercise, policy, kinked: ops.into_iter().any(has_corner), by_hand }
    }

    /// Whether a claim is this value of its part, number by number where the tolerance looks at each alone; and as a whole.
    pub fn compare(&self, claim: &Claim, value: &Tensor<f64>) -> (Option<Vec<bool>>, bool) {
        if claim.data.len() != value.data().len() || !claim.is_finite() {
            return (None, false);
        }
        let pairs: Vec<_> = claim.data.iter().copied().zip(value.data().iter().copied()).collect();
        let scale = value.data().iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let judged = self.policy.tolerance.judge_written(&pairs, |i| claim.unit(i), pairs.len(), scale, self.kinked);
        let Some(by_hand) = &self.by_hand else { return (judged.each, judged.all) };
        let key = &self.exercise.key().0[claim.part];
        let Some(near) = by_hand.near(claim.part, &claim.data, value.data(), key.data()) else {
            return (judged.each, judged.all);
        };
        let each: Vec<bool> = judged.each.iter().flatten().zip(near).map(|(&each, near)| each || near).collect();
        let all = each.iter().all(|&passes| passes);
        (Some(each), all)
    }

    /// Whether a claim is this value: of its shape too, which may be another than the part's.
    pub fn is(&self, claim: &Claim, value: &Tensor<f64>) -> bool {
        let shape =
            if claim.tensor.is_some() { value.shape().size() == claim.data.len() } else { value.shape().dims() == claim.dims };
        shape && self.compare(claim, value).1
    }

    /// Judge every claim, and what should have been claimed.
    pub fn judge(&self, claims: &Claims) -> Judgement {
        let key = self.exercise.key();
        let mut followed = None;
        let mut parts = Vec::with_capacity(claims.list.len() + claims.extra.len());
        for at in 0..key.0.len() {
            match claims.of(at) {
                Some(claim) => parts.push(self.part(claim, claims, key, &mut followed)),
                None if self.policy.expected[at] => parts.push(self.bare(Some(at), Verdict::Missing, None)),
                None => {}
            }
        }
        let extra = claims.extra.iter().map(|(name, note)| Judged {
            name: name.clone(),
            max_score: 0.0,
            ..self.bare(None, Verdict::Extra, Some(note.clone()))
        });
        parts.extend(extra);
        let first_error = self.first_error(&parts);
        let max_score: f64 = parts.iter().fold(0.0, |sum, part| sum + part.max_score);
        let graded = || parts.iter().filter(|part| part.verdict != Verdict::Extra);
        let passed = graded().count() > 0 && graded().all(|part| part.verdict.passes());
        let sum = parts.iter().fold(0.0, |sum, part| sum + part.score);
        let score = match self.policy.scoring {
            Scoring::Weighted => sum,
            Scoring::AllOrNothing if passed => max_score,
            Scoring::AllOrNothing => 0.0,
        };
        Judgement { score: score.clamp(0.0, max_score), max_score, passed, first_error, parts }
    }

    fn bare(&self, part: Option<usize>, verdict: Verdict, note: Option<String>) -> Judged {
        let name = part.map_or_else(String::new, |part| self.exercise.parts.list()[part].name.clone());
        let max_score = part.map_or(0.0, |part| self.policy.points_of(part));
        Judged { part, name, verdict, max_score, score: 0.0, metrics: None, worst_index: None, note }
    }

    /// Compare a claim with the right value: number by number, as a whole, and whether it is right on another side of a kink alone.
    fn truthful(&self, claim: &Claim, truth: &Tensor<f64>) -> (Option<Vec<bool>>, bool, bool) {
        let (each, all) = self.compare(claim, truth);
        let Some(by_hand) = self.by_hand.as_ref().filter(|_| all) else { return (each, all, false) };
        let certain = by_hand.certain(claim.part);
        let crossed = claim.data.iter().zip(certain).any(|(&x, band)| !band.contains(x));
        (each, all, crossed)
    }

    fn part(&self, claim: &Claim, claims: &Claims, key: &Answer, followed: &mut Option<Followed>) -> Judged {
        let part = &self.exercise.parts.list()[claim.part];
        let Some(given) = &claim.tensor else {
            let note = format!("expected {}, found shape {}", part.shape, Dims(&claim.dims));
            return self.bare(Some(claim.part), Verdict::Shape, Some(note));
        };
        if let Some(at) = claim.data.iter().position(|x| !x.is_finite()) {
            let index = index_of(part.shape.dims(), at);
            return Judged { worst_index: Some(index), ..self.bare(Some(claim.part), Verdict::Nonfinite, None) };
        }
        let truth = &key.0[claim.part];
        let (each, all, crossed) = self.truthful(claim, truth);
        let metrics = Metrics::of(given.data().iter().copied().zip(truth.data().iter().copied()));
        // The worst number is one of those that fail, if any does.
        let failing = each.as_ref().and_then(|each| {
            let off = |i: usize| super::metrics::relative(given.data()[i], truth.data()[i]);
            let failing = (0..each.len()).filter(|&i| !each[i]);
            failing.fold(None, |worst: Option<usize>, i| worst.filter(|&worst| off(worst) >= off(i)).or(Some(i)))
        });
        let verdict = match (all, crossed) {
            (true, false) => Verdict::Ok,
            (true, true) => Verdict::KinkCrossed,
            (false, _) => self.otherwise(claim, claims, truth, followed),
        };
        let judged = self.bare(Some(claim.part), verdict, None);
        let score = if verdict.passes() { judged.max_score } else { 0.0 };
        let worst_index = Some(index_of(part.shape.dims(), failing.unwrap_or(metrics.worst)));
        Judged { score, metrics: Some(metrics), worst_index, ..judged }
    }

    /// The verdict of a claim that is not the key's value.
    fn otherwise(&self, claim: &Claim, claims: &Claims, truth: &Tensor<f64>, followed: &mut Option<Followed>) -> Verdict {
        if self.is_below_noise(claim, truth) {
            return Verdict::BelowNoise;
        }
        if self.exercise.at_kinks().iter().any(|answer| self.is(claim, &answer.0[claim.part])) {
            return Verdict::AtKink;
        }
        if self.policy.follow_through {
            let followed = followed.get_or_insert_with(|| follow(self.exercise, claims));
            let value = &followed.answer.0[claim.part];
            if followed.any && !is_empty_handed(value, truth) && self.is(claim, value) {
                return Verdict::FollowThrough;
            }
        }
        Verdict::Mismatch
    }

    /// Whether claim and truth are both what rounding leaves of a zero: far below the largest number of the answer's half.
    fn is_below_noise(&self, claim: &Claim, truth: &Tensor<f64>) -> bool {
        const NOISE: f64 = 1e-15;
        let parts = self.exercise.parts.list();
        let backward = parts[claim.part].kind.is_backward();
        let of_half = parts.iter().zip(&self.exercise.key().0).filter(|(part, _)| part.kind.is_backward() == backward);
        let scale = of_half.flat_map(|(_, value)| value.data()).fold(0.0_f64, |most, x| most.max(x.abs()));
        claim.data.iter().chain(truth.data()).all(|x| x.abs() <= NOISE * scale)
    }

    fn first_error(&self, parts: &[Judged]) -> Option<String> {
        let wrong =
            parts.iter().filter(|part| !part.verdict.passes() && !matches!(part.verdict, Verdict::Missing | Verdict::Extra));
        // A gradient's mistake was made where backprop reached its node.
        let order = |part: &Judged| {
            let kind = self.exercise.parts.list()[part.part?].kind;
            Some(match kind {
                Kind::A(node) => (0, node as i64, 0),
                Kind::Z(node) | Kind::Output(node) => (0, node as i64, 1),
                Kind::Losses => (1, 0, 0),
                Kind::Loss => (1, 0, 1),
                Kind::BarZ(node) => (2, -(node as i64), 0),
                Kind::BarA(node) => (2, -(node as i64), 1),
                Kind::Gradient(i) => (2, self.owner(i).map_or(1, |node| -(node as i64)), 2),
                Kind::InputGradient(_) => (3, 0, 0),
            })
        };
        let first = wrong.filter_map(|part| order(part).map(|order| (order, part))).min_by_key(|(order, _)| *order)?.1;
        let nodes = &self.exercise.lowered.nodes;
        Some(match self.exercise.parts.list()[first.part?].kind {
            Kind::Loss | Kind::Losses => "loss".to_owned(),
            Kind::A(node) | Kind::Z(node) | Kind::BarA(node) | Kind::BarZ(node) | Kind::Output(node) => nodes[node].id.clone(),
            Kind::Gradient(i) => match self.owner(i) {
                Some(node) => nodes[node].id.clone(),
                None => self.exercise.lowered.parameters[i].name.clone(),
            },
            Kind::InputGradient(i) => self.exercise.lowered.inputs[i].name.clone(),
        })
    }

    /// The first node that reads a parameter: the last that backprop reaches, where the sum over a shared one is complete.
    fn owner(&self, parameter: usize) -> Option<usize> {
        let leaf = self.exercise.lowered.parameters[parameter].leaf.index();
        let places = &self.exercise.places;
        let reader = (places.inputs..places.list.len()).find(|&place| places.list[place].leaves.binary_search(&leaf).is_ok());
        reader.map(|place| place - places.inputs)
    }
}
