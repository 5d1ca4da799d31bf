//! Stored networks: put one, and problems may name it instead of carrying it. Kept in memory, and in the store if there is one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::analyses::{await_answer, patience, reply_of};
use super::app::App;
use super::body::Incoming;
use super::media::{self, Input};
use super::multipart;
use super::problem::Error;
use crate::analysis::{Failure, Form, KEEP, Question, Slot, Stored};
use crate::pool::{Answer, Begun, Hold, Job, Listener, Parts, Trouble};
use crate::spec::fault::{At, Code, Faults};
use crate::store::{Object, Store, Unavailable};

/// Keep a network with its parameters.
#[utoipa::path(put, path = "/v1/networks", operation_id = "put_network", tag = "networks",
    responses((status = 200, description = "It was there", body = serde_json::Value)))]
pub(super) async fn put(State(app): State<Arc<App>>, request: Request) -> Result<Response, Error> {
    let arrival = Instant::now();
    let (head, body) = request.into_parts();
    let input = media::input(&head.headers)?;
    let form = media::form(&head.headers, &input, &[Form::Json])?;
    let patience = patience(&head.headers, app.config.limits.deadline())?;
    if input == Input::Ndjson {
        let detail = "one network at a time: send application/json or multipart/form-data";
        return Err(Error::UnsupportedMediaType(detail.to_owned()));
    }
    let body = Incoming::new(body, Duration::from_millis(app.config.admission.body_timeout_ms), &app.budget);
    let (bytes, hold) = body.whole(app.config.limits.body_bytes).await?;
    let parts = match input {
        Input::Multipart(boundary) => multipart::cut(bytes, &boundary)?,
        Input::Json | Input::Ndjson => Parts { problem: bytes, ..Parts::default() },
    };
    if parts.inputs.is_some() || parts.targets.is_some() {
        let detail = "a network is kept with its parameters alone: the parts are problem and parameters";
        return Err(Error::Malformed(detail.to_owned()));
    }
    let object = Object { problem: parts.problem.clone(), parameters: parts.parameters.clone() };
    let ask = Ask { question: &KEEP, form, deadline: arrival + patience, patience };
    let (stored, answer) = app.keep(ask, object.clone(), hold).await?;
    let reply = reply_of(answer)?;
    let stored = stored.ok_or(Error::Draining)?;
    app.affords(&stored)?;
    let mut known = app.library.has(stored.name());
    if let Some(store) = &app.config.networks.store {
        known |= in_time(ask, store.has(stored.name())).await?;
        // Written in any case: what is there may be broken, and putting it again is how a client mends it.
        in_time(ask, store.put(stored.name(), object)).await?;
    }
    let status = if known { StatusCode::OK } else { StatusCode::CREATED };
    let location = HeaderValue::try_from(format!("/v1/networks/{}", stored.name())).expect("a digest is a header's value");
    app.library.put(stored);
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type)), (header::LOCATION, location)];
    Ok((status, headers, Body::from(reply.body)).into_response())
}

/// What a stored network is: inputs, parameters, size.
#[utoipa::path(get, path = "/v1/networks/{ref}", operation_id = "get_network", tag = "networks",
    params(("ref" = String, Path, description = "The network's ref")),
    responses((status = 200, description = "It is stored", body = serde_json::Value)))]
pub(super) async fn get(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, Error> {
    let patience = app.config.limits.deadline();
    let ask = Ask { question: &KEEP, form: Form::Json, deadline: Instant::now() + patience, patience };
    let stored = match app.library.get(&name) {
        Some(stored) => Some(stored),
        None => app.fetch(ask, &name).await?,
    };
    let stored = stored.ok_or_else(|| Error::Failed(Failure::unknown_network(name)))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from(stored.summary().to_vec())).into_response())
}

/// Put a stored network out.
#[utoipa::path(delete, path = "/v1/networks/{ref}", operation_id = "delete_network", tag = "networks",
    params(("ref" = String, Path, description = "The network's ref")),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<StatusCode, Error> {
    let patience = app.config.limits.deadline();
    let ask = Ask { question: &KEEP, form: Form::Json, deadline: Instant::now() + patience, patience };
    let mut known = app.library.remove(&name);
    if let Some(store) = app.store_of(&name) {
        known |= in_time(ask, store.has(&name)).await?;
        in_time(ask, store.delete(&name)).await?;
    }
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(Error::Failed(Failure::unknown_network(name))) }
}

/// What is asked, and how long there is for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) question: Question,
    pub(super) form: Form,
    pub(super) deadline: Instant,
    pub(super) patience: Duration,
}

