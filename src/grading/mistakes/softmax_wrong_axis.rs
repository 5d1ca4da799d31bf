//! Softmax over the samples instead of the classes.

use super::softmaxes::{At, Wrong, sites};
use super::{Hypothesis, Mistake};
use crate::grading::site::Site;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "softmax_wrong_axis",
    student: "Softmax runs over the samples {where}: the probabilities of each sample's classes must sum to 1.",
    instructor: "Softmax is taken along the batch axis {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| {
        if exercise.lowered.samples < 2 {
            return Vec::new();
        }
        let all = sites(exercise).into_iter().flat_map(|at| {
            let site = match at {
                At::Op(id) => exercise.owner(id).map_or(Site::Everywhere, |node| Site::nodes(exercise, &[node])),
                At::Loss(_) | At::Probabilities(_) => Site::Everywhere,
            };
            [true, false].map(|through| {
                let detail = if through { "with the derivative of that" } else { "with the derivative of the right one" };
                Hypothesis::particular(site.clone(), detail, Wrong { at, again: false, through, forward: true })
            })
        });
        all.collect()
    },
};
