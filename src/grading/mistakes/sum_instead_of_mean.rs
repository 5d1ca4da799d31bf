//! `Σₙ Eₙ` where the mean over the minibatch is asked.

use super::Mistake;
use super::factors::{elements, hypotheses, objective, over_elements};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "sum_instead_of_mean",
    student: "The objective is the mean over the minibatch, and you took the sum {where}: divide by the number of samples once.",
    instructor: "The sum over the samples stands for their mean {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| {
        let Some(objective) = objective(exercise).filter(|objective| objective.mean) else { return Vec::new() };
        let mut all = hypotheses(exercise, objective.divisor, "not divided by the number of samples", true);
        let elements = elements(exercise) as f64;
        if over_elements(objective.op) && elements > 1.0 {
            let detail = "divided by neither samples nor elements";
            all.extend(hypotheses(exercise, objective.divisor * elements, detail, true));
        }
        all
    },
};
