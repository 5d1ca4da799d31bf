//! The reader: down the text once, numbers into one vector as long as their array is rectangular.

use std::borrow::Cow;
use std::collections::HashSet;

use super::super::fault::{At, Code, Faults};
use super::{Json, NON_FINITE, Number, Numbers, Object, complaint, number, string};
use crate::config::Limits;
use crate::tensor::decimal::Scanner;

/// Read one JSON text.
///
/// # Errors
/// The first place where it is not JSON (`malformed_json`), is nested too deep (`too_deep`) or holds too many values
/// (`limit_exceeded`), and before it every key that stands twice (`duplicate_key`) and every number beyond the range of a double
/// (`number_out_of_range`).
pub fn parse<'a>(text: &'a [u8], limits: &Limits) -> Result<Json<'a>, Faults> {
    let mut reader = Reader::new(text, limits);
    match reader.document() {
        Ok(json) if reader.faults.is_empty() => Ok(json),
        _ => Err(reader.faults),
    }
}

/// Read one member's value of the outermost object, from where it begins, and tell where it ends. Nothing where anything is wrong,
/// or might be: more values than [`parse`] may admit.
pub fn member_at<'a>(text: &'a [u8], position: usize, limits: &Limits) -> Option<(Json<'a>, usize)> {
    let mut reader = Reader::new(text, limits);
    if text.len() / 2 >= reader.values {
        return None;
    }
    reader.position = position;
    let json = reader.value(At::ROOT, 1).ok()?;
    reader.faults.is_empty().then_some((json, reader.position))
}

/// Reading goes down the stack with the text, so that there is a depth no setting can exceed.
pub(super) const DEEPEST: usize = 256;

/// Values outside arrays of numbers take memory many times their text. No request within the limits on nodes and edges has more
/// than about so many.
const VALUES_A_NODE: usize = 16;
const VALUES_AN_EDGE: usize = 4;

/// Numbers of a row that are read one by one, before the rest is read many at a time.
const SHORT_ROW: usize = 4;
/// Short rows that are read one by one, before others are read many at a time.
const FEW_ROWS: usize = 4;
/// From so many numbers on their vector is made long enough for all that may follow, so that it is not copied as it grows.
const MANY: usize = 4096;

struct Reader<'a> {
    text: &'a [u8],
    position: usize,
    depth: usize,
    values: usize,
    values_left: usize,
    /// Numbers before this position were complained about; an array may be read twice.
    complained: usize,
    mark: Mark,
    faults: Faults,
    /// Made for the first row that is long enough.
    scanner: Option<Box<Scanner>>,
}

/// A position whose line and column are known. It only moves forward, so that a thousand complaints cost one walk over the text.
#[derive(Clone, Copy)]
struct Mark {
    position: usize,
    line: usize,
    column: usize,
}

impl Mark {
    const START: Self = Self { position: 0, line: 1, column: 1 };
}

/// Reading cannot go on; the fault is listed.
struct Stop;

/// Numbers under way: all arrays of one outermost array write here as long as they conform.
#[derive(Default)]
struct Run {
    data: Vec<f64>,
    /// The length of the arrays at each level, [`Run::OPEN`] until the first of them ends.
    lengths: Vec<usize>,
    /// The level whose arrays hold numbers, once one was seen.
    leaf: Option<usize>,
}

impl Run {
    const OPEN: usize = usize::MAX;

    /// Whether an array at `level` may hold numbers; if so, all of them there do.
    fn admits_numbers(&mut self, level: usize) -> bool {
        *self.leaf.get_or_insert(level) == level
    }

    /// The array at `level` ends with `count` elements: whether that is the length of all of them.
    fn admits_length(&mut self, level: usize, count: usize) -> bool {
        if count == 0 && !self.admits_numbers(level) {
            return false;
        }
        let length = &mut self.lengths[level];
        if *length == Self::OPEN {
            *length = count;
        }
        *length == count
    }

