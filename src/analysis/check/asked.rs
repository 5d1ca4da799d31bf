//! What a check is asked: its arguments, read and settled.

use std::collections::BTreeSet;

use super::quotient::Method;
use super::sweep;
use crate::analysis::Posed;
use crate::analysis::arguments::{refuse_options, wrt};
use crate::analysis::function::Variable;
use crate::analysis::query;
use crate::grading::tolerance::Tolerance;
use crate::lower::random;
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::{Json, Object};
use crate::spec::tensor::InitSpec;
use crate::tensor::Shape;

/// The methods by name.
pub(super) const METHODS: [(&str, Method); 5] = [
    ("forward", Method::Forward),
    ("central", Method::Central),
    ("richardson", Method::Richardson),
    ("directional", Method::Directional),
    ("exact", Method::Exact),
];

/// How far a coordinate is moved.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// As the method's error says is best, in proportion to `max(1, |x|)`.
    Each,
    /// So far, every one.
    Fixed(f64),
}

/// A check's arguments.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    step: Step,
    pub(super) tolerance: Tolerance,
    pub(super) variables: Vec<Variable>,
    /// At most so many numbers of each.
    pub(super) coordinates: Option<usize>,
    pub(super) seed: String,
    /// The element whose error is swept over steps.
    pub(super) sweep: Option<sweep::Element>,
}

impl Asked {
    /// The step for a coordinate of value `x`.
    pub(super) fn step_at(&self, x: f64) -> f64 {
        match self.step {
            Step::Fixed(step) => step,
            Step::Each => self.method.relative_step() * x.abs().max(1.0),
        }
    }

    /// The numbers that will be looked at.
    pub(super) fn numbers(&self) -> u64 {
        let most = self.coordinates.map_or(u64::MAX, |most| most as u64);
        let each = |variable: &Variable| if self.method == Method::Directional { 1 } else { most.min(variable.size() as u64) };
        self.variables.iter().map(each).fold(0, u64::saturating_add)
    }

    /// The loss evaluations that this takes where no kink is met.
    pub(super) fn evaluations(&self) -> u64 {
        let swept = if self.sweep.is_some() { sweep::EVALUATIONS } else { 0 };
        self.numbers().saturating_mul(self.method.evaluations()).saturating_add(1 + swept)
    }
}

/// Read the arguments, and what the query says of them.
pub(super) fn read(json: Option<Json<'_>>, query: &str, posed: &Posed, faults: &mut Faults) -> Option<Asked> {
    refuse_options(&posed.options, "check", true, faults);
    let at = At::ROOT.name("check");
    let before = faults.count();
    let mut fields = Fields::of(json.unwrap_or(Json::Object(Object::default())), at, faults)?;
    let method = fields.word("method", &METHODS, faults).unwrap_or(Method::Central);
    let default = if method == Method::Exact { "exact" } else { "torch" };
    let tolerance = match fields.take("preset") {
        None => Tolerance::named(default),
        Some(json) => Tolerance::read(json, at.name("preset"), faults),
    };
    if tolerance.as_ref().is_some_and(Tolerance::looks_at_digits) {
        let detail = "last_digit looks at the digits in which a claim is written, and a check has no claims; take exact";
        faults.push(at.name("preset"), Code::InvalidValue, detail);
    }
    let step = fields.take("step");
    let step = step.map_or(Some(Step::Each), |json| self::step(json, at.name("step"), tolerance.as_ref(), faults));
    let variables = wrt(&mut fields, at, posed, &["*"], faults);
    let coordinates = count(fields.take("coordinates"), at.name("coordinates"), faults);
    let seed = seed(fields.take("seed"), at.name("seed"), faults);
    let mut swept = fields.take("sweep");
    fields.finish(faults);
    for (name, value) in query::pairs(query) {
        if name == "sweep" && swept.is_none() {
            swept = Some(query::json(value));
        } else if name != "sweep" {
            let detail = format!("check knows no \"{name}\" in the query; \"sweep\" is all it takes there");
            faults.push(At::ROOT, Code::UnknownField, detail);
        }
    }
    let variables = variables?;
    let sweep = swept.and_then(|json| sweep::element(json, at.name("sweep"), &variables, faults));
    (faults.count() == before).then_some(())?;
    Some(Asked { method, step: step?, tolerance: tolerance?, variables, coordinates, seed: seed?, sweep })
}

