//! The questions. Each is a pure function from bytes to bytes: read, lower, plan and price, then run and write.

mod answer;
pub mod catalog;
mod gradients;
mod run;
mod validate;

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::config::Limits;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::problem::{self, InputsSpec, Problem};
use crate::spec::tensor::Reading;
use crate::spec::{json, safetensors};

/// A question a client may ask, one route and one subcommand each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// `POST /v1/gradients`.
    Gradients,
    /// `POST /v1/forward`.
    Forward,
    /// `POST /v1/validate`.
    Validate,
}

/// The form of the answer, from `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `application/json`.
    #[default]
    Json,
    /// `application/vnd.safetensors`.
    Safetensors,
}

/// What came in: the problem as JSON and, from a multipart body, tensors as safetensors.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The JSON text.
    pub problem: &'a [u8],
    /// Multipart part `parameters`.
    pub parameters: Option<&'a [u8]>,
    /// Multipart part `inputs`.
    pub inputs: Option<&'a [u8]>,
    /// Multipart part `targets`.
    pub targets: Option<&'a [u8]>,
}

/// Why a job stopped before its end; asked between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Its deadline passed.
    Deadline,
    /// Nobody waits for the answer any more.
    Cancelled,
}

/// Asked between nodes whether to go on.
pub type Guard<'a> = &'a dyn Fn() -> Result<(), Stop>;

/// Why there is no answer.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The body is not JSON: 400.
    Malformed(Faults),
    /// The body is JSON but means nothing that can be run: 422.
    Invalid(Faults),
    /// It could be run, but costs more than a limit allows: 422.
    OverLimit(Faults),
    /// It was stopped: 504, or nobody to tell.
    Stopped(Stop),
}

/// The price of a request, known before anything is allocated for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Floating-point operations, forward and backward.
    pub flops: u64,
    /// Bytes alive at the peak.
    pub bytes: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// A request that was read, lowered, planned and priced, ready to run.
pub trait Prepared: Send {
    /// What it will cost.
    fn cost(&self) -> Cost;
    /// Run it. Pure: the same answer whenever and wherever it is called.
    ///
    /// # Errors
    /// [`Failure::Stopped`] when `guard` says so.
    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure>;
}

/// Read, lower, plan and price a request. Allocates in proportion to the request's own bytes only.
///
/// # Errors
/// All that is wrong with it, at once.
pub fn prepare(question: Question, request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    match question {
        Question::Gradients => gradients::prepare(request, form, limits, true),
        Question::Forward => gradients::prepare(request, form, limits, false),
        Question::Validate => validate::prepare(request, limits),
    }
}

/// The request's JSON and parts as one problem.
fn read<'a>(request: Request<'a>, limits: &Limits, faults: &mut Faults) -> Result<Problem<'a>, Failure> {
    let json = json::parse(request.problem, limits).map_err(Failure::Malformed)?;
    let mut problem = problem::decode(json, limits, &[], faults);
    let reading = Reading { limits, allow_non_finite: problem.options.allow_non_finite, allow_init: false };
    let at = At::ROOT;
    if let Some(part) = request.parameters.and_then(|bytes| safetensors::read(bytes, at.name("parameters"), reading, faults)) {
        problem.parameters_given = true;
        let known: HashSet<_> = problem.parameters.iter().map(|(name, _)| name.clone()).collect();
        for (name, value) in part {
            if known.contains(&name) {
                let parameters = at.name("parameters");
                faults.push(
                    parameters.name(&name),
                    Code::DuplicateParameter,
                    format!("\"{name}\" stands in the problem and in the part"),
                );
            } else {
                problem.parameters.push((name, value));
            }
        }
    }
    let batch_at = at.name("batch");
    if let Some(part) = request.inputs.and_then(|bytes| safetensors::read(bytes, batch_at.name("inputs"), reading, faults)) {
        let named = part.into_iter().map(|(name, value)| (name.into(), Some(value))).collect();
        problem.batch.get_or_insert_default().inputs = Some(InputsSpec::Named(named));
    }
    if let Some(part) = request.targets.and_then(|bytes| safetensors::read(bytes, batch_at.name("targets"), reading, faults)) {
        let mut part = part.into_iter();
        match (part.next(), part.next()) {
            (Some((_, targets)), None) => problem.batch.get_or_insert_default().targets = Some(targets),
            _ => faults.push(batch_at.name("targets"), Code::InvalidValue, "the part \"targets\" holds one tensor"),
        }
    }
    Ok(problem)
}

/// What the reply calls this engine.
pub const ENGINE: &str = concat!("dedz ", env!("CARGO_PKG_VERSION"));

/// A name for the request's bytes: equal requests have equal names.
fn request_hash(request: Request<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(request.problem);
    for part in [request.parameters, request.inputs, request.targets].into_iter().flatten() {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}

/// Refuse what costs more than a limit.
fn within(cost: Cost, limits: &Limits) -> Result<(), Failure> {
    let mut faults = Faults::new(limits.faults);
    if cost.flops > limits.flops {
        let detail = format!("this takes {} floating-point operations, the limit is {}", cost.flops, limits.flops);
        faults.push(At::ROOT, Code::LimitExceeded, detail);
    }
    if cost.bytes > limits.memory_bytes {
        let detail = format!("this takes {} bytes of memory, the limit is {}", cost.bytes, limits.memory_bytes);
        faults.push(At::ROOT, Code::LimitExceeded, detail);
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::OverLimit(faults)) }
}
