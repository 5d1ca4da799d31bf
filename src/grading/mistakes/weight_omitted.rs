//! `z̄ᵢ = Σⱼ āⱼ` for `Σⱼ w_ji·āⱼ`: what comes back is passed on without the weight. Where as many nodes read as are read, also `z̄ᵢ = āᵢ`.

use std::collections::HashMap;

use super::rules::Inputs;
use super::{Hypothesis, Mistake, edge_site, neuron_terms, product_sites};
use crate::grading::exercise::Exercise;
use crate::grading::site::Site;
use crate::grading::wiring::{Product, Term};
use crate::graph::NodeId;
use crate::tensor::{Shape, Tensor};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "weight_omitted",
    student: "The weight is missing on the way back {where}: ∂z_l/∂z_k = g′(a_l) · w_lk holds the weight between the two nodes.",
    instructor: "dE/da of the successors is passed down {where} without being multiplied by the weight.",
    section: "1.5 Backprop: ∂z₂/∂z₅ = g′(…)·w₂₅",
    fitted: false,
    hypotheses: |exercise, _| {
        let ones = product_sites(exercise, |product| match product.tensors() {
            Some((_, weight)) => vec![(weight, exercise.input(weight).map(|_| 1.0))],
            None => product.with_weights(exercise, |_| Some(1.0)),
        });
        let mut all: Vec<_> = ones.into_iter().map(|(site, change)| Hypothesis::new(site, change)).collect();
        all.extend(identities(exercise));
        all.extend(edges(exercise));
        all
    },
};

/// The cotangent of each target goes to the one source that stands at the same place.
fn identities(exercise: &Exercise) -> Vec<Hypothesis> {
    let wiring = &exercise.wiring;
    let mut opposite: HashMap<(NodeId, usize), bool> = HashMap::new();
    for block in &wiring.blocks {
        for (j, &target) in block.targets.iter().enumerate() {
            let op = wiring.products[target].op;
            opposite.extend(block.sources.iter().enumerate().map(|(i, &source)| ((op, source), i == j)));
        }
    }
    let sites = product_sites(exercise, |product| match product.tensors() {
        Some((_, weight)) => identity(exercise.input(weight).shape()).map(|w| (weight, w)).into_iter().collect(),
        None => product
            .with_weights(exercise, |term| opposite.get(&(product.op, term.source)).map(|&same| if same { 1.0 } else { 0.0 })),
    });
    let detail = "each to the one node at the same place";
    sites.into_iter().map(|(site, change)| Hypothesis::particular(site, detail, change)).collect()
}

fn identity(shape: Shape) -> Option<Tensor<f64>> {
    let &[rows, columns] = shape.dims() else { return None };
    let number = |at: usize| if at / columns == at % columns { 1.0 } else { 0.0 };
    (rows == columns && rows > 1).then(|| Tensor::new(shape, (0..shape.size()).map(number).collect()))
}

/// At one edge of a neuron that has several; and in the dE/dz of one node, all of whose terms are without their weights.
fn edges(exercise: &Exercise) -> Vec<Hypothesis> {
    let (several, of_source) = neuron_terms(exercise);
    let ones =
        |product: &Product, term: &Term| product.with_weights(exercise, |other| (other.input == term.input).then_some(1.0));
    let edge = |(product, term): &(&Product, &Term)| {
        Hypothesis::new(edge_site(exercise, product, term), Inputs::new(ones(product, term)))
    };
    let mut all: Vec<_> = several.iter().map(edge).collect();
    all.extend(of_source.into_iter().map(|(source, terms)| {
        let site = Site::Node(exercise.places.list[source].name.clone());
        let inputs = terms.into_iter().flat_map(|(product, term)| ones(product, term)).collect();
        Hypothesis::particular(site, "in its dE/dz", Inputs::new(inputs))
    }));
    all
}
