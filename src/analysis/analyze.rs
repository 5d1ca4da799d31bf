//! Judge an exercise: which mistakes it cannot tell apart, what stands near a corner, what drowns in rounding, how exactly to work.

use super::answer::meta;
use super::arguments::refuse_options;
use super::function::drawn_flops;
use super::{Analysis, Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, within};
use crate::config::Limits;
use crate::grading::diagnosis::{Predicted, guesses, likely_runs};
use crate::grading::exercise::Exercise;
use crate::grading::mistakes;
use crate::grading::parts::Parts;
use crate::grading::policy::{DEFAULT_TOLERANCE, matching};
use crate::grading::survey::{self, Likeness, Trial};
use crate::grading::tolerance::{BY_HAND_RUNS, Tolerance};
use crate::lower::{Lowered, Need};
use crate::ops::kinks::has_corner;
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::{Json, Object};
use crate::spec::write::Writer;

/// `POST /v1/analyze`.
pub const ANALYZE: Analysis = Analysis {
    name: "analyze",
    summary: "Judge an exercise: which mistakes it cannot tell apart.",
    description: "Every mistake of the catalogue is made at every site where it can be. `indistinguishable` groups those whose answers agree within the tolerance, the right answer among them as `correct`; `near_kinks` lists numbers near a corner, `tiny_gradients` gradients near 0; `suggested_tolerance` asks fewest digits of those that work by hand while separating most mistakes from the right answer.",
    forms: &[Form::Json],
    prepare,
};

/// How near to a corner a number is reported, and how small a gradient.
const MARGIN: f64 = 0.05;
const SMALL: f64 = 1e-3;
/// Propagations of rounding: one for the tolerance, ten for the suggestion.
const PROPAGATIONS: u64 = 11;

/// What is asked.
struct Asked {
    tolerance: Tolerance,
    parts: Vec<usize>,
    margin: f64,
    small: f64,
    learning_rate: Option<f64>,
}

struct Ready {
    lowered: Lowered,
    parts: Parts,
    asked: Asked,
    cost: Cost,
    request_hash: String,
}

fn prepare(request: Request<'_>, _: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let own = |json: Option<Json<'_>>, posed: &Posed, faults: &mut Faults| {
        refuse_options(&posed.options, "analyze", false, faults);
        let parts = Parts::of(&posed.lowered);
        let asked = read(json, &parts, faults)?;
        Some((parts, asked))
    };
    let (posed, (parts, asked)) = pose(request, Some("analyze"), Need::Loss, limits, own)?;
    let Posed { lowered, request_hash, .. } = posed;
    let plan = Exercise::plan(&lowered);
    let run = plan.forward_flops().saturating_add(plan.backward_flops());
    let runs = likely_runs(&lowered, run).saturating_add(PROPAGATIONS * BY_HAND_RUNS);
    let flops = run.saturating_mul(runs).saturating_add(drawn_flops(&lowered));
    let bytes = plan.peak_elements().saturating_mul(24 * 16).saturating_add((request.problem.len() as u64).saturating_mul(8));
    let cost = Cost { flops, bytes };
    within(cost, limits)?;
    Ok(Box::new(Ready { lowered, parts, asked, cost, request_hash }))
}

fn read(json: Option<Json<'_>>, parts: &Parts, faults: &mut Faults) -> Option<Asked> {
    let at = At::ROOT.name("analyze");
    let mut fields = Fields::of(json.unwrap_or(Json::Object(Object::default())), at, faults)?;
    let tolerance = match fields.take("tolerance") {
        None => Tolerance::named(DEFAULT_TOLERANCE),
        Some(json) => Tolerance::read(json, at.name("tolerance"), faults),
    };
    let mut asked: Vec<usize> = (0..parts.list().len()).collect();
    if let Some((patterns, is_list)) = fields.strings("parts", faults) {
        let list = at.name("parts");
        let mut named = Vec::new();
        for (i, pattern) in patterns.iter().enumerate() {
            let item = list.index(i);
            named.extend(matching(pattern, parts, if is_list { item } else { list }, faults));
        }
        named.sort_unstable();
        named.dedup();
        asked = named;
    }
    let mut positive = |name: &'static str| {
        let value = fields.number(name, faults);
        if let Some(value) = value.filter(|value| *value <= 0.0) {
            faults.push(at.name(name), Code::InvalidValue, format!("expected a number above 0, found {value}"));
        }
        value
    };
    let margin = positive("margin").unwrap_or(MARGIN);
    let small = positive("small").unwrap_or(SMALL);
    let learning_rate = positive("learning_rate");
    fields.finish(faults);
    Some(Asked { tolerance: tolerance?, parts: asked, margin, small, learning_rate })
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let Self { lowered, parts, asked, request_hash, .. } = *self;
        let exercise = Exercise::new(lowered, parts, guard).map_err(Failure::Stopped)?;
        let answers = guesses(&exercise, asked.learning_rate, guard).map_err(Failure::Stopped)?;
        let kinked = exercise.lowered.graph.nodes().iter().filter_map(|node| node.op.as_deref()).any(has_corner);
        let by_hand = asked.tolerance.digits().map(|digits| exercise.by_hand(digits, guard)).transpose();
        let by_hand = by_hand.map_err(Failure::Stopped)?;
        let likeness = Likeness {
            exercise: &exercise,
            parts: &asked.parts,
            tolerance: &asked.tolerance,
            by_hand: by_hand.as_deref(),
            kinked,
        };
        let groups = likeness.groups(&answers, guard).map_err(Failure::Stopped)?;
        let trials = survey::trials(&exercise, &asked.parts, &answers, kinked, guard).map_err(Failure::Stopped)?;
        let mut w = Writer::new();
        w.object(|w| {
            w.key("tolerance").string(&asked.tolerance.name);
            w.key("indistinguishable").array(|w| groups.iter().for_each(|group| write_group(w, group, &answers)));
            write_kinks(w, &exercise, asked.margin, likeness.by_hand.map_or(&[][..], |by_hand| &by_hand.kinks));
            write_tiny(w, &exercise, asked.small, likeness.by_hand);
            write_trials(w, &trials, answers.len());
            write_mistakes(w, &exercise, &asked, &answers);
            meta::<f64>(w.key("meta"), &request_hash);
        });
        Ok(Reply { content_type: "application/json", body: w.into_bytes() })
    }
}

