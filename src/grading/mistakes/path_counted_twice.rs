//! `dE/dz_k = Σ_l dE/dz_l·∂z_l/∂z_k` with one of its terms twice.

use super::path_missing::paths;
use super::rules::Terms;
use super::{Hypothesis, Mistake};
use crate::grading::site::Site;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "path_counted_twice",
    student: "A path is counted twice {where}: each node that reads z_k gives one term dE/dz_l · ∂z_l/∂z_k to the sum, however many paths go on from there.",
    instructor: "The term that comes back {where} stands in dE/dz twice.",
    section: "1.8 another Backprop Takeaway: chain rule plus reuse of terms",
    fitted: false,
    hypotheses: |exercise, _| {
        let twice = |edge: &crate::grading::wiring::Edge| {
            Hypothesis::new(Site::Edge(exercise.wiring.name(exercise, edge)), Terms::new(edge.slots.clone(), 2.0))
        };
        paths(exercise).map(twice).collect()
    },
};
