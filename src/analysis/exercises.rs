//! Exercises that were run before, by the text that they were written in: thousands of submissions against one exercise cost one run.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::grading::diagnosis::Predictions;
use crate::grading::exercise::Exercise;
use crate::grading::policy::Policy;

/// An exercise with its rules, and what its mistakes predict.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) exercise: Exercise,
    pub(super) policy: Policy,
    pub(super) predictions: Predictions,
}

impl Known {
    /// Bytes that it takes at most, predictions included, roughly.
    fn bytes(&self) -> usize {
        let numbers: usize = self.exercise.key().0.iter().map(|value| value.data().len()).sum();
        let nodes = self.exercise.lowered.graph.nodes().len();
        // Each hypothesis keeps the parts that differ, and small tensors cost more than their numbers.
        (numbers * 8 + nodes * 200) * (2 + self.predictions.count())
    }
}

/// A digest of all that is written of an exercise but the claims.
pub(super) type Digest = [u8; 32];

/// Exercises by their digests; those used longest ago go out.
#[derive(Debug)]
pub(super) struct Exercises {
    shelf: Mutex<Shelf>,
    budget: usize,
}

#[derive(Debug, Default)]
struct Shelf {
    by_digest: HashMap<Digest, (Arc<Known>, u64, usize)>,
    by_use: BTreeMap<u64, Digest>,
    uses: u64,
    bytes: usize,
}

impl Exercises {
    pub(super) fn new(budget: usize) -> Self {
        Self { shelf: Mutex::default(), budget }
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<Known>> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.take(digest).map(|(known, bytes)| {
            shelf.put(*digest, Arc::clone(&known), bytes);
            known
        })
    }

    pub(super) fn put(&self, digest: Digest, known: Arc<Known>) {
        let bytes = known.bytes();
        if bytes > self.budget {
            return;
        }
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.take(&digest);
        while shelf.bytes + bytes > self.budget {
            let Some((_, &oldest)) = shelf.by_use.first_key_value() else { break };
            shelf.take(&oldest);
        }
        shelf.put(digest, known, bytes);
    }
}

impl Shelf {
    fn take(&mut self, digest: &Digest) -> Option<(Arc<Known>, usize)> {
        let (known, used, bytes) = self.by_digest.remove(digest)?;
        self.by_use.remove(&used);
        self.bytes -= bytes;
        Some((known, bytes))
    }

    fn put(&mut self, digest: Digest, known: Arc<Known>, bytes: usize) {
        self.uses += 1;
        self.bytes += bytes;
        self.by_use.insert(self.uses, digest);
        self.by_digest.insert(digest, (known, self.uses, bytes));
    }
}
