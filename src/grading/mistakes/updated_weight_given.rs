//! `w − η·dE/dw` where dE/dw is asked. The rate is the course's, one of the usual ones, or fitted to at least two numbers.

use super::steps::{Stepped, USUAL, fitted, is_about, sites};
use super::{Hypothesis, Mistake};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "updated_weight_given",
    student: "You gave the weight after a step of gradient descent {where}; asked is the gradient itself.",
    instructor: "The numbers are w − η·dE/dw {where}.",
    section: "1.3 A recap on gradients",
    fitted: true,
    hypotheses: |exercise, clues| {
        let rates = |parameters: &[usize]| {
            let fitted = fitted(exercise, clues, parameters, 1.0).map(|slope| -slope).filter(|rate| *rate > 0.0);
            clues.learning_rate.into_iter().chain(USUAL.iter().copied()).chain(fitted).collect::<Vec<_>>()
        };
        let all = sites(exercise, clues).into_iter().flat_map(|(site, parameters)| {
            let about = |rate: &f64| is_about(exercise, clues, &parameters, 1.0, -rate);
            let rates: Vec<f64> = rates(&parameters).into_iter().filter(about).collect();
            rates.into_iter().map(move |rate| {
                let change = Stepped { parameters: parameters.clone(), offset: 1.0, slope: -rate };
                Hypothesis::particular(site.clone(), format!("η = {rate:.6}"), change)
            })
        });
        all.collect()
    },
};
