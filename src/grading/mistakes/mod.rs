//! The catalogue of mistakes. Each file holds one: what it is called, what is said of it, and everything that a student who makes it
//! could have done, as [changes](super::change::Change) at [sites](super::site::Site).

mod activation_derivative_missing;
mod bias_not_summed;
mod bias_regularized;
mod derivative_at_output;
mod derivative_at_pre_activation;
mod divided_twice;
mod double_softmax;
mod factors;
mod float32;
mod index_swapped;
mod label_off_by_one;
mod last_path_only;
mod layer_off_by_one;
mod log_base;
mod loss_factor;
mod mean_instead_of_sum;
mod mean_over_elements;
mod output_delta_shortcut;
mod path_counted_twice;
mod path_missing;
mod permuted;
mod pre_activation_gradient_given;
mod pre_activation_in_weight_gradient;
mod precision;
mod regularization;
mod regularization_factor;
mod regularization_missing;
mod rounded;
mod rules;
mod shared_parameter_partial;
mod sign_flipped;
mod softmax_diagonal_only;
mod softmax_wrong_axis;
mod softmaxes;
mod stale_weights;
mod step_given;
mod steps;
mod sum_instead_of_mean;
mod transposed;
mod updated_weight_given;
mod weight_not_transposed;
mod weight_omitted;
mod wrong_activation_derivative;

use std::collections::{BTreeMap, HashSet};

use self::rules::Inputs;
use super::change::Change;
use super::claims::Claims;
use super::exercise::Exercise;
use super::site::Site;
use super::wiring::{Activation, Product, Slot, Term};
use crate::graph::NodeId;
use crate::tensor::Tensor;

/// Single nodes, or edges, at which a mistake is looked for in one exercise; networks with more are too dear to run that often.
const MOST_SITES: usize = 4_096;

/// The mistakes, likelier ones first: of several that fit equally well the first is named first.
pub const CATALOG: &[&Mistake] = &[
    &rounded::MISTAKE,
    &float32::MISTAKE,
    &sign_flipped::MISTAKE,
    &sum_instead_of_mean::MISTAKE,
    &mean_instead_of_sum::MISTAKE,
    &loss_factor::MISTAKE,
    &activation_derivative_missing::MISTAKE,
    &output_delta_shortcut::MISTAKE,
    &bias_not_summed::MISTAKE,
    &divided_twice::MISTAKE,
    &mean_over_elements::MISTAKE,
    &updated_weight_given::MISTAKE,
    &step_given::MISTAKE,
    &transposed::MISTAKE,
    &index_swapped::MISTAKE,
    &permuted::MISTAKE,
    &derivative_at_pre_activation::MISTAKE,
    &derivative_at_output::MISTAKE,
    &weight_omitted::MISTAKE,
    &pre_activation_in_weight_gradient::MISTAKE,
    &stale_weights::MISTAKE,
    &stale_weights::FITTED,
    &last_path_only::MISTAKE,
    &path_missing::MISTAKE,
    &path_counted_twice::MISTAKE,
    &weight_not_transposed::MISTAKE,
    &layer_off_by_one::MISTAKE,
    &shared_parameter_partial::MISTAKE,
    &pre_activation_gradient_given::MISTAKE,
    &double_softmax::MISTAKE,
    &softmax_diagonal_only::MISTAKE,
    &softmax_wrong_axis::MISTAKE,
    &label_off_by_one::MISTAKE,
    &log_base::MISTAKE,
    &regularization_missing::MISTAKE,
    &regularization_factor::MISTAKE,
    &bias_regularized::MISTAKE,
    &wrong_activation_derivative::MISTAKE,
];

/// The names of all mistakes; one whose numbers are partly fitted stands in the catalogue twice.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = CATALOG.iter().map(|mistake| mistake.name).collect();
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    names
}

/// A mistake that students make.
#[derive(Debug)]
pub struct Mistake {
    /// Its name on the wire.
    pub name: &'static str,
    /// To the student: a sentence that says what to look at. `{where}` stands for the site in words, "at z5".
    pub student: &'static str,
    /// To the instructor: what the numbers show.
    pub instructor: &'static str,
    /// The part of the lecture that it concerns.
    pub section: &'static str,
    /// Whether its hypotheses are fitted to the claims, so that they cannot be kept for the next submission.
    pub fitted: bool,
    /// Every way of making it in an exercise.
    pub hypotheses: fn(&Exercise, &Clues<'_>) -> Vec<Hypothesis>,
}

/// What is known beside the exercise.
#[derive(Debug, Clone, Copy)]
pub struct Clues<'c> {
    /// The learning rate that the course uses.
    pub learning_rate: Option<f64>,
    /// The claims; nothing while an exercise is looked at by itself.
    pub claims: Option<&'c Claims>,
}

/// A mistake at a site.
#[derive(Debug)]
pub struct Hypothesis {
    /// Where.
    pub site: Site,
    /// What is particular about it, in words, if anything is.
    pub detail: Option<String>,
    /// What is done differently.
    pub change: Box<dyn Change>,
}

