//! `λ` where `λ/2` is meant, or a penalty divided or multiplied by the number of samples.

use super::Mistake;
use super::regularization::hypotheses;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "regularization_factor",
    student: "The factor of the regularization is wrong {where}: look whether the penalty is written with ½, and whether it is divided by the number of samples.",
    instructor: "The penalty has another factor {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| {
        let samples = exercise.lowered.samples as f64;
        let factors = [(2.0, "twice the penalty"), (0.5, "half the penalty")];
        let of_samples = [(1.0 / samples, "divided by the number of samples"), (samples, "times the number of samples")];
        let all = factors.into_iter().chain(of_samples.into_iter().filter(|_| ![1.0, 2.0].contains(&samples)));
        all.flat_map(|(factor, detail)| hypotheses(exercise, factor, detail)).collect()
    },
};
