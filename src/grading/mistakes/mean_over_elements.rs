//! A division by the number of outputs, as frameworks' mean squared error makes it.

use super::Mistake;
use super::factors::{elements, hypotheses, objective, over_elements};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "mean_over_elements",
    student: "You divided by the number of outputs as well {where}: the loss of a sample is the sum over its outputs, not their mean.",
    instructor: "The numbers are divided by the number of elements of a sample {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| {
        let Some(objective) = objective(exercise) else { return Vec::new() };
        let elements = elements(exercise) as f64;
        let mut all = hypotheses(exercise, 1.0 / elements, "divided by the number of outputs", true);
        if elements > 1.0 && objective.samples > 1.0 {
            if objective.mean && over_elements(objective.op) {
                all.extend(hypotheses(exercise, objective.samples, "divided by the number of outputs alone", true));
            } else if objective.mean {
                let detail = "divided by the number of outputs instead of that of the samples";
                all.extend(hypotheses(exercise, objective.divisor / elements, detail, true));
            } else {
                let detail = "divided by the number of samples and of outputs";
                all.extend(hypotheses(exercise, 1.0 / (elements * objective.samples), detail, true));
            }
        }
        all
    },
};
