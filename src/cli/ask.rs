//! `dedz gradients|forward|…`: the same questions, the same JSON, with or without a server.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use super::{Stopped, indent, shown};
use crate::analysis::{self, Failure, Form, Guard, KEEP, Question, Request, Slot, Stop, Stored};
use crate::config::Limits;
use crate::http::problem::{Error, Problem};
use crate::spec::fault::{At, Code, Faults};
use crate::store::{Object, Store, Unavailable};

#[derive(Debug, Args)]
pub(super) struct Ask {
    /// The problem, a JSON file; - reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Send it to this service (http://host:port) instead of computing here.
    #[arg(long)]
    url: Option<String>,
    /// The key to send with it, where the service asks for one.
    #[arg(long, env = "DEDZ_KEY", value_name = "KEY", hide_env_values = true)]
    key: Option<String>,
    /// Where a network that the problem names by its ref is read from.
    #[arg(help = "Where a network that the problem names by its ref is read from: file:///folder, or a bucket", long, env = "DEDZ_STORE", value_name = "URL", hide_env_values = true, value_parser = Store::open)]
    store: Option<Store>,
    /// Print a problem as the JSON document that the service answers with.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limits: Limits,
}

impl Ask {
    pub(super) fn run(&self, question: Question) -> Result<(), Stopped> {
        let problem = self.read()?;
        match self.ask(question, problem, Form::Json)? {
            Ok(reply) => print(&reply),
            Err(document) if self.json => {
                let mut out = std::io::stderr().lock();
                out.write_all(document.trim_ascii_end())?;
                Err(out.write_all(b"\n").map_or_else(Stopped::from, |()| Stopped::Problem(String::new())))
            }
            Err(document) => {
                shown::problem(&document);
                Err(Stopped::Problem(String::new()))
            }
        }
    }

    /// The reply in a form, or the problem document; from here or from a service.
    pub(super) fn ask(&self, question: Question, problem: Vec<u8>, form: Form) -> Result<Result<Vec<u8>, Vec<u8>>, Stopped> {
        match &self.url {
            None => self.compute(question, &problem, form),
            Some(url) => send(url, self.key.as_deref(), question, problem, form),
        }
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, Stopped> {
        let name = self.file.display();
        let unreadable = |error| Stopped::Usage(format!("cannot read {name}: {error}"));
        if self.file.as_os_str() == "-" {
            let mut text = Vec::new();
            std::io::stdin().lock().read_to_end(&mut text).map_err(unreadable)?;
            return Ok(text);
        }
        std::fs::read(&self.file).map_err(unreadable)
    }

    /// The reply, or the problem document.
    fn compute(&self, question: Question, problem: &[u8], form: Form) -> Result<Result<Vec<u8>, Vec<u8>>, Stopped> {
        let request = Request { problem, ..Request::default() };
        let answered = match self.answer(question, request, form) {
            Err(Failure::UnknownNetwork { name, .. }) => match self.fetch(&name)? {
                Some(network) => self.answer(question, Request { network: Some(&network), ..request }, form),
                None => Err(self.unknown(name)),
            },
            answered => answered,
        };
        Ok(answered.map_err(|failure| {
            let error = match failure {
                Failure::Stopped(_) => Error::Deadline(self.limits.deadline_ms),
                failure => Error::Failed(failure),
            };
            Problem::of(&error).to_json()
        }))
    }

    fn answer(&self, question: Question, request: Request<'_>, form: Form) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + self.limits.deadline();
        let guard: Guard<'_> = &|| if Instant::now() < deadline { Ok(()) } else { Err(Stop::Deadline) };
        let prepared = analysis::prepare(question, request, form, &self.limits)?;
        prepared.run(guard).map(|reply| reply.body)
    }

    /// A network from the store, if there is a store and the network in it is what its name says.
    fn fetch(&self, name: &str) -> Result<Option<Arc<Stored>>, Stopped> {
        let Some(store) = &self.store else { return Ok(None) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let found = runtime.block_on(store.get(name, self.limits.body_bytes));
        let found = found.map_err(|Unavailable(why)| Stopped::Problem(format!("the store does not answer: {why}")))?;
        let Some(Object { problem, parameters }) = found else { return Ok(None) };
        let slot = Arc::new(Slot::default());
        let request = Request { problem: &problem, parameters: parameters.as_deref(), keep: Some(&slot), ..Request::default() };
        // Whatever else is wrong with what stands there: it is not the network that is meant.
        let read = self.answer(&KEEP, request, Form::Json).is_ok();
        Ok(slot.get().filter(|stored| read && stored.name() == name).cloned())
    }

    fn unknown(&self, name: String) -> Failure {
        let detail = match &self.store {
            Some(_) => format!("no network {name} is in the store"),
            None => {
                format!("the network {name} is stored elsewhere: say where with --store, or send the problem there with --url")
            }
        };
        let mut faults = Faults::new(1);
        let at = At::ROOT.name("network");
        faults.push(at.name("ref"), Code::UnknownNetwork, detail);
        Failure::UnknownNetwork { name, faults }
    }
}

/// What the service answers: its reply, or its problem document.
fn send(
    url: &str,
    key: Option<&str>,
    question: Question,
    problem: Vec<u8>,
    form: Form,
) -> Result<Result<Vec<u8>, Vec<u8>>, Stopped> {
    let url = format!("{}/v1/{}", url.trim_end_matches('/'), question.name);
    let lost = |error: reqwest::Error| {
        // The innermost cause says what happened; the outer ones only repeat the address.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Stopped::Problem(format!("{url}: {cause}"))
    };
    let client = reqwest::blocking::Client::builder().timeout(None).build().map_err(lost)?;
    let request = client.post(&url).header("content-type", "application/json").header("accept", form.media_type());
    let mut request = request.body(problem);
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let response = request.send().map_err(lost)?;
    let success = response.status().is_success();
    let body = response.bytes().map_err(lost)?.to_vec();
    Ok(if success { Ok(body) } else { Err(body) })
}

/// Compact where a program reads it, laid out where a person does.
fn print(reply: &[u8]) -> Result<(), Stopped> {
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        out.write_all(indent::indented(&String::from_utf8_lossy(reply)).as_bytes())?;
    } else {
        out.write_all(reply.trim_ascii_end())?;
    }
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
