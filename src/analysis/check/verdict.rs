//! What a difference means: an error, a kink, or noise.

use super::quotient::{Kink, Measured};
use super::{index, optional};
use crate::grading::metrics::{Metrics, digits};
use crate::grading::tolerance::Tolerance;
use crate::spec::write::Writer;
use crate::tensor::Shape;

/// A quotient beside what backprop says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    /// The element, or nothing for a direction.
    pub(super) at: Option<usize>,
    pub(super) backprop: f64,
    pub(super) measured: Measured,
}

/// Of a coordinate, or of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Mismatch,
    KinkCrossed,
    AtKink,
    BelowNoise,
    Nonfinite,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Mismatch => "mismatch",
            Self::KinkCrossed => "kink_crossed",
            Self::AtKink => "at_kink",
            Self::BelowNoise => "below_noise",
            Self::Nonfinite => "nonfinite",
        }
    }
}

/// What was found of one tensor.
#[derive(Debug)]
pub(super) struct Found {
    /// Every coordinate with its verdict.
    coordinates: Vec<(Checked, Verdict)>,
    verdict: Verdict,
    metrics: Option<Metrics>,
}

/// Judge the coordinates of one tensor.
pub(super) fn judge(checked: Vec<Checked>, tolerance: &Tolerance, size: usize, scale: f64, kinked: bool) -> Found {
    let mut coordinates: Vec<_> = checked.into_iter().map(|checked| (checked, before_tolerance(&checked))).collect();
    let usable = |verdict: Option<Verdict>| verdict.is_none();
    let pairs: Vec<_> = coordinates.iter().filter(|(_, v)| usable(*v)).map(|(c, _)| (c.backprop, c.measured.numeric)).collect();
    let judgement = tolerance.judge(&pairs, size, scale, kinked);
    let noise = coordinates.iter().filter(|(_, v)| usable(*v)).map(|(c, _)| c.measured.noise.powi(2)).sum::<f64>().sqrt();
    let metrics = (!pairs.is_empty()).then(|| Metrics::of(pairs.iter().copied()));
    // A test of the whole tensor fails all of it, unless rounding alone could.
    let whole = match metrics {
        Some(_) if judgement.all => Verdict::Ok,
        Some(metrics) if metrics.norm <= noise => Verdict::BelowNoise,
        _ => Verdict::Mismatch,
    };
    let mut each = judgement.each.map(Vec::into_iter);
    for (checked, verdict) in coordinates.iter_mut().filter(|(_, v)| usable(*v)) {
        *verdict = Some(match &mut each {
            None => whole,
            Some(each) => match each.next() {
                Some(true) => Verdict::Ok,
                _ if (checked.backprop - checked.measured.numeric).abs() <= checked.measured.noise => Verdict::BelowNoise,
                _ => Verdict::Mismatch,
            },
        });
    }
    let coordinates: Vec<_> = coordinates.into_iter().map(|(c, v)| (c, v.unwrap_or(Verdict::Mismatch))).collect();
    let any = |verdict| coordinates.iter().any(|(_, v)| *v == verdict);
    let order = [Verdict::Nonfinite, Verdict::Mismatch, Verdict::Ok, Verdict::AtKink, Verdict::KinkCrossed, Verdict::BelowNoise];
    let verdict = order.into_iter().find(|&verdict| any(verdict)).unwrap_or(Verdict::Ok);
    Found { coordinates, verdict, metrics }
}

/// What can be said without a tolerance.
fn before_tolerance(checked: &Checked) -> Option<Verdict> {
    let Measured { numeric, noise, slopes, kink, .. } = checked.measured;
    let a = checked.backprop;
    if !a.is_finite() || !numeric.is_finite() {
        return Some(Verdict::Nonfinite);
    }
    if let (Kink::At, Some((left, right))) = (kink, slopes) {
        // One-sided quotients are right to the order of the step.
        let slack = noise + 1e-4 * left.abs().max(right.abs());
        let inside = a >= left.min(right) - slack && a <= left.max(right) + slack;
        return Some(if inside { Verdict::AtKink } else { Verdict::Mismatch });
    }
    if kink == Kink::Crossed {
        return Some(Verdict::KinkCrossed);
    }
    // Neither can be told from 0, nor from the other; two plain zeros agree.
    let hidden = a.abs() <= noise && numeric.abs() <= noise && (a != 0.0 || numeric != 0.0);
    hidden.then_some(Verdict::BelowNoise)
}

