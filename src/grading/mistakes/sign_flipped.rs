//! `−dE/dw`: a sign is wrong, mostly that of `o − t`.

use super::{Hypothesis, Mistake, node_sites};
use crate::grading::change::{Change, Step, Weights};
use crate::grading::exercise::Exercise;
use crate::grading::parts::{Answer, Kind};
use crate::grading::site::Site;
use crate::graph::NodeId;
use crate::ops::Cotangents;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "sign_flipped",
    student: "The sign is wrong {where}: check the order of the difference (output minus target), and whether you wrote the gradient or the step against it.",
    instructor: "The numbers are right but for their sign {where}.",
    section: "The loss and its derivative",
    fitted: false,
    hypotheses: |exercise, _| {
        let mut all = vec![Hypothesis::new(Site::Everywhere, Objective)];
        let nodes = &exercise.lowered.nodes;
        let at = |set: &[usize]| At(set.iter().map(|&node| nodes[node].z).collect());
        all.extend(node_sites(exercise, |_| true).into_iter().skip(1).map(|(site, set)| Hypothesis::new(site, at(&set))));
        let parameters = exercise.lowered.parameters.iter().enumerate().filter(|(_, parameter)| parameter.trained);
        all.extend(parameters.map(|(i, parameter)| Hypothesis::new(Site::Parameter(parameter.name.clone()), In(i))));
        all
    },
};

/// The derivative of the whole objective has the wrong sign.
#[derive(Debug)]
struct Objective;

impl Change for Objective {
    fn seeds(&self, _: &Exercise, weights: &mut Weights) {
        weights.samples.iter_mut().chain(&mut weights.penalties).for_each(|weight| *weight = -*weight);
    }
}

/// What goes back through these nodes changes its sign there.
#[derive(Debug)]
struct At(Vec<NodeId>);

impl Change for At {
    fn vjp(&self, _: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        let here = self.0.contains(&step.node);
        if here {
            let flipped = step.y_bar.map(|y_bar| -y_bar);
            let right = Step { y_bar: &flipped, ..step }.right(|slot| x_bar.wants(slot));
            right.into_iter().enumerate().for_each(|(slot, bar)| {
                if let Some(bar) = bar {
                    x_bar.give(slot, bar);
                }
            });
        }
        here
    }
}

/// One parameter's gradient alone.
#[derive(Debug)]
struct In(usize);

impl Change for In {
    fn answer(&self, exercise: &Exercise, answer: &mut Answer) {
        if let Some(part) = exercise.parts.of_kind(Kind::Gradient(self.0)) {
            answer.0[part] = answer.0[part].map(|x| -x);
        }
    }
}
