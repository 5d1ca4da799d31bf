//! Of the several uses of a shared parameter not all are counted in its gradient.

use super::rules::Terms;
use super::{Hypothesis, MOST_SITES, Mistake};
use crate::grading::exercise::Exercise;
use crate::grading::site::Site;
use crate::grading::wiring::{Shared, Slot};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "shared_parameter_partial",
    student: "This parameter is used several times, and each use gives a term of its gradient; they are added. Not all of them are counted {where}.",
    instructor: "Not every use of a shared parameter is counted in its gradient {where}.",
    section: "1.5 Backprop, step 5: dE/dw = dE/dz · ∂z/∂w, summed over all that w is used in",
    fitted: false,
    hypotheses: |exercise, _| {
        let shared = &exercise.wiring.shared;
        let mut all = Vec::new();
        if shared.len() > 1 {
            for (detail, last) in [("only the first use is counted", false), ("only the last use is counted", true)] {
                let dropped =
                    shared.iter().flat_map(|shared| shared.uses.iter().copied().filter(move |&slot| slot != edge(shared, last)));
                all.push(Hypothesis::particular(Site::Everywhere, detail, Terms::new(dropped.collect(), 0.0)));
            }
        }
        for shared in shared {
            let site = || Site::Parameter(exercise.lowered.parameters[shared.parameter].name.clone());
            for (i, &one) in shared.uses.iter().enumerate() {
                let whose = whose(exercise, shared, i);
                let others = shared.uses.iter().copied().filter(|&slot| slot != one).collect();
                let alone = Terms::new(others, 0.0);
                all.push(Hypothesis::particular(site(), format!("only the use {whose} is counted"), alone));
                // Of two uses the other one alone is all but this one.
                if shared.uses.len() > 2 {
                    let change = Terms::new(vec![one], 0.0);
                    all.push(Hypothesis::particular(site(), format!("the use {whose} is not counted"), change));
                }
            }
            if all.len() > MOST_SITES {
                break;
            }
        }
        all
    },
};

/// The first or last use.
fn edge(shared: &Shared, last: bool) -> Slot {
    shared.uses[if last { shared.uses.len() - 1 } else { 0 }]
}

/// "at z3", or "number 2 at z3" where one node has several.
fn whose(exercise: &Exercise, shared: &Shared, i: usize) -> String {
    let owner = |slot: &Slot| exercise.owner(slot.op);
    let node = owner(&shared.uses[i]);
    let id = node.map_or("the loss", |node| exercise.lowered.nodes[node].id.as_str());
    let same: Vec<usize> = (0..shared.uses.len()).filter(|&other| owner(&shared.uses[other]) == node).collect();
    match same.iter().position(|&other| other == i) {
        Some(at) if same.len() > 1 => format!("number {} at {id}", at + 1),
        _ => format!("at {id}"),
    }
}
