//! `z̄ = (W − η·dW)ᵀ·ā`: the weights are updated before what comes back is passed on through them. The rate is one of the usual
//! ones, the course's, or fitted: what staleness of one layer changes first is affine in η.

use std::collections::{BTreeMap, HashSet};

use super::rules::of_op;
use super::{Clues, Hypothesis, MOST_SITES, Mistake, node_sites};
use crate::grading::change::{Change, Step};
use crate::grading::exercise::Exercise;
use crate::grading::site::Site;
use crate::grading::wiring::{Factors, Slot};
use crate::ops::Cotangents;
use crate::tape::Sweep;
use crate::tensor::Tensor;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "stale_weights",
    student: "The weights were updated before the error was passed back through them {where}: first compute all gradients with the weights of the forward pass, then take the step.",
    instructor: "W − η·dW is used in place of W in the backward product {where}.",
    section: "1.7 Backpropagation as algorithm for layered NNs: gradients first, then descend in w-space",
    fitted: false,
    hypotheses: |exercise, _| {
        let (sites, penalties) = (sites(exercise), exercise.of_penalties());
        let narrow = sites.len() * USUAL.len() > MOST_SITES;
        let sites = sites.iter().filter(|site| site.wide || !narrow);
        let rates = USUAL.iter().flat_map(|&rate| sites.clone().map(move |site| (site, rate)));
        rates.flat_map(|(site, rate)| hypotheses(exercise, site, penalties.as_ref(), rate)).collect()
    },
};

/// With the course's rate, and with the one that the claims speak of.
pub(super) const FITTED: Mistake = Mistake { fitted: true, hypotheses: fitted, ..MISTAKE };

/// Learning rates of textbooks and exercises.
const USUAL: &[f64] = &[0.5, 0.1, 0.01, 1.0, 0.05, 0.2, 0.25, 0.3, 0.001];

/// A set of nodes at which weights are stale.
struct Stage {
    site: Site,
    /// The inputs of their products that are weights.
    weights: Vec<Slot>,
    /// Whether it is more than one neuron: nobody updates neuron by neuron.
    wide: bool,
}

fn sites(exercise: &Exercise) -> Vec<Stage> {
    let mut weights: BTreeMap<usize, Vec<Slot>> = BTreeMap::new();
    let mut layers = HashSet::new();
    for product in &exercise.wiring.products {
        let inputs = match &product.factors {
            Factors::Terms(terms) => 0..terms.first().map_or(0, |first| first.input),
            Factors::Tensors { weight, .. } => {
                layers.insert(product.node);
                *weight..*weight + 1
            }
        };
        weights.entry(product.node).or_default().extend(inputs.map(|input| Slot { op: product.op, input }));
    }
    let stage = |(site, nodes): (Site, Vec<usize>)| {
        let wide = nodes.len() > 1 || layers.contains(&nodes[0]) || site == Site::Everywhere;
        Stage { site, weights: nodes.iter().flat_map(|node| weights[node].iter().copied()).collect(), wide }
    };
    node_sites(exercise, |node| weights.contains_key(&node)).into_iter().map(stage).collect()
}

/// At this site and rate, with what the penalties add to the step, and without.
fn hypotheses(exercise: &Exercise, stage: &Stage, penalties: Option<&Sweep<f64>>, rate: f64) -> Vec<Hypothesis> {
    let graph = &exercise.lowered.graph;
    let stale = |penalties: Option<&Sweep<f64>>| {
        let added = |slot: &Slot| {
            let leaf = graph.id(graph.nodes()[slot.op.index()].inputs[slot.input]);
            penalties.and_then(|sweep| sweep.cotangent(leaf).cloned())
        };
        let mut weights: Vec<_> = stage.weights.iter().map(|slot| (*slot, added(slot))).collect();
        weights.sort_by_key(|(slot, _)| *slot);
        Stale { weights, rate }
    };
    let detail = format!("η = {}", shown(rate));
    let mut all = vec![Hypothesis::particular(stage.site.clone(), detail.clone(), stale(penalties))];
    if penalties.is_some() {
        let detail = format!("{detail}, without the regularization");
        all.push(Hypothesis::particular(stage.site.clone(), detail, stale(None)));
    }
    all
}

