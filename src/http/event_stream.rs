//! An answer with what there is to tell on the way: `text/event-stream`, each event sent as soon as it is known.
//!
//! The head is sent with the first event, so that a request which is refused has its status and its problem document. After it a
//! failure is an event `error` with the document that would have been the body. The stream waits for the answer: when the client
//! goes, the connection drops the stream, nobody waits any more, and the job stops between two nodes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::mpsc;

use super::analyses::reply_of;
use super::app::App;
use super::edge::{RequestId, log_failure};
use super::networks::Ask;
use super::problem::{Error, Problem};
use crate::analysis::{Event, Reply};
use crate::pool::{Hold, Parts};

/// A comment goes out after so much silence, so that nobody on the way thinks the connection dead.
const SILENCE: Duration = Duration::from_secs(10);

/// Proxies that gather a response before they pass it on are asked not to.
static UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Wait for the first thing there is to tell, and stream from there on.
pub(super) async fn answer(app: Arc<App>, ask: Ask, parts: Parts, hold: Hold, id: RequestId) -> Result<Response, Error> {
    let (listener, events) = mpsc::unbounded_channel();
    let answering = async move { app.answer(ask, parts, hold, Some(listener)).await.and_then(reply_of) };
    let mut told = Told { events, answering: Some(Box::pin(answering)), reply: None, id };
    let first = match told.event().await {
        Some(first) => Some(sent(first.name, first.data)),
        // It ended without a word: with a failure, or with a reply that is all there is.
        None => match told.reply.take() {
            Some(Err(error)) => return Err(error),
            Some(Ok(reply)) => Some(sent("done", reply.body)),
            None => None,
        },
    };
    let rest = stream::unfold(told, |mut told| async { told.next().await.map(|event| (event, told)) });
    let events = futures_util::StreamExt::map(futures_util::StreamExt::chain(stream::iter(first), rest), Ok::<_, Infallible>);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(SILENCE).text("keep-alive")).into_response();
    response.headers_mut().insert(UNBUFFERED.clone(), HeaderValue::from_static("no"));
    Ok(response)
}

/// What is still to be sent.
struct Told {
    events: mpsc::UnboundedReceiver<Event>,
    /// Until there is a reply, or none will come.
    answering: Option<Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>>,
    /// Taken for the last event.
    reply: Option<Result<Reply, Error>>,
    id: RequestId,
}

impl Told {
    /// The next thing told on the way; nothing once all is told and the reply is there.
    async fn event(&mut self) -> Option<Event> {
        while let Some(answering) = &mut self.answering {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => return Some(event),
                reply = answering => {
                    self.reply = Some(reply);
                    self.answering = None;
                }
            }
        }
        self.events.recv().await
    }

    async fn next(&mut self) -> Option<sse::Event> {
        if let Some(event) = self.event().await {
            return Some(sent(event.name, event.data));
        }
        Some(match self.reply.take()? {
            Ok(reply) => sent("done", reply.body),
            Err(error) => {
                log_failure(&error, &self.id);
                let mut problem = Problem::of(&error);
                self.id.as_str().clone_into(&mut problem.instance);
                sent("error", problem.to_json())
            }
        })
    }
}

/// JSON stands on one line, as an event's data must.
fn sent(name: &str, data: Vec<u8>) -> sse::Event {
    sse::Event::default().event(name).data(String::from_utf8_lossy(&data))
}
