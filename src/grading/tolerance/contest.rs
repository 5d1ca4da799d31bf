//! Softmax, its logarithm and cross-entropy of logits: exponentials, their sum and their shares, each written down, whether the
//! largest logit was taken off first or not.
//!
//! A share `pᵢ = 1 / (1 + Σ_{j≠i} e^{xⱼ − xᵢ})` rises with its own logit and falls with the others', so its exact range is known;
//! what rounding adds comes from the exponentials that are written down, `pᵢ = eᵢ / (eᵢ + Σ_{j≠i} eⱼ)`, which rises with its own.

use super::hand::Step;
use crate::ops::{AnyOp, Cotangents, CrossEntropy, Lines, LogSoftmax, Of, Softmax, as_op};
use crate::tensor::{Float, Interval, Shape, Tensor};

/// Up to so many classes the Jacobian is also worked out entry by entry, as a person may.
const ENTRIES: usize = 32;

/// One of these ops.
#[derive(Debug, Clone, Copy)]
enum Contest<'a> {
    Softmax(&'a Softmax),
    LogSoftmax(&'a LogSoftmax),
    CrossEntropy,
}

impl<'a> Contest<'a> {
    fn of(op: &'a dyn AnyOp) -> Option<Self> {
        if let Some(op) = as_op::<Softmax>(op) {
            Some(Self::Softmax(op))
        } else if let Some(op) = as_op::<LogSoftmax>(op) {
            Some(Self::LogSoftmax(op))
        } else {
            as_op::<CrossEntropy>(op).filter(|op| op.of == Of::Logits).map(|_| Self::CrossEntropy)
        }
    }

    fn lines(self, shape: Shape) -> Lines {
        let axis = match self {
            Self::Softmax(op) => op.axis(shape),
            Self::LogSoftmax(op) => op.axis(shape),
            Self::CrossEntropy => 1,
        };
        Lines::along(shape, axis)
    }
}

pub(super) fn is_contest(op: &dyn AnyOp) -> bool {
    Contest::of(op).is_some()
}

/// What a line of logits comes to.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// The softmax, exact in its logits.
    exact: Interval,
    /// The softmax worked out by hand.
    hand: Interval,
    /// By how much the rounding of the sum of exponentials and of its logarithm may move a log-probability.
    logarithm: f64,
}

/// For each place the sum of all others: no difference, so no digits are lost.
fn sums_of_others<T: Copy>(x: &[T], zero: T, add: impl Fn(T, T) -> T) -> Vec<T> {
    let mut sums = vec![zero; x.len()];
    let mut before = zero;
    for (sum, &x) in sums.iter_mut().zip(x) {
        *sum = before;
        before = add(before, x);
    }
    let mut after = zero;
    for (sum, &x) in sums.iter_mut().zip(x).rev() {
        *sum = add(*sum, after);
        after = add(after, x);
    }
    sums
}

fn shares(x: &[Interval]) -> Vec<Share> {
    let digits = x.iter().fold(Interval::ZERO, |digits, x| if digits.is_written() { digits } else { digits.as_written(*x) });
    if x.iter().any(|x| !x.is_finite()) {
        let any = Interval::new(0.0, 1.0).as_written(digits);
        return vec![Share { exact: any, hand: any, logarithm: f64::INFINITY }; x.len()];
    }
    let largest = x.iter().fold(f64::NEG_INFINITY, |largest, x| largest.max(x.hi()));
    let end = |of: fn(Interval) -> f64| -> Vec<f64> { x.iter().map(|&x| (of(x) - largest).exp()).collect() };
    let (lo, hi) = (end(Interval::lo), end(Interval::hi));
    let (rest_lo, rest_hi) = (sums_of_others(&lo, 0.0, |a, b| a + b), sums_of_others(&hi, 0.0, |a, b| a + b));
    // Doubles' own errors: some of each exponential, one of each sum.
    let error = f64::EPSILON * (x.len() as f64 + 8.0) * (1.0 + x.iter().fold(0.0, |most, x| f64::max(most, x.radius())));
    let exact = |i: usize| {
        let [lo, hi] = [lo[i] / (lo[i] + rest_hi[i]), hi[i] / (hi[i] + rest_lo[i])].map(|p| if p.is_nan() { 0.0 } else { p });
        Interval::new((lo * (1.0 - error)).max(0.0), (hi * (1.0 + error)).min(1.0)).as_written(digits)
    };
    let mut shares: Vec<_> = (0..x.len()).map(exact).map(|exact| Share { exact, hand: exact, logarithm: 0.0 }).collect();
    let winner = x.iter().map(|x| x.to_f64()).fold(f64::NEG_INFINITY, f64::max);
    for shift in [0.0, winner] {
        worked_out(x, shift, &mut shares);
    }
    shares
}

