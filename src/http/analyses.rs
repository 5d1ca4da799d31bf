//! The questions over HTTP: read the body, hand it to the pool, wait for the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

use super::app::App;
use super::body::Incoming;
use super::media::{self, Input};
use super::openapi::Failures;
use super::problem::Error;
use super::{multipart, ndjson};
use crate::analysis::{Form, Question, Reply};
use crate::pool::{Answer, Job, Parts, Ticket, Times, Trouble};

/// A client may shorten the service's deadline by this header, in milliseconds.
static DEADLINE: HeaderName = HeaderName::from_static("deadline-ms");
static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Loss, per-sample losses, outputs, all gradients and the trace of every node.
///
/// The main job. Runs the network forward and backward over the minibatch. Every node's `z` and `dE_dz` (and `a`, `dE_da`
/// where it has an activation) stand in `trace`, in a topological order; `gradients` mirrors the parameters.
#[utoipa::path(post, path = "/v1/gradients", operation_id = "gradients", tag = "analyses", responses(Failures))]
pub(super) async fn gradients(State(app): State<Arc<App>>, request: Request) -> Result<Response, Error> {
    ask(app, Question::Gradients, request).await
}

/// Loss, per-sample losses, outputs and the value of every node, without the backward pass.
///
/// As `/v1/gradients`, but nothing is differentiated: `gradients`, `input_gradients` and the trace's cotangents are absent.
#[utoipa::path(post, path = "/v1/forward", operation_id = "forward", tag = "analyses", responses(Failures))]
pub(super) async fn forward(State(app): State<Arc<App>>, request: Request) -> Result<Response, Error> {
    ask(app, Question::Forward, request).await
}

/// Nodes in order with inferred shapes, parameter names and shapes, and the cost, without a run.
///
/// Nothing is computed: use it to check a network while it is being written, or to price a request.
#[utoipa::path(post, path = "/v1/validate", operation_id = "validate", tag = "analyses", responses(Failures))]
pub(super) async fn validate(State(app): State<Arc<App>>, request: Request) -> Result<Response, Error> {
    ask(app, Question::Validate, request).await
}

async fn ask(app: Arc<App>, question: Question, request: Request) -> Result<Response, Error> {
    let arrival = Instant::now();
    let (head, body) = request.into_parts();
    let input = media::input(&head.headers)?;
    let form = media::form(&head.headers, &input)?;
    let patience = patience(&head.headers, app.config.limits.deadline())?;
    let body = Incoming::new(body, Duration::from_millis(app.config.admission.body_timeout_ms), &app.budget);
    if input == Input::Ndjson {
        let id = head.extensions.get().cloned().unwrap_or_default();
        return Ok(ndjson::answer(app, question, patience, body, id));
    }
    let (bytes, hold) = body.whole(app.config.limits.body_bytes).await?;
    let parts = match input {
        Input::Multipart(boundary) => multipart::cut(&bytes, &boundary)?,
        Input::Json | Input::Ndjson => Parts { problem: bytes, ..Parts::default() },
    };
    let deadline = arrival + patience;
    let ticket = app.pool.submit(Job { question, form, parts, deadline, hold })?;
    let answer = await_answer(ticket, deadline, patience).await?;
    respond(answer)
}

/// How long the client waits: the service's deadline, or the header's where that is shorter.
fn patience(headers: &HeaderMap, limit: Duration) -> Result<Duration, Error> {
    let Some(value) = headers.get(&DEADLINE) else { return Ok(limit) };
    let millis = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let millis =
        millis.ok_or_else(|| Error::Malformed("the header Deadline-Ms is not a whole number of milliseconds".to_owned()))?;
    Ok(limit.min(Duration::from_millis(millis)))
}

/// Wait for the answer, but no longer than the client would: a worker may be deep inside one node.
pub(super) async fn await_answer(ticket: Ticket, deadline: Instant, patience: Duration) -> Result<Answer, Error> {
    match tokio::time::timeout_at(deadline.into(), ticket).await {
        Err(_) => Err(Error::Deadline(patience.as_millis() as u64)),
        Ok(Err(_)) => Err(Error::Draining),
        Ok(Ok(answer)) => Ok(answer),
    }
}

/// The reply of an answer, or its error.
pub(super) fn reply_of(answer: Answer) -> Result<Reply, Error> {
    answer.outcome.map_err(|trouble| match trouble {
        Trouble::Failed(failure) => Error::Failed(failure),
        Trouble::Overloaded => Error::Overloaded,
        Trouble::Panicked(panic) => Error::Panicked(panic),
    })
}

fn respond(answer: Answer) -> Result<Response, Error> {
    let times = answer.times;
    let reply = reply_of(answer)?;
    let mut response = Response::new(Body::from(reply.body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    headers.insert(SERVER_TIMING.clone(), server_timing(times));
    Ok(response)
}

fn server_timing(times: Times) -> HeaderValue {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let Times { queue, prepare, run } = times;
    let text = format!("queue;dur={:.3}, prepare;dur={:.3}, run;dur={:.3}", millis(queue), millis(prepare), millis(run));
    HeaderValue::try_from(text).expect("digits and names are a header's value")
}

impl super::ndjson::Line {
    /// Ask about one line, waiting for room in the pool; the line's own share of the budget is held by the caller.
    pub(super) async fn ask(&self, app: &App, question: Question, patience: Duration) -> Result<Reply, Error> {
        let mut lane = app.pool.lane_of(self.text.len());
        loop {
            let parts = Parts { problem: self.text.clone(), ..Parts::default() };
            let job = Job { question, form: Form::Json, parts, deadline: Instant::now(), hold: app.budget.hold() };
            let ticket = app.pool.submit_patiently(job, lane, patience).await?;
            let answer = await_answer(ticket, Instant::now() + patience, patience).await?;
            match reply_of(answer) {
                // Its price put it into the long lane, which was full: wait for room there.
                Err(Error::Overloaded) if lane == crate::pool::Lane::Short => lane = crate::pool::Lane::Long,
                done => return done,
            }
        }
    }
}