impl Found {
    /// The pairs that a tolerance was asked about.
    pub(super) fn judged(&self) -> impl Iterator<Item = (f64, f64)> {
        let judged = |verdict: Verdict| matches!(verdict, Verdict::Ok | Verdict::Mismatch);
        let smooth = self.coordinates.iter().filter(move |(c, v)| judged(*v) && c.measured.kink == Kink::None);
        smooth.map(|(c, _)| (c.backprop, c.measured.numeric))
    }

    /// Whether something is wrong.
    pub(super) fn failed(&self) -> bool {
        matches!(self.verdict, Verdict::Mismatch | Verdict::Nonfinite)
    }

    /// Whether its verdict is that noise hides it.
    pub(super) fn drowned(&self) -> bool {
        self.verdict == Verdict::BelowNoise
    }

    /// How many have this verdict.
    fn count(&self, verdict: Verdict) -> u64 {
        self.coordinates.iter().filter(|(_, v)| *v == verdict).count() as u64
    }

    /// Correct decimal digits of the worst coordinate that was judged.
    fn digits(&self) -> Option<f64> {
        self.judged().map(|(a, n)| digits(a, n)).reduce(f64::min)
    }

    pub(super) fn write(&self, w: &mut Writer, shape: Shape, kinks_listed: usize) {
        w.object(|w| {
            w.key("verdict").string(self.verdict.as_str());
            if let Some(metrics) = &self.metrics {
                w.key("max_abs_error").number(metrics.abs);
                w.key("max_rel_error").number(metrics.rel_max);
            }
            if let Some(worst) = self.worst() {
                w.key("worst").object(|w| {
                    if let Some(at) = worst.at {
                        index(w.key("index"), shape, at);
                    }
                    w.key("backprop").number(worst.backprop);
                    w.key("numeric").number(worst.measured.numeric);
                    w.key("step").number(worst.measured.step);
                });
            }
            w.key("checked").integer(self.coordinates.len() as u64);
            for verdict in
                [Verdict::Ok, Verdict::Mismatch, Verdict::KinkCrossed, Verdict::AtKink, Verdict::BelowNoise, Verdict::Nonfinite]
            {
                w.key(verdict.as_str()).integer(self.count(verdict));
            }
            if let Some(digits) = self.digits() {
                w.key("digits").number((digits * 10.0).floor() / 10.0);
            }
            if let Some(metrics) = &self.metrics {
                metrics.write(w.key("metrics"));
            }
            self.write_kinks(w, shape, kinks_listed);
        });
    }

    /// The coordinate to look at: the one furthest off, of those that failed if any did.
    fn worst(&self) -> Option<&Checked> {
        let failed = self.failed();
        let off = |checked: &Checked| {
            let off = crate::grading::metrics::relative(checked.backprop, checked.measured.numeric);
            if off.is_nan() { f64::INFINITY } else { off }
        };
        let wanted = |verdict: Verdict| match verdict {
            Verdict::Mismatch | Verdict::Nonfinite => true,
            Verdict::Ok => !failed,
            _ => false,
        };
        let mut worst: Option<&Checked> = None;
        for (checked, _) in self.coordinates.iter().filter(|(_, verdict)| wanted(*verdict)) {
            if worst.is_none_or(|worst| off(checked) > off(worst)) {
                worst = Some(checked);
            }
        }
        worst
    }

    fn write_kinks(&self, w: &mut Writer, shape: Shape, most: usize) {
        let kinks: Vec<_> = self.coordinates.iter().filter(|(c, _)| c.measured.kink != Kink::None).take(most).collect();
        if kinks.is_empty() {
            return;
        }
        w.key("kinks").array(|w| {
            for (checked, verdict) in kinks {
                w.object(|w| {
                    if let Some(at) = checked.at {
                        index(w.key("index"), shape, at);
                    }
                    w.key("verdict").string(verdict.as_str());
                    w.key("backprop").number(checked.backprop);
                    optional(w.key("left"), checked.measured.slopes.map(|(left, _)| left));
                    optional(w.key("right"), checked.measured.slopes.map(|(_, right)| right));
                    w.key("step").number(checked.measured.step);
                });
            }
        });
    }
}
