//! The questions. Each is a pure function from bytes to bytes: read, lower, plan and price, then run and write.

mod analyze;
mod answer;
mod arguments;
pub mod catalog;
mod certify;
mod check;
pub mod crew;
mod derivation;
mod descend;
mod exercises;
mod flow;
mod function;
pub(crate) mod generate;
mod grade;
mod gradients;
mod hessian;
mod hvp;
mod jacobian;
mod jvp;
mod library;
mod memo;
mod naming;
mod picture;
mod places;
mod query;
pub mod room;
mod run;
mod sealed;
mod shards;
mod sheet;
mod shown;
mod skeleton;
mod stats;
mod stored;
mod validate;
mod vjp;
mod written;

use std::collections::HashSet;
use std::sync::Arc;

pub use analyze::ANALYZE;
pub use check::CHECK;
pub(crate) use check::methods as check_methods;
pub use derivation::DERIVATION;
pub use descend::{ARGUMENTS as DESCEND_ARGUMENTS, DESCEND};
pub use flow::FLOW;
pub use generate::GENERATE;
pub use grade::{GRADE, grade, posed};
pub use gradients::{FORWARD, GRADIENTS};
pub use hessian::HESSIAN;
pub use hvp::HVP;
pub use jacobian::JACOBIAN;
pub use jvp::JVP;
pub use library::{Holdings, Library};
pub use memo::Remembered;
pub use stored::{KEEP, Slot, Stored};
pub use validate::VALIDATE;
pub use vjp::VJP;

use naming::{content_hash, request_hash};

use crate::config::Limits;
use crate::lower::{Lowered, Need, Selection, lower, select};
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::spec::problem::{self, InputsSpec, Options, Problem};
use crate::spec::tensor::Reading;
use crate::spec::{json, safetensors};

/// The questions that a client may ask, in the order in which they are documented. Routes, the OpenAPI document and `--url` are
/// read off this list.
pub const ANALYSES: &[Question] = &[
    &GRADIENTS,
    &FORWARD,
    &VALIDATE,
    &CHECK,
    &JVP,
    &VJP,
    &JACOBIAN,
    &HVP,
    &HESSIAN,
    &DERIVATION,
    &FLOW,
    &DESCEND,
    &GRADE,
    &ANALYZE,
    &GENERATE,
];

/// One of [`ANALYSES`].
pub type Question = &'static Analysis;

/// A question: a route `POST /v1/<name>`, and a subcommand of the same name.
#[derive(Debug)]
pub struct Analysis {
    /// Its name, and that of the problem's member that holds its own arguments, if it takes any.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// More about it, in Markdown.
    pub description: &'static str,
    /// What `Accept` may ask for, the first by default.
    pub forms: &'static [Form],
    /// Read, lower, plan and price a request.
    pub prepare: fn(Request<'_>, Form, &Limits) -> Result<Box<dyn Prepared>, Failure>,
}

impl PartialEq for Analysis {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// The form of the answer, from `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `application/json`.
    #[default]
    Json,
    /// `application/vnd.safetensors`.
    Safetensors,
    /// `image/svg+xml`: a picture.
    Svg,
    /// `text/vnd.graphviz`: the same graph in Graphviz's language.
    Dot,
    /// `text/event-stream`: what there is to tell on the way, then the answer as JSON.
    EventStream,
}

impl Form {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Safetensors => "application/vnd.safetensors",
            Self::Svg => "image/svg+xml",
            Self::Dot => "text/vnd.graphviz",
            Self::EventStream => "text/event-stream",
        }
    }
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
    /// The query string, without its question mark: arguments that may stand in the address.
    pub query: &'a str,
    /// Where a network that the problem names is looked up.
    pub library: Option<&'a Library>,
    /// The network that the problem names, where it was fetched for it.
    pub network: Option<&'a Arc<Stored>>,
    /// Where [`KEEP`] leaves the network.
    pub keep: Option<&'a Arc<Slot>>,
}

impl Request<'_> {
    /// The stored network of this name.
    fn stored(&self, name: &str) -> Option<Arc<Stored>> {
        let fetched = self.network.filter(|stored| stored.name() == name).cloned();
        fetched.or_else(|| self.library?.get(name))
    }
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
    /// It names a stored network that is not here: 404.
    UnknownNetwork {
        /// The name.
        name: String,
        /// The same for the client.
        faults: Faults,
    },
    /// It was stopped: 504, or nobody to tell.
    Stopped(Stop),
}

impl Failure {
    /// It names a stored network that is not here.
    pub fn unknown_network(name: String) -> Self {
        Self::UnknownNetwork { faults: stored::unknown(&name), name }
    }
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

/// Something to tell on the way to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What kind of thing it is.
    pub name: &'static str,
    /// JSON on one line.
    pub data: Vec<u8>,
}

/// Who is told.
pub type Tell<'a> = &'a mut dyn FnMut(Event);

