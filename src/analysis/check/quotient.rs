//! Difference quotients of the loss, and what stands in their way: kinks and rounding.

use crate::analysis::function::{Point, Variable, loss};
use crate::analysis::{Guard, Stop};
use crate::graph::{Graph, Plan};
use crate::lower::Lowered;
use crate::ops::{Scalar, kinks};
use crate::tensor::Float;

/// How the slope is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// `(E(x + h) − E(x)) / h`.
    Forward,
    /// `(E(x + h) − E(x − h)) / 2h`.
    Central,
    /// `(4·D(h/2) − D(h)) / 3` of central differences D, in which the terms of h² cancel.
    Richardson,
    /// Central, along one random direction of a whole tensor.
    Directional,
    /// Central, in double-double arithmetic.
    Exact,
}

impl Method {
    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Central => "central",
            Self::Richardson => "richardson",
            Self::Directional => "directional",
            Self::Exact => "exact",
        }
    }

    /// The step that balances truncation against rounding, for x of size 1: ε^(1/2) of a first-order quotient, ε^(1/3) of a second-order
    /// one, ε^(1/5) of a fourth-order one.
    pub(super) fn relative_step(self) -> f64 {
        match self {
            Self::Forward => f64::EPSILON.powf(1.0 / 2.0),
            Self::Central | Self::Directional => f64::EPSILON.cbrt(),
            Self::Richardson => f64::EPSILON.powf(1.0 / 5.0),
            Self::Exact => DOUBLE_DOUBLE_EPSILON.cbrt(),
        }
    }

    /// Losses that one quotient takes beside the one at x.
    pub(super) fn evaluations(self) -> u64 {
        match self {
            Self::Forward => 1,
            Self::Central | Self::Directional | Self::Exact => 2,
            Self::Richardson => 4,
        }
    }

    /// The rounding error of a quotient, in units of ε·max(1, |E|)/h. One rounding of either loss gives 1; a forward sweep has a few.
    fn noise(self) -> f64 {
        match self {
            Self::Richardson => 24.0,
            _ => 8.0,
        }
    }

    fn epsilon(self) -> f64 {
        if self == Self::Exact { DOUBLE_DOUBLE_EPSILON } else { f64::EPSILON }
    }
}

/// 2⁻¹⁰⁴: the relative error of double-double arithmetic, whose functions are good to a few of these.
const DOUBLE_DOUBLE_EPSILON: f64 = 4.930_380_657_631_324e-32;
/// How near to a corner is at it, relative to max(1, |x|).
const AT_CORNER: f64 = 1e-12;
/// How often a step that crosses a corner is halved.
const HALVINGS: u32 = 3;

/// What is moved.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction<'d> {
    /// One element of a variable.
    Element(&'d Variable, usize),
    /// A variable as a whole.
    Along(&'d Variable, &'d [f64]),
}

/// The loss somewhere on the way.
#[derive(Debug, Clone)]
struct Seen<S> {
    /// How far the point was moved, as rounded.
    step: S,
    loss: S,
    /// On which piece of each cornered op its elements lie.
    pattern: Vec<u64>,
}

/// Whether a corner stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kink {
    /// None.
    None,
    /// Between x and x ± h, however often h was halved.
    Crossed,
    /// At x itself.
    At,
}

/// A quotient with what is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// The slope.
    pub(super) numeric: f64,
    /// The step that gave it.
    pub(super) step: f64,
    /// `(E(x) − E(x − h)) / h` and `(E(x + h) − E(x)) / h`, where a kink was met.
    pub(super) slopes: Option<(f64, f64)>,
    pub(super) kink: Kink,
    /// An absolute error of the slope that rounding alone may make.
    pub(super) noise: f64,
}

/// The cornered nodes that a plan computes.
pub(super) fn corners(graph: &Graph, plan: &Plan) -> Vec<usize> {
    let cornered = |&i: &usize| plan.needed[i] && graph.nodes()[i].op.as_deref().is_some_and(kinks::has_corner);
    (0..graph.nodes().len()).filter(cornered).collect()
}

/// A point whose surroundings are measured.
pub(super) struct Lab<'l, S> {
    lowered: &'l Lowered,
    plan: &'l Plan,
    corners: &'l [usize],
    guard: Guard<'l>,
    point: Point<S>,
    here: Seen<S>,
    /// Forward sweeps so far.
    pub(super) evaluations: u64,
}

impl<'l, S: Scalar> Lab<'l, S> {
    /// Look at the point that the request gives.
    pub(super) fn new(lowered: &'l Lowered, plan: &'l Plan, corners: &'l [usize], guard: Guard<'l>) -> Result<Self, Stop> {
        let point = Point::new(lowered, plan);
        let nowhere = Seen { step: S::ZERO, loss: S::ZERO, pattern: Vec::new() };
        let mut lab = Self { lowered, plan, corners, guard, point, here: nowhere, evaluations: 0 };
        let point = lab.point.clone();
        lab.here = lab.look(&point, S::ZERO)?;
        Ok(lab)
    }

