//! The questions. Each is a pure function from bytes to bytes: read, lower, plan and price, then run and write.

use crate::config::Limits;
use crate::spec::fault::Faults;

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
    let _ = (question, request, form, limits);
    Err(Failure::Invalid(Faults::new(1)))
}