async fn in_time<T>(ask: Ask, answer: impl Future<Output = Result<T, Unavailable>>) -> Result<T, Error> {
    match tokio::time::timeout_at(ask.deadline.into(), answer).await {
        Err(_) => Err(Error::Deadline(ask.patience.as_millis() as u64)),
        Ok(answer) => answer.map_err(|Unavailable(why)| Error::StoreUnavailable(why)),
    }
}

/// The stored network that an answer lacked.
pub(super) fn lacking(answer: &Answer) -> Option<&str> {
    match &answer.outcome {
        Err(Trouble::Failed(Failure::UnknownNetwork { name, .. })) => Some(name),
        _ => None,
    }
}

impl App {
    /// Answer a problem; where it names a network that is not in memory, with the one in the store.
    /// `listener` hears of what there is to tell on the way.
    pub(super) async fn answer(
        &self,
        ask: Ask,
        mut parts: Parts,
        hold: Hold,
        listener: Option<Listener>,
    ) -> Result<Answer, Error> {
        parts.library = Some(Arc::clone(&self.library));
        let again = self.config.networks.store.is_some().then(|| parts.clone());
        let answer = self.attempt(ask, parts, hold, listener.clone()).await?;
        let (Some(mut parts), Some(name)) = (again, lacking(&answer)) else { return Ok(answer) };
        let Some(network) = self.fetch(ask, name).await? else { return Ok(answer) };
        parts.network = Some(network);
        let mut hold = self.budget.hold();
        if !hold.grow(parts.bytes()) {
            return Err(Error::Overloaded);
        }
        self.attempt(ask, parts, hold, listener).await
    }

    async fn attempt(&self, ask: Ask, parts: Parts, hold: Hold, listener: Option<Listener>) -> Result<Answer, Error> {
        let Ask { question, form, deadline, patience } = ask;
        match self.pool.begin(Job { question, form, parts, deadline, hold, listener })? {
            Begun::Answered(answer) => Ok(answer),
            Begun::Waiting(ticket) => await_answer(ticket, deadline, patience).await,
        }
    }

    /// Read and check a network; what comes of it besides the answer, if all is well with it.
    async fn keep(&self, ask: Ask, object: Object, hold: Hold) -> Result<(Option<Arc<Stored>>, Answer), Error> {
        let slot = Arc::new(Slot::default());
        let Object { problem, parameters } = object;
        let parts = Parts { problem, parameters, keep: Some(Arc::clone(&slot)), ..Parts::default() };
        let answer = self.attempt(Ask { question: &KEEP, form: Form::Json, ..ask }, parts, hold, None).await?;
        Ok((slot.get().cloned(), answer))
    }

    /// A network from the store, into memory. What is there under its name is believed only if it has that digest.
    pub(super) async fn fetch(&self, ask: Ask, name: &str) -> Result<Option<Arc<Stored>>, Error> {
        let Some(store) = self.store_of(name) else { return Ok(None) };
        let Some(object) = in_time(ask, store.get(name, self.config.limits.body_bytes)).await? else { return Ok(None) };
        let mut hold = self.budget.hold();
        if !hold.grow(object.problem.len() + object.parameters.as_ref().map_or(0, bytes::Bytes::len)) {
            return Err(Error::Overloaded);
        }
        let (stored, answer) = self.keep(ask, object, hold).await?;
        match stored.filter(|stored| stored.name() == name) {
            Some(stored) => {
                self.library.put(Arc::clone(&stored));
                Ok(Some(stored))
            }
            None => match answer.outcome {
                Err(Trouble::Failed(Failure::Stopped(_)) | Trouble::Overloaded | Trouble::Panicked(_)) => {
                    reply_of(answer).map(|_| None)
                }
                // It was written by somebody else, broken on the way, or refused by stricter limits: putting it again tells.
                _ => {
                    tracing::warn!(name, "an object of the store is not what its name says");
                    Ok(None)
                }
            },
        }
    }

    /// The store, where it can have such a name: no client chooses paths.
    fn store_of(&self, name: &str) -> Option<&Store> {
        let digits = name.strip_prefix("sha256:")?;
        let sane = digits.len() == 64 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        self.config.networks.store.as_ref().filter(|_| sane)
    }

    fn affords(&self, stored: &Stored) -> Result<(), Error> {
        let (bytes, limit) = (stored.bytes(), self.library.budget());
        if bytes <= limit {
            return Ok(());
        }
        let mut faults = Faults::new(1);
        let detail = format!("this network takes {bytes} bytes of memory, the limit stored_bytes is {limit}");
        faults.push(At::ROOT, Code::LimitExceeded, detail);
        Err(Error::Failed(Failure::OverLimit(faults)))
    }
}
