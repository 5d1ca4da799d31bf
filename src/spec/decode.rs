//! Reading members of objects so that every mistake is collected and nothing stops at the first.

use std::borrow::Cow;

use super::fault::{At, Code, Faults};
use super::json::Json;
use crate::tensor::Dims;

impl Json<'_> {
    /// What it is, in a few words: what was found where something else was expected.
    pub fn describe(&self) -> String {
        match self {
            Json::Null => "null".to_owned(),
            Json::Bool(truth) => truth.to_string(),
            Json::Number(number) => format!("the number {}", number.text),
            Json::String(text) if text.chars().count() <= 40 => format!("the string \"{text}\""),
            Json::String(_) => "a long string".to_owned(),
            Json::Numbers(numbers) => format!("an array of numbers of shape {}", Dims(&numbers.shape)),
            Json::Array(_) => "an array".to_owned(),
            Json::Object(_) => "an object".to_owned(),
        }
    }
}

/// The members of an object, taken one by one; what is left at the end is unknown.
pub struct Fields<'p, 'a> {
    at: At<'p>,
    members: Vec<(Cow<'a, str>, Json<'a>)>,
    asked: Vec<&'static str>,
}

impl<'p, 'a> Fields<'p, 'a> {
    /// The members of `json`, which must be an object.
    pub fn of(json: Json<'a>, at: At<'p>, faults: &mut Faults) -> Option<Self> {
        match json {
            Json::Object(object) => Some(Self { at, members: object.into_members(), asked: Vec::new() }),
            other => {
                faults.push(at, Code::WrongType, format!("expected an object, found {}", other.describe()));
                None
            }
        }
    }

    /// Take a member; `null` counts as left out.
    pub fn take(&mut self, name: &'static str) -> Option<Json<'a>> {
        self.asked.push(name);
        let at = self.members.iter().position(|(known, _)| known == name)?;
        match self.members.remove(at).1 {
            Json::Null => None,
            json => Some(json),
        }
    }

    /// Take a member that must be there.
    pub fn require(&mut self, name: &'static str, faults: &mut Faults) -> Option<Json<'a>> {
        let json = self.take(name);
        if json.is_none() {
            faults.push(self.at, Code::MissingField, format!("\"{name}\" is missing"));
        }
        json
    }

    /// Take a string.
    pub fn string(&mut self, name: &'static str, faults: &mut Faults) -> Option<Cow<'a, str>> {
        let json = self.take(name)?;
        string(json, self.at.name(name), faults)
    }

    /// Take one of some words.
    pub fn word<T: Copy>(&mut self, name: &'static str, words: &[(&'static str, T)], faults: &mut Faults) -> Option<T> {
        let found = self.string(name, faults)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == found) {
            return Some(*value);
        }
        let expected: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let hint = hint(&found, words.iter().map(|(word, _)| *word));
        let detail = format!("expected {}, found \"{found}\"{hint}", expected.join(" or "));
        faults.push(self.at.name(name), Code::InvalidValue, detail);
        None
    }

    /// Take a truth value.
    pub fn boolean(&mut self, name: &'static str, faults: &mut Faults) -> Option<bool> {
        match self.take(name)? {
            Json::Bool(truth) => Some(truth),
            other => {
                faults.push(self.at.name(name), Code::WrongType, format!("expected true or false, found {}", other.describe()));
                None
            }
        }
    }

    /// Take a number.
    pub fn number(&mut self, name: &'static str, faults: &mut Faults) -> Option<f64> {
        match self.take(name)? {
            Json::Number(number) => Some(number.value),
            other => {
                faults.push(self.at.name(name), Code::WrongType, format!("expected a number, found {}", other.describe()));
                None
            }
        }
    }

    /// Take a string or a list of strings, and whether it was a list.
    pub fn strings(&mut self, name: &'static str, faults: &mut Faults) -> Option<(Vec<Cow<'a, str>>, bool)> {
        match self.take(name)? {
            Json::String(one) => Some((vec![one], false)),
            json => strings(json, self.at.name(name), faults).map(|list| (list, true)),
        }
    }

    /// Everything that was not taken.
    pub fn rest(self) -> Vec<(Cow<'a, str>, Json<'a>)> {
        self.members
    }

    /// Report what was not taken, with the name that was perhaps meant.
    pub fn finish(self, faults: &mut Faults) {
        for (name, _) in &self.members {
            let hint = if faults.is_full() { String::new() } else { hint(name, self.asked.iter().copied()) };
            faults.push(self.at.name(name), Code::UnknownField, format!("unknown field \"{name}\"{hint}"));
        }
    }
}

/// A string, or a fault.
pub fn string<'a>(json: Json<'a>, at: At<'_>, faults: &mut Faults) -> Option<Cow<'a, str>> {
    match json {
        Json::String(string) => Some(string),
        other => {
            faults.push(at, Code::WrongType, format!("expected a string, found {}", other.describe()));
            None
        }
    }
}

/// A list of strings, or faults.
pub fn strings<'a>(json: Json<'a>, at: At<'_>, faults: &mut Faults) -> Option<Vec<Cow<'a, str>>> {
    match json {
        Json::Array(list) => {
            let count = list.len();
            let read: Vec<_> = list.into_iter().enumerate().filter_map(|(i, json)| string(json, at.index(i), faults)).collect();
            (read.len() == count).then_some(read)
        }
        // "NaN" and "Infinity" are names too, and read as numbers where nothing else stands beside them.
        Json::Numbers(numbers) if numbers.shape.len() == 1 && numbers.data.iter().all(|x| !x.is_finite()) => {
            strings(Json::Array(numbers.into_elements()), at, faults)
        }
        other => {
            faults.push(at, Code::WrongType, format!("expected a string or a list of strings, found {}", other.describe()));
            None
        }
    }
}

/// `; did you mean "…"?`, or nothing.
pub fn hint<'w>(word: &str, candidates: impl IntoIterator<Item = &'w str>) -> String {
    did_you_mean(word, candidates).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"))
}

/// The candidate nearest to `word`, if one is near: at most a third of its letters differ, swapped neighbours counting once.
pub fn did_you_mean<'w>(word: &str, candidates: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    const LOOKED_AT: usize = 20_000;
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let letters: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let allowed = (letters.len() / 3).clamp(1, 4);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.into_iter().take(LOOKED_AT) {
        if candidate == word || candidate.len() > LONGEST || candidate.len().abs_diff(word.len()) > 4 * allowed {
            continue;
        }
        let other: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        let distance = distance(&letters, &other);
        // Among equals the alphabet decides, so that the answer does not depend on a map's order.
        if distance <= allowed && best.is_none_or(|best| (distance, candidate) < best) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Optimal string alignment: insertions, deletions, substitutions, swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        for (word, expected) in [("sigmiod", Some("sigmoid")), ("Linear", Some("linear")), ("z9", Some("z6")), ("conv", None)] {
            assert_eq!(did_you_mean(word, ["sigmoid", "linear", "z6", "z7", "batch_norm1d"]), expected, "{word}");
        }
    }
}
