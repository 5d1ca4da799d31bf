//! The questions over HTTP: read the body, hand it to the pool, wait for the answer.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::post;

use super::app::App;
use super::body::Incoming;
use super::edge::RequestId;
use super::media::{self, Input};
use super::networks::{Ask, lacking};
use super::problem::Error;
use super::{event_stream, multipart, ndjson};
use crate::analysis::{ANALYSES, Form, Question, Reply};
use crate::pool::{Answer, Job, Parts, Ticket, Times, Trouble};

/// A client may shorten the service's deadline by this header, in milliseconds.
static DEADLINE: HeaderName = HeaderName::from_static("deadline-ms");
static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The route of every question.
pub(super) fn routes() -> Router<Arc<App>> {
    ANALYSES.iter().fold(Router::new(), |router, &question| {
        let handler = async move |State(app): State<Arc<App>>, request: Request| {
            let id = request.extensions().get::<RequestId>().cloned().unwrap_or_default();
            ask(app, question, request, &id).await
        };
        router.route(&format!("/v1/{}", question.name), post(handler))
    })
}

/// Answer a question about the problem, or the problems, that a request brings.
pub(super) async fn ask(app: Arc<App>, question: Question, request: Request, id: &RequestId) -> Result<Response, Error> {
    let arrival = Instant::now();
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let input = media::input(&head.headers)?;
    let form = media::form(&head.headers, &input, question.forms)?;
    let patience = patience(&head.headers, app.config.limits.deadline())?;
    let body = Incoming::new(body, Duration::from_millis(app.config.admission.body_timeout_ms), &app.budget);
    if input == Input::Ndjson {
        return Ok(ndjson::answer(app, question, query, patience, body, id.clone()));
    }
    let (bytes, hold) = body.whole(app.config.limits.body_bytes).await?;
    let mut parts = match input {
        // Moved in, so that the parts alone hold the body.
        Input::Multipart(boundary) => multipart::cut(bytes, &boundary)?,
        Input::Json | Input::Ndjson => Parts { problem: bytes, ..Parts::default() },
    };
    parts.query = query;
    let ask = Ask { question, form, deadline: arrival + patience, patience };
    if form == Form::EventStream {
        return event_stream::answer(app, ask, parts, hold, id.clone()).await;
    }
    respond(app.answer(ask, parts, hold, None).await?)
}

/// How long the client waits: the service's deadline, or the header's where that is shorter.
pub(super) fn patience(headers: &HeaderMap, limit: Duration) -> Result<Duration, Error> {
    let Some(value) = headers.get(&DEADLINE) else { return Ok(limit) };
    let millis = value.to_str().ok().and_then(|text| text.trim().parse().ok()).filter(|&millis| millis > 0);
    let millis = millis
        .ok_or_else(|| Error::Malformed("the header Deadline-Ms is not a whole number of milliseconds, at least 1".to_owned()))?;
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
    let Times { queue, prepare, run } = times;
    let mut text = Vec::with_capacity(64);
    for (name, time) in [("queue;dur=", queue), (", prepare;dur=", prepare), (", run;dur=", run)] {
        text.extend_from_slice(name.as_bytes());
        // Milliseconds with three places.
        let micros = (time.as_nanos() + 500) / 1000;
        let _ = write!(text, "{}.{:03}", micros / 1000, micros % 1000);
    }
    HeaderValue::try_from(text).expect("digits and names are a header's value")
}

impl super::ndjson::Line {
    /// The line as a job; its own share of the budget is held by the caller.
    pub(super) fn job(&self, app: &App, question: Question, query: &str, deadline: Instant) -> Job {
        let library = Some(Arc::clone(&app.library));
        let parts = Parts { problem: self.text.clone(), query: query.to_owned(), library, ..Parts::default() };
        Job { question, form: Form::Json, parts, deadline, hold: app.budget.hold(), listener: None }
    }

    /// Ask about one line, waiting for room in the pool.
    pub(super) async fn ask(&self, app: &App, question: Question, query: &str, patience: Duration) -> Result<Reply, Error> {
        let mut lane = app.pool.lane_of(self.text.len());
        let mut network = None;
        loop {
            let mut job = self.job(app, question, query, Instant::now());
            job.parts.network.clone_from(&network);
            let ticket = app.pool.submit_patiently(job, lane, patience).await?;
            let deadline = Instant::now() + patience;
            let answer = await_answer(ticket, deadline, patience).await?;
            if let (Some(name), None) = (lacking(&answer), &network) {
                network = app.fetch(Ask { question, form: Form::Json, deadline, patience }, name).await?;
                if network.is_some() {
                    continue;
                }
            }
            match reply_of(answer) {
                // Its price put it into the long lane, which was full: wait for room there.
                Err(Error::Overloaded) if lane == crate::pool::Lane::Short => lane = crate::pool::Lane::Long,
                done => return done,
            }
        }
    }
}
