//! Reading a body: never more than its limit, never for longer than it may take, and what is held is counted.

use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::BodyExt;

use super::problem::Error;
use crate::pool::{Budget, Hold};

/// A body on its way in.
#[derive(Debug)]
pub(super) struct Incoming {
    body: Body,
    timeout: Duration,
    hold: Hold,
}

impl Incoming {
    /// The body, allowed `timeout` to arrive and counted against `budget`.
    pub(super) fn new(body: Body, timeout: Duration, budget: &Budget) -> Self {
        Self { body, timeout, hold: budget.hold() }
    }

    /// All of it, and what it holds of the budget. Reading stops at `limit` bytes.
    pub(super) async fn whole(mut self, limit: usize) -> Result<(Bytes, Hold), Error> {
        let announced = usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(Error::PayloadTooLarge(limit));
        }
        let end = Instant::now() + self.timeout;
        // A small body comes in one piece and is not copied.
        let first = self.limited(end, 0, limit).await?.unwrap_or_default();
        if self.body.is_end_stream() {
            return Ok((first, self.hold));
        }
        let Some(second) = self.limited(end, first.len(), limit).await? else {
            return Ok((first, self.hold));
        };
        let mut all = Vec::with_capacity(announced.max(first.len() + second.len()));
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        drop((first, second));
        while let Some(chunk) = self.limited(end, all.len(), limit).await? {
            all.extend_from_slice(&chunk);
        }
        Ok((all.into(), self.hold))
    }

    async fn limited(&mut self, end: Instant, so_far: usize, limit: usize) -> Result<Option<Bytes>, Error> {
        let Some(chunk) = self.chunk(end).await? else { return Ok(None) };
        if chunk.len() > limit - so_far {
            return Err(Error::PayloadTooLarge(limit));
        }
        if self.hold.grow(chunk.len()) { Ok(Some(chunk)) } else { Err(Error::Overloaded) }
    }

    /// The next piece of a stream without end, waiting until it may be held.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let end = Instant::now() + self.timeout;
        let Some(chunk) = self.chunk(end).await? else { return Ok(None) };
        let held = tokio::time::timeout_at(end.into(), self.hold.grow_patiently(chunk.len())).await;
        held.map(|()| Some(chunk)).map_err(|_| Error::Overloaded)
    }

    /// The hold on the first `bytes` of what came in and was not yet taken.
    pub(super) fn take(&mut self, bytes: usize) -> Hold {
        self.hold.split(bytes)
    }

    async fn chunk(&mut self, end: Instant) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = tokio::time::timeout_at(end.into(), self.body.frame()).await;
            let frame = frame.map_err(|_| Error::BodyTimeout(self.timeout.as_millis() as u64))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(Error::Malformed(format!("the body ended early: {error}"))),
                Some(Ok(frame)) => {
                    // Trailers carry nothing that is read here.
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}
