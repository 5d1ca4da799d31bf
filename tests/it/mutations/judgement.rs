//! What the grader says of every mistake at every site, and of right answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dedz::analysis::{Form, GRADE, Library, Request, prepare};
use dedz::config::Limits;
use serde_json::{Value, json};

use super::answer::{Answer, Tolerance};
use super::catalogue::{Mutant, SOLVED, Solved, solve};
use super::slip::{Rounding, figures};

/// What the grader is told to tell apart, and what the judge holds for one answer.
const RELATIVE: f64 = 1e-6;
const ABSOLUTE: f64 = 1e-9;
const NEAR: Tolerance = Tolerance { relative: RELATIVE, absolute: ABSOLUTE };

/// The grader, which knows an exercise again when it comes with other claims.
struct Grader(Arc<Library>);

impl Grader {
    fn grade(&self, solved: &Solved, claims: &Value, tolerance: &Value) -> Value {
        let mut problem = solved.exercise.problem();
        problem["grade"] = json!({ "tolerance": tolerance, "learning_rate": solved.exercise.learning_rate, "claims": claims });
        let body = serde_json::to_vec(&problem).expect("a value is JSON");
        let request = Request { problem: &body, library: Some(&self.0), ..Request::default() };
        let ready = prepare(&GRADE, request, Form::Json, &Limits::default()).expect("the exercise is right");
        let reply = ready.run(&|| Ok(())).expect("nothing stops it");
        serde_json::from_slice(&reply.body).expect("replies are JSON")
    }
}

/// What was counted of one mistake.
#[derive(Debug, Default)]
struct Row {
    answers: usize,
    /// The mistake is among those returned.
    found: usize,
    /// At one of its sites.
    placed: usize,
    /// It is the only one.
    alone: usize,
    /// Another mistake has the same answer, by the judge's engine.
    twins: usize,
    /// A mistake was returned at a site where the judge's engine gives another answer.
    false_findings: usize,
    missed: Vec<String>,
}

impl Row {
    fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.found += other.found;
        self.placed += other.placed;
        self.alone += other.alone;
        self.twins += other.twins;
        self.false_findings += other.false_findings;
        self.missed.extend(other.missed);
    }
}

/// So many answers of each mistake in each exercise are graded, spread evenly over its sites; `DEDZ_MUTANTS` says how many, all of
/// them take a release build some minutes.
const PICKED: usize = 1;