/// Add what comes out where `shift` is taken off every logit first, unless it overflows: then nobody works so.
fn worked_out(x: &[Interval], shift: f64, shares: &mut [Share]) {
    let shifted: Vec<_> = x.iter().map(|&x| if shift == 0.0 { x } else { x - Interval::thin(shift) }).collect();
    let e: Vec<_> = shifted.iter().map(|x| x.exp().noted()).collect();
    let rest = sums_of_others(&e, Interval::ZERO, |mut a, b| {
        a += b;
        a
    });
    let Some(total) = e.first().zip(rest.first()).map(|(&e, &rest)| (e + rest).noted()) else { return };
    if !total.is_finite() || total.lo() <= 0.0 {
        return;
    }
    for (i, share) in shares.iter_mut().enumerate() {
        let of = |at: f64| {
            let e = Interval::thin(at).as_written(x[i]);
            e / (e.unwritten() + rest[i].unwritten()).as_written(x[i]).noted_nearby()
        };
        share.hand = share.hand.hull(of(e[i].lo())).hull(of(e[i].hi()));
        let relative = total.half() / total.lo();
        share.logarithm = share.logarithm.max(shifted[i].half() + total.ln().half() + relative);
    }
}

impl Share {
    /// The logarithm of the share: of the share that is written down, or logit less logarithm of the sum.
    fn log(&self) -> Interval {
        let difference = self.exact.ln().widened(self.logarithm);
        self.hand.noted().ln().hull(difference)
    }
}

/// Visit each line with its places and shares.
fn each_line(lines: Lines, x: &[Interval], mut visit: impl FnMut(usize, &[usize], &[Share])) {
    for start in lines.starts() {
        let places: Vec<_> = lines.elements(start).collect();
        let line: Vec<_> = places.iter().map(|&at| x[at]).collect();
        visit(start, &places, &shares(&line));
    }
}

pub(super) fn forward(op: &dyn AnyOp, x: &[&Tensor<Interval>]) -> Tensor<Interval> {
    let contest = Contest::of(op).expect("asked of contests alone");
    let (shape, x) = (x[0].shape(), x);
    let lines = contest.lines(shape);
    let logits = x[0].data();
    if let Contest::CrossEntropy = contest {
        let q = x[1].data();
        let mut y = vec![Interval::ZERO; shape.dims()[0]];
        each_line(lines, logits, |start, places, shares| {
            for (&at, share) in places.iter().zip(shares).filter(|(at, _)| !q[**at].is_zero()) {
                y[start / shape.sample_size()] += -(q[at] * share.log());
            }
        });
        return Tensor::new(Shape::batched(shape.dims()[0], &[]).expect("smaller than the logits"), y);
    }
    let mut y = logits.to_vec();
    each_line(lines, logits, |_, places, shares| {
        for (&at, share) in places.iter().zip(shares) {
            y[at] = if matches!(contest, Contest::Softmax(_)) { share.hand } else { share.log() };
        }
    });
    Tensor::new(shape, y)
}

pub(super) fn vjp(step: &Step<'_>, x_bar: &mut Cotangents<'_, Interval>) {
    if !x_bar.wants(0) {
        return;
    }
    let contest = Contest::of(step.op).expect("asked of contests alone");
    let (shape, logits, y_bar) = (step.at.shapes[0], step.at.x[0].data(), step.y_bar.data());
    let lines = contest.lines(shape);
    let mut data = vec![Interval::ZERO; shape.size()];
    match contest {
        Contest::CrossEntropy => {
            let q = step.at.x[1].data();
            each_line(lines, logits, |start, places, shares| {
                if places.iter().all(|&at| q[at].is_zero()) {
                    return;
                }
                let mut total = Interval::ZERO;
                places.iter().for_each(|&at| total += q[at]);
                for (&at, share) in places.iter().zip(shares) {
                    let slope = (share.hand.noted() * total - q[at]).noted();
                    data[at] = y_bar[start / shape.sample_size()] * slope;
                }
            });
        }
        Contest::LogSoftmax(_) => each_line(lines, logits, |_, places, shares| {
            let mut sum = Interval::ZERO;
            places.iter().for_each(|&at| sum += y_bar[at]);
            let sum = sum.noted();
            for (&at, share) in places.iter().zip(shares) {
                data[at] = y_bar[at] - share.hand.noted() * sum;
            }
        }),
        Contest::Softmax(_) => {
            let y = step.at.y.data();
            for start in lines.starts() {
                let places: Vec<_> = lines.elements(start).collect();
                softmax_line(&places, y, y_bar, &mut data);
            }
        }
    }
    x_bar.give(0, Tensor::new(shape, data));
}

/// `x̄ᵢ = yᵢ·(ȳᵢ − Σⱼ ȳⱼyⱼ)`, or by the entries of the Jacobian, `yᵢ(1 − yᵢ)` and `−yᵢyⱼ`.
fn softmax_line(places: &[usize], y: &[Interval], y_bar: &[Interval], x_bar: &mut [Interval]) {
    let mut mean = Interval::ZERO;
    for &at in places {
        mean += y_bar[at] * y[at];
    }
    let mean = mean.noted();
    for &at in places {
        let shortly = y[at] * (y_bar[at] - mean);
        let by_entries = || {
            let mut sum = Interval::ZERO;
            for &other in places {
                let entry = if other == at { y[at] * (Interval::ONE - y[at]) } else { -(y[at] * y[other]) };
                sum += entry.noted() * y_bar[other];
            }
            sum
        };
        x_bar[at] = if places.len() <= ENTRIES { shortly.hull(by_entries()) } else { shortly };
    }
}
