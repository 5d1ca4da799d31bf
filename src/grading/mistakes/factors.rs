//! Factors: what several mistakes have in common that make numbers larger or smaller all over, in one of the ways students do it.

use super::Hypothesis;
use crate::grading::change::{Change, Weights};
use crate::grading::exercise::Exercise;
use crate::grading::parts::{Answer, Kind};
use crate::grading::site::Site;
use crate::ops::WeightAt;
use crate::tensor::Tensor;

/// Whether a parameter is a bias: by PyTorch's name, or as a neuron's summand that no source is multiplied with.
pub(super) fn is_bias(exercise: &Exercise, parameter: usize) -> bool {
    let parameter = &exercise.lowered.parameters[parameter];
    if parameter.name.contains("bias") {
        return true;
    }
    // A shared entry has a leaf of its own, which neurons read as a weight or as their bias.
    let graph = &exercise.lowered.graph;
    let as_weight = exercise.wiring.products.iter().any(|product| {
        product.terms().iter().any(|term| match term.weight {
            WeightAt::Shared(input) => graph.nodes()[product.op.index()].inputs[input as usize] == parameter.leaf.index(),
            WeightAt::Own(_) => false,
        })
    });
    let by_neuron =
        exercise.wiring.products.iter().any(|product| {
            !product.terms().is_empty() && graph.nodes()[product.op.index()].inputs.contains(&parameter.leaf.index())
        });
    parameter.element.is_none() && by_neuron && !as_weight
}

/// The parameters that have a gradient.
pub(super) fn trained(exercise: &Exercise) -> Vec<usize> {
    let parameters = exercise.lowered.parameters.iter().enumerate();
    parameters.filter(|(_, parameter)| parameter.trained).map(|(i, _)| i).collect()
}

/// The sets of parameters in which students make one mistake: weights alone, biases alone, each alone. All together come first where
/// `all` is set.
pub(super) fn parameter_sites(exercise: &Exercise, all: bool) -> Vec<(Site, Vec<usize>)> {
    let every = trained(exercise);
    let (biases, weights): (Vec<usize>, Vec<usize>) = every.iter().partition(|&&i| is_bias(exercise, i));
    let name = |&i: &usize| exercise.lowered.parameters[i].name.clone();
    let mut sites: Vec<(Site, Vec<usize>)> = Vec::new();
    if all {
        sites.push((Site::Everywhere, every.clone()));
    }
    for set in [weights, biases].into_iter().chain(every.iter().take(super::MOST_SITES).map(|&i| vec![i])) {
        let known = set.len() == every.len() || set.is_empty() || sites.iter().any(|(_, known)| *known == set);
        if !known {
            let site = match &set[..] {
                [only] => Site::Parameter(name(only)),
                set => Site::Parameters(set.iter().map(name).collect()),
            };
            sites.push((site, set));
        }
    }
    sites
}

/// The data part of the objective times a factor: where the loss is computed, where the backward sweep starts, or only in the
/// gradients of some parameters.
#[derive(Debug)]
pub(super) struct Scaled {
    factor: f64,
    loss: bool,
    seeds: bool,
    parameters: Vec<usize>,
    /// What the penalties give to each of those, which the factor leaves alone.
    penalties: Vec<Option<Tensor<f64>>>,
}

impl Change for Scaled {
    fn alters_answer_alone(&self) -> bool {
        !self.loss && !self.seeds
    }

    fn loss(&self, _: &Exercise, weights: &mut Weights) {
        if self.loss {
            weights.samples.iter_mut().for_each(|weight| *weight *= self.factor);
        }
    }

    fn seeds(&self, _: &Exercise, weights: &mut Weights) {
        if self.seeds {
            weights.samples.iter_mut().for_each(|weight| *weight *= self.factor);
        }
    }

    fn answer(&self, exercise: &Exercise, answer: &mut Answer) {
        for (&parameter, penalty) in self.parameters.iter().zip(&self.penalties) {
            let Some(part) = exercise.parts.of_kind(Kind::Gradient(parameter)) else { continue };
            let value = &answer.0[part];
            answer.0[part] = match penalty {
                None => value.map(|x| self.factor * x),
                Some(penalty) => together(value, penalty, |x, penalty| self.factor * (x - penalty) + penalty),
            };
        }
    }
}

