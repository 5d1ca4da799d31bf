//! Which mistakes an exercise does not tell apart although other numbers would.
//!
//! Every mistake is made at every site, as in [`survey`](crate::grading::survey), and answers that pass for one another in work by
//! hand are held against each other. Two are not counted:
//!
//! - the same mistake at two sites or in two ways: what is said of it is the same;
//! - two that no numbers tell apart. With as many outputs as samples, dividing by the one is dividing by the other. This is found by
//!   trial, as identities of polynomials are (Schwartz 1980, Zippel 1979): the network keeps its wiring and the loss its targets, all
//!   other numbers are drawn anew from continuous ranges, and the two answers agree there too, in each of [`ELSEWHERE`] drawings, to
//!   `1e-9`. Functions that are not the same agree at numbers drawn so with probability 0; where rectifiers make them the same on one
//!   side of 0 alone, several drawings find the other side.

use super::values::lowered;
use super::wish::Wish;
use super::{GENERATOR, TOLERANCE};
use crate::grading::diagnosis::{Predicted, guesses};
use crate::grading::exercise::Exercise;
use crate::grading::mistakes::{CATALOG, Clues, Hypothesis, Mistake};
use crate::grading::parts::{Answer, Parts};
use crate::grading::site::Site;
use crate::grading::survey::Likeness;
use crate::grading::tolerance::Tolerance;
use crate::lower::random::Stream;
use crate::lower::{Leaf, Lowered};
use crate::ops::kinks::has_corner;
use crate::tensor::Tensor;

/// Drawings in which two answers must agree to be the same by their structure.
const ELSEWHERE: usize = 5;
/// Largest numbers apart, in proportion to the largest of a part, of what is the same but for the order of adding.
const SAME: f64 = 1e-9;

/// A mistake at a site, or the right answer, which has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rival {
    /// Its name; `correct` for the right answer.
    pub(crate) name: &'static str,
    /// Where.
    pub(crate) site: Option<Site>,
    /// What is particular about it.
    pub(crate) detail: Option<String>,
}

/// What an exercise does not tell apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Confused {
    /// Each with those that pass for it, which stand behind it.
    pub(crate) groups: Vec<Vec<Rival>>,
    /// Pairs of different mistakes that no numbers tell apart.
    pub(crate) same: usize,
    /// Mistakes that were looked at, site by site.
    pub(crate) of: usize,
}

impl Confused {
    /// Mistakes that pass for another, or for the right answer, but need not.
    pub(crate) fn count(&self) -> usize {
        self.groups.iter().map(|group| group.len() - 1).sum()
    }
}

/// Judge one attempt's problem. `go_on` is asked between runs.
///
/// # Errors
/// Whatever `go_on` says.
pub(super) fn confused<E>(
    wish: &Wish,
    attempt: usize,
    problem: &[u8],
    mut go_on: impl FnMut() -> Result<(), E>,
) -> Result<Confused, E> {
    let exercise = run(lowered(problem), &mut go_on)?;
    let answers = guesses(&exercise, None, &mut go_on)?;
    let tolerance = Tolerance::named(TOLERANCE).expect("a preset");
    let by_hand = tolerance.digits().map(|digits| exercise.by_hand(digits, &mut go_on)).transpose()?;
    let kinked = exercise.lowered.graph.nodes().iter().filter_map(|node| node.op.as_deref()).any(has_corner);
    let parts: Vec<usize> = (0..exercise.parts.list().len()).collect();
    let likeness = Likeness { exercise: &exercise, parts: &parts, tolerance: &tolerance, by_hand: by_hand.as_deref(), kinked };
    let groups = likeness.groups(&answers, &mut go_on)?;
    let name = |member: Option<usize>| member.map_or("correct", |i| answers[i].mistake.name);
    let answer = |member: Option<usize>| member.map_or(exercise.key(), |i| &answers[i].answer);
    let pairs = groups.iter().flat_map(|group| group[1..].iter().map(|&member| (group[0], member)));
    let pairs: Vec<_> = pairs.filter(|&(first, member)| name(first) != name(member)).collect();
    let mut twins: Vec<_> = pairs.iter().copied().filter(|&(first, member)| same(answer(first), answer(member))).collect();
    for drawing in 0..ELSEWHERE {
        if twins.is_empty() {
            break;
        }
        let stream = Stream::of(GENERATOR, &wish.seed, &format!("{attempt}/elsewhere/{drawing}"));
        let other = run(elsewhere(lowered(problem), stream), &mut go_on)?;
        twins = still(&other, &answers, twins, &mut go_on)?;
    }
    let mut confused = Confused { groups: Vec::new(), same: twins.len(), of: answers.len() };
    for group in groups {
        let apart =
            group[1..].iter().filter(|&&member| pairs.contains(&(group[0], member)) && !twins.contains(&(group[0], member)));
        let rivals: Vec<Rival> = std::iter::once(&group[0]).chain(apart).map(|&member| rival(&answers, member)).collect();
        if rivals.len() > 1 {
            confused.groups.push(rivals);
        }
    }
    Ok(confused)
}

