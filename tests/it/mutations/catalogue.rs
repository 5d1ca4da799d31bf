//! An exercise solved rightly and with every mistake at every site; and what the catalogue holds, counted without the grader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;

use super::answer::{Answer, Tolerance};
use super::engine::Student;
use super::exercise::Exercise;
use super::make::exercises;
use super::sites::cases;
use super::slip::Rounding;

/// Two answers within this are one.
pub(super) const SAME: Tolerance = Tolerance { relative: 1e-10, absolute: 1e-13 };

/// The names of the contract.
pub(super) const MISTAKES: [&str; 37] = [
    "sum_instead_of_mean",
    "mean_instead_of_sum",
    "divided_twice",
    "mean_over_elements",
    "loss_factor",
    "bias_not_summed",
    "sign_flipped",
    "activation_derivative_missing",
    "derivative_at_pre_activation",
    "derivative_at_output",
    "wrong_activation_derivative",
    "output_delta_shortcut",
    "double_softmax",
    "softmax_diagonal_only",
    "softmax_wrong_axis",
    "label_off_by_one",
    "log_base",
    "path_missing",
    "path_counted_twice",
    "last_path_only",
    "shared_parameter_partial",
    "transposed",
    "weight_not_transposed",
    "weight_omitted",
    "stale_weights",
    "layer_off_by_one",
    "pre_activation_in_weight_gradient",
    "index_swapped",
    "regularization_missing",
    "regularization_factor",
    "bias_regularized",
    "pre_activation_gradient_given",
    "updated_weight_given",
    "step_given",
    "permuted",
    "rounded",
    "float32",
];

/// What one mistake makes of an answer, and the sites at which it makes that.
#[derive(Debug, Clone)]
pub(super) struct Mutant {
    pub(super) mistake: &'static str,
    pub(super) places: Vec<Value>,
    pub(super) answer: Answer,
}

pub(super) struct Solved {
    pub(super) exercise: Exercise,
    pub(super) right: Answer,
    pub(super) mutants: Vec<Mutant>,
    /// By mistake: sites, sites where the answer is right all the same, sites where it is not finite.
    pub(super) counts: BTreeMap<&'static str, [usize; 3]>,
}

impl Solved {
    pub(super) fn of(exercise: Exercise) -> Self {
        let right = solve(&exercise, Rounding::None);
        let mut counts: BTreeMap<&'static str, [usize; 3]> = BTreeMap::new();
        let mut mutants: Vec<Mutant> = Vec::new();
        for case in cases(&exercise) {
            let answer = case.answer(&exercise);
            let count = counts.entry(case.mistake).or_default();
            count[0] += 1;
            if !answer.is_finite() {
                count[2] += 1;
                continue;
            }
            // f32 differs from f64 by less than what else makes two answers one.
            if case.mistake != "float32" && answer.equals(&right, SAME) {
                count[1] += 1;
                continue;
            }
            let twin = mutants.iter_mut().find(|one| one.mistake == case.mistake && one.answer.equals(&answer, SAME));
            match twin {
                Some(twin) if twin.places.contains(&case.place) => {}
                Some(twin) => twin.places.push(case.place),
                None => mutants.push(Mutant { mistake: case.mistake, places: vec![case.place], answer }),
            }
        }
        Self { exercise, right, mutants, counts }
    }
}

/// All exercises, solved once for all tests.
pub(super) static SOLVED: LazyLock<Vec<Solved>> = LazyLock::new(|| exercises().into_iter().map(Solved::of).collect());

/// The exercise without a mistake.
pub(super) fn solve(exercise: &Exercise, rounding: Rounding) -> Answer {
    Student { exercise, slips: &[], rounding }.answer()
}

/// No mistake of the contract is without a site, and none is one in name alone.
#[test]
fn every_mistake_changes_some_answers() {
    let mut table: BTreeMap<&str, [usize; 6]> = MISTAKES.iter().map(|&mistake| (mistake, [0; 6])).collect();
    let mut exercises_of: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for solved in SOLVED.iter() {
        for (mistake, counts) in &solved.counts {
            let row = table.get_mut(mistake).expect("a name of the contract");
            counts.iter().zip(row.iter_mut()).for_each(|(count, total)| *total += count);
        }
        for mutant in &solved.mutants {
            let row = table.get_mut(mutant.mistake).expect("a name of the contract");
            row[3] += 1;
            let same = |other: &&Mutant| other.mistake != mutant.mistake && other.answer.equals(&mutant.answer, SAME);
            row[4] += usize::from(solved.mutants.iter().any(|other| same(&other)));
            row[5] += usize::from(mutant.answer.gradients_alone().equals(&solved.right.gradients_alone(), SAME));
            exercises_of.entry(mutant.mistake).or_default().insert(solved.exercise.name.clone());
        }
    }
    println!("mistake: exercises; sites, right all the same, not finite; answers, those of another mistake too, right gradients");
    for (mistake, [sites, right, infinite, answers, twins, alone]) in &table {
        let exercises = exercises_of.get(mistake).map_or(0, BTreeSet::len);
        println!("{mistake:34} {exercises:3} {sites:6} {right:5} {infinite:4} {answers:6} {twins:5} {alone:5}");
        assert!(exercises >= 3, "{mistake} changes answers in {exercises} exercises only");
    }
}