    /// Take out what was written from `start` on, as one array of `count` elements at `level`.
    fn take(&mut self, start: usize, level: usize, count: usize) -> Numbers {
        let mut shape = vec![count];
        if count > 0 {
            shape.extend_from_slice(&self.lengths[level + 1..]);
        }
        Numbers { shape, data: self.data.split_off(start) }
    }
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8], limits: &Limits) -> Self {
        let values = VALUES_A_NODE.saturating_mul(limits.nodes).saturating_add(VALUES_AN_EDGE.saturating_mul(limits.edges));
        Self {
            text,
            position: 0,
            depth: limits.json_depth.min(DEEPEST),
            values,
            values_left: values,
            complained: 0,
            mark: Mark::START,
            faults: Faults::new(limits.faults),
            scanner: None,
        }
    }

    fn document(&mut self) -> Result<Json<'a>, Stop> {
        if let Some(detail) = complaint::encoding(self.text) {
            return Err(self.malformed(0, detail));
        }
        self.skip_space();
        if self.position == self.text.len() {
            return Err(self.malformed(self.position, "expected a JSON value, found nothing but white space"));
        }
        let json = self.value(At::ROOT, 0)?;
        self.skip_space();
        if self.position < self.text.len() {
            let detail = complaint::after_the_end(self.text, self.position);
            return Err(self.malformed(self.position, detail));
        }
        Ok(json)
    }

    /// The value at this position, inside `depth` arrays and objects.
    fn value(&mut self, at: At<'_>, depth: usize) -> Result<Json<'a>, Stop> {
        self.charge(1, at)?;
        match self.peek() {
            Some(b'{') => self.object(at, depth),
            Some(b'[') => self.outermost_array(at, depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.position;
                let value = self.number(at)?;
                let text = str::from_utf8(&self.text[start..self.position]).expect("numbers are ASCII");
                Ok(Json::Number(Number { value, text }))
            }
            Some(b't') if self.take_word(b"true") => Ok(Json::Bool(true)),
            Some(b'f') if self.take_word(b"false") => Ok(Json::Bool(false)),
            Some(b'n') if self.take_word(b"null") => Ok(Json::Null),
            _ => Err(self.malformed(self.position, complaint::no_value(self.text, self.position, depth))),
        }
    }

    fn object(&mut self, at: At<'_>, depth: usize) -> Result<Json<'a>, Stop> {
        self.open(at, depth)?;
        let mut members = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Json::Object(Object { members }));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.malformed(self.position, complaint::no_key(self.text, self.position, depth + 1)));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.malformed(self.position, complaint::no_colon(self.text, self.position, &key)));
            }
            self.skip_space();
            let value = self.value(at.name(&key), depth + 1)?;
            members.push((key, value));
            if self.ends(b'}', depth)? {
                break;
            }
        }
        self.find_duplicates(&members, at);
        Ok(Json::Object(Object { members }))
    }

    fn find_duplicates(&mut self, members: &[(Cow<'a, str>, Json<'a>)], at: At<'_>) {
        const FEW: usize = 16;
        let mut report = |key: &str| {
            self.faults.push_with(at.name(key), Code::DuplicateKey, || format!("{key:?} stands twice in this object; keep one"));
        };
        if members.len() <= FEW {
            for (index, (key, _)) in members.iter().enumerate() {
                if members[..index].iter().any(|(earlier, _)| earlier == key) {
                    report(key);
                }
            }
        } else {
            let mut seen = HashSet::with_capacity(members.len());
            members.iter().filter(|(key, _)| !seen.insert(key.as_ref())).for_each(|(key, _)| report(key));
        }
    }

    fn outermost_array(&mut self, at: At<'_>, depth: usize) -> Result<Json<'a>, Stop> {
        let mut run = Run::default();
        Ok(match self.array(&mut run, 0, at, depth)? {
            None => {
                if run.data.capacity() > MANY {
                    run.data.shrink_to_fit();
                }
                Json::Numbers(Numbers { shape: run.lengths, data: run.data })
            }
            Some(other) => other,
        })
    }

    /// The array at this position, in the hope that it conforms with `run`. It does: nothing comes back, its numbers are in the run.
    /// It does not: it comes back by itself and the run has none of it.
    fn array(&mut self, run: &mut Run, level: usize, at: At<'_>, depth: usize) -> Result<Option<Json<'a>>, Stop> {
        let opening = self.position;
        let start = run.data.len();
        self.open(at, depth)?;
        if run.lengths.len() == level {
            run.lengths.push(Run::OPEN);
        }
        self.skip_space();
        let mut count = 0;
        let mut ended = self.take(b']');
        let mut together = true;
        while !ended {
            match self.peek() {
                Some(b'[') if together && count >= FEW_ROWS && run.leaf == Some(level + 1) => {
                    let rows = self.short_rows(run, depth + 1);
                    count += rows;
                    together = rows > 0;
                }
                Some(b'-' | b'0'..=b'9') if run.admits_numbers(level) => {
                    ended = self.numbers(&mut run.data, &mut count, at, depth)?;
                }
                Some(b'[') if run.leaf == Some(level + 1) && self.row(run, at.index(count), depth + 1)? => {
                    count += 1;
                    ended = self.ends(b']', depth)?;
                }
                Some(b'[') if run.leaf != Some(level) => {
                    if let Some(misfit) = self.array(run, level + 1, at.index(count), depth + 1)? {
                        let mut rows = self.rows(run, level, start, count, at)?;
                        rows.push(misfit);
                        let ended = self.ends(b']', depth)?;
                        return self.elements(rows, ended, at, depth).map(Some);
                    }
                    count += 1;
                    ended = self.ends(b']', depth)?;
                }
                Some(b'"') if self.non_finite().is_some() && run.admits_numbers(level) => {
                    let (value, after) = self.non_finite().expect("as just seen");
                    run.data.push(value);
                    self.position = after;
                    count += 1;
                    ended = self.ends(b']', depth)?;
                }
                Some(b'-' | b'0'..=b'9' | b'[') if count == 0 => {
                    // A numeric array perhaps, but not of this run's rank.
                    self.position = opening;
                    return self.outermost_array(at, depth).map(Some);
                }
                _ if count == 0 || run.leaf == Some(level) => {
                    // What was read are numbers: read them once more, with their texts.
                    run.data.truncate(start);
                    self.position = opening + 1;
                    self.skip_space();
                    return self.elements(Vec::new(), false, at, depth).map(Some);
                }
                _ => {
                    let rows = self.rows(run, level, start, count, at)?;
                    return self.elements(rows, false, at, depth).map(Some);
                }
            }
        }
        if run.admits_length(level, count) {
            return Ok(None);
        }
        Ok(Some(Json::Numbers(run.take(start, level, count))))
    }

    /// Short rows of numbers like the one before them, many at a time: how many were read. Another one follows.
    fn short_rows(&mut self, run: &mut Run, depth: usize) -> usize {
        /// Numbers of a row for which starting anew does not matter.
        const LONG: usize = 64;
        let Some(&length) = run.lengths.last() else { return 0 };
        if depth >= self.depth || length == 0 || length > LONG {
            return 0;
        }
        let (rows, left) = self.scanner.get_or_insert_default().rows(self.text, self.position, length, &mut run.data);
        self.position = left;
        rows
    }

    /// A row of numbers like the one before it: the case that is worth a short way. Whether it was one; if not, nothing was read.
    #[inline]
    fn row(&mut self, run: &mut Run, at: At<'_>, depth: usize) -> Result<bool, Stop> {
        let (opening, start) = (self.position, run.data.len());
        if depth >= self.depth || !matches!(self.text.get(opening + 1), Some(b'-' | b'0'..=b'9')) {
            return Ok(false);
        }
        self.position += 1;
        let mut count = 0;
        let conforms = self.numbers(&mut run.data, &mut count, at, depth)? && run.lengths.last() == Some(&count);
        if !conforms {
            run.data.truncate(start);
            self.position = opening;
        }
        Ok(conforms)
    }

    /// Numbers up to the end of their array, or to an element that is none; whether the array ended.
    fn numbers(&mut self, data: &mut Vec<f64>, count: &mut usize, at: At<'_>, depth: usize) -> Result<bool, Stop> {
        let text = self.text;
        let mut position = self.position;
        let begin = (position, *count);
        let mut scan_at = *count + SHORT_ROW;
        loop {
            if *count >= scan_at {
                let before = data.len();
                if data.capacity() - before < MANY && before >= MANY {
                    // As many as the rest of the text may hold, if it goes on like this row.
                    let each = (position - begin.0) / (*count - begin.1);
                    data.reserve_exact((text.len() - position) / each.max(2) + MANY);
                }
                position = self.scanner.get_or_insert_default().numbers(text, position, data);
                let found = data.len() - before;
                *count += found;
                // Where it finds little that it is made for, it is asked less often.
                scan_at = *count + if found < SHORT_ROW { 16 * SHORT_ROW } else { 1 };
            }
            match number::read(text, position) {
                Ok((value, after)) => {
                    data.push(value);
                    position = after;
                }
                Err(bad) => {
                    self.position = position;
                    data.push(self.bad_number(bad, at.index(*count))?);
                    position = self.position;
                }
            }
            *count += 1;
            // The next number mostly stands right after the comma, or one space after it.
            if text.get(position) == Some(&b',') {
                let next = position + 1 + usize::from(text.get(position + 1) == Some(&b' '));
                if matches!(text.get(next), Some(b'-' | b'0'..=b'9')) {
                    position = next;
                    continue;
                }
            }
            self.position = position;
            if self.ends(b']', depth)? {
                return Ok(true);
            }
            if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
                return Ok(false);
            }
            position = self.position;
        }
    }

    /// The rows of an array that conformed until now, as values of their own.
    fn rows(&mut self, run: &mut Run, level: usize, start: usize, count: usize, at: At<'_>) -> Result<Vec<Json<'a>>, Stop> {
        self.charge(count, at)?;
        Ok(if count == 0 { Vec::new() } else { run.take(start, level, count).into_elements() })
    }

    /// The rest of an array, element by element.
    fn elements(&mut self, mut elements: Vec<Json<'a>>, mut ended: bool, at: At<'_>, depth: usize) -> Result<Json<'a>, Stop> {
        while !ended {
            let element = self.value(at.index(elements.len()), depth + 1)?;
            elements.push(element);
            ended = self.ends(b']', depth)?;
        }
        Ok(Json::Array(elements))
    }

    fn number(&mut self, at: At<'_>) -> Result<f64, Stop> {
        match number::read(self.text, self.position) {
            Ok((value, after)) => {
                self.position = after;
                Ok(value)
            }
            Err(bad) => self.bad_number(bad, at),
        }
    }

    #[cold]
    fn bad_number(&mut self, bad: number::Bad, at: At<'_>) -> Result<f64, Stop> {
        let start = self.position;
        let number::Bad::Infinite(after) = bad else {
            return Err(self.malformed(start, complaint::number(self.text, start)));
        };
        self.position = after;
        if start >= self.complained {
            self.complained = after;
            let Mark { line, column, .. } = self.mark(start);
            let text = complaint::excerpt(&self.text[start..after]);
            self.faults.push_with(at, Code::NumberOutOfRange, || {
                format!("line {line}, column {column}: {text} is beyond the largest double, about 1.8e308")
            });
        }
        Ok(f64::MAX)
    }

    /// One of the strings that stand for a number here, and the position after it.
    fn non_finite(&self) -> Option<(f64, usize)> {
        let inner = self.text.get(self.position + 1..)?;
        NON_FINITE.iter().find_map(|(name, value)| {
            let rest = inner.strip_prefix(name.as_bytes())?;
            (rest.first() == Some(&b'"')).then_some((*value, self.position + name.len() + 2))
        })
    }

    /// The string at this position.
    fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        let opening = self.position;
        self.position += 1;
        let first = self.plain()?;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(first));
        }
        let mut string = first.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(Cow::Owned(string));
                }
                Some(b'\\') => {
                    let Some((escaped, after)) = string::unescape(self.text, self.position) else {
                        return Err(self.malformed(self.position, complaint::escape(self.text, self.position)));
                    };
                    string.push(escaped);
                    self.position = after;
                    string.push_str(self.plain()?);
                }
                Some(control) => return Err(self.malformed(self.position, complaint::control(control))),
                None => return Err(self.malformed(opening, "the text ends inside the string that begins here; was it cut off?")),
            }
        }
    }

    /// The text up to the next quote, backslash, control character or the end.
    fn plain(&mut self) -> Result<&'a str, Stop> {
        let start = self.position;
        match string::plain(&self.text[start..]) {
            Ok(text) => {
                self.position += text.len();
                Ok(text)
            }
            Err(error) => {
                let position = start + error.valid_up_to();
                Err(self.malformed(position, complaint::not_utf8(self.text[position])))
            }
        }
    }

    /// After an element or a member: whether its array or object ends here. If not, the next one follows.
    #[inline]
    fn ends(&mut self, close: u8, depth: usize) -> Result<bool, Stop> {
        self.skip_space();
        if self.take(b',') {
            self.skip_space();
            if self.peek() == Some(close) {
                let detail = complaint::trailing_comma(close);
                return Err(self.malformed(self.position, detail));
            }
            Ok(false)
        } else if self.take(close) {
            Ok(true)
        } else {
            Err(self.malformed(self.position, complaint::no_separator(self.text, self.position, close, depth + 1)))
        }
    }

    /// Step into an array or object that lies in `depth` others.
    fn open(&mut self, at: At<'_>, depth: usize) -> Result<(), Stop> {
        if depth >= self.depth {
            let detail = format!("nested deeper than {} arrays and objects", self.depth);
            return Err(self.stop(self.position, at, Code::TooDeep, &detail));
        }
        self.position += 1;
        Ok(())
    }

    fn charge(&mut self, values: usize, at: At<'_>) -> Result<(), Stop> {
        let Some(left) = self.values_left.checked_sub(values) else {
            let detail = format!("more than {} values outside rectangular arrays of numbers", self.values);
            return Err(self.stop(self.position, at, Code::LimitExceeded, &detail));
        };
        self.values_left = left;
        Ok(())
    }

    #[cold]
    fn malformed(&mut self, position: usize, detail: impl AsRef<str>) -> Stop {
        self.stop(position, At::ROOT, Code::MalformedJson, detail.as_ref())
    }

    #[cold]
    fn stop(&mut self, position: usize, at: At<'_>, code: Code, detail: &str) -> Stop {
        let Mark { line, column, .. } = self.mark(position);
        self.faults.push(at, code, format!("line {line}, column {column}: {detail}"));
        Stop
    }

    /// Line and column of a position, both from 1, the column in characters.
    fn mark(&mut self, position: usize) -> Mark {
        if position < self.mark.position {
            self.mark = Mark::START;
        }
        let mut mark = self.mark;
        for &byte in &self.text[mark.position..position] {
            match byte {
                b'\n' => (mark.line, mark.column) = (mark.line + 1, 1),
                // The first byte of a character counts, the others do not.
                _ => mark.column += usize::from(byte & 0xC0 != 0x80),
            }
        }
        mark.position = position;
        self.mark = mark;
        mark
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &[u8]) -> bool {
        let found = self.text[self.position..].starts_with(word);
        self.position += if found { word.len() } else { 0 };
        found
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.position += 1;
        }
    }
}