fn run<E>(lowered: Lowered, go_on: impl FnMut() -> Result<(), E>) -> Result<Exercise, E> {
    let parts = Parts::of(&lowered);
    Exercise::new(lowered, parts, go_on)
}

fn rival(answers: &[Predicted], member: Option<usize>) -> Rival {
    let Some(i) = member else { return Rival { name: "correct", site: None, detail: None } };
    let Predicted { mistake, hypothesis, .. } = &answers[i];
    Rival { name: mistake.name, site: Some(hypothesis.site.clone()), detail: hypothesis.detail.clone() }
}

/// Whether two answers are the same but for the order of adding.
fn same(one: &Answer, other: &Answer) -> bool {
    let part = |(a, b): (&Tensor<f64>, &Tensor<f64>)| {
        let scale = a.data().iter().chain(b.data()).fold(0.0_f64, |most, x| most.max(x.abs()));
        let near = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= SAME * scale || (a.is_nan() && b.is_nan());
        a.shape() == b.shape() && a.data().iter().zip(b.data()).all(near)
    };
    one.0.iter().zip(&other.0).all(part)
}

/// The same network and targets with other weights, biases and inputs: 0.2 to 1.5 and 0.2 to 2 of either sign, not rounded.
fn elsewhere(mut lowered: Lowered, mut stream: Stream) -> Lowered {
    const STEPS: usize = 1 << 30;
    let weights = lowered.parameters.iter().map(|parameter| (parameter.leaf, 1.5));
    let inputs = lowered.inputs.iter().filter(|input| input.real).map(|input| (input.leaf, 2.0));
    let mut leaves: Vec<_> = weights.chain(inputs).collect();
    leaves.sort_by_key(|(leaf, _)| *leaf);
    leaves.dedup_by_key(|(leaf, _)| *leaf);
    for (leaf, most) in leaves {
        let place = lowered.place(leaf);
        let mut draw = || {
            let size = 0.2 + (most - 0.2) * stream.below(STEPS) as f64 / STEPS as f64;
            if stream.below(2) == 0 { size } else { -size }
        };
        let data: Vec<f64> = (0..lowered.graph.shape(leaf).size()).map(|_| draw()).collect();
        lowered.leaves[place].1 = Leaf::Values(data.into());
    }
    lowered
}

/// Of pairs of hypotheses, those whose answers are the same in another exercise too.
fn still<E>(
    exercise: &Exercise,
    answers: &[Predicted],
    pairs: Vec<(Option<usize>, Option<usize>)>,
    mut go_on: impl FnMut() -> Result<(), E>,
) -> Result<Vec<(Option<usize>, Option<usize>)>, E> {
    let clues = Clues { learning_rate: None, claims: None };
    let all = CATALOG.iter().flat_map(|mistake| (mistake.hypotheses)(exercise, &clues).into_iter().map(move |h| (*mistake, h)));
    let all: Vec<(&Mistake, Hypothesis)> = all.collect();
    // The wiring is the same, so that hypotheses stand in the same order; one that is not possible there is none's twin.
    let answer = |member: Option<usize>| -> Option<Answer> {
        let Some(i) = member else { return Some(exercise.key().clone()) };
        let Predicted { mistake, hypothesis, .. } = &answers[i];
        let is = |(other, there): &(&Mistake, Hypothesis)| {
            other.name == mistake.name && there.site == hypothesis.site && there.detail == hypothesis.detail
        };
        let found = all.get(i).filter(|found| is(found)).or_else(|| all.iter().find(|found| is(found)))?;
        Some(exercise.answer(found.1.change.as_ref()))
    };
    let mut kept = Vec::with_capacity(pairs.len());
    for (first, member) in pairs {
        go_on()?;
        if let (Some(one), Some(other)) = (answer(first), answer(member))
            && same(&one, &other)
        {
            kept.push((first, member));
        }
    }
    Ok(kept)
}