fn step(json: Json<'_>, at: At<'_>, tolerance: Option<&Tolerance>, faults: &mut Faults) -> Option<Step> {
    match json {
        Json::Number(number) if number.value > 0.0 => Some(Step::Fixed(number.value)),
        Json::Number(number) => {
            let detail = format!("a step is above 0, found {}; leave it out, and each coordinate gets its own", number.text);
            faults.push(at, Code::InvalidValue, detail);
            None
        }
        Json::String(word) if word == "preset" => {
            let tolerance = tolerance?;
            if tolerance.step.is_none() {
                faults.push(at, Code::InvalidValue, format!("the preset \"{}\" has no step of its own", tolerance.name));
            }
            tolerance.step.map(Step::Fixed)
        }
        other => {
            let detail = format!("expected a number above 0, \"preset\" or null, found {}", other.describe());
            faults.push(at, Code::WrongType, detail);
            None
        }
    }
}

fn count(json: Option<Json<'_>>, at: At<'_>, faults: &mut Faults) -> Option<usize> {
    match json? {
        Json::Number(number) if number.value >= 1.0 && number.value.fract() == 0.0 => Some(number.value as usize),
        other => {
            faults.push(at, Code::InvalidValue, format!("expected a whole number from 1 on, found {}", other.describe()));
            None
        }
    }
}

fn seed(json: Option<Json<'_>>, at: At<'_>, faults: &mut Faults) -> Option<String> {
    match json {
        None => Some("0".to_owned()),
        Some(Json::String(seed)) => Some(seed.into_owned()),
        Some(Json::Number(number)) if number.text.parse::<u64>().is_ok() => Some(number.text.to_owned()),
        Some(other) => {
            let detail = format!("expected a whole number from 0 to 2^64-1, or a string; found {}", other.describe());
            faults.push(at, Code::WrongType, detail);
            None
        }
    }
}

/// Numbers from the documented generator (`lower/random.rs`).
fn drawn(init: &str, count: usize, seed: &str, stream: &str) -> Vec<f64> {
    let spec = InitSpec { init: init.to_owned(), seed: seed.to_owned(), numbers: Vec::new(), mode: None, nonlinearity: None };
    let shape = Shape::new(&[count]).expect("no more than a variable has");
    random::initialise(&spec, shape, stream).expect("an initialiser without arguments")
}

/// The coordinates of a variable that are looked at, in order: all, or so many drawn without replacement (Floyd's algorithm) from the
/// stream `check.coordinates.<name>`.
pub(super) fn coordinates(variable: &Variable, most: Option<usize>, seed: &str) -> Vec<usize> {
    let size = variable.size();
    let Some(most) = most.filter(|&most| most < size) else { return (0..size).collect() };
    let uniform = drawn("uniform", most, seed, &format!("check.coordinates.{}", variable.name));
    let mut chosen = BTreeSet::new();
    for (last, u) in (size - most..size).zip(uniform) {
        let i = ((u * (last + 1) as f64) as usize).min(last);
        chosen.insert(if chosen.contains(&i) { last } else { i });
    }
    chosen.into_iter().collect()
}

/// A random direction of unit length, from the stream `check.direction.<name>`.
pub(super) fn direction(variable: &Variable, seed: &str) -> Vec<f64> {
    let mut v = drawn("normal", variable.size(), seed, &format!("check.direction.{}", variable.name));
    let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    if norm > 0.0 {
        v.iter_mut().for_each(|x| *x /= norm);
    }
    v
}
