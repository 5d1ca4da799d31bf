//! Paths from the target to E: how many, what they multiply to, and what reuse saves. By dynamic programming, so that 2^200 of them
//! take no longer to count than 200.

use super::natural::Natural;
use super::scalars::{Edge, Scalars, over};
use crate::analysis::Failure;

/// The most paths that are written out.
pub(super) const MAX_PATHS: usize = 1_000;
/// The most factors that they may have together, counting each sample.
pub(super) const MAX_FACTORS: usize = 20_000;
/// Bits that all counts may have together.
const MAX_COUNT_BITS: f64 = 5e8;

/// What there is to know of a derivation's paths.
#[derive(Debug)]
pub(super) struct Paths {
    /// Which scalars lie on a path from the target to E.
    pub(super) on_path: Vec<bool>,
    /// Which scalars E depends on.
    pub(super) feeding: Vec<bool>,
    /// How many paths there are.
    pub(super) count: Natural,
    /// Multiplications if each path is multiplied out by itself.
    pub(super) one_by_one: Natural,
    /// Multiplications if `dE/dz` is computed once for each scalar.
    pub(super) with_reuse: u64,
    /// Those that are written out.
    pub(super) listed: Vec<Path>,
}

/// One path, from E down to the target.
#[derive(Debug)]
pub(super) struct Path {
    /// The scalars, the one that the loss reads first; none for the path of a penalty.
    pub(super) scalars: Vec<usize>,
    /// One local derivative a step, each with a number a lane; the last by the target.
    pub(super) factors: Vec<Vec<f64>>,
    /// Their product, summed over the lanes.
    pub(super) product: f64,
}

/// Look at all paths. `is_node` says that the target is a node, so that there is no step below it.
pub(super) fn find(scalars: &Scalars, is_node: bool) -> Result<Paths, Failure> {
    let feeding = feeding(scalars);
    let on_path = on_path(scalars, &feeding);
    affordable(scalars, &on_path)?;
    let count = scalars.list.len();
    // For each scalar the paths up to E and the multiplications along all of them.
    let mut paths = vec![Natural::default(); count];
    let mut lengths = vec![Natural::default(); count];
    let mut with_reuse = 0;
    for k in (0..count).rev().filter(|&k| on_path[k]) {
        let (mut own, mut length) = (Natural::default(), Natural::default());
        if scalars.direct[k].is_some() {
            own.add(&Natural::one());
        }
        for edge in scalars.readers[k].iter().filter(|edge| on_path[edge.to]) {
            own.add(&paths[edge.to]);
            length.add(&lengths[edge.to]);
            length.add(&paths[edge.to]);
            with_reuse += 1;
        }
        (paths[k], lengths[k]) = (own, length);
    }
    let (mut all, mut one_by_one) = (Natural::default(), Natural::default());
    for edge in scalars.uses.iter().filter(|edge| on_path[edge.to]) {
        all.add(&paths[edge.to]);
        one_by_one.add(&lengths[edge.to]);
        if !is_node {
            one_by_one.add(&paths[edge.to]);
            with_reuse += 1;
        }
    }
    let mut listed = listed(scalars, &on_path, is_node);
    if let Some(penalty) = scalars.penalty {
        all.add(&Natural::one());
        listed.push(Path { scalars: Vec::new(), factors: vec![vec![penalty]], product: penalty });
    }
    Ok(Paths { on_path, feeding, count: all, one_by_one, with_reuse, listed })
}

/// What E depends on.
fn feeding(scalars: &Scalars) -> Vec<bool> {
    let mut feeds = vec![false; scalars.list.len()];
    for k in (0..feeds.len()).rev() {
        feeds[k] = scalars.direct[k].is_some() || scalars.readers[k].iter().any(|edge| feeds[edge.to]);
    }
    feeds
}

/// What both the target reaches and E depends on.
fn on_path(scalars: &Scalars, feeding: &[bool]) -> Vec<bool> {
    let mut from = vec![false; feeding.len()];
    scalars.uses.iter().for_each(|edge| from[edge.to] = true);
    for k in 0..from.len() {
        if from[k] {
            scalars.readers[k].iter().for_each(|edge| from[edge.to] = true);
        }
    }
    from.iter().zip(feeding).map(|(from, feeds)| *from && *feeds).collect()
}

/// Refuse counts whose digits would fill the memory, before the first of them is made.
fn affordable(scalars: &Scalars, on_path: &[bool]) -> Result<(), Failure> {
    // log2 of the sums, as far as a double tells them.
    let mut bits = vec![f64::NEG_INFINITY; on_path.len()];
    let mut sum = 0.0;
    for k in (0..on_path.len()).rev().filter(|&k| on_path[k]) {
        let own = if scalars.direct[k].is_some() { 0.0 } else { f64::NEG_INFINITY };
        let readers = scalars.readers[k].iter().filter(|edge| on_path[edge.to]).map(|edge| bits[edge.to]);
        bits[k] = readers.fold(own, |a, b| {
            let (high, low) = if a > b { (a, b) } else { (b, a) };
            if high == f64::NEG_INFINITY { high } else { high + (low - high).exp2().ln_1p() / std::f64::consts::LN_2 }
        });
        sum += 2.0 * bits[k];
    }
    if sum > MAX_COUNT_BITS {
        return Err(over(format!("to count the paths takes {:.0} bytes, the limit is {:.0}", sum / 8.0, MAX_COUNT_BITS / 8.0)));
    }
    Ok(())
}

/// One step of a walk: the scalar that is stood on, and which of its ways up is taken next, the loss itself first.
struct Step {
    at: usize,
    next: usize,
}

/// The first paths, walking up from the target in topological order.
fn listed(scalars: &Scalars, on_path: &[bool], is_node: bool) -> Vec<Path> {
    let mut found = Vec::new();
    let mut factors = 0;
    for first in scalars.uses.iter().filter(|edge| on_path[edge.to]) {
        let mut steps = vec![Step { at: first.to, next: 0 }];
        let mut edges: Vec<&Edge> = vec![first];
        while let Some(step) = steps.last_mut() {
            let (at, next) = (step.at, step.next);
            step.next += 1;
            if next == 0 {
                let Some(direct) = &scalars.direct[at] else { continue };
                factors += (edges.len() + 1) * scalars.lanes;
                if found.len() == MAX_PATHS || (factors > MAX_FACTORS && !found.is_empty()) {
                    return found;
                }
                found.push(path(direct, &edges, is_node));
            } else if let Some(edge) = scalars.readers[at].get(next - 1) {
                if on_path[edge.to] {
                    edges.push(edge);
                    steps.push(Step { at: edge.to, next: 0 });
                }
            } else {
                steps.pop();
                edges.pop();
            }
        }
    }
    found
}

/// A path from the edges walked up, the target's own first, and what E itself adds.
fn path(direct: &[f64], edges: &[&Edge], is_node: bool) -> Path {
    let scalars = edges.iter().rev().map(|edge| edge.to).collect();
    let walked = &edges[usize::from(is_node)..];
    let mut factors = vec![direct.to_vec()];
    factors.extend(walked.iter().rev().map(|edge| edge.local.clone()));
    let product = (0..direct.len()).map(|lane| factors.iter().map(|factor| factor[lane]).product::<f64>()).sum();
    Path { scalars, factors, product }
}
