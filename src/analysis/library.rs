//! Stored networks in memory: as many bytes as they may take, and the one out that was used longest ago.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::exercises::Exercises;
use super::memo::{Memo, Remembered};
use super::stored::Stored;
use crate::seal::Key;

/// Bytes that lowered networks may take beside the stored ones: some thousands of small ones.
const LOWERED: usize = 16 << 20;

/// Bytes that exercises may take which submissions are graded against.
const GRADED: usize = 64 << 20;

/// Stored networks by their names. What it hands out stays whole however long it is used.
#[derive(Debug)]
pub struct Library {
    memo: Memo,
    exercises: Arc<Exercises>,
    seal_keys: Vec<Key>,
    shelf: Mutex<Shelf>,
    budget: usize,
    hits: AtomicU64,
    misses: AtomicU64,
    evicted: AtomicU64,
}

#[derive(Debug, Default)]
struct Shelf {
    by_name: HashMap<String, Entry>,
    /// The names in the order of their last use.
    by_use: BTreeMap<u64, String>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    stored: Arc<Stored>,
    used: u64,
}

/// What a library holds and how it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Networks.
    pub networks: usize,
    /// Bytes that they take.
    pub bytes: usize,
    /// Look-ups that found their network.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Networks put out for others.
    pub evicted: u64,
}

impl Library {
    /// An empty one of so many bytes.
    pub fn new(budget: usize) -> Self {
        let zero = || AtomicU64::new(0);
        let exercises = Arc::new(Exercises::new(GRADED));
        Self {
            memo: Memo::new(LOWERED),
            exercises,
            seal_keys: Vec::new(),
            shelf: Mutex::default(),
            budget,
            hits: zero(),
            misses: zero(),
            evicted: zero(),
        }
    }

    /// The same, with the keys that open sealed exercises.
    pub fn sealed_with(self, seal_keys: Vec<Key>) -> Self {
        Self { seal_keys, ..self }
    }

    /// The keys that open sealed exercises.
    pub(super) fn seal_keys(&self) -> &[Key] {
        &self.seal_keys
    }

    /// What is known of networks that problems carry.
    pub(super) fn memo(&self) -> &Memo {
        &self.memo
    }

    /// Exercises that submissions are graded against.
    pub(super) fn exercises(&self) -> &Arc<Exercises> {
        &self.exercises
    }

    /// What is known of networks that problems carry, in figures.
    pub fn remembered(&self) -> Remembered {
        self.memo.remembered()
    }

    /// The bytes that all may take.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// A network for use, counted.
    pub fn get(&self, name: &str) -> Option<Arc<Stored>> {
        let found = self.shelf().touch(name);
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Whether a network is here; no use of it.
    pub fn has(&self, name: &str) -> bool {
        self.shelf().by_name.contains_key(name)
    }

    /// Put a network in; others go out until it fits. One that is larger than all may be is not kept.
    pub fn put(&self, stored: Arc<Stored>) {
        if stored.bytes() > self.budget {
            return;
        }
        let mut shelf = self.shelf();
        shelf.take(stored.name());
        let mut out = Vec::new();
        while shelf.bytes + stored.bytes() > self.budget {
            let Some((_, oldest)) = shelf.by_use.first_key_value() else { break };
            let oldest = oldest.clone();
            out.extend(shelf.take(&oldest));
        }
        shelf.insert(stored);
        drop(shelf);
        self.evicted.fetch_add(out.len() as u64, Ordering::Relaxed);
    }

    /// Take a network out; whether it was there.
    pub fn remove(&self, name: &str) -> bool {
        let taken = self.shelf().take(name);
        taken.is_some()
    }

    /// What it holds now.
    pub fn holdings(&self) -> Holdings {
        let shelf = self.shelf();
        Holdings {
            networks: shelf.by_name.len(),
            bytes: shelf.bytes,
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn touch(&mut self, name: &str) -> Option<Arc<Stored>> {
        let entry = self.by_name.get_mut(name)?;
        let text = self.by_use.remove(&entry.used)?;
        self.uses += 1;
        entry.used = self.uses;
        self.by_use.insert(self.uses, text);
        Some(Arc::clone(&entry.stored))
    }

    fn insert(&mut self, stored: Arc<Stored>) {
        self.uses += 1;
        self.bytes += stored.bytes();
        self.by_use.insert(self.uses, stored.name().to_owned());
        self.by_name.insert(stored.name().to_owned(), Entry { stored, used: self.uses });
    }

    fn take(&mut self, name: &str) -> Option<Arc<Stored>> {
        let Entry { stored, used } = self.by_name.remove(name)?;
        self.by_use.remove(&used);
        self.bytes -= stored.bytes();
        Some(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::{KEEP, Slot};
    use super::super::{Form, Request};
    use super::*;
    use crate::config::Limits;

    fn stored(weight: f64) -> Arc<Stored> {
        let text =
            format!(r#"{{"network":{{"inputs":["x"],"nodes":[{{"id":"f","op":"neuron","inputs":{{"x":{weight:.3}}}}}]}}}}"#);
        let slot = Arc::new(Slot::default());
        let request = Request { problem: text.as_bytes(), keep: Some(&slot), ..Request::default() };
        let prepared = (KEEP.prepare)(request, Form::Json, &Limits::default()).expect("the network is valid");
        prepared.run(&|| Ok(())).expect("nothing stops it");
        Arc::clone(slot.get().expect("it was kept"))
    }

    #[test]
    fn the_least_recently_used_goes_out() {
        let all: Vec<_> = (0..4).map(|i| stored(f64::from(i))).collect();
        let library = Library::new(all[0].bytes() * 3);
        all[..3].iter().for_each(|stored| library.put(Arc::clone(stored)));
        assert!(library.get(all[0].name()).is_some());
        library.put(Arc::clone(&all[3]));
        let here: Vec<_> = all.iter().map(|stored| library.has(stored.name())).collect();
        assert_eq!(here, [true, false, true, true]);
        assert!(library.get(all[1].name()).is_none());
        library.put(Arc::clone(&all[3]));
        assert!(library.remove(all[2].name()) && !library.remove(all[2].name()));
        let holdings = Holdings { networks: 2, bytes: all[0].bytes() * 2, hits: 1, misses: 1, evicted: 1 };
        assert_eq!(library.holdings(), holdings);
    }

    #[test]
    fn what_is_larger_than_all_may_be_is_not_kept() {
        let stored = stored(1.0);
        let library = Library::new(stored.bytes() - 1);
        library.put(Arc::clone(&stored));
        assert_eq!(library.holdings(), Holdings::default());
    }
}
