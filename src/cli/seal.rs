//! `dedz seal`: an exercise with its rules as a token, for whoever may be graded by it but not see it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::ask::read;
use super::{Stopped, shown};
use crate::analysis::{self, Failure, Request, Stop};
use crate::config::{Limits, read_seal_key};
use crate::grading::policy::{Feedback, LEVELS};
use crate::http::problem::{Error, Problem};
use crate::seal::{self, KEY_BYTES, Key, NONCE_BYTES};
use crate::spec::json;

#[derive(Debug, Args)]
pub(super) struct Seal {
    /// The exercise, a JSON file: a problem whose "grade" has its rules and no claims; - reads standard input.
    #[arg(value_name = "FILE", required_unless_present = "new_key")]
    file: Option<PathBuf>,
    /// The key to seal it with; a service opens it with the same.
    #[arg(long, value_name = "FILE", required_unless_present = "new_key", value_parser = read_seal_key)]
    key: Option<Key>,
    /// Make a key and write it into this file, which may not be there yet.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    new_key: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
}

impl Seal {
    pub(super) fn run(&self) -> Result<(), Stopped> {
        match (&self.new_key, &self.file, &self.key) {
            (Some(file), ..) => make_key(file),
            (None, Some(file), Some(key)) => self.seal(file, key),
            _ => Err(Stopped::Usage("name an exercise and a key".to_owned())),
        }
    }

    fn seal(&self, file: &Path, key: &Key) -> Result<(), Stopped> {
        let text = read(file)?;
        let posed = analysis::posed(&text, b"{}").ok_or_else(|| {
            let name = file.display();
            Stopped::Usage(format!("{name} is no exercise: a problem as a JSON object, whose \"grade\" has no claims, or {{}}"))
        })?;
        // Whoever carries it cannot see what is wrong with it, so nothing may be.
        self.try_out(&posed).map_err(|failure| self.failed(failure))?;
        if tells_numbers(&text) {
            let note = "note: whoever is graded by it is told how far numbers are off, and can work out the key; \"check_only\": true, or \"feedback\": \"where\" or less, keeps it";
            writeln!(std::io::stderr(), "{note}")?;
        }
        let token = seal::seal(&json::compact(&text), key, random::<NONCE_BYTES>()?);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{token}")?;
        Ok(out.flush()?)
    }

    fn try_out(&self, request: &[u8]) -> Result<(), Failure> {
        let deadline = Instant::now() + self.limits.deadline();
        let guard: analysis::Guard<'_> = &|| if Instant::now() < deadline { Ok(()) } else { Err(Stop::Deadline) };
        analysis::grade(Request { problem: request, ..Request::default() }, &self.limits, guard).map(drop)
    }

    fn failed(&self, failure: Failure) -> Stopped {
        let error = match failure {
            Failure::Stopped(_) => Error::Deadline(self.limits.deadline_ms),
            failure => Error::Failed(failure),
        };
        shown::problem(&Problem::of(&error).to_json());
        Stopped::Problem(String::new())
    }
}

/// Whether a reply by these rules has numbers that depend on the key.
fn tells_numbers(exercise: &[u8]) -> bool {
    let grade = json::member(exercise, "grade").map_or(&b"{}"[..], |extent| &exercise[extent]);
    let rule = |name| json::member(grade, name).map(|extent| grade[extent].trim_ascii());
    let told = rule("feedback").and_then(|word| LEVELS.iter().find(|(level, _)| format!("\"{level}\"").as_bytes() == word));
    told.map_or(Feedback::default(), |(_, level)| *level) >= Feedback::What && rule("check_only") != Some(b"true")
}

/// Write a new key that only its owner may read; nothing that is there is overwritten.
fn make_key(path: &Path) -> Result<(), Stopped> {
    let failed = |error: std::io::Error| Stopped::Problem(format!("cannot write {}: {error}", path.display()));
    let key = Key::new(random::<KEY_BYTES>()?);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    writeln!(file, "{}", key.to_text()).map_err(failed)
}

/// Bytes of the operating system's.
fn random<const N: usize>() -> Result<[u8; N], Stopped> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Stopped::Problem(format!("the system has no random numbers: {error}")))?;
    Ok(bytes)
}