    /// The value of an element; 0 where nothing depends on it.
    pub(super) fn element(&self, variable: &Variable, i: usize) -> f64 {
        self.point.element(variable, i).map_or(0.0, Float::to_f64)
    }

    fn look(&mut self, point: &Point<S>, step: S) -> Result<Seen<S>, Stop> {
        let tape = point.forward(self.lowered, self.plan, self.guard)?;
        self.evaluations += 1;
        let graph = &self.lowered.graph;
        let mut pattern = Vec::new();
        for &i in self.corners {
            let node = &graph.nodes()[i];
            let Some(op) = &node.op else { continue };
            let x: Vec<_> = node.inputs.iter().map(|&input| tape.value(graph.id(input))).collect();
            kinks::pattern(op.as_ref(), &x, tape.value(graph.id(i)), &mut pattern);
        }
        let loss = loss(self.lowered, &tape).unwrap_or(S::ZERO);
        Ok(Seen { step, loss, pattern })
    }

    /// The loss a step away.
    fn at(&mut self, direction: &Direction<'_>, step: f64) -> Result<Seen<S>, Stop> {
        let mut point = self.point.clone();
        let step = S::from_f64(step);
        let moved = match *direction {
            Direction::Element(variable, i) => {
                let x = point.element(variable, i).unwrap_or(S::ZERO);
                point.change(variable, i, |x| x + step);
                // x + h is rounded: what counts is how far it came.
                (x + step) - x
            }
            Direction::Along(variable, v) => {
                for (i, &v) in v.iter().enumerate() {
                    point.change(variable, i, |x| x + step * S::from_f64(v));
                }
                step
            }
        };
        self.look(&point, moved)
    }

    /// The slope along a direction.
    pub(super) fn measure(&mut self, direction: &Direction<'_>, method: Method, step: f64) -> Result<Measured, Stop> {
        let mut h = step;
        for halving in 0..=HALVINGS {
            let (numeric, crossed) = self.quotient(direction, method, h)?;
            if !crossed {
                return Ok(self.measured(numeric, method, h, None, Kink::None));
            }
            if halving < HALVINGS {
                h /= 2.0;
            } else {
                return self.at_a_kink(direction, method, h, numeric);
            }
        }
        unreachable!("the last halving returns")
    }

    /// A quotient by a method with one step, and whether a corner lies within it.
    pub(super) fn quotient(&mut self, direction: &Direction<'_>, method: Method, h: f64) -> Result<(f64, bool), Stop> {
        let plus = self.at(direction, h)?;
        let mut crossed = plus.pattern != self.here.pattern;
        if method == Method::Forward {
            return Ok((slope(&plus, &self.here).to_f64(), crossed));
        }
        let minus = self.at(direction, -h)?;
        crossed |= minus.pattern != self.here.pattern;
        let mut d = slope(&plus, &minus);
        if method == Method::Richardson {
            let (plus, minus) = (self.at(direction, h / 2.0)?, self.at(direction, -h / 2.0)?);
            crossed |= plus.pattern != self.here.pattern || minus.pattern != self.here.pattern;
            d = (S::from_f64(4.0) * slope(&plus, &minus) - d) / S::from_f64(3.0);
        }
        Ok((d.to_f64(), crossed))
    }

    /// Both one-sided slopes, and whether the corner is here or only near.
    fn at_a_kink(&mut self, direction: &Direction<'_>, method: Method, h: f64, numeric: f64) -> Result<Measured, Stop> {
        let (plus, minus) = (self.at(direction, h)?, self.at(direction, -h)?);
        let slopes = (slope(&self.here, &minus).to_f64(), slope(&plus, &self.here).to_f64());
        let scale = match *direction {
            Direction::Element(variable, i) => self.element(variable, i).abs().max(1.0),
            Direction::Along(..) => 1.0,
        };
        let near = (AT_CORNER * scale).min(h);
        let (plus, minus) = (self.at(direction, near)?, self.at(direction, -near)?);
        let here = plus.pattern != self.here.pattern || minus.pattern != self.here.pattern;
        let kink = if here { Kink::At } else { Kink::Crossed };
        Ok(self.measured(numeric, method, h, Some(slopes), kink))
    }

    fn measured(&self, numeric: f64, method: Method, step: f64, slopes: Option<(f64, f64)>, kink: Kink) -> Measured {
        let noise = method.noise() * method.epsilon() * self.here.loss.to_f64().abs().max(1.0) / step;
        Measured { numeric, step, slopes, kink, noise }
    }
}

fn slope<S: Scalar>(a: &Seen<S>, b: &Seen<S>) -> S {
    let run = a.step - b.step;
    // A step that rounding swallowed moved nothing, and shows nothing.
    if run == S::ZERO { S::from_f64(f64::NAN) } else { (a.loss - b.loss) / run }
}
