//! A logarithm to base 10 or 2 in a cross-entropy: `/ ln 10`, `/ ln 2`.

use super::Mistake;
use super::factors::{hypotheses, objective};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "log_base",
    student: "The logarithm of the cross-entropy is the natural one; another base was used {where}.",
    instructor: "The numbers are those of a logarithm to another base {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| {
        let entropies = ["cross_entropy", "nll", "bce", "bce_with_logits", "kl_div"];
        if !objective(exercise).is_some_and(|objective| entropies.contains(&objective.op)) {
            return Vec::new();
        }
        let mut all = hypotheses(exercise, 1.0 / std::f64::consts::LN_10, "log10", true);
        all.extend(hypotheses(exercise, 1.0 / std::f64::consts::LN_2, "log2", true));
        all
    },
};
