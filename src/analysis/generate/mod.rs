//! `POST /v1/generate`: an exercise from a seed, with its key, a sheet to print and the solution.

mod arguments;
mod reply;

pub(crate) use arguments::{DEPTH, INPUTS, MOST_PATHS, NODES, OUTPUTS, SAMPLES, SHARED, SKIP};

use super::{Analysis, Cost, DERIVATION, Failure, Form, GRADIENTS, Guard, Prepared, Reply, Request, request_hash};
use crate::config::Limits;
use crate::grading::generate::exercise::{Exercise, Source, Weight};
use crate::grading::generate::wish::{self, Wish};
use crate::grading::generate::{ATTEMPTS, Refused, figure, generate, sheet, solution};
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::{self, Json};
use crate::spec::write::Writer;

/// The last attempt that a client may name.
const LAST_ATTEMPT: usize = ATTEMPTS - 1;
/// A derivation by more paths than this fills the page.
const MOST_PATHS_SHOWN: u64 = 8;

/// `POST /v1/generate`.
pub const GENERATE: Analysis = Analysis {
    name: "generate",
    summary: "An exercise from a seed, with its key, a sheet to print and the solution.",
    description: "Networks of neurons with short decimal numbers, to be solved by hand: no kink and no flat part of an activation is near, every gradient and every dE/dz is larger than 0.001, there are at least two samples, and of several drawings, or of one where there are more than 12 neurons, the one is taken that tells most mistakes apart (`properties.indistinguishable` lists what is left). `exercise` is a problem to be posted to `/v1/gradients` (without its `grade`) or, with claims, to `/v1/grade`; `key` has the values of all parts and is itself a full set of claims; `sheet` has the exercise and its solution as Markdown with LaTeX, and both as pictures. The same seed and wishes give the same exercise for ever: the generator is versioned, and its rules are in the documentation of `grading::generate`.",
    forms: &[Form::Json],
    prepare,
};

/// A wish that can be tried.
struct Ready {
    wish: Wish,
    limits: Limits,
    request_hash: String,
}

fn prepare(request: Request<'_>, _: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let json = json::parse(request.problem, limits).map_err(Failure::Malformed)?;
    let mut faults = Faults::new(limits.faults);
    let wish = arguments::read(json, &mut faults).filter(|_| faults.is_empty());
    let Some(wish) = wish else { return Err(Failure::Invalid(faults)) };
    Ok(Box::new(Ready { wish, limits: limits.clone(), request_hash: request_hash(request) }))
}

impl Prepared for Ready {
    /// Of a few attempts with about 15 mistakes a node and 8 an edge, which is what most wishes take; the most are bounded.
    fn cost(&self) -> Cost {
        let edges = (self.wish.nodes * self.wish.nodes.min(10)) as u64;
        let numbers = edges * self.wish.samples as u64;
        let runs = 4 * (300 + 15 * self.wish.nodes as u64 + 8 * edges);
        Cost { flops: numbers.saturating_mul(10_000 + 40 * runs), bytes: numbers.saturating_mul(1_000 + 8 * runs) }
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let found = generate(&self.wish, || guard().map_err(Failure::Stopped))?;
        let generated = found.map_err(|refused| impossible(&self.wish, refused))?;
        let problem = generated.exercise.problem(&self.wish);
        let request = Request { problem: &problem, ..Request::default() };
        let picture = (GRADIENTS.prepare)(request, Form::Svg, &self.limits)?.run(guard)?;
        let target = target(&self.wish, &generated.exercise);
        let paths = target.map(|name| self.by_paths(&generated.exercise, &name, guard).map(|latex| (name, latex))).transpose()?;
        let paths = paths.as_ref().map(|(name, latex)| (name.as_str(), latex.as_str()));
        let sheets = reply::Sheets {
            problem: sheet::problem(&self.wish, &generated),
            solution: solution::solution(&self.wish, &generated, paths),
            network: figure::svg(&generated.exercise, &self.wish),
            gradients: String::from_utf8_lossy(&picture.body).into_owned(),
        };
        let body = reply::write(&self.wish, &generated, &sheets, &self.request_hash);
        Ok(Reply { content_type: Form::Json.media_type(), body })
    }
}

impl Ready {
    /// The derivation of one parameter in the first sample, in LaTeX.
    fn by_paths(&self, exercise: &Exercise, name: &str, guard: Guard<'_>) -> Result<String, Failure> {
        let mut w = Writer::new();
        w.object(|w| {
            exercise.write(w, &self.wish);
            w.key("derivation").object(|w| {
                w.key("of").string(name);
                w.key("sample").integer(0);
            });
        });
        let problem = w.into_bytes();
        let request = Request { problem: &problem, ..Request::default() };
        let reply = (DERIVATION.prepare)(request, Form::Json, &self.limits)?.run(guard)?;
        let json = json::parse(&reply.body, &self.limits).map_err(Failure::Malformed)?;
        Ok(match json {
            Json::Object(object) => match object.get("latex") {
                Some(Json::String(latex)) => latex.to_string(),
                _ => String::new(),
            },
            _ => String::new(),
        })
    }
}

/// The first weight of the neuron that has the most paths, unless there are too many to be read.
fn target(wish: &Wish, exercise: &Exercise) -> Option<String> {
    let paths = exercise.paths();
    let most = paths.iter().copied().filter(|&count| count <= MOST_PATHS_SHOWN).max()?;
    let k = paths.iter().position(|&count| count == most)?;
    let neuron = &exercise.neurons[k];
    let (place, (source, _)) = neuron.reads.iter().enumerate().find(|(_, (_, weight))| matches!(weight, Weight::Own(_)))?;
    Some(match (wish.form, source) {
        (wish::Form::Neurons, source) => format!("{}->{}", exercise.name(*source), exercise.name(Source::Neuron(k))),
        (wish::Form::Layers, _) => {
            let row = exercise.neurons[..k].iter().filter(|other| other.level == neuron.level).count();
            format!("fc{}.weight[{row},{place}]", neuron.level)
        }
    })
}

/// Why nothing was found, and what to change.
fn impossible(wish: &Wish, refused: Refused) -> Failure {
    let mut faults = Faults::new(1);
    let Refused { unplaced, tiny } = refused;
    let tried = unplaced + tiny;
    let reasons = [
        (
            unplaced,
            "had a neuron without a place between kinks and saturation, or too few edges or paths; ask for fewer samples, inputs, \"skip\", \"shared\" or \"min_paths\"",
        ),
        (tiny, "had a gradient below 0.001; ask for fewer nodes, samples or levels"),
    ];
    let listed = reasons.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let listed: Vec<String> = listed.collect();
    let of = if wish.attempt.is_some() { "the attempt that is named is no exercise" } else { "no exercise was found" };
    let detail = format!("{of}: of {tried} drawn, {}", listed.join("; "));
    let at = At::ROOT;
    faults.push(at.name("generate"), Code::NoExercise, detail);
    Failure::Invalid(faults)
}
