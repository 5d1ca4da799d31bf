//! A reply without its numbers: what stands between them is the same text in all replies to problems that differ in their numbers
//! alone, and is written once.

use std::sync::{Arc, OnceLock};

use crate::losses::Echo;

/// Stands for a number, a tensor or the request's hash. JSON has no such byte.
pub(super) const MARK: u8 = 0;

/// The text of a reply in pieces, with a value after each but the last.
#[derive(Debug)]
pub(super) struct Skeleton {
    text: Box<[u8]>,
    /// Where each piece ends.
    ends: Box<[usize]>,
    /// Where the objective's part was read off: a weighted minibatch has another.
    echo: Option<Arc<Echo>>,
}

/// A place for a skeleton, shared by all problems that have it; the first reply is what it is taken from.
#[derive(Debug)]
pub(super) struct Place {
    skeleton: OnceLock<Option<Skeleton>>,
    room: usize,
}

impl Place {
    /// A place for a skeleton of at most `room` bytes.
    pub(super) fn new(room: usize) -> Self {
        Self { skeleton: OnceLock::new(), room }
    }

    /// Bytes that it may take.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// The skeleton of a reply with this objective, made by `write` if there is none yet; nothing where it is another's.
    pub(super) fn skeleton(&self, echo: Option<&Arc<Echo>>, write: impl FnOnce() -> Vec<u8>) -> Option<&Skeleton> {
        let made = || Some(Skeleton::new(write().into(), echo)).filter(|made| made.heap_bytes() <= self.room);
        let skeleton = self.skeleton.get_or_init(made).as_ref()?;
        let same = match (&skeleton.echo, echo) {
            (Some(own), Some(echo)) => Arc::ptr_eq(own, echo),
            (own, echo) => own.is_none() && echo.is_none(),
        };
        same.then_some(skeleton)
    }
}

impl Skeleton {
    fn new(text: Box<[u8]>, echo: Option<&Arc<Echo>>) -> Self {
        let marks = text.iter().enumerate().filter(|(_, byte)| **byte == MARK).map(|(at, _)| at);
        let ends = marks.chain([text.len()]).collect();
        Self { text, ends, echo: echo.cloned() }
    }

    fn heap_bytes(&self) -> usize {
        size_of_val(&*self.text) + size_of_val(&*self.ends)
    }

    /// The pieces in order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.iter().scan(0, |start, &end| Some(&self.text[std::mem::replace(start, end + 1)..end]))
    }
}
