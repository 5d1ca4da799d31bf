//! The chain rule, step by step, in the order that was asked for.

use super::scalars::{Edge, Scalars};

/// `dE/dz` of every scalar that is looked at, and of the target, one number a lane.
#[derive(Debug)]
pub(super) struct Totals {
    pub(super) scalars: Vec<Vec<f64>>,
    /// The derivative by the target, summed over the lanes, and the penalties' part.
    pub(super) value: f64,
}

/// One term of a step: what E changes by through one reader.
#[derive(Debug)]
pub(super) struct Term<'s> {
    /// The reader; nothing for the loss itself.
    pub(super) through: Through,
    /// The derivative of E by the reader.
    pub(super) outer: Vec<f64>,
    /// The derivative of the reader.
    pub(super) local: &'s [f64],
}

/// What stands between E and what is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    /// The loss reads it.
    Loss,
    /// This scalar reads it.
    Scalar(usize),
}

impl Term<'_> {
    /// The product, one number a lane.
    pub(super) fn product(&self) -> Vec<f64> {
        self.outer.iter().zip(self.local).map(|(outer, local)| outer * local).collect()
    }
}

/// Backprop over the scalars. `seen` are those that count.
pub(super) fn totals(scalars: &Scalars, seen: &[bool]) -> Totals {
    let mut total = vec![Vec::new(); scalars.list.len()];
    for k in (0..scalars.list.len()).rev().filter(|&k| seen[k]) {
        let mut own = scalars.direct[k].clone().unwrap_or_else(|| vec![0.0; scalars.lanes]);
        for edge in scalars.readers[k].iter().filter(|edge| seen[edge.to]) {
            own.iter_mut().zip(&edge.local).zip(&total[edge.to]).for_each(|((own, local), outer)| *own += local * outer);
        }
        total[k] = own;
    }
    let by = |edge: &Edge| edge.local.iter().zip(&total[edge.to]).map(|(local, outer)| local * outer).sum::<f64>();
    let value = scalars.uses.iter().filter(|edge| seen[edge.to]).map(by).sum::<f64>() + scalars.penalty.unwrap_or(0.0);
    Totals { scalars: total, value }
}

/// The terms of one scalar's derivative.
pub(super) fn terms<'s>(scalars: &'s Scalars, totals: &Totals, seen: &[bool], k: usize) -> Vec<Term<'s>> {
    let loss = scalars.direct[k].iter().map(|local| Term { through: Through::Loss, outer: vec![1.0; scalars.lanes], local });
    loss.chain(scalars.readers[k].iter().filter(|edge| seen[edge.to]).map(|edge| term(totals, edge))).collect()
}

/// The terms of the target's derivative, where it is a parameter.
pub(super) fn target_terms<'s>(scalars: &'s Scalars, totals: &Totals, seen: &[bool]) -> Vec<Term<'s>> {
    scalars.uses.iter().filter(|edge| seen[edge.to]).map(|edge| term(totals, edge)).collect()
}

fn term<'s>(totals: &Totals, edge: &'s Edge) -> Term<'s> {
    Term { through: Through::Scalar(edge.to), outer: totals.scalars[edge.to].clone(), local: &edge.local }
}