impl Hypothesis {
    /// A change at a site.
    pub fn new(site: Site, change: impl Change + 'static) -> Self {
        Self { site, detail: None, change: Box::new(change) }
    }

    /// With something particular to say: "twice as large".
    pub fn particular(site: Site, detail: impl Into<String>, change: impl Change + 'static) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(site, change) }
    }
}

/// The sets of nodes at which students make the same mistake at once: all of them, the hidden ones, the outputs, each level, each
/// node. `at` says whether the mistake can be made at a node at all; sets that come out equal are named once, the widest first.
pub(crate) fn node_sites(exercise: &Exercise, at: impl Fn(usize) -> bool) -> Vec<(Site, Vec<usize>)> {
    let levels = exercise.levels();
    let outputs: HashSet<usize> = exercise.outputs().into_iter().collect();
    let all: Vec<usize> = levels.iter().flatten().copied().filter(|&node| at(node)).collect();
    let hidden: Vec<usize> = all.iter().copied().filter(|node| !outputs.contains(node)).collect();
    let last: Vec<usize> = all.iter().copied().filter(|node| outputs.contains(node)).collect();
    let single: Vec<Vec<usize>> = all.iter().take(MOST_SITES).map(|&node| vec![node]).collect();
    let mut sets = vec![all, hidden, last];
    sets.extend(levels.into_iter().map(|level| level.into_iter().filter(|&node| at(node)).collect()));
    sets.extend(single);
    let mut known: HashSet<Vec<usize>> = HashSet::new();
    let mut sites: Vec<(Site, Vec<usize>)> = Vec::new();
    for (i, mut set) in sets.into_iter().enumerate() {
        set.sort_unstable();
        if !set.is_empty() && known.insert(set.clone()) {
            let site = if i == 0 { Site::Everywhere } else { Site::nodes(exercise, &set) };
            sites.push((site, set));
        }
    }
    sites
}

/// [`node_sites`] of activations, with their ops.
fn activation_sites(exercise: &Exercise, at: impl Fn(&Activation) -> bool) -> Vec<(Site, Vec<NodeId>)> {
    let activations = &exercise.wiring.activations;
    let sites = node_sites(exercise, |node| activations[node].as_ref().is_some_and(&at));
    let ops = |set: Vec<usize>| set.into_iter().filter_map(|node| activations[node].map(|activation| activation.op)).collect();
    sites.into_iter().map(|(site, set)| (site, ops(set))).collect()
}

/// The terms of neurons that read more than this one source, `(product, term)`; and by source those that read it, where there are
/// several.
fn neuron_terms(exercise: &Exercise) -> (Vec<(&Product, &Term)>, BTreeMap<usize, Vec<(&Product, &Term)>>) {
    let products = exercise.wiring.products.iter();
    let all = products.flat_map(|product| product.terms().iter().map(move |term| (product, term))).take(MOST_SITES);
    let mut of_source: BTreeMap<usize, Vec<(&Product, &Term)>> = BTreeMap::new();
    let mut several = Vec::new();
    for (product, term) in all {
        of_source.entry(term.source).or_default().push((product, term));
        if product.terms().len() > 1 {
            several.push((product, term));
        }
    }
    of_source.retain(|_, terms| terms.len() > 1);
    (several, of_source)
}

/// The edge of a neuron's term, and the place that it comes from.
fn edge_site(exercise: &Exercise, product: &Product, term: &Term) -> Site {
    let (source, target) = (&exercise.places.list[term.source].name, &exercise.lowered.nodes[product.node].id);
    Site::Edge(format!("{source}->{target}"))
}

/// A hypothesis for each set of nodes at which inputs of products have other values: `inputs` gives those of a product, none where
/// there is nothing to be mistaken about.
fn product_sites(exercise: &Exercise, inputs: impl Fn(&Product) -> Vec<(Slot, Tensor<f64>)>) -> Vec<(Site, Inputs)> {
    let wiring = &exercise.wiring;
    let mut of_node: BTreeMap<usize, Vec<(Slot, Tensor<f64>)>> = BTreeMap::new();
    for product in &wiring.products {
        let inputs = inputs(product);
        if !inputs.is_empty() {
            of_node.entry(product.node).or_default().extend(inputs);
        }
    }
    let sites = node_sites(exercise, |node| of_node.contains_key(&node));
    let inputs = |set: &[usize]| Inputs::new(set.iter().flat_map(|node| of_node[node].iter().cloned()).collect());
    sites.into_iter().map(|(site, set)| (site, inputs(&set))).collect()
}

/// Neurons that all read the same sources, in the order of the nodes.
fn levels_of_neurons(exercise: &Exercise) -> Vec<(Vec<usize>, Vec<&Product>)> {
    let mut levels: Vec<(Vec<usize>, Vec<&Product>)> = Vec::new();
    for product in exercise.wiring.products.iter().filter(|product| !product.terms().is_empty()) {
        let sources: Vec<usize> = product.terms().iter().map(|term| term.source).collect();
        match levels.iter_mut().find(|(known, _)| *known == sources) {
            Some((_, products)) => products.push(product),
            None => levels.push((sources, vec![product])),
        }
    }
    levels
}

#[cfg(test)]
mod tests;
