//! Problems that were lowered before, by their text without its numbers: who posts the same network with another minibatch, or with
//! other values for `parameters`, pays once for reading, lowering and planning it.
//!
//! A problem's text is skimmed: its `batch` and `parameters` are read, all other members are copied as they stand into the key
//! under which a [`Pattern`] is known. Equal keys are equal problems but for those two. Whatever is found wrong by this short way,
//! and whatever does not fit, goes the long way from its beginning: the answer is the same, byte for byte, and so are the faults.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Request;
use super::run::Job;
use super::skeleton::Place;
use crate::config::Limits;
use crate::lower::Slot;
use crate::spec::fault::{At, Faults};
use crate::spec::json::{self, Json, skip_space, string_end, value_end};
use crate::spec::problem::{self, Options, Problem};
use crate::spec::tensor::Reading;

/// Lowering is not what a longer problem's time goes into.
const LONGEST_PROBLEM: usize = 256 << 10;
/// Nor that of one with so much besides its numbers.
const LONGEST_KEY: usize = 64 << 10;
/// Numbers of samples for which one text is kept.
const SIZES: usize = 4;
/// Texts that were seen once.
const SEEN: usize = 4096;

/// Patterns by their texts; those used longest ago go out.
#[derive(Debug)]
pub(super) struct Memo {
    known: Mutex<Patterns>,
    budget: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Debug, Default)]
struct Patterns {
    by_key: HashMap<Arc<[u8]>, Entry>,
    by_use: BTreeMap<u64, Arc<[u8]>>,
    uses: u64,
    /// The key that came last, which mostly comes again.
    latest: Option<Latest>,
    bytes: usize,
    /// Digests of keys that came once: one that never comes again is not worth keeping.
    seen: HashSet<u64>,
    hasher: RandomState,
}

#[derive(Debug, Clone)]
struct Latest {
    key: Arc<[u8]>,
    sizes: Arc<[Arc<Pattern>]>,
    used: u64,
}

#[derive(Debug)]
struct Entry {
    sizes: Arc<[Arc<Pattern>]>,
    used: u64,
    bytes: usize,
}

/// A problem lowered and planned, without its numbers.
#[derive(Debug)]
struct Pattern {
    job: Job,
    options: Arc<Options>,
    slots: Vec<Slot>,
    place: Arc<Place>,
}

/// What a memo holds and how it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remembered {
    /// Bytes of its patterns and their texts.
    pub bytes: usize,
    /// Problems that were lowered before.
    pub hits: u64,
    /// Problems that were not.
    pub misses: u64,
}

/// What became of a problem.
pub(super) enum Recalled {
    /// It was lowered before; here it is with its own numbers.
    Known(Known),
    /// It may be kept under this key.
    New(Key),
    /// It is none to be kept.
    Unfit,
}

/// A problem that was lowered before.
pub(super) struct Known {
    pub(super) job: Job,
    pub(super) options: Arc<Options>,
    /// What its reply has in common with others.
    pub(super) place: Arc<Place>,
}

/// What a problem is known by.
pub(super) struct Key {
    text: Vec<u8>,
    /// The entries of its `parameters`.
    names: Vec<String>,
}

