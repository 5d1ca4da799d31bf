//! The right numbers in the wrong places: names or the order of flattening mixed up.

use super::factors::trained;
use super::{Clues, Hypothesis, Mistake};
use crate::grading::change::Change;
use crate::grading::exercise::Exercise;
use crate::grading::parts::{Answer, Kind};
use crate::grading::site::Site;
use crate::tensor::Tensor;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "permuted",
    student: "Your numbers are right but stand in the wrong places {where}: check the names and the order of the elements.",
    instructor: "The claims are a permutation of the right numbers {where}.",
    section: "1.5 Backprop",
    fitted: true,
    hypotheses,
};

fn hypotheses(exercise: &Exercise, clues: &Clues<'_>) -> Vec<Hypothesis> {
    let Some(claims) = clues.claims else { return Vec::new() };
    let claimed = |i: usize| {
        let part = exercise.parts.of_kind(Kind::Gradient(i))?;
        claims.of(part)?.usable().map(|claim| (i, part, claim))
    };
    let all: Vec<_> = trained(exercise).into_iter().filter_map(claimed).collect();
    let name = |i: usize| exercise.lowered.parameters[i].name.clone();
    let mut sets = vec![all.clone()];
    sets.extend(all.iter().take(64).map(|one| vec![*one]));
    let mut found = Vec::new();
    for set in sets {
        let given: Vec<f64> = set.iter().flat_map(|(_, _, claim)| claim.data()).copied().collect();
        let right: Vec<f64> = set.iter().flat_map(|(_, part, _)| exercise.key().0[*part].data()).copied().collect();
        // The smallest claim is the smallest number, and so on: where each claim comes from if all is only permuted.
        let (given_order, right_order) = (order(&given), order(&right));
        let near = |(&i, &j): (&usize, &usize)| (given[i] - right[j]).abs() <= 5e-3 * given[i].abs().max(right[j].abs());
        if right.len() < 2 || given_order == right_order || !given_order.iter().zip(&right_order).all(near) {
            continue;
        }
        let mut from = vec![0; given.len()];
        given_order.iter().zip(&right_order).for_each(|(&i, &j)| from[i] = j);
        // The site is what holds a number that is not its own.
        let mut at = 0;
        let mut moved = Vec::new();
        for (i, _, claim) in &set {
            let end = at + claim.data().len();
            if (at..end).any(|k| right[from[k]] != right[k]) {
                moved.push(name(*i));
            }
            at = end;
        }
        let site = match &moved[..] {
            [only] => Site::Parameter(only.clone()),
            _ if moved.len() == all.len() => Site::Everywhere,
            _ => Site::Parameters(moved),
        };
        let parts = set.iter().map(|(_, part, _)| *part).collect();
        found.push(Hypothesis::new(site, Permuted { parts, from }));
    }
    found
}

fn order(numbers: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&i, &j| numbers[i].total_cmp(&numbers[j]));
    order
}

/// Each number of these parts, laid end to end, from another place among them.
#[derive(Debug)]
struct Permuted {
    parts: Vec<usize>,
    from: Vec<usize>,
}

impl Change for Permuted {
    fn alters_answer_alone(&self) -> bool {
        true
    }

    fn answer(&self, _: &Exercise, answer: &mut Answer) {
        let all: Vec<f64> = self.parts.iter().flat_map(|&part| answer.0[part].data()).copied().collect();
        let mut from = self.from.iter();
        for &part in &self.parts {
            let value = &answer.0[part];
            let data = from.by_ref().take(value.data().len()).filter_map(|&at| all.get(at).copied()).collect::<Vec<_>>();
            if data.len() == value.data().len() {
                answer.0[part] = Tensor::new(value.shape(), data);
            }
        }
    }
}
