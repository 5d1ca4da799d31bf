//! `1/N²`: a mean's division is made in dE/dz and again in dE/dw.

use super::Mistake;
use super::factors::{hypotheses, objective};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "divided_twice",
    student: "You divided by the number of samples twice {where}: once in dE/dz of the outputs is enough, the gradients inherit it.",
    instructor: "The numbers are divided by the number of samples once too often {where}.",
    section: "1.7 Backpropagation as algorithm for layered NNs",
    fitted: false,
    hypotheses: |exercise, _| {
        let objective = objective(exercise).filter(|objective| objective.mean);
        objective.map_or_else(Vec::new, |objective| {
            hypotheses(exercise, 1.0 / objective.divisor, "by the number of samples again", false)
        })
    },
};
