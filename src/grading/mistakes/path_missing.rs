//! `dE/dz_k = Σ_l dE/dz_l·∂z_l/∂z_k` without one of its terms.

use super::rules::Terms;
use super::{Hypothesis, MOST_SITES, Mistake};
use crate::grading::exercise::Exercise;
use crate::grading::site::Site;
use crate::grading::wiring::Edge;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "path_missing",
    student: "A path is missing {where}: dE/dz is the sum over all nodes that read it, dE/dz_k = Σ_l dE/dz_l · ∂z_l/∂z_k, and the term of this edge is not there.",
    instructor: "The term that comes back {where} is left out of dE/dz.",
    section: "1.5 Backprop, step 3: the sum over all l that k gives input to",
    fitted: false,
    hypotheses: |exercise, _| {
        let mut all = Vec::new();
        for edge in paths(exercise) {
            let site = || Site::Edge(exercise.wiring.name(exercise, edge));
            all.push(Hypothesis::new(site(), Terms::new(edge.slots.clone(), 0.0)));
            // A node that reads its source several times has several terms.
            for slot in edge.slots.iter().filter(|_| edge.slots.len() > 1) {
                let change = Terms::new(vec![*slot], 0.0);
                all.push(Hypothesis::particular(site(), "one of the several times that it is read", change));
            }
        }
        all
    },
};

/// The edges on which cotangents come back to nodes, and then to inputs that have a gradient. That to the loss counts where it is
/// not the only one.
pub(super) fn paths(exercise: &Exercise) -> impl Iterator<Item = &Edge> {
    let (wiring, places) = (&exercise.wiring, &exercise.places);
    let is_path = move |edge: &&Edge| {
        let real = edge.source >= places.inputs || exercise.lowered.inputs[edge.source].real;
        real && (edge.target < places.list.len() || wiring.successors[edge.source].len() > 1)
    };
    let of_inputs = move |inputs: bool| wiring.edges.iter().filter(move |edge| (edge.source < places.inputs) == inputs);
    of_inputs(false).chain(of_inputs(true)).filter(is_path).take(MOST_SITES)
}
