//! Penalties weighted otherwise: what mistakes about the regularization have in common.

use super::Hypothesis;
use super::factors::{penalties_of, together, trained};
use crate::grading::change::{Change, Weights};
use crate::grading::exercise::Exercise;
use crate::grading::parts::{Answer, Kind};
use crate::grading::site::Site;
use crate::tensor::Tensor;

/// The penalties times a factor, in the gradients and perhaps in the loss.
#[derive(Debug)]
struct Weighted {
    factor: f64,
    loss: bool,
    seeds: bool,
}

impl Change for Weighted {
    fn loss(&self, _: &Exercise, weights: &mut Weights) {
        if self.loss {
            weights.penalties.iter_mut().for_each(|weight| *weight *= self.factor);
        }
    }

    fn seeds(&self, _: &Exercise, weights: &mut Weights) {
        if self.seeds {
            weights.penalties.iter_mut().for_each(|weight| *weight *= self.factor);
        }
    }
}

/// What the penalties give to some parameters' gradients times a factor.
#[derive(Debug)]
struct InGradients {
    factor: f64,
    /// Parts with what the penalties give to them.
    parts: Vec<(usize, Tensor<f64>)>,
}

impl Change for InGradients {
    fn alters_answer_alone(&self) -> bool {
        true
    }

    fn answer(&self, _: &Exercise, answer: &mut Answer) {
        for (part, penalty) in &self.parts {
            answer.0[*part] = together(&answer.0[*part], penalty, |g, penalty| g + (self.factor - 1.0) * penalty);
        }
    }
}

/// The penalties times a factor, in each way that students do it.
pub(super) fn hypotheses(exercise: &Exercise, factor: f64, detail: &str) -> Vec<Hypothesis> {
    if exercise.lowered.penalties.is_empty() || factor == 1.0 {
        return Vec::new();
    }
    let ways = [(false, true, ""), (true, true, ", in the loss as well"), (true, false, ", in the loss alone")];
    let one = |(loss, seeds, place): (bool, bool, &str)| {
        Hypothesis::particular(Site::Everywhere, format!("{detail}{place}"), Weighted { factor, loss, seeds })
    };
    let mut all: Vec<Hypothesis> = ways.into_iter().map(one).collect();
    let trained = trained(exercise);
    let penalised = trained.iter().zip(penalties_of(exercise, &trained)).filter_map(|(&i, penalty)| Some((i, penalty?)));
    for (i, penalty) in penalised {
        let Some(part) = exercise.parts.of_kind(Kind::Gradient(i)) else { continue };
        let site = Site::Parameter(exercise.lowered.parameters[i].name.clone());
        all.push(Hypothesis::particular(site, detail, InGradients { factor, parts: vec![(part, penalty)] }));
    }
    all
}
