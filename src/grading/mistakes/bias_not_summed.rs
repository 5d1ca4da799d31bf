//! The gradient of a bias is `Σₙ dE/daₙ`: one sample's alone, the mean, or one number a sample, is not.

use super::factors::{Objective, objective};
use super::{Hypothesis, Mistake};
use crate::grading::change::Change;
use crate::grading::exercise::Exercise;
use crate::grading::parts::{Answer, Kind};
use crate::grading::site::Site;
use crate::tensor::Tensor;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "bias_not_summed",
    student: "The gradient of a bias is the sum of dE/da over all samples of the minibatch; yours is not {where}.",
    instructor: "The bias's gradient is not summed over the minibatch {where}.",
    section: "1.7 Backpropagation as algorithm for layered NNs",
    fitted: false,
    hypotheses: |exercise, _| {
        let Some(Objective { samples, .. }) = objective(exercise).filter(|objective| objective.samples > 1.0) else {
            return Vec::new();
        };
        let biases = biases(exercise);
        let mut sets: Vec<(Site, Vec<Bias>)> = Vec::new();
        if biases.len() > 1 {
            sets.push((Site::Everywhere, biases.clone()));
        }
        let one = |bias: Bias| (Site::Parameter(exercise.lowered.parameters[bias.parameter].name.clone()), vec![bias]);
        sets.extend(biases.into_iter().map(one));
        let ways = [
            (Way::Sample(samples as usize - 1), "the last sample's alone"),
            (Way::Sample(0), "the first sample's alone"),
            (Way::Mean, "the mean"),
            (Way::Axis, "one number a sample"),
        ];
        let all = sets.into_iter().flat_map(|(site, biases)| {
            ways.map(|(way, detail)| Hypothesis::particular(site.clone(), detail, Unsummed { biases: biases.clone(), way }))
        });
        all.collect()
    },
};

/// A bias and the nodes whose dE/da it gets.
#[derive(Debug, Clone)]
struct Bias {
    parameter: usize,
    nodes: Vec<usize>,
}

/// The biases whose gradient is the sum over samples of one derivative a node.
fn biases(exercise: &Exercise) -> Vec<Bias> {
    let (lowered, places) = (&exercise.lowered, &exercise.places);
    let readers = |parameter: usize| {
        let leaf = lowered.parameters[parameter].leaf.index();
        let reads = |&place: &usize| places.list[place].leaves.binary_search(&leaf).is_ok();
        (places.inputs..places.list.len()).filter(reads).map(|place| place - places.inputs).collect::<Vec<_>>()
    };
    let fits = |bias: &Bias| {
        let shape = lowered.parameters[bias.parameter].shape;
        let of_node = |&node: &usize| lowered.graph.shape(lowered.nodes[node].a.unwrap_or(lowered.nodes[node].z));
        !bias.nodes.is_empty()
            && bias.nodes.iter().all(|node| of_node(node).is_batched() && of_node(node).sample_dims() == shape.dims())
    };
    let biases = super::factors::trained(exercise).into_iter().filter(|&i| super::factors::is_bias(exercise, i));
    biases.map(|parameter| Bias { parameter, nodes: readers(parameter) }).filter(fits).collect()
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Sample(usize),
    Mean,
    Axis,
}

#[derive(Debug)]
struct Unsummed {
    biases: Vec<Bias>,
    way: Way,
}

impl Change for Unsummed {
    fn alters_answer_alone(&self) -> bool {
        true
    }

    fn answer(&self, exercise: &Exercise, answer: &mut Answer) {
        for Bias { parameter, nodes } in &self.biases {
            let Some(part) = exercise.parts.of_kind(Kind::Gradient(*parameter)) else { continue };
            let value = &answer.0[part];
            if let Way::Mean = self.way {
                answer.0[part] = value.map(|x| x / exercise.lowered.samples as f64);
                continue;
            }
            let derivative = |node: usize| {
                let kind = if exercise.lowered.nodes[node].a.is_some() { Kind::BarA(node) } else { Kind::BarZ(node) };
                exercise.parts.of_kind(kind).map(|part| &answer.0[part])
            };
            let mut sum: Option<Tensor<f64>> = None;
            for bar in nodes.iter().filter_map(|&node| derivative(node)) {
                match &mut sum {
                    None => sum = Some(bar.clone()),
                    Some(sum) if sum.shape() == bar.shape() => sum.add_in_place(bar),
                    Some(_) => return,
                }
            }
            let Some(sum) = sum else { continue };
            let size = value.data().len();
            answer.0[part] = match self.way {
                Way::Sample(n) => Tensor::new(value.shape(), sum.data()[n * size..(n + 1) * size].to_vec()),
                Way::Axis | Way::Mean => sum,
            };
        }
    }
}
