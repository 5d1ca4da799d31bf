//! Right, but rounded to fewer digits than the tolerance asks for.

use super::precision::as_claimed;
use super::{Hypothesis, Mistake};
use crate::grading::site::Site;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "rounded",
    student: "Your numbers are right but rounded more than is asked: give more digits.",
    instructor: "Every number is the right one, rounded.",
    section: "1.2 without backprop: discrete gradient",
    fitted: true,
    hypotheses: |exercise, clues| {
        // Halves go either way.
        let figures = |count: i32| {
            move |c: f64, k: f64, _: f64| {
                let unit = if k == 0.0 { 0.0 } else { 10_f64.powi(k.abs().log10().floor() as i32 + 1 - count) };
                is_multiple(c, unit) && (c - k).abs() <= 0.5001 * unit.max(1e-300)
            }
        };
        let places = |count: i32| {
            let unit = 10_f64.powi(-count);
            move |c: f64, k: f64, _: f64| is_multiple(c, unit) && (c - k).abs() <= 0.5001 * unit
        };
        let by_figures =
            (2..=12).find_map(|count| Some((as_claimed(exercise, clues, figures(count))?, format!("to {count} figures"))));
        let by_places =
            || (2..=12).find_map(|count| Some((as_claimed(exercise, clues, places(count))?, format!("to {count} places"))));
        let found = by_figures.or_else(by_places);
        found.into_iter().map(|(change, detail)| Hypothesis::particular(Site::Everywhere, detail, change)).collect()
    },
};

/// Whether a number is a whole multiple of a power of ten, but for what a double makes of it.
fn is_multiple(c: f64, unit: f64) -> bool {
    let count = c / unit;
    c == 0.0 || (unit > 0.0 && (count - count.round()).abs() <= 1e-9 * count.abs().max(1.0))
}
