//! `−η·dE/dw` or `η·dE/dw` where dE/dw is asked. The rate is the course's, one of the usual ones, or, of steps against the
//! gradient, fitted to at least two numbers.

use super::steps::{Stepped, USUAL, fitted, is_about, sites};
use super::{Hypothesis, Mistake};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "step_given",
    student: "You gave the step of gradient descent {where}; asked is the gradient, without the learning rate and the minus sign.",
    instructor: "The numbers are the gradient times a learning rate {where}.",
    section: "1.3 A recap on gradients",
    fitted: true,
    hypotheses: |exercise, clues| {
        let slopes = |parameters: &[usize]| {
            let rates = clues.learning_rate.into_iter().chain(USUAL.iter().copied()).filter(|&rate| rate != 1.0);
            let both = rates.flat_map(|rate| [-rate, rate]);
            // A factor of −1 is a sign, and one above 0 may be anything.
            let fitted = fitted(exercise, clues, parameters, 0.0).filter(|&slope| slope < 0.0 && (slope + 1.0).abs() > 1e-3);
            both.chain(fitted).collect::<Vec<_>>()
        };
        let all = sites(exercise, clues).into_iter().flat_map(|(site, parameters)| {
            let about = |slope: &f64| is_about(exercise, clues, &parameters, 0.0, *slope);
            let slopes: Vec<f64> = slopes(&parameters).into_iter().filter(about).collect();
            slopes.into_iter().map(move |slope| {
                let change = Stepped { parameters: parameters.clone(), offset: 0.0, slope };
                Hypothesis::particular(site.clone(), format!("times {slope:.6}"), change)
            })
        });
        all.collect()
    },
};
