//! Right, but less precise than asked: what `rounded` and `float32` have in common.

use super::Clues;
use crate::grading::change::Change;
use crate::grading::exercise::Exercise;
use crate::grading::parts::Answer;
use crate::tensor::Tensor;

/// Every claim stands for its part's value, which was found to be the right one but for its precision.
#[derive(Debug)]
pub(super) struct AsClaimed(Vec<(usize, Tensor<f64>)>);

impl Change for AsClaimed {
    fn alters_answer_alone(&self) -> bool {
        true
    }

    fn answer(&self, _: &Exercise, answer: &mut Answer) {
        self.0.iter().for_each(|(part, value)| answer.0[*part] = value.clone());
    }
}

/// The claims as an answer, if every number of every claim is near the right one by `near(claim, right, largest of the part)`.
pub(super) fn as_claimed(exercise: &Exercise, clues: &Clues<'_>, near: impl Fn(f64, f64, f64) -> bool) -> Option<AsClaimed> {
    let claims = clues.claims?;
    let mut all = Vec::new();
    for claim in &claims.list {
        let (value, key) = (claim.usable()?, &exercise.key().0[claim.part]);
        let largest = key.data().iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        if !value.data().iter().zip(key.data()).all(|(&c, &k)| near(c, k, largest)) {
            return None;
        }
        all.push((claim.part, value.clone()));
    }
    Some(AsClaimed(all))
}
