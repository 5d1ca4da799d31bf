//! What a student may do otherwise than the textbook says, as the engine is told it. `sites` makes the named mistakes of these.

use std::collections::{HashMap, HashSet};

use super::exercise::Activation;

/// The derivative that stands where g'(a) belongs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Slope {
    /// 1: δ = dE/dz.
    Missing,
    /// The formula that wants the output, given a.
    FormulaAtPreActivation,
    /// g'(z).
    AtOutput,
    /// h'(a) of another activation h.
    Of(Activation),
    /// The formula of another activation's derivative in terms of its output, given z.
    FormulaOf(Activation),
}

/// What stands for a weight in the product that passes δ down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Down {
    /// Another entry of theta.
    Entry(usize),
    Value(f64),
}

/// What stands for the source's z in a weight's gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Up {
    PreActivation,
    /// z of another unit.
    Unit(usize),
}

/// What stands for the sum over samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Samples {
    First,
    Last,
    Mean,
    /// One gradient a sample is left.
    Apart,
}

#[derive(Debug, Clone)]
pub(super) enum Slip {
    /// The loss' derivative and the loss, of the data, times factors.
    Scale {
        gradients: f64,
        loss: f64,
    },
    /// The data's part of the parameters' gradients times a factor; dE/dz and dE/da are right.
    ScaleParameters(f64),
    /// The bias gradients of these parameters.
    Biases {
        parameters: Vec<usize>,
        samples: Samples,
    },
    /// dE/dz negated at these units, from where it passes down.
    NegateDz(HashSet<usize>),
    /// dE/da negated at these units: dE/dz is right.
    NegateDa(HashSet<usize>),
    Derivative {
        units: HashSet<usize>,
        slope: Slope,
    },
    /// δ = y − t at the outputs.
    Shortcut,
    /// The cross-entropy's y − t times y(1 − y).
    ExtraSlope,
    DoubleSoftmax,
    DiagonalSoftmax,
    /// Softmax over the samples; its derivative by the chain rule, or p − t all the same.
    BatchSoftmax {
        shortcut: bool,
    },
    /// The targets' classes moved up by so many, around the end.
    Labels(usize),
    /// dE/dz of the first node has its term through the second so many times.
    Path {
        from: usize,
        to: usize,
        times: f64,
    },
    /// Of several successors one's term alone is kept at these nodes.
    OnePath {
        nodes: HashSet<usize>,
        last: bool,
    },
    /// One use of a shared parameter alone is counted.
    PartialUse {
        parameter: usize,
        one: usize,
    },
    /// By (target unit, source unit).
    Down(HashMap<(usize, usize), Down>),
    Up(HashMap<(usize, usize), Up>),
    /// Each weight is updated before δ passes down through it.
    Stale,
    /// The penalty's gradient and value times factors, of these parameters.
    Penalty {
        parameters: Vec<usize>,
        gradients: f64,
        loss: f64,
    },
    /// The penalty on the biases as well; in the loss too, or not.
    PenalizeBiases {
        loss: bool,
    },
    // What follows changes what is handed in, after a right computation.
    /// dE/dz, dE/da and the parameters' gradients of these nodes negated.
    NegateNodes(HashSet<usize>),
    NegateParameters(Vec<usize>),
    Transpose(Vec<usize>),
    /// Matrices flattened column by column, and read row by row.
    ColumnMajor(Vec<usize>),
    /// (handed in as, taken from).
    Permute(Vec<(usize, usize)>),
    /// dE/da where dE/dz is asked for; or the reverse.
    DaGiven(HashSet<usize>),
    DzGiven(HashSet<usize>),
    /// w − η·gradient.
    Updated(Vec<usize>),
    /// The gradient times a factor.
    Step {
        parameters: Vec<usize>,
        by: f64,
    },
    /// All numbers to so many significant figures.
    Round(usize),
}

/// Arithmetic that is less than exact, after each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rounding {
    None,
    Single,
    /// Every quantity that one would write down, to so many significant figures.
    Figures(usize),
}

/// Round to significant figures, correctly, ties to even.
pub(super) fn figures(x: f64, count: usize) -> f64 {
    if !x.is_finite() {
        return x;
    }
    format!("{x:.*e}", count - 1).parse().expect("a number that was written")
}

impl Rounding {
    /// A quantity that one writes down.
    pub(super) fn step(self, x: f64) -> f64 {
        match self {
            Self::None => x,
            Self::Single => f64::from(x as f32),
            Self::Figures(count) => figures(x, count),
        }
    }

    /// What a calculator keeps.
    pub(super) fn inner(self, x: f64) -> f64 {
        match self {
            Self::Single => f64::from(x as f32),
            Self::None | Self::Figures(_) => x,
        }
    }

    /// A sum, term by term.
    pub(super) fn sum(self, terms: impl IntoIterator<Item = f64>) -> f64 {
        self.step(terms.into_iter().fold(0.0, |sum, term| self.inner(sum + self.inner(term))))
    }
}
