//! Many requests in one: a problem a line in, an answer a line out, in order, each as soon as it and those before it are done.
//!
//! Nothing is gathered whole: a bounded window of lines is worked on, and while it is full, or while the client does not read,
//! no further line is read. A line that fails is answered in place; the stream ends early only if the body itself breaks. Tiny
//! lines go to a worker several at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::analyses::{await_answer, reply_of};
use super::app::App;
use super::body::Incoming;
use super::edge::{RequestId, log_failure};
use super::networks::lacking;
use super::problem::{Error, Problem};
use crate::analysis::{Cost, Failure, Guard, Prepared, Question, Reply};
use crate::pool::{Begun, Hold, Ticket};

/// One line, and its share of the budget.
pub(super) struct Line {
    /// Without its line break.
    pub(super) text: Bytes,
    _hold: Hold,
}

/// What answering a line takes, whichever it is.
struct Asking {
    app: Arc<App>,
    question: Question,
    /// The query string, which goes for every line.
    query: String,
    patience: Duration,
    id: RequestId,
}

/// Answer line by line. Nothing is awaited here: the response's body draws the request's.
pub(super) fn answer(
    app: Arc<App>,
    question: Question,
    query: String,
    patience: Duration,
    body: Incoming,
    id: RequestId,
) -> Response {
    let window = app.config.admission.window;
    let groups = Groups {
        lines: Lines::new(body, app.config.limits.body_bytes),
        next: None,
        count: 0,
        window: Arc::new(Semaphore::new(window)),
        most: window.div_ceil(WORKED_ON) * TINY_LINES,
        tiny: app.config.admission.tiny_bytes,
    };
    let asking = Arc::new(Asking { app, question, query, patience, id });
    let groups = stream::unfold(groups, |mut groups| async { groups.next().await.map(|group| (group, groups)) });
    let answers = groups.map(move |group| {
        let asking = Arc::clone(&asking);
        async move { Ok::<_, std::convert::Infallible>(asking.answer(group).await) }
    });
    let mut response = Response::new(Body::from_stream(answers.buffered(window)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

impl Asking {
    async fn answer(self: Arc<Self>, group: Group) -> Bytes {
        let Group { first, mut lines, permit: _permit } = group;
        let mut text = Vec::new();
        if lines.len() > 1 {
            let count = lines.len();
            let lines = lines.into_iter().flatten().collect();
            match self.together(first, lines).await {
                Ok(pieces) => {
                    for piece in pieces {
                        match piece {
                            Piece::Done(answers) if text.is_empty() => text = answers,
                            Piece::Done(answers) => text.extend_from_slice(&answers),
                            Piece::Begun(index, line, ticket) => {
                                let answer = await_answer(ticket, Instant::now() + self.patience, self.patience).await;
                                let outcome = match answer {
                                    Ok(answer) if lacking(&answer).is_some() => {
                                        line.ask(&self.app, self.question, &self.query, self.patience).await
                                    }
                                    answer => answer.and_then(reply_of),
                                };
                                self.frame(index, outcome, &mut text);
                            }
                            Piece::Refused(index, line) => {
                                self.frame(
                                    index,
                                    line.ask(&self.app, self.question, &self.query, self.patience).await,
                                    &mut text,
                                );
                            }
                        }
                    }
                }
                Err(error) => (first..first + count).for_each(|index| self.frame(index, Err(error.clone()), &mut text)),
            }
        } else if let Some(line) = lines.pop() {
            let outcome = match line {
                Ok(line) => line.ask(&self.app, self.question, &self.query, self.patience).await,
                Err(error) => Err(error),
            };
            self.frame(first, outcome, &mut text);
        }
        text.into()
    }

    /// Hand several lines to one worker at once: handing over and waiting would cost more than a tiny line itself.
    async fn together(self: &Arc<Self>, first: usize, lines: Vec<Line>) -> Result<Vec<Piece>, Error> {
        let (tell, told) = oneshot::channel();
        let together = Together { asking: Arc::clone(self), first, lines, tell };
        let ticket = self.app.pool.submit_prepared(Box::new(together), self.app.budget.hold(), self.patience).await?;
        let answer = await_answer(ticket, Instant::now() + self.patience, self.patience).await?;
        reply_of(answer)?;
        told.await.map_err(|_| Error::Draining)
    }

    /// Append the answer to a line: `{"status":200,"body":{…}}` and a line break.
    fn frame(&self, index: usize, outcome: Result<Reply, Error>, text: &mut Vec<u8>) {
        let (status, body) = match outcome {
            Ok(reply) => (200, reply.body),
            Err(error) => {
                log_failure(&error, &self.id);
                let mut problem = Problem::of(&error);
                problem.instance = format!("{}#{}", self.id.as_str(), index + 1);
                (problem.status, problem.to_json())
            }
        };
        self.app.metrics.line(status);
        framed(status, &body, text);
    }
}

fn framed(status: u16, body: &[u8], text: &mut Vec<u8>) {
    text.reserve(body.len() + 32);
    text.extend_from_slice(b"{\"status\":");
    text.extend_from_slice(status.to_string().as_bytes());
    text.extend_from_slice(b",\"body\":");
    text.extend_from_slice(body.trim_ascii_end());
    text.extend_from_slice(b"}\n");
}

/// Tiny lines that one worker answers in turn.
struct Together {
    asking: Arc<Asking>,
    first: usize,
    lines: Vec<Line>,
    tell: oneshot::Sender<Vec<Piece>>,
}

/// What came of lines among others; those that are not done yet with their places.
enum Piece {
    /// The answers of some in a row, framed.
    Done(Vec<u8>),
    /// It was not tiny after all, and waits for a worker of its own.
    Begun(usize, Line, Ticket),
    /// It has to be asked about by itself: there was no room for it to wait, or its network has to be fetched.
    Refused(usize, Line),
}

impl Prepared for Together {
    fn cost(&self) -> Cost {
        // Each of them is priced by itself.
        Cost::default()
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let Self { asking, first, lines, tell } = *self;
        let mut pieces = Vec::new();
        let count = lines.len();
        for (index, line) in (first..).zip(lines) {
            guard().map_err(Failure::Stopped)?;
            let job = line.job(&asking.app, asking.question, &asking.query, Instant::now() + asking.patience);
            match asking.app.pool.begin(job) {
                // Its network has to be fetched first.
                Ok(Begun::Answered(answer)) if lacking(&answer).is_some() => pieces.push(Piece::Refused(index, line)),
                Ok(Begun::Answered(answer)) => {
                    if !matches!(pieces.last(), Some(Piece::Done(_))) {
                        pieces.push(Piece::Done(Vec::new()));
                    }
                    if let Some(Piece::Done(text)) = pieces.last_mut() {
                        asking.frame(index, reply_of(answer), text);
                        if index == first {
                            // Mostly the others are as long.
                            text.reserve(text.len().min(LONG_ANSWER) * count);
                        }
                    }
                }
                Ok(Begun::Waiting(ticket)) => pieces.push(Piece::Begun(index, line, ticket)),
                Err(_) => pieces.push(Piece::Refused(index, line)),
            }
        }
        // Nobody listens only where nobody waits for the answer.
        let _ = tell.send(pieces);
        Ok(Reply { content_type: "application/x-ndjson", body: Vec::new() })
    }
}

/// Groups of one window that are worked on at once: enough for a few workers, and to let each of them have several lines.
const WORKED_ON: usize = 4;

/// So many tiny lines count as one line of the window: what a worker is handed ought to take it much longer than the handing over.
const TINY_LINES: usize = 4;

/// Room for longer answers is made when they are there.
const LONG_ANSWER: usize = 8 << 10;

/// Lines that are answered together: one of any kind, or several tiny ones that have arrived.
struct Group {
    /// The place of its first line among all.
    first: usize,
    lines: Vec<Result<Line, Error>>,
    permit: Option<OwnedSemaphorePermit>,
}

/// The lines of a body in groups, no more at once than the window has room for.
struct Groups {
    lines: Lines,
    /// Read, and part of no group yet.
    next: Option<Result<Line, Error>>,
    count: usize,
    window: Arc<Semaphore>,
    most: usize,
    tiny: usize,
}

impl Groups {
    async fn next(&mut self) -> Option<Group> {
        let line = match self.next.take() {
            Some(line) => line,
            None => self.lines.next().await?,
        };
        let is_tiny = |line: &Result<Line, Error>| line.as_ref().is_ok_and(|line| line.text.len() <= self.tiny);
        let mut joins = is_tiny(&line);
        let mut lines = vec![line];
        while joins && lines.len() < self.most {
            let Some(line) = self.lines.ready() else { break };
            joins = is_tiny(&line);
            if joins {
                lines.push(line);
            } else {
                self.next = Some(line);
            }
        }
        let first = self.count;
        self.count += lines.len();
        let permit = Arc::clone(&self.window).acquire_many_owned(lines.len().div_ceil(TINY_LINES) as u32).await.ok();
        Some(Group { first, lines, permit })
    }
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

    /// The next line that is not blank, if all of it has arrived.
    fn ready(&mut self) -> Option<Result<Line, Error>> {
        while let Some(end) = self.line_end() {
            let line = self.cut(end);
            if std::mem::take(&mut self.overlong) || line.text.is_empty() {
                continue;
            }
            return Some(if line.text.len() > self.limit { Err(Error::PayloadTooLarge(self.limit)) } else { Ok(line) });
        }
        None
    }

    /// The next line that is not blank; the last one needs no line break.
    async fn next(&mut self) -> Option<Result<Line, Error>> {
        loop {
            if let Some(line) = self.ready() {
                return Some(line);
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
    fn tiny_lines_that_have_arrived_go_together() {
        let budget = Budget::new(1000);
        let pieces = ["1\n2\n3\n4\n5\nlarge\n6\nlarge\nlarge\n7", "7\n8\n9\n"].map(Ok::<_, std::convert::Infallible>);
        let body = Incoming::new(Body::from_stream(stream::iter(pieces)), Duration::from_secs(60), &budget);
        let window = Arc::new(Semaphore::new(9));
        let mut groups = Groups { lines: Lines::new(body, 9), next: None, count: 0, window, most: 3, tiny: 2 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let found = runtime.block_on(async {
            let mut found = Vec::new();
            while let Some(group) = groups.next().await {
                found.push((group.first, group.lines.len()));
            }
            found
        });
        assert_eq!(found, [(0, 3), (3, 2), (5, 1), (6, 1), (7, 1), (8, 1), (9, 3)]);
        assert_eq!(groups.window.available_permits(), 9, "all is given back");
    }

    #[test]
    fn a_framed_line_is_one_line() {
        let mut text = Vec::new();
        framed(200, b"{\"loss\":1}\n", &mut text);
        assert_eq!(text, b"{\"status\":200,\"body\":{\"loss\":1}}\n");
    }
}
