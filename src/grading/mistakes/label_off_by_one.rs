//! Classes counted from 1 where they are counted from 0, or the other way round: the labels are shifted by one class.

use super::{Hypothesis, Mistake};
use crate::grading::change::{Change, Step};
use crate::grading::exercise::Exercise;
use crate::grading::site::Site;
use crate::graph::NodeId;
use crate::ops::{Cotangents, Point};
use crate::tensor::Tensor;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "label_off_by_one",
    student: "The labels are shifted by one class {where}: classes are counted from 0.",
    instructor: "The numbers are those of labels shifted by one class {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| {
        let shifts = [(1, "one up"), (-1, "one down")];
        let all = labels(exercise).into_iter().flat_map(|leaf| {
            shifts.into_iter().flat_map(move |(by, detail)| {
                [(true, ""), (false, ", backward alone")].map(|(forward, where_)| {
                    let shifted = Shifted { leaf, by, forward };
                    Hypothesis::particular(Site::Everywhere, format!("{detail}{where_}"), shifted)
                })
            })
        });
        all.collect()
    },
};

/// The constants of the loss that are labels: one number of each sample's row is not 0.
fn labels(exercise: &Exercise) -> Vec<NodeId> {
    let graph = &exercise.lowered.graph;
    let one_hot = |leaf: &NodeId| {
        let value = exercise.value(*leaf);
        let classes = value.shape().sample_size();
        let single = |row: &[f64]| row.iter().filter(|&&x| x != 0.0).count() == 1 && row.iter().all(|&x| x >= 0.0);
        value.shape().rank() == 2 && value.shape().is_batched() && classes > 1 && value.data().chunks(classes).all(single)
    };
    exercise.places.loss.leaves.iter().map(|&i| graph.id(i)).filter(one_hot).collect()
}

#[derive(Debug)]
struct Shifted {
    leaf: NodeId,
    by: i64,
    /// Whether the loss is computed with them too.
    forward: bool,
}

impl Shifted {
    fn labels(&self, value: &Tensor<f64>) -> Tensor<f64> {
        let classes = value.shape().sample_size() as i64;
        let element = |at: usize| {
            let (row, class) = (at as i64 / classes, at as i64 % classes);
            value.data()[(row * classes + (class - self.by).rem_euclid(classes)) as usize]
        };
        Tensor::new(value.shape(), (0..value.data().len()).map(element).collect())
    }
}

impl Change for Shifted {
    fn alters_values(&self) -> bool {
        self.forward
    }

    fn value(&self, exercise: &Exercise, node: NodeId, _: &[&Tensor<f64>]) -> Option<Tensor<f64>> {
        (self.forward && node == self.leaf).then(|| self.labels(exercise.value(node)))
    }

    fn vjp(&self, exercise: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        let inputs = &exercise.lowered.graph.nodes()[step.node.index()].inputs;
        let Some(slot) = inputs.iter().position(|&input| input == self.leaf.index()).filter(|_| !self.forward) else {
            return false;
        };
        // The losses of a difference read it one op further on; there the forward variant says the same.
        if step.op.name() != "cross_entropy" && step.op.name() != "nll" {
            return false;
        }
        let labels = self.labels(exercise.value(self.leaf));
        let mut x = step.at.x.to_vec();
        x[slot] = &labels;
        let at = Point { x: &x, ..step.at };
        let shifted = Step { at, ..step };
        for (slot, bar) in shifted.right(|slot| x_bar.wants(slot)).into_iter().enumerate() {
            if let Some(bar) = bar {
                x_bar.give(slot, bar);
            }
        }
        true
    }
}
