//! An exercise looked at before anybody answers it: which mistakes it can tell from the right answer and from one another, which
//! numbers stand near a corner, which gradients are so small that rounding drowns them, and how exactly it should be worked out.

use super::diagnosis::Predicted;
use super::exercise::Exercise;
use super::parts::{Answer, Kind};
use super::tolerance::{Claimable, Kink, Tolerance};
use crate::graph::NodeId;
use crate::ops::{AnyOp, Scalar, kinks};
use crate::tensor::{Digits, Shape, Tensor};

/// Digits that are tried for a suggestion, the least first.
const TRIED: [u8; 5] = [2, 3, 4, 5, 6];
/// Near corners that are listed.
const MOST_KINKS: usize = 1_000;

/// When two answers to an exercise pass for the same: what is claimed of these parts agrees within a tolerance.
#[derive(Debug)]
pub(crate) struct Likeness<'e> {
    /// The exercise.
    pub(crate) exercise: &'e Exercise,
    /// The places of the parts that are claimed.
    pub(crate) parts: &'e [usize],
    /// What passes.
    pub(crate) tolerance: &'e Tolerance,
    /// What rounding by hand comes to, where the tolerance is one of work by hand.
    pub(crate) by_hand: Option<&'e Claimable>,
    /// Whether the network has corners.
    pub(crate) kinked: bool,
}

impl Likeness<'_> {
    /// Whether whoever claims `claimed` is taken for somebody whose answer is `meant`.
    pub(crate) fn alike(&self, claimed: &Answer, meant: &Answer) -> bool {
        // What is computed last differs in most.
        self.parts.iter().rev().all(|&part| self.part(part, &claimed.0[part], &meant.0[part]))
    }

    fn part(&self, part: usize, claimed: &Tensor<f64>, meant: &Tensor<f64>) -> bool {
        let (a, n) = (claimed.data(), meant.data());
        if claimed.shape() != meant.shape() || a.iter().any(|x| !x.is_finite()) {
            // Two that are not finite at the same places are not told apart.
            return claimed.shape() == meant.shape() && a.iter().zip(n).all(|(a, n)| a == n || (a.is_nan() && n.is_nan()));
        }
        let pairs: Vec<_> = a.iter().copied().zip(n.iter().copied()).collect();
        let scale = n.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let judged = self.tolerance.judge(&pairs, pairs.len(), scale, self.kinked);
        let Some(by_hand) = self.by_hand.filter(|_| !judged.all) else { return judged.all };
        let near = by_hand.near(part, a, n, self.exercise.key().0[part].data());
        near.is_some_and(|near| near.into_iter().zip(judged.each.iter().flatten()).all(|(near, &each)| near || each))
    }

    /// The answers that cannot be told from the first of their group, group by group, as places in the list; the right answer
    /// stands before all others and is `None`. Groups of one are left out. `go_on` is asked between answers.
    ///
    /// # Errors
    /// Whatever `go_on` says.
    pub(crate) fn groups<E>(
        &self,
        answers: &[Predicted],
        mut go_on: impl FnMut() -> Result<(), E>,
    ) -> Result<Vec<Vec<Option<usize>>>, E> {
        let mut groups: Vec<Vec<Option<usize>>> = vec![vec![None]];
        for (i, predicted) in answers.iter().enumerate() {
            go_on()?;
            let first = |group: &Vec<Option<usize>>| group[0].map_or(self.exercise.key(), |first| &answers[first].answer);
            match groups.iter().position(|group| self.alike(&predicted.answer, first(group))) {
                Some(found) => groups[found].push(Some(i)),
                None => groups.push(vec![Some(i)]),
            }
        }
        groups.retain(|group| group.len() > 1);
        Ok(groups)
    }

    /// How many of the answers are not taken for the right one.
    pub(crate) fn separated(&self, answers: &[Predicted]) -> usize {
        answers.iter().filter(|predicted| !self.alike(&predicted.answer, self.exercise.key())).count()
    }
}

/// How far an answer is from the right one: the largest `‖p − n‖ / max(‖p‖, ‖n‖)` of these parts, from 0 to 2; 2 where a part has
/// another shape or is not finite.
pub(crate) fn distance(answer: &Answer, key: &Answer, parts: &[usize]) -> f64 {
    const MOST: f64 = 2.0;
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let of = |part: usize| {
        let (p, n) = (&answer.0[part], &key.0[part]);
        if p.shape() != n.shape() {
            return MOST;
        }
        let (p, n) = (p.data(), n.data());
        let off = norm(&mut p.iter().zip(n).map(|(p, n)| p - n));
        let size = norm(&mut p.iter().copied()).max(norm(&mut n.iter().copied()));
        let ratio = if off == 0.0 { 0.0 } else { off / size };
        if ratio.is_finite() { ratio.min(MOST) } else { MOST }
    };
    parts.iter().map(|&part| of(part)).fold(0.0, f64::max)
}

/// What work by hand to so many digits tells apart.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    /// As a tolerance: `hand(sf=4)`.
    pub(crate) name: String,
    /// How many wrong answers are not taken for the right one.
    pub(crate) separated: usize,
}

/// Try work by hand to 2 to 6 figures and places. `go_on` is asked between nodes.
///
/// # Errors
/// Whatever `go_on` says.
pub(crate) fn trials<E>(
    exercise: &Exercise,
    parts: &[usize],
    answers: &[Predicted],
    kinked: bool,
    mut go_on: impl FnMut() -> Result<(), E>,
) -> Result<Vec<Trial>, E> {
    let mut trials = Vec::new();
    for count in TRIED {
        for (name, digits) in
            [(format!("hand(sf={count})"), Digits::Figures(count)), (format!("hand(dp={count})"), Digits::Places(count))]
        {
            let by_hand = Claimable::of(exercise, digits, &mut go_on)?;
            let tolerance = Tolerance::named(&name).expect("a preset");
            let likeness = Likeness { exercise, parts, tolerance: &tolerance, by_hand: Some(&by_hand), kinked };
            trials.push(Trial { separated: likeness.separated(answers), name });
        }
    }
    Ok(trials)
}

