//! Lowered networks, by the text that they were written in: who posts the same network with another minibatch pays for reading and
//! lowering it once.
//!
//! Whatever is found wrong by this short way, and whatever does not fit, goes the long way from its beginning: the answer is the
//! same, byte for byte, and so are the faults.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Posed, Request, request_hash};
use crate::config::Limits;
use crate::lower::{Need, Pattern, Patterns, lower_by, select};
use crate::spec::fault::Faults;
use crate::spec::{json, problem};

/// Reading a longer network is not what a problem's time goes into.
const LONGEST_TEXT: usize = 64 << 10;
/// Nor in a longer problem.
const LONGEST_PROBLEM: usize = 256 << 10;
/// Numbers of samples for which one network is kept.
const SIZES: usize = 4;
/// Texts that were seen once.
const SEEN: usize = 4096;

/// Stands for the network while the rest of a problem is read.
const STAND_IN: &str = r#"{"ref":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}"#;

/// Patterns by their networks' texts; those used longest ago go out.
#[derive(Debug)]
pub(super) struct Memo {
    known: Mutex<Known>,
    budget: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    by_text: HashMap<Arc<[u8]>, Entry>,
    by_use: BTreeMap<u64, Arc<[u8]>>,
    uses: u64,
    bytes: usize,
    /// Digests of texts that came once: one that never comes again is not worth keeping.
    seen: HashSet<u64>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry {
    patterns: Vec<Arc<Pattern>>,
    used: u64,
    bytes: usize,
}

/// What a memo holds and how it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remembered {
    /// Bytes of its patterns and their texts.
    pub bytes: usize,
    /// Problems whose network was lowered before.
    pub hits: u64,
    /// Problems whose network was not.
    pub misses: u64,
}

