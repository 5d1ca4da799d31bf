//! The derivation in symbols and in numbers, as plain text and as LaTeX.

use super::chain::{Term, Through};
use super::paths::{Path, Paths};
use super::scalars::Scalars;
use super::symbols::Symbol;
use crate::draw::number::short;

/// Digits of numbers in formulas.
const DIGITS: usize = 6;
/// The most factors that the whole formula shows; then dots stand for the rest.
const SHOWN_FACTORS: usize = 2_000;
/// The most samples whose values a step shows.
const SHOWN_SAMPLES: usize = 8;

/// What the formulas are about.
pub(super) struct Formulas<'f> {
    pub(super) scalars: &'f Scalars,
    pub(super) seen: &'f [bool],
    /// The symbol of each scalar.
    pub(super) symbols: Vec<Symbol>,
    pub(super) target: Symbol,
    /// The scalar that is the target, if it is one.
    pub(super) node: Option<usize>,
}

impl Symbol {
    fn both(text: impl Into<String>, latex: impl Into<String>) -> Self {
        Self { text: text.into(), latex: latex.into() }
    }

    fn push(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.latex.push_str(&other.latex);
    }
}

/// Joined by a sign between them.
fn join(parts: impl IntoIterator<Item = Symbol>, text: &str, latex: &str) -> Symbol {
    let mut all = Symbol::both("", "");
    for (i, part) in parts.into_iter().enumerate() {
        if i > 0 {
            all.push(&Symbol::both(text, latex));
        }
        all.push(&part);
    }
    all
}

fn sum(parts: impl IntoIterator<Item = Symbol>) -> Symbol {
    join(parts, " + ", " + ")
}

fn ratio(of: &Symbol, by: &Symbol) -> Symbol {
    let below = if by.text.contains("->") { format!("({})", by.text) } else { by.text.clone() };
    Symbol::both(format!("∂{}/∂{below}", of.text), format!("\\frac{{\\partial {}}}{{\\partial {}}}", of.latex, by.latex))
}

fn loss() -> Symbol {
    Symbol::both("E", "E")
}

fn number(x: f64) -> Symbol {
    let text = short(x, DIGITS);
    let latex = match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{mantissa} \\cdot 10^{{{exponent}}}"),
        None => text.replace('∞', "\\infty").replace("NaN", "\\mathrm{NaN}"),
    };
    Symbol { text, latex }
}

/// A number as a factor: in parentheses where it has a sign or a power of ten.
fn factor(x: f64) -> Symbol {
    let plain = number(x);
    if plain.text.starts_with('-') || plain.text.contains('e') {
        Symbol::both(format!("({})", plain.text), format!("({})", plain.latex))
    } else {
        plain
    }
}

impl Formulas<'_> {
    /// A node's step, or the target's where `k` is none: its derivative through each of its readers, and its values.
    pub(super) fn step(&self, k: Option<usize>, terms: &[Term<'_>], penalty: Option<f64>, values: &[f64]) -> Symbol {
        let own = k.map_or(&self.target, |k| &self.symbols[k]);
        let mut all = ratio(&loss(), own);
        let equals = Symbol::both(" = ", " = ");
        // What the loss alone reads has no chain, and what leads nowhere has no terms.
        let no_chain = matches!(terms, [Term { through: Through::Loss, .. }]) || (terms.is_empty() && penalty.is_none());
        if !no_chain {
            let parts = terms.iter().map(|term| match term.through {
                Through::Loss => direct(own),
                Through::Scalar(l) => join([ratio(&loss(), &self.symbols[l]), ratio(&self.symbols[l], own)], " · ", " "),
            });
            all.push(&equals);
            all.push(&sum(parts.chain(penalty.map(|_| penalties(own)))));
        }
        let is_one_lane = self.scalars.lanes == 1;
        if is_one_lane && !no_chain {
            let parts = terms.iter().map(|term| match term.through {
                Through::Loss => factor(term.local[0]),
                Through::Scalar(_) => join([factor(term.outer[0]), factor(term.local[0])], " · ", " \\cdot "),
            });
            all.push(&equals);
            all.push(&sum(parts.chain(penalty.map(factor))));
        }
        all.push(&equals);
        all.push(&self.values(values));
        all
    }

    /// One number, or one a sample.
    fn values(&self, values: &[f64]) -> Symbol {
        if let [one] = values {
            return number(*one);
        }
        let shown = values.iter().take(SHOWN_SAMPLES).map(|&x| number(x));
        let more = (values.len() > SHOWN_SAMPLES).then(|| Symbol::both("…", "\\ldots"));
        let inner = join(shown.chain(more), ", ", ", ");
        Symbol::both(format!("[{}]", inner.text), format!("[{}]", inner.latex))
    }

    /// The sum over paths, and its value.
    pub(super) fn whole(&self, paths: &Paths, value: f64) -> Symbol {
        let mut all = ratio(&loss(), &self.target);
        let (mut shown, mut factors) = (0, 0);
        for path in &paths.listed {
            factors += path.factors.len();
            if factors > SHOWN_FACTORS && shown > 0 {
                break;
            }
            shown += 1;
        }
        let shown = &paths.listed[..shown];
        let complete = paths.count.small() == Some(shown.len() as u64);
        let equals = Symbol::both(" = ", " = ");
        let lanes = self.scalars.lanes;
        if !shown.is_empty() {
            let dots = || (!complete).then(|| Symbol::both("…", "\\cdots"));
            let symbolic = sum(shown.iter().map(|path| self.path(path)).chain(dots()));
            all.push(&equals);
            all.push(&if lanes == 1 {
                symbolic
            } else {
                let Symbol { text, latex } = symbolic;
                Symbol::both(
                    format!("Σ over {lanes} samples of ({text})"),
                    format!("\\sum_{{i=1}}^{{{lanes}}} \\left( {latex} \\right)"),
                )
            });
            if lanes == 1 && shown.iter().any(|path| path.factors.len() > 1) {
                let numbers = |path: &Path| join(path.factors.iter().map(|x| factor(x[0])), " · ", " \\cdot ");
                all.push(&equals);
                all.push(&sum(shown.iter().map(numbers).chain(dots())));
            }
        }
        all.push(&equals);
        all.push(&number(value));
        all
    }

    /// The factors of a path, from E down to the target.
    fn path(&self, path: &Path) -> Symbol {
        let Some((&top, below)) = path.scalars.split_first() else { return penalties(&self.target) };
        // Where a node both is read by the loss and feeds others, ∂E/∂z alone would be the whole derivative.
        let feeds_others = self.scalars.readers[top].iter().any(|edge| self.seen[edge.to]);
        let symbol = &self.symbols[top];
        let mut factors = vec![if feeds_others { direct(symbol) } else { ratio(&loss(), symbol) }];
        let mut above = symbol;
        for &k in below {
            factors.push(ratio(above, &self.symbols[k]));
            above = &self.symbols[k];
        }
        if self.node.is_none() {
            factors.push(ratio(above, &self.target));
        }
        join(factors, " · ", " ")
    }
}

/// The derivative of E as far as the loss itself reads the node.
fn direct(own: &Symbol) -> Symbol {
    let Symbol { text, latex } = ratio(&loss(), own);
    Symbol::both(format!("{text}|direct"), format!("\\left.{latex}\\right|_{{\\mathrm{{direct}}}}"))
}

/// The derivative of the regularization.
fn penalties(own: &Symbol) -> Symbol {
    ratio(&Symbol::both("R", "R"), own)
}