/// A rate with so many figures as anybody would write.
fn shown(rate: f64) -> f64 {
    format!("{rate:.3e}").parse().unwrap_or(rate)
}

/// Weights less what a step takes off them, in the backward product.
#[derive(Debug)]
struct Stale {
    /// The inputs that are weights, each with what the penalties add to its gradient.
    weights: Vec<(Slot, Option<Tensor<f64>>)>,
    rate: f64,
}

impl Change for Stale {
    fn vjp(&self, _: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        let weights = of_op(&self.weights, step.node, |(slot, _)| *slot);
        if weights.is_empty() {
            return false;
        }
        let gradients = step.right(|input| weights.iter().any(|(slot, _)| slot.input == input));
        let updated = weights.iter().filter_map(|(slot, added)| {
            let mut gradient = gradients[slot.input].clone()?;
            added.iter().for_each(|added| gradient.add_in_place(added));
            let w = step.at.x[slot.input];
            Some((slot.input, w.zip(&gradient, w.shape(), |w, gradient| w - self.rate * gradient)))
        });
        let updated: Vec<_> = updated.collect();
        step.with_inputs(updated.iter().map(|(input, w)| (*input, w)), x_bar)
    }
}

fn fitted(exercise: &Exercise, clues: &Clues<'_>) -> Vec<Hypothesis> {
    let penalties = exercise.of_penalties();
    let mut all = Vec::new();
    for stage in sites(exercise).iter().filter(|stage| stage.wide) {
        let usual = |rate: f64| USUAL.iter().any(|usual| (rate / usual - 1.0).abs() < 1e-3);
        let rates = clues.learning_rate.into_iter().chain(fit(exercise, stage, penalties.as_ref(), clues));
        for rate in rates.filter(|rate| !usual(*rate)) {
            all.extend(hypotheses(exercise, stage, penalties.as_ref(), rate));
        }
    }
    all
}

/// The rate at which the claims come nearest, in the parts that are affine in it, if they come near.
fn fit(exercise: &Exercise, stage: &Stage, penalties: Option<&Sweep<f64>>, clues: &Clues<'_>) -> Option<f64> {
    let claims = clues.claims?;
    let at = |rate: f64| hypotheses(exercise, stage, penalties, rate).swap_remove(0);
    let one = exercise.answer(at(1.0).change.as_ref());
    let two = exercise.answer(at(2.0).change.as_ref());
    let (mut along, mut square, mut size) = (0.0, 0.0, 0.0);
    for claim in &claims.list {
        let Some(given) = claim.usable() else { continue };
        let [key, one, two] = [exercise.key(), &one, &two].map(|answer| answer.0[claim.part].data());
        let scale = key.iter().chain(one).fold(0.0_f64, |most, x| most.max(x.abs()));
        let affine = (0..key.len()).all(|i| (two[i] - one[i] - (one[i] - key[i])).abs() <= 1e-10 * scale);
        let slope: f64 = (0..key.len()).map(|i| (one[i] - key[i]).powi(2)).sum();
        if !affine || slope <= (1e-12 * scale).powi(2) {
            continue;
        }
        // Each part counts by what staleness changes of it.
        for (i, given) in given.data().iter().enumerate() {
            let (change, slope_i) = (given - key[i], one[i] - key[i]);
            along += change * slope_i / slope;
            square += slope_i * slope_i / slope;
            size += change * change / slope;
        }
    }
    let rate = along / square;
    // What is left after the fit, against what there was.
    let left = size - along * along / square;
    (rate > 0.0 && rate.is_finite() && left <= 1e-2 * size).then_some(rate)
}