impl Memo {
    pub(super) fn new(budget: usize) -> Self {
        Self { known: Mutex::default(), budget, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    pub(super) fn remembered(&self) -> Remembered {
        let bytes = self.known().bytes;
        Remembered { bytes, hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, text: &[u8]) -> Option<Vec<Arc<Pattern>>> {
        let mut known = self.known();
        let Known { by_text, by_use, uses, .. } = &mut *known;
        let entry = by_text.get_mut(text)?;
        let key = by_use.remove(&entry.used)?;
        *uses += 1;
        entry.used = *uses;
        by_use.insert(*uses, key);
        Some(entry.patterns.clone())
    }

    /// Whether a text came before.
    fn came_before(&self, text: &[u8]) -> bool {
        let mut known = self.known();
        if known.by_text.contains_key(text) {
            return true;
        }
        let digest = known.hasher.hash_one(text);
        if known.seen.len() >= SEEN {
            known.seen.clear();
        }
        !known.seen.insert(digest)
    }

    /// Keep a pattern beside those for other numbers of samples; patterns of other texts go out until it fits.
    pub(super) fn learn(&self, text: &[u8], pattern: Pattern) {
        let mut known = self.known();
        let mut patterns = known.take(text);
        patterns.retain(|other| other.samples() != pattern.samples());
        patterns.truncate(SIZES - 1);
        patterns.insert(0, Arc::new(pattern));
        let bytes = text.len() + patterns.iter().map(|pattern| pattern.bytes()).sum::<usize>();
        if bytes > self.budget {
            return;
        }
        while known.bytes + bytes > self.budget {
            let Some((_, oldest)) = known.by_use.first_key_value() else { break };
            let oldest = Arc::clone(oldest);
            known.take(&oldest);
        }
        let key: Arc<[u8]> = text.into();
        known.uses += 1;
        let used = known.uses;
        known.bytes += bytes;
        known.by_use.insert(used, Arc::clone(&key));
        known.by_text.insert(key, Entry { patterns, used, bytes });
    }

    /// The problem by a pattern of its network, if there is one that fits and nothing is wrong.
    pub(super) fn recall(&self, request: Request<'_>, need: Need, limits: &Limits) -> Option<Posed> {
        let span = network_of(request, need)?;
        let posed = self.by_pattern(request, span, need, limits)?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(posed)
    }

    fn by_pattern(&self, request: Request<'_>, span: Range<usize>, need: Need, limits: &Limits) -> Option<Posed> {
        let text = request.problem;
        let patterns = self.get(&text[span.clone()])?;
        let rest = [&text[..span.start], STAND_IN.as_bytes(), &text[span.end..]].concat();
        let mut faults = Faults::new(1);
        let mut problem = problem::decode(json::parse(&rest, limits).ok()?, limits, &[], &mut faults);
        if problem.reference.take().is_none() || problem.parameters_given || !faults.is_empty() {
            return None;
        }
        let options = problem.options.clone();
        let lowered = lower_by(problem, Patterns::Known(&patterns), need, limits, &mut faults)?;
        let selection = select(&lowered, &options, &mut faults);
        faults.is_empty().then(|| Posed { lowered, selection, options, request_hash: request_hash(request) })
    }

    /// The text under which the pattern of a problem's network is to be kept, if it is worth it.
    pub(super) fn worth<'a>(&self, request: Request<'a>, need: Need) -> Option<&'a [u8]> {
        let text = &request.problem[network_of(request, need)?];
        self.misses.fetch_add(1, Ordering::Relaxed);
        self.came_before(text).then_some(text)
    }
}

impl Known {
    fn take(&mut self, text: &[u8]) -> Vec<Arc<Pattern>> {
        let Some(Entry { patterns, used, bytes }) = self.by_text.remove(text) else { return Vec::new() };
        self.by_use.remove(&used);
        self.bytes -= bytes;
        patterns
    }
}

/// Where the network stands in a problem that may have a pattern.
fn network_of(request: Request<'_>, need: Need) -> Option<Range<usize>> {
    let parts = request.parameters.is_some() || request.inputs.is_some() || request.targets.is_some();
    if parts || need == Need::Shapes || request.problem.len() > LONGEST_PROBLEM {
        return None;
    }
    let span = network_text(request.problem)?;
    (span.len() <= LONGEST_TEXT).then_some(span)
}

/// The extent of the member `network` of an object, if it is an object. Nothing is checked that finding its end does not need.
fn network_text(text: &[u8]) -> Option<Range<usize>> {
    let mut at = skip_space(text, 0);
    (*text.get(at)? == b'{').then_some(())?;
    at += 1;
    loop {
        at = skip_space(text, at);
        (*text.get(at)? == b'"').then_some(())?;
        let end = string_end(text, at)?;
        let is_network = &text[at..end] == b"\"network\"";
        at = skip_space(text, end);
        (*text.get(at)? == b':').then_some(())?;
        at = skip_space(text, at + 1);
        let end = value_end(text, at)?;
        if is_network {
            return (text[at] == b'{').then_some(at..end);
        }
        at = skip_space(text, end);
        (*text.get(at)? == b',').then_some(())?;
        at += 1;
    }
}

fn skip_space(text: &[u8], at: usize) -> usize {
    let space = text.get(at..).unwrap_or_default().iter().take_while(|byte| b" \t\r\n".contains(byte));
    at + space.count()
}

/// The place after the string that begins here.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The place after the value that begins here: strings are skipped, and brackets counted.
fn value_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut open = 0_usize;
    loop {
        match *text.get(at)? {
            b'"' => {
                at = string_end(text, at)?;
                if open == 0 {
                    return Some(at);
                }
                continue;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' if open <= 1 => return Some(if open == 0 { at } else { at + 1 }),
            b'}' | b']' => open -= 1,
            b',' if open == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_is_found_wherever_it_stands() {
        for (text, network) in [
            (r#"{"network":{}}"#, Some("{}")),
            (r#" { "loss" : {"a":[1,"}",{}]} , "network" : {"n":["]\"}"]} , "x":1}"#, Some(r#"{"n":["]\"}"]}"#)),
            (r#"{"a":1,"b":"\\","c":[[]],"d":null,"network":{"a":{"b":{}}}}"#, Some(r#"{"a":{"b":{}}}"#)),
            (r#"{"batch":{"network":{}},"network":{"x":1}}"#, Some(r#"{"x":1}"#)),
            (r#"{"network":[]}"#, None),
            (r#"{"network":{"ref":"x"#, None),
            (r#"{"netw\u006frk":{}}"#, None),
            (r#"{"loss":{}}"#, None),
            (r#"[{"network":{}}]"#, None),
            ("{", None),
            ("", None),
            (r#"{"a":"\"#, None),
        ] {
            let found = network_text(text.as_bytes()).map(|span| &text[span]);
            assert_eq!(found, network, "{text}");
        }
    }
}