/// The tolerance that asks least of a student among those that separate most: the fewest digits, figures before places.
pub(crate) fn suggested(trials: &[Trial]) -> Option<&Trial> {
    let most = trials.iter().map(|trial| trial.separated).max()?;
    trials.iter().find(|trial| trial.separated == most)
}

/// A number that stands near a corner.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NearKink {
    /// The node with the corner.
    pub(crate) node: NodeId,
    /// The index of the number in the input that it reads.
    pub(crate) index: Vec<usize>,
    /// The number.
    pub(crate) value: f64,
    /// How far it is from the corner; not known of what a window picks from.
    pub(crate) distance: Option<f64>,
    /// Whether rounding by hand may carry it across.
    pub(crate) crossed: bool,
}

/// The numbers within `margin` of a corner, and those that rounding by hand may carry across one.
pub(crate) fn near_kinks(exercise: &Exercise, margin: f64, crossed: &[Kink]) -> Vec<NearKink> {
    let graph = &exercise.lowered.graph;
    let mut found = Vec::new();
    for (i, node) in graph.nodes().iter().enumerate() {
        let Some(op) = node.op.as_deref().filter(|op| kinks::has_corner(*op)) else { continue };
        let id = graph.id(i);
        let x: Vec<&Tensor<f64>> = node.inputs.iter().map(|&input| exercise.value(graph.id(input))).collect();
        let distances = distances(op, &x, node.shape, margin);
        for (element, &value) in x[0].broadcast_to(if x.len() == 1 { x[0].shape() } else { node.shape }).data().iter().enumerate()
        {
            let distance = distances.as_ref().map(|distances| distances[element]);
            let crossed = crossed.binary_search(&Kink { node: id, element }).is_ok();
            if found.len() < MOST_KINKS && (crossed || distance.is_some_and(|distance| distance <= margin)) {
                let shape = if x.len() == 1 { x[0].shape() } else { node.shape };
                found.push(NearKink {
                    node: id,
                    index: crate::tensor::index_of(shape.dims(), element),
                    value,
                    distance,
                    crossed,
                });
            }
        }
    }
    found
}

/// How far each element is from the nearest corner, as far as `most`; nothing for windows.
fn distances(op: &dyn AnyOp, x: &[&Tensor<f64>], shape: Shape, most: f64) -> Option<Vec<f64>> {
    match x {
        [a, b] => {
            let (a, b) = (a.broadcast_to(shape), b.broadcast_to(shape));
            Some(a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs()).collect())
        }
        [x] if op.name() != "max_pool2d" => Some(x.data().iter().map(|&x| to_corner(op, x, most)).collect()),
        _ => None,
    }
}

/// How far `x` is from the nearest corner of a function of one number, found by halving; infinite beyond `most`.
fn to_corner(op: &dyn AnyOp, x: f64, most: f64) -> f64 {
    let piece = |x: f64| {
        let x = Tensor::scalar(x);
        let y = f64::op(op).forward(&[&x]);
        let mut pattern = Vec::new();
        kinks::pattern(op, &[&x], &y, &mut pattern);
        pattern
    };
    let own = piece(x);
    let leaves = |distance: f64| piece(x - distance) != own || piece(x + distance) != own;
    if piece(x.next_down()) != own || piece(x.next_up()) != own {
        return 0.0;
    }
    if !leaves(most) {
        return f64::INFINITY;
    }
    let (mut within, mut beyond) = (0.0, most);
    for _ in 0..60 {
        let middle = 0.5 * (within + beyond);
        if leaves(middle) { beyond = middle } else { within = middle }
    }
    beyond
}

/// A parameter with gradients that are close to 0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tiny {
    /// The part's place.
    pub(crate) part: usize,
    /// Where its smallest gradient stands, and which it is.
    pub(crate) index: Vec<usize>,
    pub(crate) value: f64,
    /// How many of its gradients are so small.
    pub(crate) count: usize,
    /// How many of its gradients may be rounded to 0, or to the other sign, by hand.
    pub(crate) drowned: usize,
}

/// The parameters' gradients that are below a bound, or that rounding by hand may turn.
pub(crate) fn tiny_gradients(exercise: &Exercise, below: f64, by_hand: Option<&Claimable>) -> Vec<Tiny> {
    let parts = exercise.parts.list().iter().zip(&exercise.key().0).enumerate();
    let gradients = parts.filter(|(_, (part, _))| matches!(part.kind, Kind::Gradient(_)));
    let tiny = |(place, (part, value)): (usize, (&super::parts::Part, &Tensor<f64>))| {
        let x = value.data();
        let count = x.iter().filter(|x| x.abs() < below).count();
        let drowned = by_hand.map_or(0, |by_hand| {
            let bands = by_hand.part(place).iter().zip(x);
            bands.filter(|&(band, &x)| x != 0.0 && band.contains(0.0)).count()
        });
        let smallest = (0..x.len()).min_by(|&a, &b| x[a].abs().total_cmp(&x[b].abs()))?;
        let index = crate::tensor::index_of(part.shape.dims(), smallest);
        (count + drowned > 0).then(|| Tiny { part: place, index, value: x[smallest], count, drowned })
    };
    gradients.filter_map(tiny).collect()
}
