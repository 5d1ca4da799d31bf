//! `−dE/dw`: a sign is wrong, mostly that of `o − t`.

use super::rules::{Rule, Terms};
use super::{Hypothesis, Mistake, node_sites};
use crate::grading::change::{Change, Step, Weights};
use crate::grading::exercise::Exercise;
use crate::grading::parts::{Answer, Kind};
use crate::grading::site::Site;
use crate::ops::{Cotangents, Scalar};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "sign_flipped",
    student: "The sign is wrong {where}: check the order of the difference (output minus target), and whether you wrote the gradient or the step against it.",
    instructor: "The numbers are right but for their sign {where}.",
    section: "1.5 Backprop, step 1: the derivative of the loss by its inputs",
    fitted: false,
    hypotheses: |exercise, _| {
        let mut all = vec![Hypothesis::new(Site::Everywhere, Objective { penalties: true })];
        if !exercise.lowered.penalties.is_empty() {
            let detail = "but for the regularization's part";
            all.push(Hypothesis::particular(Site::Everywhere, detail, Objective { penalties: false }));
        }
        let parameters = exercise.lowered.parameters.iter().enumerate().filter(|(_, parameter)| parameter.trained);
        all.extend(
            parameters
                .map(|(i, parameter)| Hypothesis::new(Site::Parameter(parameter.name.clone()), In(vec![Kind::Gradient(i)]))),
        );
        let trained = (0..exercise.lowered.parameters.len()).map(Kind::Gradient).collect();
        all.push(Hypothesis::particular(Site::Everywhere, "in the parameters' gradients alone", In(trained)));
        let sites: Vec<_> = node_sites(exercise, |_| true).into_iter().filter(|(site, _)| *site != Site::Everywhere).collect();
        for (site, nodes) in &sites {
            all.push(Hypothesis::new(site.clone(), below(exercise, nodes)));
        }
        for (site, nodes) in &sites {
            all.push(Hypothesis::particular(site.clone(), "in dE/dz and what follows", into(exercise, nodes)));
        }
        for (site, nodes) in sites {
            let kinds = [Kind::BarZ, Kind::BarA].iter().flat_map(|kind| nodes.iter().map(|&node| kind(node)));
            let parameters = gradients(exercise, &nodes);
            all.push(Hypothesis::particular(
                site.clone(),
                "in all numbers there alone",
                In(kinds.chain(parameters.clone()).collect()),
            ));
            all.push(Hypothesis::particular(site, "in the parameters' gradients alone", In(parameters)));
        }
        all
    },
};

/// The derivative of the whole objective has the wrong sign.
#[derive(Debug)]
struct Objective {
    /// The penalties' as well.
    penalties: bool,
}

impl Change for Objective {
    fn seeds(&self, _: &Exercise, weights: &mut Weights) {
        let penalties = weights.penalties.iter_mut().filter(|_| self.penalties);
        weights.samples.iter_mut().chain(penalties).for_each(|weight| *weight = -*weight);
    }
}

/// What goes back through these nodes changes its sign there: dE/da and all that follows.
fn below(exercise: &Exercise, nodes: &[usize]) -> impl Change + use<> {
    let flip = |step: Step<'_>, x_bar: &mut Cotangents<'_, f64>| {
        let flipped = step.y_bar.map(|y_bar| -y_bar);
        f64::op(step.op).vjp(step.at, &flipped, x_bar);
    };
    Rule::new(nodes.iter().map(|&node| exercise.lowered.nodes[node].z).collect(), flip)
}

/// All terms of these nodes' dE/dz have the wrong sign, so that it has too.
fn into(exercise: &Exercise, nodes: &[usize]) -> Terms {
    let (wiring, inputs) = (&exercise.wiring, exercise.places.inputs);
    let edges = nodes.iter().flat_map(|node| wiring.successors[inputs + node].iter().map(|&edge| &wiring.edges[edge]));
    Terms::new(edges.flat_map(|edge| edge.slots.iter().copied()).collect(), -1.0)
}

/// The parameters that these nodes read.
fn gradients(exercise: &Exercise, nodes: &[usize]) -> Vec<Kind> {
    let list = &exercise.places.list[exercise.places.inputs..];
    let leaves: std::collections::HashSet<usize> = nodes.iter().flat_map(|&node| list[node].leaves.iter().copied()).collect();
    let parameters = exercise.lowered.parameters.iter().enumerate();
    let read = parameters.filter(|(_, parameter)| parameter.trained && leaves.contains(&parameter.leaf.index()));
    read.map(|(i, _)| Kind::Gradient(i)).collect()
}

/// These parts alone.
#[derive(Debug)]
struct In(Vec<Kind>);

impl Change for In {
    fn answer(&self, exercise: &Exercise, answer: &mut Answer) {
        for part in self.0.iter().filter_map(|&kind| exercise.parts.of_kind(kind)) {
            answer.0[part] = answer.0[part].map(|x| -x);
        }
    }
}
