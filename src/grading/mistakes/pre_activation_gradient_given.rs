//! dE/da where dE/dz is asked, or the reverse: many texts call the pre-activation z.

use super::{Hypothesis, Mistake, node_sites};
use crate::grading::change::Change;
use crate::grading::exercise::Exercise;
use crate::grading::parts::{Answer, Kind};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "pre_activation_gradient_given",
    student: "dE/da and dE/dz are mixed up {where}: z is the node's output, a what its activation is applied to.",
    instructor: "The derivative by the pre-activation is given as that by the output, or the reverse, {where}.",
    section: "1.5 Backprop",
    fitted: false,
    hypotheses: |exercise, _| {
        let sites = node_sites(exercise, |node| exercise.lowered.nodes[node].a.is_some());
        let ways =
            [(Given::PreActivation, "dE/da for dE/dz"), (Given::Output, "dE/dz for dE/da"), (Given::Both, "each for the other")];
        let all = sites.into_iter().flat_map(|(site, nodes)| {
            ways.map(|(given, detail)| Hypothesis::particular(site.clone(), detail, Mixed { nodes: nodes.clone(), given }))
        });
        all.collect()
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    PreActivation,
    Output,
    Both,
}

#[derive(Debug)]
struct Mixed {
    nodes: Vec<usize>,
    given: Given,
}

impl Change for Mixed {
    fn alters_answer_alone(&self) -> bool {
        true
    }

    fn answer(&self, exercise: &Exercise, answer: &mut Answer) {
        for &node in &self.nodes {
            let of = |kind| exercise.parts.of_kind(kind);
            let (Some(a), Some(z)) = (of(Kind::BarA(node)), of(Kind::BarZ(node))) else { continue };
            match self.given {
                Given::PreActivation => answer.0[z] = answer.0[a].clone(),
                Given::Output => answer.0[a] = answer.0[z].clone(),
                Given::Both => answer.0.swap(a, z),
            }
        }
    }
}
