//! `=` for `+=`: of the terms of `dE/dz_k = Σ_l dE/dz_l·∂z_l/∂z_k` one alone is kept, the last or the first.

use super::rules::Terms;
use super::{Hypothesis, Mistake, node_sites};
use crate::grading::exercise::Exercise;
use crate::grading::site::Site;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "last_path_only",
    student: "Of the several nodes that read the same z only one is counted {where}: their terms are added, dE/dz_k = Σ_l dE/dz_l · ∂z_l/∂z_k; each new one must not replace the one before (+=, not =).",
    instructor: "Of several successors' terms one alone is kept {where}.",
    section: "1.5 Backprop: dE/dz₅ = dE/dz₁·∂z₁/∂z₅ + dE/dz₂·∂z₂/∂z₅ + dE/dz₃·∂z₃/∂z₅",
    fitted: false,
    hypotheses: |exercise, _| {
        let (wiring, inputs) = (&exercise.wiring, exercise.places.inputs);
        let mut sites: Vec<(Site, Vec<usize>)> = Vec::new();
        let wide = |place: usize| wiring.successors[place].len() > 1;
        let wide_inputs: Vec<usize> = (0..inputs).filter(|&i| wide(i) && exercise.lowered.inputs[i].real).collect();
        for (site, nodes) in node_sites(exercise, |node| wide(inputs + node)) {
            let mut places: Vec<usize> = nodes.iter().map(|node| inputs + node).collect();
            if site == Site::Everywhere && !wide_inputs.is_empty() {
                places.extend(&wide_inputs);
                sites.push((Site::nodes(exercise, &nodes), nodes.iter().map(|node| inputs + node).collect()));
            }
            sites.push((site, places));
        }
        sites.extend(wide_inputs.into_iter().map(|i| (Site::Node(exercise.lowered.inputs[i].name.clone()), vec![i])));
        let kept = [("only the last one is kept", true), ("only the first one is kept", false)];
        let hypotheses = sites.iter().flat_map(|(site, places)| {
            kept.map(|(detail, last)| Hypothesis::particular(site.clone(), detail, only(exercise, places, last)))
        });
        hypotheses.collect()
    },
};

/// At these places the last (or first) successor's term alone.
fn only(exercise: &Exercise, places: &[usize], last: bool) -> Terms {
    let wiring = &exercise.wiring;
    let dropped = places.iter().flat_map(|&place| match wiring.successors[place].as_slice() {
        [dropped @ .., _] if last => dropped,
        [_, dropped @ ..] => dropped,
        [] => &[],
    });
    Terms::new(dropped.flat_map(|&edge| wiring.edges[edge].slots.iter().copied()).collect(), 0.0)
}
