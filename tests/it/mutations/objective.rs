//! The losses, from their definitions: the value over the batch, and dE/do of every output and sample.

use super::engine::{Student, Values};
use super::exercise::{Loss, sigmoid};
use super::slip::Slip;

pub(super) struct Objective<'a> {
    pub(super) student: &'a Student<'a>,
    pub(super) z: &'a Values,
}

impl Objective<'_> {
    fn has(&self, wanted: fn(&Slip) -> bool) -> bool {
        self.student.slips.iter().any(wanted)
    }

    /// One over what a mean divides by; 1 of a sum.
    fn share(&self) -> f64 {
        let e = self.student.exercise;
        if e.mean { 1.0 / e.denominator() } else { 1.0 }
    }

    /// The factors that slips put at the gradients and at the loss.
    fn scales(&self) -> (f64, f64) {
        self.student.slips.iter().fold((1.0, 1.0), |(g, l), slip| match slip {
            Slip::Scale { gradients, loss } => (g * gradients, l * loss),
            _ => (g, l),
        })
    }

    /// Outputs \[output\]\[sample\].
    fn outputs(&self) -> Values {
        self.student.exercise.outputs.iter().map(|&unit| self.z[unit].clone()).collect()
    }

    /// The target of an output, as the student has it.
    fn target(&self, d: usize, s: usize) -> f64 {
        let e = self.student.exercise;
        let by: usize = self.student.slips.iter().map(|slip| if let Slip::Labels(by) = slip { *by } else { 0 }).sum();
        let count = e.outputs.len();
        e.targets[s][(d + count - by % count) % count]
    }

    /// The probabilities that the loss takes the logarithm of.
    fn probabilities(&self) -> Values {
        let (student, double) = (self.student, self.has(|slip| matches!(slip, Slip::DoubleSoftmax)));
        match student.exercise.loss {
            Loss::CrossEntropy if double => student.softmax(&student.softmax(&self.outputs())),
            Loss::CrossEntropy => student.softmax(&self.outputs()),
            Loss::CrossEntropyOfProbabilities if double => student.softmax(&self.outputs()),
            Loss::BceWithLogits => {
                self.outputs().iter().map(|row| row.iter().map(|&o| student.rounding.step(sigmoid(o))).collect()).collect()
            }
            _ => self.outputs(),
        }
    }

    /// E over the batch: the data's part.
    pub(super) fn value(&self) -> f64 {
        let e = self.student.exercise;
        let round = self.student.rounding;
        let p = self.probabilities();
        let element = |d: usize, s: usize| {
            let (o, t) = (p[d][s], self.target(d, s));
            match e.loss {
                Loss::SquaredError(factor) => factor * round.step(o - t) * round.step(o - t),
                Loss::Mse => round.step(o - t) * round.step(o - t),
                Loss::CrossEntropy | Loss::CrossEntropyOfProbabilities if t == 0.0 => 0.0,
                Loss::CrossEntropy | Loss::CrossEntropyOfProbabilities => -t * o.ln(),
                Loss::Bce | Loss::BceWithLogits => -(t * o.ln() + (1.0 - t) * round.inner(1.0 - o).ln()),
            }
        };
        let of_sample = |s: usize| round.sum((0..p.len()).map(|d| round.step(element(d, s))));
        let sum = round.sum((0..e.samples()).map(of_sample));
        round.step(sum * self.share() * self.scales().1)
    }

    /// dE/do \[output\]\[sample\].
    pub(super) fn seeds(&self) -> Values {
        let e = self.student.exercise;
        let round = self.student.rounding;
        let p = self.probabilities();
        let double = self.has(|slip| matches!(slip, Slip::DoubleSoftmax)) && e.loss == Loss::CrossEntropy;
        let inner = if double { self.student.softmax(&self.outputs()) } else { Vec::new() };
        let by = self.scales().0;
        let one = |d: usize, s: usize| {
            let (o, t) = (p[d][s], self.target(d, s));
            match e.loss {
                Loss::SquaredError(factor) => round.step(2.0 * factor * round.step(o - t)) * self.share(),
                Loss::Mse => round.step(2.0 * round.step(o - t)) * self.share(),
                Loss::CrossEntropyOfProbabilities if !self.has(|slip| matches!(slip, Slip::DoubleSoftmax)) => {
                    round.step(-t / o) * self.share()
                }
                Loss::CrossEntropyOfProbabilities => (o - t) * self.share(),
                Loss::CrossEntropy if double => {
                    // Through the inner softmax: p_d (v_d − Σ_i v_i p_i), v = outer − t.
                    let v = |i: usize| p[i][s] - self.target(i, s);
                    let mean: f64 = (0..p.len()).map(|i| v(i) * inner[i][s]).sum();
                    inner[d][s] * (v(d) - mean) * self.share()
                }
                Loss::CrossEntropy => self.probability_seed(&p, d, s),
                Loss::Bce => round.step(round.step(o - t) / round.step(o * (1.0 - o))) * self.share(),
                Loss::BceWithLogits => {
                    let extra = if self.has(|slip| matches!(slip, Slip::ExtraSlope)) { o * (1.0 - o) } else { 1.0 };
                    round.step(o - t) * self.share() * extra
                }
            }
        };
        let row = |d: usize| (0..e.samples()).map(|s| round.step(one(d, s) * by)).collect();
        (0..p.len()).map(row).collect()
    }

    /// p − t of the cross-entropy of logits, with what a softmax's slips make of it, before the factors of [`Slip::Scale`].
    pub(super) fn probability_seed(&self, p: &[Vec<f64>], d: usize, s: usize) -> f64 {
        let round = self.student.rounding;
        let (o, t) = (p[d][s], self.target(d, s));
        let of_node = self.student.exercise.loss == Loss::CrossEntropyOfProbabilities;
        let seed = if self.has(|slip| matches!(slip, Slip::DiagonalSoftmax)) {
            -t * (1.0 - o)
        } else if self.has(|slip| matches!(slip, Slip::BatchSoftmax { shortcut: false })) {
            let of_class: f64 = (0..self.student.exercise.samples()).map(|r| self.target(d, r)).sum();
            o * of_class - t
        } else {
            round.step(o - t)
        };
        let extra = !of_node && self.has(|slip| matches!(slip, Slip::ExtraSlope));
        seed * self.share() * if extra { o * (1.0 - o) } else { 1.0 }
    }
}
