//! What a job is made of, and how it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::Hold;
use crate::analysis::{Event, Failure, Form, Library, Question, Reply, Request, Slot, Stored};

/// What came in, owned.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The problem, as JSON.
    pub problem: Bytes,
    /// Multipart part `parameters`.
    pub parameters: Option<Bytes>,
    /// Multipart part `inputs`.
    pub inputs: Option<Bytes>,
    /// Multipart part `targets`.
    pub targets: Option<Bytes>,
    /// Where a network that the problem names is looked up.
    pub library: Option<Arc<Library>>,
    /// The network that the problem names, where it was fetched for it.
    pub network: Option<Arc<Stored>>,
    /// Where the network is left, if it is to be kept.
    pub keep: Option<Arc<Slot>>,
    /// The query string, without its question mark.
    pub query: String,
}

impl Parts {
    /// Size of all parts.
    pub fn bytes(&self) -> usize {
        let part = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        self.problem.len() + part(&self.parameters) + part(&self.inputs) + part(&self.targets)
    }

    /// The memory that the parts stood in, if it is much, and nobody else's.
    pub fn into_room(self) -> Vec<u8> {
        /// Smaller ones are not worth the trouble.
        const LEAST: usize = 64 << 10;
        if self.bytes() < LEAST {
            return Vec::new();
        }
        let Self { problem, parameters, inputs, targets, .. } = self;
        // Parts of one body share its memory; whichever is left has all of it.
        drop((parameters, inputs, targets));
        let Ok(mut room) = problem.try_into_mut() else { return Vec::new() };
        // Or what stands there would be moved to its start.
        room.clear();
        room.into()
    }

    /// As the analyses read it.
    pub fn as_request(&self) -> Request<'_> {
        Request {
            problem: &self.problem,
            parameters: self.parameters.as_deref(),
            inputs: self.inputs.as_deref(),
            targets: self.targets.as_deref(),
            library: self.library.as_deref(),
            network: self.network.as_ref(),
            keep: self.keep.as_ref(),
            query: &self.query,
        }
    }
}

/// One question about one problem.
#[derive(Debug)]
pub struct Job {
    /// What is asked.
    pub question: Question,
    /// How the answer is to look.
    pub form: Form,
    /// What it is asked about.
    pub parts: Parts,
    /// When the answer is of no use any more.
    pub deadline: Instant,
    /// What its bytes hold of the [budget](super::Budget), until it is done.
    pub hold: Hold,
    /// Who hears of what there is to tell on the way, if anybody does. Told all before the answer, and closed with the job.
    pub listener: Option<Listener>,
}

/// Where a job's events go. They are priced like the rest of an answer, so what waits here for a slow client is bounded.
pub type Listener = mpsc::UnboundedSender<Event>;

/// How long the stages of a job took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Waiting in a lane.
    pub queue: Duration,
    /// Reading, lowering, planning, pricing.
    pub prepare: Duration,
    /// Computing and writing.
    pub run: Duration,
}

/// How a job ended.
#[derive(Debug)]
pub struct Answer {
    /// What came of it.
    pub outcome: Result<Reply, Trouble>,
    /// How long it took.
    pub times: Times,
}

/// Why a job has no reply.
#[derive(Debug)]
pub enum Trouble {
    /// The analysis says why.
    Failed(Failure),
    /// Its price put it into the long lane, and that was full.
    Overloaded,
    /// It panicked: the message and the place, for the log.
    Panicked(String),
}

/// Why a job was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its lane is full.
    Full,
    /// The pool is being drained.
    Closed,
}

/// Where the answer will arrive. Dropping it stops the job.
pub type Ticket = oneshot::Receiver<Answer>;
