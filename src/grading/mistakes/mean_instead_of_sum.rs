//! `1/N Σₙ Eₙ` where the sum over the minibatch is asked.

use super::Mistake;
use super::factors::{elements, hypotheses, objective, over_elements};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "mean_instead_of_sum",
    student: "The objective is the sum over the minibatch, and you divided by the number of samples {where}.",
    instructor: "The mean over the samples stands for their sum {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| {
        let Some(objective) = objective(exercise).filter(|objective| !objective.mean) else { return Vec::new() };
        let mut all = hypotheses(exercise, 1.0 / objective.samples, "divided by the number of samples", true);
        let elements = elements(exercise) as f64;
        if over_elements(objective.op) && elements > 1.0 {
            let detail = "divided by the number of samples and of outputs";
            all.extend(hypotheses(exercise, 1.0 / (objective.samples * elements), detail, true));
        }
        all
    },
};