impl Memo {
    pub(super) fn new(budget: usize) -> Self {
        Self { known: Mutex::default(), budget, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    pub(super) fn remembered(&self) -> Remembered {
        let bytes = self.known().bytes;
        Remembered { bytes, hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }

    fn known(&self) -> MutexGuard<'_, Patterns> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The problem by its pattern, if there is one that fits and nothing is wrong.
    pub(super) fn recall(&self, request: Request<'_>, backward: bool, limits: &Limits) -> Recalled {
        let parts = request.parameters.is_some() || request.inputs.is_some() || request.targets.is_some();
        if parts || request.problem.len() > LONGEST_PROBLEM {
            return Recalled::Unfit;
        }
        let latest = self.known().latest();
        if let Some(known) = latest.and_then(|latest| latest.recalled(request.problem, backward, limits)) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Recalled::Known(known);
        }
        let Some(skimmed) = Skimmed::of(request.problem, backward, limits) else { return Recalled::Unfit };
        let Skimmed { key, batch, parameters } = skimmed;
        let sizes = self.known().get(&key);
        let mut given = Problem::default();
        let names = match sizes {
            Some(sizes) => {
                if let Some(known) = recalled(&sizes, batch, parameters, &mut given, limits) {
                    self.hits.fetch_add(1, Ordering::Relaxed);
                    return Recalled::Known(known);
                }
                given.parameters.into_iter().map(|(name, _)| name).collect()
            }
            None => match &parameters {
                Some(Json::Object(object)) => object.iter().map(|(name, _)| name.to_owned()).collect(),
                _ => Vec::new(),
            },
        };
        self.misses.fetch_add(1, Ordering::Relaxed);
        if key.len() <= LONGEST_KEY { Recalled::New(Key { text: key, names }) } else { Recalled::Unfit }
    }

    /// Keep a problem's pattern beside those for other numbers of samples, if its key came before; patterns of other keys go out
    /// until it fits.
    pub(super) fn learn(&self, key: Key, job: &Job, options: &Arc<Options>) {
        let mut known = self.known();
        if !known.came_before(&key.text) {
            return;
        }
        let Some(slots) = job.lowered.slots(&key.names) else { return };
        // A reply names what the problem names, some of it in several places.
        let place = Arc::new(Place::new(1024 + 4 * key.text.len()));
        let pattern = Pattern { job: job.without_numbers(&slots), options: Arc::clone(options), slots, place };
        let others = known.take(&key.text);
        let samples = pattern.samples();
        let others = others.iter().filter(|other| other.samples() != samples).take(SIZES - 1).cloned();
        let sizes: Arc<[_]> = [Arc::new(pattern)].into_iter().chain(others).collect();
        let bytes = key.text.len() + sizes.iter().map(|pattern| pattern.bytes()).sum::<usize>();
        if bytes > self.budget {
            return;
        }
        while known.bytes + bytes > self.budget {
            let Some((_, oldest)) = known.by_use.first_key_value() else { break };
            let oldest = Arc::clone(oldest);
            known.take(&oldest);
        }
        let key: Arc<[u8]> = key.text.into();
        known.uses += 1;
        let used = known.uses;
        known.bytes += bytes;
        known.by_use.insert(used, Arc::clone(&key));
        known.by_key.insert(key, Entry { sizes, used, bytes });
    }
}

/// The problem by that of its patterns which is for as many samples; `given` receives what it gives for parameters.
fn recalled(
    sizes: &[Arc<Pattern>],
    batch: Json<'_>,
    parameters: Option<Json<'_>>,
    given: &mut Problem<'_>,
    limits: &Limits,
) -> Option<Known> {
    let mut faults = Faults::new(1);
    let options = &sizes.first()?.options;
    let reading = Reading { limits, allow_non_finite: options.allow_non_finite, allow_init: false };
    if let Some(parameters) = parameters {
        problem::parameters(parameters, reading, given, &mut faults);
    }
    let batch = problem::batch(batch, At::ROOT.name("batch"), reading, &mut faults)?;
    let samples = batch.samples();
    let pattern = sizes.iter().find(|pattern| samples.is_none_or(|samples| pattern.samples() == samples))?;
    if !faults.is_empty() {
        return None;
    }
    let lowered = pattern.job.lowered.renewed(&pattern.slots, &given.parameters, batch)?;
    Some(Known { job: pattern.job.over(lowered), options: Arc::clone(options), place: Arc::clone(&pattern.place) })
}

impl Patterns {
    fn get(&mut self, key: &[u8]) -> Option<Arc<[Arc<Pattern>]>> {
        let Self { by_key, by_use, uses, latest, .. } = self;
        let entry = by_key.get_mut(key)?;
        if entry.used != *uses {
            let key = by_use.remove(&entry.used)?;
            *uses += 1;
            entry.used = *uses;
            by_use.insert(*uses, key);
        }
        let sizes = Arc::clone(&entry.sizes);
        if latest.as_ref().is_none_or(|latest| latest.used != *uses) {
            let key = Arc::clone(by_use.get(uses)?);
            *latest = Some(Latest { key, sizes: Arc::clone(&sizes), used: *uses });
        }
        Some(sizes)
    }

    /// The key that came last, if there is none newer.
    fn latest(&self) -> Option<Latest> {
        self.latest.as_ref().filter(|latest| latest.used == self.uses).cloned()
    }

    /// Whether a key came before.
    fn came_before(&mut self, key: &[u8]) -> bool {
        if self.by_key.contains_key(key) {
            return true;
        }
        let digest = self.hasher.hash_one(key);
        if self.seen.len() >= SEEN {
            self.seen.clear();
        }
        !self.seen.insert(digest)
    }

    fn take(&mut self, key: &[u8]) -> Arc<[Arc<Pattern>]> {
        let Some(Entry { sizes, used, bytes }) = self.by_key.remove(key) else { return [].into() };
        self.by_use.remove(&used);
        self.latest = self.latest.take().filter(|latest| latest.used != used);
        self.bytes -= bytes;
        sizes
    }
}

impl Latest {
    /// The problem by one of these patterns, if its text is that of the key.
    fn recalled(&self, text: &[u8], backward: bool, limits: &Limits) -> Option<Known> {
        let (batch, parameters) = numbers(text, &self.key, backward, limits)?;
        recalled(&self.sizes, batch, parameters, &mut Problem::default(), limits)
    }
}

impl Pattern {
    fn samples(&self) -> usize {
        self.job.lowered.samples
    }

    /// Bytes that it takes, near enough.
    fn bytes(&self) -> usize {
        const EACH: usize = 64;
        let slots = self.slots.iter().map(|slot| EACH + slot.name.len()).sum::<usize>();
        let options = self.options.wrt.iter().flatten().map(|name| EACH + name.len()).sum::<usize>();
        1024 + self.job.heap_bytes() + slots + options + self.place.room()
    }
}

/// A problem's text, with a mark in place of its numbers, and the numbers.
struct Skimmed<'a> {
    key: Vec<u8>,
    batch: Json<'a>,
    parameters: Option<Json<'a>>,
}

/// Stands for what was read. JSON has no such byte, so that no text can mean it.
const MARK: u8 = 0;

impl<'a> Skimmed<'a> {
    /// Skim an object that has a `batch`. Of the other members nothing is checked that finding their ends does not need.
    fn of(text: &'a [u8], backward: bool, limits: &Limits) -> Option<Self> {
        let mut key = Vec::with_capacity(text.len().min(4 << 10));
        key.push(u8::from(backward));
        let (mut batch, mut parameters) = (None, None);
        let (mut at, mut copied) = (skip_space(text, 0), 0);
        (*text.get(at)? == b'{').then_some(())?;
        loop {
            at = skip_space(text, at + 1);
            (*text.get(at)? == b'"').then_some(())?;
            let end = string_end(text, at)?;
            let slot = match &text[at..end] {
                b"\"batch\"" => Some(&mut batch),
                b"\"parameters\"" => Some(&mut parameters),
                _ => None,
            };
            at = skip_space(text, end);
            (*text.get(at)? == b':').then_some(())?;
            at = skip_space(text, at + 1);
            match slot {
                None => at = value_end(text, at)?,
                Some(slot) => {
                    let (json, end) = json::member_at(text, at, limits)?;
                    *slot = Some(json);
                    key.extend_from_slice(&text[copied..at]);
                    key.push(MARK);
                    (at, copied) = (end, end);
                }
            }
            at = skip_space(text, at);
            match text.get(at)? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        key.extend_from_slice(&text[copied..]);
        Some(Self { key, batch: batch?, parameters })
    }
}

/// What [`Skimmed::of`] finds in a text, if its key is this one, which belongs to a problem that was right.
fn numbers<'a>(text: &'a [u8], key: &[u8], backward: bool, limits: &Limits) -> Option<(Json<'a>, Option<Json<'a>>)> {
    let (mut batch, mut parameters) = (None, None);
    let mut rest = key.strip_prefix(&[u8::from(backward)])?;
    let mut at = 0;
    while let Some(mark) = memchr::memchr(MARK, rest) {
        let before = &rest[..mark];
        text[at..].starts_with(before).then_some(())?;
        let name = before.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
        let slot = if name.ends_with(b"\"batch\"") { &mut batch } else { &mut parameters };
        let (json, end) = json::member_at(text, at + mark, limits)?;
        *slot = Some(json);
        (at, rest) = (end, &rest[mark + 1..]);
    }
    (text[at..] == *rest).then_some((batch?, parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of a text, `#` standing for the mark, or nothing.
    fn check(text: &str, expect: Option<&str>) {
        let limits = Limits::default();
        let skimmed = Skimmed::of(text.as_bytes(), true, &limits);
        let key = skimmed.as_ref().map(|skimmed| String::from_utf8_lossy(&skimmed.key[1..]).replace('\0', "#"));
        assert_eq!(key.as_deref(), expect, "{text}");
        let Ok(Json::Object(whole)) = json::parse(text.as_bytes(), &limits) else { return };
        if let Some(Skimmed { batch, parameters, key }) = &skimmed {
            assert_eq!((Some(batch), parameters.as_ref()), (whole.get("batch"), whole.get("parameters")), "{text}");
            let found = numbers(text.as_bytes(), key, true, &limits);
            assert_eq!(found, Some((batch.clone(), parameters.clone())), "{text} by its key");
            assert_eq!(numbers(text.as_bytes(), key, false, &limits), None);
            assert_eq!(numbers(format!("{text} ").as_bytes(), key, true, &limits), None);
        }
    }

    #[test]
    fn numbers_are_found_wherever_they_stand() {
        for (text, key) in [
            (r#"{"batch":{}}"#, Some(r#"{"batch":#}"#)),
            (
                r#" { "loss" : {"a":[1,"}",{}]} , "batch" : {"n":["]\"}"]} , "x":1}"#,
                Some(r#" { "loss" : {"a":[1,"}",{}]} , "batch" : # , "x":1}"#),
            ),
            (
                r#"{"a":1,"parameters":{"w":[[1,2],[3,4]]},"b":"\\","c":[[]],"d":null,"batch":{"a":{"b":{}}}}"#,
                Some(r#"{"a":1,"parameters":#,"b":"\\","c":[[]],"d":null,"batch":#}"#),
            ),
            (r#"{"network":{"batch":{}},"batch":{"x":1}}"#, Some(r#"{"network":{"batch":{}},"batch":#}"#)),
            (r#"{"batch":null,"parameters":3}  "#, Some(r#"{"batch":#,"parameters":#}  "#)),
            (r#"{"batch":[1,]}"#, None),
            (r#"{"batch":{"a":1}"#, None),
            (r#"{"batch":{"a":1,"a":2}}"#, None),
            (r#"{"b\u0061tch":{}}"#, None),
            (r#"{"loss":{}}"#, None),
            (r#"[{"batch":{}}]"#, None),
            ("{", None),
            ("{}", None),
            ("", None),
            (r#"{"a":"\"#, None),
        ] {
            check(text, key);
        }
    }

    #[test]
    fn a_key_knows_its_texts_from_others() {
        let limits = Limits::default();
        let key = Skimmed::of(br#"{"x":1,"parameters" : {"w":1} ,"batch":{"n":[1,2]},"y":2}"#, true, &limits)
            .expect("it has a batch")
            .key;
        for (text, known) in [
            (r#"{"x":1,"parameters" : {"w":[3, 4]} ,"batch":{"m":null},"y":2}"#, true),
            (r#"{"x":1,"parameters" : 7 ,"batch":[],"y":2}"#, true),
            (r#"{"x":1,"parameters" :  7 ,"batch":[],"y":2}"#, false),
            (r#"{"x":1,"batch" : {"w":1} ,"parameters":{"n":[1,2]},"y":2}"#, false),
            (r#"{"x":2,"parameters" : {"w":1} ,"batch":{"n":[1,2]},"y":2}"#, false),
            (r#"{"x":1,"parameters" : {"w":1} ,"batch":{"n":[1,2]},"y":3}"#, false),
            (r#"{"x":1,"parameters" : {"w":1} ,"batch":{"n":[1,2]},"y":2}}"#, false),
            (r#"{"x":1,"parameters" : {"w":1} ,"batch":{"n":[1,2]},"#, false),
            (r#"{"x":1,"parameters" : {"w":1} ,"batch":"#, false),
            (r#"{"x":1,"parameters" : {"w":1"#, false),
            ("", false),
        ] {
            let found = numbers(text.as_bytes(), &key, true, &limits);
            assert_eq!(found.is_some(), known, "{text}");
            assert_eq!(Skimmed::of(text.as_bytes(), true, &limits).is_some_and(|skimmed| skimmed.key == key), known, "{text}");
        }
    }

    #[test]
    fn what_was_read_cannot_be_meant_by_a_byte() {
        check("{\"batch\":\0}", None);
        check("{\"batch\":{},\"parameters\":\0}", None);
        check("{\"x\":\0,\"batch\":{}}", Some("{\"x\":#,\"batch\":#}"));
    }
}
