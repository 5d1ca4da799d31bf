//! The penalty is left out.

use super::Mistake;
use super::regularization::hypotheses;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "regularization_missing",
    student: "The regularization is missing {where}: its derivative belongs to the gradient of every weight that it penalises.",
    instructor: "The numbers are those of the loss without its penalty {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| hypotheses(exercise, 0.0, "without the penalty"),
};