/// `f` of a gradient and what belongs to it, number by number; as it is where another mistake gave it another shape.
pub(super) fn together(gradient: &Tensor<f64>, other: &Tensor<f64>, f: impl Fn(f64, f64) -> f64) -> Tensor<f64> {
    if gradient.shape() == other.shape() { gradient.zip(other, gradient.shape(), f) } else { gradient.clone() }
}

/// What the penalties give to a parameter's gradient; nothing where they give it nothing.
pub(super) fn penalties_of(exercise: &Exercise, parameters: &[usize]) -> Vec<Option<Tensor<f64>>> {
    let sweep = exercise.of_penalties();
    let of = |&i: &usize| {
        let parameter = &exercise.lowered.parameters[i];
        let leaf = sweep.as_ref()?.cotangent(parameter.leaf)?;
        let own = match parameter.element {
            None => leaf.clone(),
            Some(element) => Tensor::scalar(leaf.data()[element as usize]),
        };
        own.data().iter().any(|&x| x != 0.0).then_some(own)
    };
    parameters.iter().map(of).collect()
}

/// Every way of getting this factor into an answer. `loss` says whether the loss itself can have it.
pub(super) fn hypotheses(exercise: &Exercise, factor: f64, detail: &str, loss: bool) -> Vec<Hypothesis> {
    if factor == 1.0 || !factor.is_finite() || factor == 0.0 {
        return Vec::new();
    }
    let whole = |loss, seeds| Scaled { factor, loss, seeds, parameters: Vec::new(), penalties: Vec::new() };
    let mut all = vec![Hypothesis::particular(Site::Everywhere, detail, whole(false, true))];
    if loss {
        all.push(Hypothesis::particular(Site::Everywhere, format!("{detail}, in the loss as well"), whole(true, true)));
        all.push(Hypothesis::particular(Site::Everywhere, format!("{detail}, in the loss alone"), whole(true, false)));
    }
    for (site, parameters) in parameter_sites(exercise, true) {
        let detail = match site {
            Site::Everywhere => format!("{detail}, in the gradients of the parameters"),
            _ => detail.to_owned(),
        };
        let penalties = penalties_of(exercise, &parameters);
        let scaled = Scaled { factor, loss: false, seeds: false, parameters, penalties };
        all.push(Hypothesis::particular(site, detail, scaled));
    }
    all
}

/// Whether PyTorch's mean of this loss is one over a sample's elements too.
pub(super) fn over_elements(loss: &str) -> bool {
    ["mse", "l1", "smooth_l1", "huber", "bce", "bce_with_logits", "kl_div"].contains(&loss)
}

/// How many elements of one sample the loss reads.
pub(super) fn elements(exercise: &Exercise) -> usize {
    let Some(objective) = &exercise.lowered.objective else { return 1 };
    let (names, is_list) = &objective.echo.of;
    if *is_list {
        return names.len();
    }
    let node = exercise.lowered.nodes.iter().find(|node| Some(&node.id) == names.first());
    node.map_or(1, |node| exercise.lowered.graph.shape(node.z).sample_size())
}

/// What the objective is called, whether it is a mean, the samples, and what a mean divides by.
pub(super) struct Objective<'e> {
    pub(super) op: &'static str,
    pub(super) mean: bool,
    pub(super) samples: f64,
    pub(super) divisor: f64,
    pub(super) echo: &'e crate::losses::Echo,
}

/// What is known of an exercise's objective.
pub(super) fn objective(exercise: &Exercise) -> Option<Objective<'_>> {
    let echo = &exercise.lowered.objective.as_ref()?.echo;
    let mean = echo.reduction == crate::spec::problem::Reduction::Mean;
    Some(Objective { op: echo.op, mean, samples: exercise.lowered.samples as f64, divisor: echo.divisor, echo })
}
