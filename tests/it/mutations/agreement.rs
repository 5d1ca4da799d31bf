//! Two engines that share nothing: the judge's own against the service's, on every exercise.

use dedz::analysis::GRADIENTS;

use super::engine::Student;
use super::make::exercises;
use super::slip::Rounding;
use crate::golden::{Worst, answer, compare};

#[test]
fn the_judge_and_the_service_compute_the_same() {
    let exercises = exercises();
    let (mut overall, mut failures, mut parts) = (Worst::default(), Vec::new(), 0);
    for exercise in &exercises {
        let right = Student { exercise, slips: &[], rounding: Rounding::None }.answer();
        parts += right.0.len();
        let (mut worst, mut faults) = (Worst::default(), Vec::new());
        match answer(&GRADIENTS, &exercise.problem()) {
            Ok(reply) => {
                let expected = right.claims();
                compare(&reply, &expected, "", None, &mut worst, &mut faults);
                // Nothing that the service gives is left out of the judge's answer.
                let gradients = |value: &serde_json::Value| value["gradients"].as_object().map_or(0, serde_json::Map::len);
                let kinds = ["a", "z", "dE_da", "dE_dz"];
                let traced = reply["trace"].as_array().into_iter().flatten();
                let traced: usize = traced.map(|entry| kinds.iter().filter(|&&kind| entry.get(kind).is_some()).count()).sum();
                assert_eq!((1 + gradients(&reply) + traced, gradients(&reply)), (right.0.len(), gradients(&expected)));
            }
            Err(failure) => faults.push(format!("{failure} {}", exercise.problem())),
        }
        if worst.difference > 1e-12 {
            faults.push(format!("differs by {:e} at {}", worst.difference, worst.place));
        }
        failures.extend(faults.into_iter().take(3).map(|fault| format!("{}: {fault}", exercise.name)));
        if worst.difference > overall.difference {
            overall = Worst { place: format!("{}{}", exercise.name, worst.place), ..worst };
        }
    }
    println!(
        "{} exercises, {parts} parts, worst relative difference {:e} at {}",
        exercises.len(),
        overall.difference,
        overall.place
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(exercises.len() >= 40, "only {} exercises", exercises.len());
    let nodes = |exercise: &super::exercise::Exercise| exercise.problem()["network"]["nodes"].as_array().map_or(0, Vec::len);
    assert_eq!(exercises.iter().map(nodes).max(), Some(40));
    let samples: std::collections::BTreeSet<usize> = exercises.iter().map(super::exercise::Exercise::samples).collect();
    assert_eq!(samples.into_iter().collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
}
