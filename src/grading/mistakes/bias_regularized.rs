//! Biases are penalised like weights.

use super::factors::{is_bias, penalties_of, together, trained};
use super::{Hypothesis, Mistake};
use crate::grading::change::Change;
use crate::grading::exercise::Exercise;
use crate::grading::parts::{Answer, Kind};
use crate::grading::site::Site;
use crate::tensor::Tensor;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "bias_regularized",
    student: "The biases are regularized too {where}; the penalty is on the weights alone.",
    instructor: "The penalty's derivative is added to the gradients of biases {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| {
        let Some(penalty) = exercise.lowered.penalties.first() else { return Vec::new() };
        let graph = &exercise.lowered.graph;
        // The penalty is a sum of squares, or of absolute values.
        let inside = graph.nodes()[penalty.node.index()].inputs.first().and_then(|&input| graph.nodes()[input].op.as_ref());
        let squares = inside.is_some_and(|op| op.name() != "abs");
        let trained = trained(exercise);
        let free = trained.iter().zip(penalties_of(exercise, &trained));
        let biases: Vec<usize> =
            free.filter(|(i, penalty)| penalty.is_none() && is_bias(exercise, **i)).map(|(&i, _)| i).collect();
        if biases.is_empty() {
            return Vec::new();
        }
        let coefficient = penalty.coefficient;
        let ways = [(false, "in the gradients"), (true, "in the loss as well")];
        let one = |(loss, detail)| {
            Hypothesis::particular(Site::Everywhere, detail, Penalised { biases: biases.clone(), coefficient, squares, loss })
        };
        ways.into_iter().map(one).collect()
    },
};

#[derive(Debug)]
struct Penalised {
    biases: Vec<usize>,
    coefficient: f64,
    squares: bool,
    loss: bool,
}

impl Change for Penalised {
    fn alters_answer_alone(&self) -> bool {
        true
    }

    fn answer(&self, exercise: &Exercise, answer: &mut Answer) {
        let mut penalty = 0.0;
        for &i in &self.biases {
            let parameter = &exercise.lowered.parameters[i];
            let leaf = exercise.value(parameter.leaf);
            let value = match parameter.element {
                None => leaf.clone(),
                Some(element) => Tensor::scalar(leaf.data()[element as usize]),
            };
            let slope = |w: f64| if self.squares { 2.0 * w } else { w.signum() * f64::from(w != 0.0) };
            penalty += value.data().iter().map(|w| if self.squares { w * w } else { w.abs() }).sum::<f64>();
            if let Some(part) = exercise.parts.of_kind(Kind::Gradient(i)) {
                let gradient = &answer.0[part];
                answer.0[part] = together(gradient, &value, |g, w| g + self.coefficient * slope(w));
            }
        }
        if let (true, Some(loss)) = (self.loss, exercise.parts.of_kind(Kind::Loss)) {
            answer.0[loss] = answer.0[loss].map(|loss| loss + self.coefficient * penalty);
        }
    }
}
