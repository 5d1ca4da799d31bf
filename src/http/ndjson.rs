//! Many requests in one: a problem a line in, an answer a line out, in order, each as soon as it and those before it are done.
//!
//! Nothing is gathered whole: a bounded window of lines is worked on, and while it is full, or while the client does not read,
//! no further line is read. A line that fails is answered in place; the stream ends early only if the body itself breaks.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream;

use super::app::App;
use super::body::Incoming;
use super::edge::{RequestId, log_failure};
use super::problem::{Error, Problem};
use crate::analysis::Question;
use crate::pool::Hold;

/// One line, and its share of the budget.
pub(super) struct Line {
    /// Without its line break.
    pub(super) text: Bytes,
    _hold: Hold,
}

/// Answer line by line. Nothing is awaited here: the response's body draws the request's.
pub(super) fn answer(app: Arc<App>, question: Question, patience: Duration, body: Incoming, id: RequestId) -> Response {
    let lines = Lines::new(body, app.config.limits.body_bytes);
    let window = app.config.admission.window;
    let lines = stream::unfold(lines, |mut lines| async { lines.next().await.map(|line| (line, lines)) });
    let answers = lines.enumerate().map(move |(index, line)| {
        let (app, id) = (Arc::clone(&app), id.clone());
        async move {
            let outcome = match line {
                Ok(line) => line.ask(&app, question, patience).await.map(|reply| reply.body),
                Err(error) => Err(error),
            };
            let (status, body) = match outcome {
                Ok(body) => (200, body),
                Err(error) => {
                    log_failure(&error, &id);
                    let mut problem = Problem::of(&error);
                    problem.instance = format!("{}#{}", id.as_str(), index + 1);
                    (problem.status, problem.to_json())
                }
            };
            app.metrics.line(status);
            Ok::<_, std::convert::Infallible>(framed(status, &body))
        }
    });
    let mut response = Response::new(Body::from_stream(answers.buffered(window)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// `{"status":200,"body":{…}}` and a line break.
fn framed(status: u16, body: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(body.len() + 32);
    line.extend_from_slice(b"{\"status\":");
    line.extend_from_slice(status.to_string().as_bytes());
    line.extend_from_slice(b",\"body\":");
    line.extend_from_slice(body.trim_ascii_end());
    line.extend_from_slice(b"}\n");
    line.into()
}

/// The lines of a body as they arrive.
struct Lines {
    body: Incoming,
    buffer: BytesMut,
    /// So many bytes of the buffer hold no line break.
    searched: usize,
    limit: usize,
    /// What comes before the next line break belongs to a line that was too long and is already answered.
    overlong: bool,
    ended: bool,
}

impl Lines {
    fn new(body: Incoming, limit: usize) -> Self {
        Self { body, buffer: BytesMut::new(), searched: 0, limit, overlong: false, ended: false }
    }

    /// The next line that is not blank; the last one needs no line break.
    async fn next(&mut self) -> Option<Result<Line, Error>> {
        loop {
            if let Some(end) = self.line_end() {
                let line = self.cut(end);
                if std::mem::take(&mut self.overlong) || line.text.is_empty() {
                    continue;
                }
                return Some(if line.text.len() > self.limit { Err(Error::PayloadTooLarge(self.limit)) } else { Ok(line) });
            }
            if self.ended {
                return None;
            }
            let too_long = self.buffer.len() > self.limit;
            if too_long || self.overlong {
                drop(self.cut(self.buffer.len()));
            }
            if too_long && !std::mem::replace(&mut self.overlong, true) {
                return Some(Err(Error::PayloadTooLarge(self.limit)));
            }
            self.searched = self.buffer.len();
            match self.body.next().await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    drop(self.cut(self.buffer.len()));
                    return Some(Err(error));
                }
            }
        }
    }

    /// Where the first line in the buffer ends, if all of it is there.
    fn line_end(&self) -> Option<usize> {
        let line_break = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at + 1);
        line_break.or_else(|| (self.ended && !self.buffer.is_empty()).then_some(self.buffer.len()))
    }

    /// Take the first `end` bytes out of the buffer, with their hold, and trim them.
    fn cut(&mut self, end: usize) -> Line {
        self.searched = 0;
        let whole = self.buffer.split_to(end).freeze();
        Line { text: whole.slice_ref(whole.trim_ascii()), _hold: self.body.take(end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Budget;

    /// The lines of a body that comes in these pieces, `!` standing for one that was too long.
    fn check(pieces: &[&'static str], expect: &[&str]) {
        let budget = Budget::new(1000);
        let pieces: Vec<_> = pieces.iter().map(|&piece| Ok::<_, std::convert::Infallible>(piece)).collect();
        let body = Incoming::new(Body::from_stream(stream::iter(pieces)), Duration::from_secs(60), &budget);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let lines = runtime.block_on(async {
            let mut lines = Lines::new(body, 8);
            let mut found = Vec::new();
            while let Some(line) = lines.next().await {
                found.push(line.map_or_else(|_| "!".to_owned(), |line| String::from_utf8_lossy(&line.text).into_owned()));
            }
            found
        });
        assert_eq!(lines, expect);
        assert_eq!(budget.held(), 0, "all is given back");
    }

    #[test]
    fn lines_are_cut_wherever_the_pieces_end() {
        check(&[], &[]);
        check(&["one\ntwo\n"], &["one", "two"]);
        check(&["o", "ne\r", "\n\n  \n", "two"], &["one", "two"]);
        check(&["12345678\n"], &["12345678"]);
        check(&["123456789\nok"], &["!", "ok"]);
        check(&["123456789", "0123456789", "\n", "ok\n", "0123456789"], &["!", "ok", "!"]);
        check(&["12345678", "9"], &["!"]);
    }

    #[test]
    fn a_framed_line_is_one_line() {
        assert_eq!(framed(200, b"{\"loss\":1}\n"), "{\"status\":200,\"body\":{\"loss\":1}}\n");
    }
}
