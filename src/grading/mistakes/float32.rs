//! Right, but computed in single precision.

use super::precision::as_claimed;
use super::{Hypothesis, Mistake};
use crate::grading::site::Site;
use crate::tensor::Digits;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "float32",
    student: "Your numbers are right but computed in single precision: use float64.",
    instructor: "Every number is the right one as far as six figures at each step go, or within 200 units of 2^-24.",
    section: "1.2 without backprop: discrete gradient",
    fitted: true,
    hypotheses: |exercise, clues| {
        // Whoever is further off than this did something else, and need not be held against six figures.
        const FAR: f64 = 1e-3;
        // Exact steps have no band, and yet a single's rounding errors.
        const BOUND: f64 = 200.0 / (1 << 24) as f64;
        let near = as_claimed(exercise, clues, |c, k, largest| (c - k).abs() <= FAR * largest);
        let Some((change, claims)) = near.zip(clues.claims) else { return Vec::new() };
        let Ok(steps) = exercise.by_hand(Digits::Figures(6), || Ok::<(), std::convert::Infallible>(()));
        let is_single = claims.list.iter().all(|claim| {
            let key = exercise.key().0[claim.part].data();
            let bound = BOUND * key.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let close = |(i, near): (usize, bool)| near || (claim.data[i] - key[i]).abs() <= bound;
            steps.near(claim.part, &claim.data, key, key).is_some_and(|each| each.into_iter().enumerate().all(close))
        });
        if is_single { vec![Hypothesis::new(Site::Everywhere, change)] } else { Vec::new() }
    },
};
