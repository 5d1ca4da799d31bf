//! `w_ij` read as the weight from j to i: the gradients between two levels of neurons stand where their mirror images should.

use super::{Hypothesis, Mistake, levels_of_neurons};
use crate::grading::change::Change;
use crate::grading::exercise::Exercise;
use crate::grading::parts::Answer;
use crate::grading::site::Site;
use crate::grading::wiring::Product;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "index_swapped",
    student: "The indices of the weights are swapped {where}: u->v is the weight from u to v.",
    instructor: "Each gradient stands at the weight with the other order of indices {where}.",
    section: "1.5 Backprop",
    fitted: false,
    hypotheses: |exercise, _| {
        let blocks: Vec<(Vec<usize>, Vec<(usize, usize)>)> = blocks(exercise);
        let mut all = Vec::new();
        if blocks.len() > 1 {
            let pairs = blocks.iter().flat_map(|(_, pairs)| pairs.iter().copied()).collect();
            all.push(Hypothesis::new(Site::Everywhere, Swapped(pairs)));
        }
        all.extend(blocks.into_iter().map(|(nodes, pairs)| Hypothesis::new(Site::nodes(exercise, &nodes), Swapped(pairs))));
        all
    },
};

/// The square blocks of weights: their target nodes, and the pairs of parts that change places.
fn blocks(exercise: &Exercise) -> Vec<(Vec<usize>, Vec<(usize, usize)>)> {
    let places = &exercise.places;
    let name =
        |source: usize, node: usize| format!("gradients/{}->{}", places.list[source].name, exercise.lowered.nodes[node].id);
    let of_level = |(sources, products): (Vec<usize>, Vec<&Product>)| {
        let nodes: Vec<usize> = products.iter().map(|product| product.node).collect();
        let mut pairs = Vec::new();
        for (i, &target) in nodes.iter().enumerate() {
            for (j, &source) in sources.iter().enumerate().skip(i + 1) {
                let (one, other) = (name(source, target), name(sources[i], nodes[j]));
                pairs.extend(exercise.parts.find(&one).zip(exercise.parts.find(&other)));
            }
        }
        (nodes, pairs)
    };
    let square = |(sources, products): &(Vec<usize>, Vec<&Product>)| sources.len() == products.len();
    levels_of_neurons(exercise).into_iter().filter(square).map(of_level).filter(|(_, pairs)| !pairs.is_empty()).collect()
}

#[derive(Debug)]
struct Swapped(Vec<(usize, usize)>);

impl Change for Swapped {
    fn alters_answer_alone(&self) -> bool {
        true
    }

    fn answer(&self, _: &Exercise, answer: &mut Answer) {
        self.0.iter().for_each(|&(one, other)| answer.0.swap(one, other));
    }
}
