//! How far numbers are from the ones they should be, in the measures that courses and frameworks use. Three "relative errors" with
//! three denominators are in use; all are always reported, by name.

use crate::spec::write::Writer;

/// Every measure of the distance between `given` and `truth`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Metrics {
    /// `max |a − n|`.
    pub(crate) abs: f64,
    /// `max |a − n| / max(|a|, |n|)`, 0 where both are 0: CS231n's notes.
    pub(crate) rel_max: f64,
    /// `max |a − n| / max(1e-8, |a| + |n|)`: CS231n's code.
    pub(crate) rel_sum: f64,
    /// `‖a − n‖`: CMU's dlsys.
    pub(crate) norm: f64,
    /// `‖a − n‖ / (‖a‖ + ‖n‖)`, 0 where both are 0: deeplearning.ai.
    pub(crate) norm_ratio: f64,
    /// `‖a − n‖ / ‖a + n‖`, 0 where all are 0: Ng's exercise 4.
    pub(crate) norm_ratio_of_sum: f64,
    /// Where `rel_max` is reached, ties going to the first.
    pub(crate) worst: usize,
}

/// `a / b`, where nothing is 0 parts of nothing.
fn ratio(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a / b }
}

/// `|a − n| / max(|a|, |n|)`; 0 where both are 0.
pub(crate) fn relative(a: f64, n: f64) -> f64 {
    ratio((a - n).abs(), a.abs().max(n.abs()))
}

impl Metrics {
    /// Measure pairs of a given number and the true one.
    pub(crate) fn of<I>(pairs: I) -> Self
    where
        I: IntoIterator<Item = (f64, f64)>,
        I::IntoIter: Clone,
    {
        let mut metrics = Self::default();
        let pairs = pairs.into_iter();
        for (i, (a, n)) in pairs.clone().enumerate() {
            let difference = (a - n).abs();
            if relative(a, n) > metrics.rel_max {
                (metrics.rel_max, metrics.worst) = (relative(a, n), i);
            }
            metrics.abs = metrics.abs.max(difference);
            metrics.rel_sum = metrics.rel_sum.max(difference / (a.abs() + n.abs()).max(1e-8));
        }
        if !metrics.norms(pairs.clone(), 1.0) {
            // Squares of finite numbers that overflow: a power of two makes them small and is undone exactly.
            metrics.norms(pairs, 2_f64.powi(-600));
        }
        metrics
    }

    /// Measure by norms, of all numbers times `scale`; whether no square overflowed.
    fn norms(&mut self, pairs: impl Iterator<Item = (f64, f64)>, scale: f64) -> bool {
        let (mut a2, mut n2, mut sum2, mut difference2) = (0.0, 0.0, 0.0, 0.0);
        for (a, n) in pairs {
            let (a, n) = (a * scale, n * scale);
            (a2, n2, sum2) = (a2 + a * a, n2 + n * n, sum2 + (a + n) * (a + n));
            difference2 += (a - n) * (a - n);
        }
        let norm = f64::sqrt(difference2);
        self.norm = norm / scale;
        self.norm_ratio = ratio(norm, f64::sqrt(a2) + f64::sqrt(n2));
        self.norm_ratio_of_sum = ratio(norm, f64::sqrt(sum2));
        [a2, n2, sum2, difference2].into_iter().all(f64::is_finite)
    }

    /// Write them, without the place of the worst.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.object(|w| self.members(w));
    }

    /// The same as members of an object.
    pub(crate) fn members(&self, w: &mut Writer) {
        w.key("abs").number(self.abs);
        w.key("rel_max").number(self.rel_max);
        w.key("rel_sum").number(self.rel_sum);
        w.key("norm").number(self.norm);
        w.key("norm_ratio").number(self.norm_ratio);
        w.key("norm_ratio_of_sum").number(self.norm_ratio_of_sum);
    }
}

/// The correct decimal digits of `given`: `−log10` of its relative error, from 0 to 17, which an exact double has.
pub(crate) fn digits(given: f64, truth: f64) -> f64 {
    const ALL: f64 = 17.0;
    if given == truth {
        return ALL;
    }
    let digits = -((given - truth).abs() / truth.abs()).log10();
    if digits.is_nan() { 0.0 } else { digits.clamp(0.0, ALL) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: differences 1 and 0 of (3, 4) and (4, 4); norms 5, √32 and √113.
    #[test]
    fn measures_are_their_formulas() {
        let metrics = Metrics::of([(3.0, 4.0), (4.0, 4.0)]);
        assert_eq!((metrics.abs, metrics.rel_max, metrics.rel_sum, metrics.norm), (1.0, 0.25, 1.0 / 7.0, 1.0));
        assert!((metrics.norm_ratio - 1.0 / (5.0 + 32_f64.sqrt())).abs() < 1e-16);
        assert!((metrics.norm_ratio_of_sum - 1.0 / 113_f64.sqrt()).abs() < 1e-16);
        assert_eq!(Metrics::of([(0.0, 0.0)]), Metrics::default());
        assert_eq!(Metrics::of([(1.0, 1.0), (2.0, 3.0)]).worst, 1);
    }

    #[test]
    fn digits_count() {
        for (given, truth, expect) in [(1.0, 1.0, 17.0), (0.0, 0.0, 17.0), (1.001, 1.0, 3.0), (-5.0, 5.0, 0.0), (1e-9, 0.0, 0.0)]
        {
            assert!((digits(given, truth) - expect).abs() < 1e-9, "{given} {truth}");
        }
        assert_eq!(digits(f64::NAN, 1.0), 0.0);
    }
}
