//! `dE/dw = dE/da·a_source` for `dE/da·z_source`: the source's pre-activation stands in the weight's gradient.

use std::collections::HashMap;

use super::rules::Inputs;
use super::{Hypothesis, Mistake, edge_site, neuron_terms, product_sites};
use crate::grading::exercise::Exercise;
use crate::grading::site::Site;
use crate::grading::wiring::Slot;
use crate::graph::NodeId;
use crate::tensor::Tensor;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "pre_activation_in_weight_gradient",
    student: "The gradient of a weight is dE/da times the number that the weight multiplies, the source's output z. You took the source's pre-activation a {where}.",
    instructor: "dW is formed with the sources' pre-activations {where}.",
    section: "1.5 Backprop: ∂z₂/∂w₂₅ = g′(…)·z₅",
    fitted: false,
    hypotheses: |exercise, _| {
        let before = before(exercise);
        let graph = &exercise.lowered.graph;
        let instead = |op: NodeId, input: usize| -> Option<(Slot, Tensor<f64>)> {
            let a = before.get(&graph.nodes()[op.index()].inputs[input])?;
            Some((Slot { op, input }, exercise.value(*a).clone()))
        };
        let sites = product_sites(exercise, |product| match product.tensors() {
            Some((source, _)) => instead(source.op, source.input).into_iter().collect(),
            None => product.terms().iter().filter_map(|term| instead(product.op, term.input)).collect(),
        });
        let mut all: Vec<_> = sites.into_iter().map(|(site, change)| Hypothesis::new(site, change)).collect();
        // At one edge of a neuron that has several; and of one node, wherever it is read.
        let (several, of_source) = neuron_terms(exercise);
        all.extend(several.into_iter().filter_map(|(product, term)| {
            let inputs = Inputs::new(vec![instead(product.op, term.input)?]);
            Some(Hypothesis::new(edge_site(exercise, product, term), inputs))
        }));
        all.extend(of_source.into_iter().filter_map(|(source, terms)| {
            let inputs: Option<_> = terms.into_iter().map(|(product, term)| instead(product.op, term.input)).collect();
            let site = Site::Node(exercise.places.list[source].name.clone());
            Some(Hypothesis::particular(site, "as a source", Inputs::new(inputs?)))
        }));
        all
    },
};

/// By the outputs of activations: what they are functions of.
fn before(exercise: &Exercise) -> HashMap<usize, NodeId> {
    let activations = exercise.wiring.activations.iter().flatten();
    activations.map(|activation| (activation.op.index(), activation.input)).collect()
}