fn picked(solved: &Solved) -> Vec<&Mutant> {
    let most = std::env::var("DEDZ_MUTANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(PICKED);
    let mut by_mistake: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    solved.mutants.iter().for_each(|mutant| by_mistake.entry(mutant.mistake).or_default().push(mutant));
    // Which of them differs from exercise to exercise, so that all kinds of sites are among them.
    let turn: usize = solved.exercise.name.bytes().map(usize::from).sum();
    let mut picked = Vec::new();
    for all in by_mistake.values() {
        let count = all.len().min(most);
        picked.extend((0..count).map(|i| all[(i * all.len() / count + turn) % all.len()]));
    }
    picked
}

fn names(found: &Value) -> Vec<(&str, &Value)> {
    let list = found["diagnosis"].as_array().expect("a list").iter();
    let both = list
        .flat_map(|one| [Some((&one["mistake"], &one["where"])), one.get("with").map(|with| (&with["mistake"], &with["where"]))]);
    both.flatten().map(|(name, place)| (name.as_str().expect("a name"), place)).collect()
}

fn judge(grader: &Grader, solved: &Solved, mutant: &Mutant, row: &mut Row) {
    // What the tolerance passes is right.
    if mutant.answer.equals(&solved.right, NEAR) {
        return;
    }
    let reply = grader.grade(solved, &mutant.answer.claims(), &json!({ "rtol": RELATIVE, "atol": ABSOLUTE }));
    let found = names(&reply);
    row.answers += 1;
    let named = found.iter().any(|(name, _)| *name == mutant.mistake);
    row.found += usize::from(named);
    row.placed += usize::from(found.iter().any(|(name, place)| *name == mutant.mistake && mutant.places.contains(place)));
    let different: BTreeSet<_> = found.iter().map(|(name, _)| name).collect();
    row.alone += usize::from(named && different.len() == 1);
    let twin = |other: &&Mutant| other.mistake != mutant.mistake && other.answer.equals(&mutant.answer, NEAR);
    row.twins += usize::from(solved.mutants.iter().any(|other| twin(&other)));
    // Of a mistake at a site that the judge knows, one of its answers there must be the student's.
    // Of numbers in wrong places it knows some orders only.
    let wrong = reply["diagnosis"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one.get("with").is_none() && one["mistake"] != "permuted")
        .any(|one| {
            let known =
                || solved.mutants.iter().filter(|other| one["mistake"] == other.mistake && other.places.contains(&one["where"]));
            let loose = Tolerance { relative: 10.0 * RELATIVE, absolute: 10.0 * ABSOLUTE };
            known().count() > 0
                && one["text"].as_str().is_some_and(|text| !text.contains('('))
                && !known().any(|other| other.answer.equals(&mutant.answer, loose))
        });
    row.false_findings += usize::from(wrong);
    if !named {
        let place = mutant.places.first().cloned().unwrap_or_default();
        row.missed.push(format!("{} {place}: {found:?}", solved.exercise.name));
    }
}

/// Recall, and what else the issue asks for, mistake by mistake.
#[test]
fn every_mistake_is_found() {
    let table: Mutex<BTreeMap<&str, Row>> = Mutex::default();
    let next = AtomicUsize::new(0);
    let work = || {
        let grader = Grader(Arc::new(Library::new(0)));
        while let Some(solved) = SOLVED.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
            for mutant in picked(solved) {
                judge(&grader, solved, mutant, rows.entry(mutant.mistake).or_default());
            }
            let mut table = table.lock().expect("nobody panics while holding it");
            rows.into_iter().for_each(|(mistake, row)| table.entry(mistake).or_default().add(row));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let table = table.into_inner().expect("nobody panicked");
    println!("mistake: answers; found, at its site, alone, another mistake's answer too, false findings");
    let mut all = Row::default();
    for (mistake, row) in table {
        let Row { answers, found, placed, alone, twins, false_findings, .. } = &row;
        println!("{mistake:34} {answers:5} {found:5} {placed:5} {alone:5} {twins:5} {false_findings:4}");
        row.missed.iter().take(6).for_each(|missed| println!("    missed: {missed}"));
        all.add(row);
    }
    let share = |count: usize| 100.0 * count as f64 / all.answers as f64;
    println!(
        "{} exercises, {} answers: recall {:.2} %, at its site {:.2} %, alone {:.2} %, provably another mistake's answer too {:.2} %, false findings {}",
        SOLVED.len(),
        all.answers,
        share(all.found),
        share(all.placed),
        share(all.alone),
        share(all.twins),
        all.false_findings
    );
    assert!(share(all.found) >= 98.0, "recall {:.2} %", share(all.found));
}

fn accused(reply: &Value) -> bool {
    reply["passed"] != true || reply["diagnosis"] != json!([])
}

/// Right answers are right, and nobody is accused: exact, in single precision, rounded at the end, rounded at each step.
#[test]
fn right_answers_are_accused_of_nothing() {
    let grader = Grader(Arc::new(Library::new(0)));
    let mut accusations = Vec::new();
    let mut answers = 0;
    for solved in SOLVED.iter() {
        let rounded = |answer: &Answer| {
            let mut answer = answer.clone();
            answer.0.iter_mut().flat_map(|(_, tensor)| &mut tensor.data).for_each(|x| *x = figures(*x, 4));
            answer
        };
        let single = solve(&solved.exercise, Rounding::Single);
        let by_hand = solve(&solved.exercise, Rounding::Figures(4));
        let hand = json!("hand(sf=4)");
        let forms = [
            ("exact", solved.right.clone(), json!("exact")),
            ("exact", solved.right.clone(), hand.clone()),
            ("f32", single.clone(), hand.clone()),
            ("f32", single, json!({ "rtol": 1e-3, "atol": 1e-6 })),
            ("rounded to 4 figures", rounded(&solved.right), hand.clone()),
            ("rounded at each step", by_hand, hand),
        ];
        for (form, answer, tolerance) in forms {
            for claims in [answer.claims(), answer.gradients_alone().claims()] {
                answers += 1;
                let reply = grader.grade(solved, &claims, &tolerance);
                if accused(&reply) {
                    let parts = reply["parts"].as_array().expect("a list").iter();
                    let wrong: Vec<_> = parts.filter(|part| part["verdict"] != "ok").map(|part| &part["name"]).take(4).collect();
                    accusations.push(format!("{} {form} by {tolerance}: {wrong:?} {:?}", solved.exercise.name, names(&reply)));
                }
            }
        }
    }
    println!("{answers} right answers, {} accused", accusations.len());
    assert!(accusations.is_empty(), "{}", accusations.join("\n"));
}
