//! `dE/da = dE/dz`: the activation's derivative is forgotten.

use super::{Hypothesis, Mistake, node_sites};
use crate::grading::change::{Change, Step};
use crate::grading::exercise::Exercise;
use crate::graph::NodeId;
use crate::ops::Cotangents;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "activation_derivative_missing",
    student: "The derivative of the activation is missing {where}: dE/da = dE/dz · g′(a), by the chain rule through the activation.",
    instructor: "dE/da equals dE/dz {where}.",
    section: "Backpropagation: from dE/dz to dE/da",
    fitted: false,
    hypotheses: |exercise, _| {
        let nodes = &exercise.lowered.nodes;
        let sites = node_sites(exercise, |node| nodes[node].a.is_some());
        sites
            .into_iter()
            .map(|(site, set)| Hypothesis::new(site, Forgotten(set.iter().map(|&node| nodes[node].z).collect())))
            .collect()
    },
};

/// The activations that are passed through.
#[derive(Debug)]
struct Forgotten(Vec<NodeId>);

impl Change for Forgotten {
    fn vjp(&self, _: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        let here = self.0.contains(&step.node);
        if here {
            x_bar.give(0, step.y_bar.clone());
        }
        here
    }
}