/// A request that was read, lowered, planned and priced, ready to run.
pub trait Prepared: Send {
    /// What it will cost.
    fn cost(&self) -> Cost;
    /// Run it. Pure: the same answer whenever and wherever it is called.
    ///
    /// # Errors
    /// [`Failure::Stopped`] when `guard` says so.
    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure>;
    /// As [`Prepared::run`], with the same answer, and `tell` hears of each event as it happens. Most questions have nothing to
    /// tell before their answer.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    fn run_telling(self: Box<Self>, guard: Guard<'_>, tell: Tell<'_>) -> Result<Reply, Failure> {
        let _ = tell;
        self.run(guard)
    }
}

/// Read, lower, plan and price a request. Allocates in proportion to the request's own bytes only.
///
/// # Errors
/// All that is wrong with it, at once.
pub fn prepare(question: Question, request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    (question.prepare)(request, form, limits)
}

/// A problem that was read and lowered, with what the client selected of it.
#[derive(Debug)]
struct Posed {
    lowered: Lowered,
    selection: Selection,
    options: Options,
    request_hash: String,
    /// Whether it only names its network.
    names_network: bool,
}

/// Read and lower a problem. `question` names the member that holds the question's own arguments, if it takes any; they are read
/// by `own`, which may look at the lowered problem, and is called whenever there is one, so that all that is wrong is said at once.
fn pose<'a, T>(
    request: Request<'a>,
    question: Option<&'static str>,
    need: Need,
    limits: &Limits,
    own: impl FnOnce(Option<Json<'a>>, &Posed, &mut Faults) -> Option<T>,
) -> Result<(Posed, T), Failure> {
    let mut faults = Faults::new(limits.faults);
    let mut problem = read(request, question, limits, &mut faults)?;
    let options = problem.options.clone();
    let arguments = problem.extra.pop().map(|(_, json)| json);
    let stored = named(request, &mut problem)?;
    let problem = match &stored {
        None => problem,
        Some(stored) => stored.lend(problem),
    };
    let posed = lower(problem, need, limits, &mut faults).map(|lowered| {
        let selection = select(&lowered, &options, &mut faults);
        Posed { lowered, selection, options, request_hash: String::new(), names_network: stored.is_some() }
    });
    let refused = |mut faults: Faults| {
        written::point(&mut faults, request.problem);
        Err(Failure::Invalid(faults))
    };
    let Some(mut posed) = posed else { return refused(faults) };
    let own = own(arguments, &posed, &mut faults);
    let Some(own) = own.filter(|_| faults.is_empty()) else { return refused(faults) };
    posed.request_hash = request_hash(request);
    Ok((posed, own))
}

/// The stored network that a problem names, if it names one; it lends what it has.
fn named(request: Request<'_>, problem: &mut Problem<'_>) -> Result<Option<Arc<Stored>>, Failure> {
    let Some(name) = problem.reference.take() else { return Ok(None) };
    let stored = request.stored(&name);
    stored.map(Some).ok_or_else(|| Failure::unknown_network(name))
}

/// The request's JSON and parts as one problem.
fn read<'a>(
    request: Request<'a>,
    question: Option<&'static str>,
    limits: &Limits,
    faults: &mut Faults,
) -> Result<Problem<'a>, Failure> {
    let json = json::parse(request.problem, limits).map_err(Failure::Malformed)?;
    let mut problem = problem::decode(json, limits, question.as_slice(), faults);
    add_part(&mut problem, request.parameters, limits, faults);
    let reading = Reading { limits, allow_non_finite: problem.options.allow_non_finite, allow_init: false };
    let batch_at = At::ROOT.name("batch");
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

/// Add the parameters of the multipart part, which are none of the problem's own.
fn add_part(problem: &mut Problem<'_>, part: Option<&[u8]>, limits: &Limits, faults: &mut Faults) {
    let Some(part) = part else { return };
    let at = At::ROOT.name("parameters");
    let reading = Reading { limits, allow_non_finite: problem.options.allow_non_finite, allow_init: false };
    problem.parameters_given = true;
    let Some(part) = safetensors::read(part, at, reading, faults) else {
        problem.parameters_unreadable = true;
        return;
    };
    let known: HashSet<_> = problem.parameters.iter().map(|(name, _)| name.clone()).collect();
    for (name, value) in part {
        if known.contains(&name) {
            faults.push(at.name(&name), Code::DuplicateParameter, format!("\"{name}\" stands in the problem and in the part"));
        } else {
            problem.parameters.push((name, value));
        }
    }
}

/// What a double-double operation costs in plain ones: some twenty of them, and no wide registers.
const DOUBLE_DOUBLE_FLOPS: u64 = 30;

/// What the reply calls this engine.
pub const ENGINE: &str = concat!("dedz ", env!("CARGO_PKG_VERSION"));

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
