//! `dWᵀ` where dW is asked: `xᵀ·δ` and `δᵀ·x` mixed up.

use super::factors::trained;
use super::{Hypothesis, Mistake};
use crate::grading::change::Change;
use crate::grading::exercise::Exercise;
use crate::grading::parts::{Answer, Kind};
use crate::grading::site::Site;
use crate::tensor::{Shape, Tensor};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "transposed",
    student: "The gradient is transposed {where}: it has the shape of the weight, one row for each output.",
    instructor: "The matrix is the transpose of the right one {where}.",
    section: "1.7 Backpropagation as algorithm for layered NNs",
    fitted: false,
    hypotheses: |exercise, _| {
        let matrix = |&i: &usize| exercise.lowered.parameters[i].shape.rank() == 2;
        let matrices: Vec<usize> = trained(exercise).into_iter().filter(matrix).collect();
        let mut all = Vec::new();
        if matrices.len() > 1 {
            all.push(Hypothesis::new(Site::Everywhere, Transposed(matrices.clone())));
        }
        let site = |i: usize| Site::Parameter(exercise.lowered.parameters[i].name.clone());
        all.extend(matrices.into_iter().map(|i| Hypothesis::new(site(i), Transposed(vec![i]))));
        all
    },
};

#[derive(Debug)]
struct Transposed(Vec<usize>);

impl Change for Transposed {
    fn alters_answer_alone(&self) -> bool {
        true
    }

    fn answer(&self, exercise: &Exercise, answer: &mut Answer) {
        for &parameter in &self.0 {
            let Some(part) = exercise.parts.of_kind(Kind::Gradient(parameter)) else { continue };
            let value = &answer.0[part];
            let [rows, columns] = *value.shape().dims() else { continue };
            let Ok(shape) = Shape::new(&[columns, rows]) else { continue };
            let data = (0..rows * columns).map(|at| value.data()[at % rows * columns + at / rows]);
            answer.0[part] = Tensor::new(shape, data.collect());
        }
    }
}
