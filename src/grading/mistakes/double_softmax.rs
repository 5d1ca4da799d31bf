//! `softmax(softmax(x))`: probabilities are handed to a loss that takes the softmax itself.

use super::softmaxes::{At, Wrong, sites};
use super::{Hypothesis, Mistake};
use crate::grading::site::Site;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "double_softmax",
    student: "Softmax was taken twice {where}: a cross-entropy from logits has the softmax inside, so it wants the raw scores.",
    instructor: "Softmax is applied to probabilities {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| {
        let ways =
            [(true, true, "forward and backward"), (false, true, "without its own derivative"), (true, false, "backward alone")];
        let all = sites(exercise).into_iter().flat_map(|at| {
            ways.map(|(through, forward, detail)| {
                let site = match at {
                    At::Op(id) => exercise.owner(id).map_or(Site::Everywhere, |node| Site::nodes(exercise, &[node])),
                    At::Loss(_) | At::Probabilities(_) => Site::Everywhere,
                };
                Hypothesis::particular(site, detail, Wrong { at, again: true, through, forward })
            })
        });
        all.collect()
    },
};
