//! Steps of gradient descent given for gradients: what `updated_weight_given` and `step_given` have in common.

use super::Clues;
use super::factors::{together, trained};
use crate::grading::change::Change;
use crate::grading::exercise::Exercise;
use crate::grading::parts::{Answer, Kind};
use crate::grading::site::Site;
use crate::tensor::Tensor;

/// Learning rates of textbooks and exercises.
pub(super) const USUAL: &[f64] = &[0.5, 0.1, 0.01, 1.0, 0.05, 0.2, 0.25, 0.3, 0.001];

/// `offset·w + slope·g` for the gradients of these parameters.
#[derive(Debug)]
pub(super) struct Stepped {
    pub(super) parameters: Vec<usize>,
    /// 1 where the weight itself is part of it, else 0.
    pub(super) offset: f64,
    pub(super) slope: f64,
}

impl Change for Stepped {
    fn alters_answer_alone(&self) -> bool {
        true
    }

    fn answer(&self, exercise: &Exercise, answer: &mut Answer) {
        for &i in &self.parameters {
            let Some(part) = exercise.parts.of_kind(Kind::Gradient(i)) else { continue };
            let (gradient, weight) = (&answer.0[part], weight(exercise, i));
            answer.0[part] = together(gradient, &weight, |g, w| self.offset * w + self.slope * g);
        }
    }
}

/// A parameter's own value.
fn weight(exercise: &Exercise, parameter: usize) -> Tensor<f64> {
    let parameter = &exercise.lowered.parameters[parameter];
    let leaf = exercise.value(parameter.leaf);
    match parameter.element {
        None => leaf.clone(),
        Some(element) => Tensor::scalar(leaf.data()[element as usize]),
    }
}

/// The parameters of all claimed gradients together, and of each.
pub(super) fn sites(exercise: &Exercise, clues: &Clues<'_>) -> Vec<(Site, Vec<usize>)> {
    let Some(claims) = clues.claims else { return Vec::new() };
    let claimed = |&i: &usize| {
        let part = exercise.parts.of_kind(Kind::Gradient(i));
        part.and_then(|part| claims.of(part)).is_some_and(|claim| claim.usable().is_some())
    };
    let all: Vec<usize> = trained(exercise).into_iter().filter(claimed).collect();
    let one = |&i: &usize| (Site::Parameter(exercise.lowered.parameters[i].name.clone()), vec![i]);
    let single: Vec<_> = all.iter().map(one).collect();
    if all.len() > 1 { std::iter::once((Site::Everywhere, all)).chain(single).collect() } else { single }
}

/// The slope that fits the claims of these gradients best by least squares, where at least two numbers speak of it.
pub(super) fn fitted(exercise: &Exercise, clues: &Clues<'_>, parameters: &[usize], offset: f64) -> Option<f64> {
    let claims = clues.claims?;
    let (mut above, mut below, mut numbers) = (0.0, 0.0, 0);
    for &i in parameters {
        let part = exercise.parts.of_kind(Kind::Gradient(i))?;
        let (claim, gradient, weight) = (claims.of(part)?.usable()?, &exercise.key().0[part], weight(exercise, i));
        for ((c, g), w) in claim.data().iter().zip(gradient.data()).zip(weight.data()) {
            above += g * (c - offset * w);
            below += g * g;
            numbers += usize::from(*g != 0.0);
        }
    }
    let slope = above / below;
    (numbers > 1 && slope.is_finite()).then_some(slope)
}

/// Whether the claims of these gradients are about `offset·w + slope·g`: what is not need not be run.
pub(super) fn is_about(exercise: &Exercise, clues: &Clues<'_>, parameters: &[usize], offset: f64, slope: f64) -> bool {
    const ABOUT: f64 = 0.05;
    parameters.iter().all(|&i| {
        let claimed = || {
            let part = exercise.parts.of_kind(Kind::Gradient(i))?;
            Some((clues.claims?.of(part)?.usable()?, &exercise.key().0[part], weight(exercise, i)))
        };
        claimed().is_some_and(|(claim, gradient, weight)| {
            claim.data().iter().zip(gradient.data()).zip(weight.data()).all(|((c, g), w)| {
                let (w, g) = (offset * w, slope * g);
                (c - w - g).abs() <= ABOUT * (w.abs() + g.abs() + c.abs())
            })
        })
    })
}