fn write_group(w: &mut Writer, group: &[Option<usize>], answers: &[Predicted]) {
    w.array(|w| {
        for member in group {
            w.object(|w| match member {
                None => {
                    w.key("mistake").string("correct");
                    w.key("where").object(|_| {});
                }
                Some(i) => who(w, &answers[*i]),
            });
        }
    });
}

/// Which mistake, where, and what is particular about it.
fn who(w: &mut Writer, predicted: &Predicted) {
    w.key("mistake").string(predicted.mistake.name);
    predicted.hypothesis.site.write(w.key("where"));
    if let Some(detail) = &predicted.hypothesis.detail {
        w.key("detail").string(detail);
    }
}

fn write_kinks(w: &mut Writer, exercise: &Exercise, margin: f64, crossed: &[crate::grading::tolerance::Kink]) {
    let found = survey::near_kinks(exercise, margin, crossed);
    w.key("near_kinks").array(|w| {
        for near in &found {
            w.object(|w| {
                let node = exercise.owner(near.node).map_or("loss", |node| exercise.lowered.nodes[node].id.as_str());
                w.key("node").string(node);
                w.key("index").sizes(&near.index);
                w.key("value").number(near.value);
                if let Some(distance) = near.distance {
                    w.key("distance").number(distance);
                }
                w.key("may_cross").boolean(near.crossed);
            });
        }
    });
}

fn write_tiny(w: &mut Writer, exercise: &Exercise, small: f64, by_hand: Option<&crate::grading::tolerance::Claimable>) {
    let found = survey::tiny_gradients(exercise, small, by_hand);
    w.key("tiny_gradients").array(|w| {
        for tiny in &found {
            w.object(|w| {
                w.key("name").string(&exercise.parts.list()[tiny.part].name);
                w.key("index").sizes(&tiny.index);
                w.key("value").number(tiny.value);
                w.key("count").integer(tiny.count as u64);
                w.key("drowned").integer(tiny.drowned as u64);
            });
        }
    });
}

fn write_trials(w: &mut Writer, trials: &[Trial], of: usize) {
    match survey::suggested(trials) {
        Some(trial) => w.key("suggested_tolerance").string(&trial.name),
        None => w.key("suggested_tolerance").null(),
    }
    w.key("tolerances").array(|w| {
        for trial in trials {
            w.object(|w| {
                w.key("tolerance").string(&trial.name);
                w.key("separated").integer(trial.separated as u64);
                w.key("of").integer(of as u64);
            });
        }
    });
}

fn write_mistakes(w: &mut Writer, exercise: &Exercise, asked: &Asked, answers: &[Predicted]) {
    let mut far: Vec<_> =
        answers.iter().map(|predicted| (survey::distance(&predicted.answer, exercise.key(), &asked.parts), predicted)).collect();
    far.sort_by(|a, b| a.0.total_cmp(&b.0));
    w.key("mistakes").array(|w| {
        for (distance, predicted) in &far {
            w.object(|w| {
                who(w, predicted);
                w.key("distance").number(*distance);
            });
        }
    });
    let mut absent = mistakes::names();
    absent.retain(|name| !answers.iter().any(|predicted| predicted.mistake.name == *name));
    w.key("not_possible").strings(absent);
}
