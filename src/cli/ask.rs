//! `dedz gradients|forward|…`: the same questions, the same JSON, with or without a server.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use super::{Stopped, indent, shown};
use crate::analysis::{self, Event, Failure, Form, Guard, KEEP, Library, Question, Request, Slot, Stop, Stored, Tell};
use crate::config::Limits;
use crate::http::problem::{Error, Problem};
use crate::spec::fault::{At, Code, Faults};
use crate::store::{Object, Store, Unavailable};

#[derive(Debug, Args)]
pub(super) struct Ask {
    /// The problem, a JSON file; - reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    by: By,
}

/// Who answers: this process, or a service.
#[derive(Debug, Args)]
pub(super) struct By {
    /// Send it to this service (http://host:port) instead of computing here.
    #[arg(long)]
    pub(super) url: Option<String>,
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
    pub(super) limits: Limits,
}

/// A reply, or a problem document.
pub(super) type Answered = Result<Vec<u8>, Vec<u8>>;

impl Ask {
    pub(super) fn run(&self, question: Question) -> Result<(), Stopped> {
        let problem = self.read()?;
        let answered = self.answer(question, problem, Form::Json, None)?;
        self.show(answered)
    }

    /// As [`By::answer`].
    pub(super) fn answer(
        &self,
        question: Question,
        problem: Vec<u8>,
        form: Form,
        tell: Option<Tell<'_>>,
    ) -> Result<Answered, Stopped> {
        self.by.answer(question, problem, "", form, tell, None)
    }

    /// As [`By::show`].
    pub(super) fn show(&self, answered: Answered) -> Result<(), Stopped> {
        self.by.show(answered)
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, Stopped> {
        read(&self.file)
    }
}

/// A file's bytes; - reads standard input.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Stopped> {
    let name = file.display();
    let unreadable = |error| Stopped::Usage(format!("cannot read {name}: {error}"));
    if file.as_os_str() == "-" {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text).map_err(unreadable)?;
        return Ok(text);
    }
    std::fs::read(file).map_err(unreadable)
}

impl By {
    /// Compute or send; `tell` hears of what happens on the way. Whoever computes here may use a library.
    pub(super) fn answer(
        &self,
        question: Question,
        problem: Vec<u8>,
        query: &str,
        form: Form,
        tell: Option<Tell<'_>>,
        library: Option<&Library>,
    ) -> Result<Answered, Stopped> {
        match (&self.url, tell) {
            (None, tell) => {
                self.compute(question, Request { problem: &problem, query, library, ..Request::default() }, form, tell)
            }
            (Some(url), Some(tell)) if question.forms.contains(&Form::EventStream) => self.follow(url, question, problem, tell),
            (Some(url), _) => self.send(url, question, query, problem, form),
        }
    }

    /// Print what came back.
    pub(super) fn show(&self, answered: Answered) -> Result<(), Stopped> {
        match answered {
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

    fn compute(
        &self,
        question: Question,
        request: Request<'_>,
        form: Form,
        mut tell: Option<Tell<'_>>,
    ) -> Result<Answered, Stopped> {
        let answered = match self.run_here(question, request, form, &mut tell) {
            Err(Failure::UnknownNetwork { name, .. }) => match self.fetch(&name)? {
                Some(network) => self.run_here(question, Request { network: Some(&network), ..request }, form, &mut tell),
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

    fn run_here(
        &self,
        question: Question,
        request: Request<'_>,
        form: Form,
        tell: &mut Option<Tell<'_>>,
    ) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + self.limits.deadline();
        let guard: Guard<'_> = &|| if Instant::now() < deadline { Ok(()) } else { Err(Stop::Deadline) };
        let prepared = analysis::prepare(question, request, form, &self.limits)?;
        let reply = match tell {
            None => prepared.run(guard),
            Some(tell) => prepared.run_telling(guard, &mut **tell),
        };
        reply.map(|reply| reply.body)
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
        let read = self.run_here(&KEEP, request, Form::Json, &mut None).is_ok();
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

impl By {
    /// What the service answers.
    fn send(&self, url: &str, question: Question, query: &str, problem: Vec<u8>, form: Form) -> Result<Answered, Stopped> {
        let response = self.post(url, question, query, form, problem)?;
        let success = response.status().is_success();
        let body = response.bytes().map_err(|error| lost(url, &error))?.to_vec();
        Ok(if success { Ok(body) } else { Err(body) })
    }

    /// What the service answers in the end, and on the way as an event stream.
    fn follow(&self, url: &str, question: Question, problem: Vec<u8>, tell: Tell<'_>) -> Result<Answered, Stopped> {
        let response = self.post(url, question, "", Form::EventStream, problem)?;
        if !response.status().is_success() {
            return Ok(Err(response.bytes().map_err(|error| lost(url, &error))?.to_vec()));
        }
        events(BufReader::new(response), tell)
            .map_err(|error| lost(url, &error))?
            .ok_or_else(|| Stopped::Problem(format!("{url}: the stream ended without an answer")))
    }

    fn post(
        &self,
        url: &str,
        question: Question,
        query: &str,
        form: Form,
        problem: Vec<u8>,
    ) -> Result<reqwest::blocking::Response, Stopped> {
        let mut address = format!("{}/v1/{}", url.trim_end_matches('/'), question.name);
        if !query.is_empty() {
            address.push_str(&format!("?{query}"));
        }
        let client = reqwest::blocking::Client::builder().timeout(None).build().map_err(|error| lost(url, &error))?;
        let mut request = client.post(&address).header("content-type", "application/json").header("accept", form.media_type());
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        request.body(problem).send().map_err(|error| lost(&address, &error))
    }
}

/// Read a `text/event-stream` up to its `done` or `error`; nothing if it has neither.
fn events(stream: impl BufRead, tell: Tell<'_>) -> std::io::Result<Option<Answered>> {
    let (mut name, mut data) = (String::new(), String::new());
    for line in stream.lines() {
        let line = line?;
        if let Some(value) = line.strip_prefix("event:") {
            value.trim_start().clone_into(&mut name);
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push_str(value.strip_prefix(' ').unwrap_or(value));
        } else if line.is_empty() {
            let data = std::mem::take(&mut data).into_bytes();
            match name.as_str() {
                "done" => return Ok(Some(Ok(data))),
                "error" => return Ok(Some(Err(data))),
                "step" => tell(Event { name: "step", data }),
                _ => {}
            }
            name.clear();
        }
    }
    Ok(None)
}

/// The innermost cause says what happened; the outer ones only repeat the address.
fn lost(url: &str, error: &dyn std::error::Error) -> Stopped {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Stopped::Problem(format!("{url}: {cause}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stream: &str, told: &[&str], answered: Option<Answered>) {
        let mut heard = Vec::new();
        let found = events(stream.as_bytes(), &mut |event| heard.push(String::from_utf8(event.data).unwrap())).unwrap();
        assert_eq!((heard.iter().map(String::as_str).collect::<Vec<_>>(), found), (told.to_vec(), answered), "{stream:?}");
    }

    #[test]
    fn a_stream_is_read_to_its_answer() {
        let text = |text: &str| text.as_bytes().to_vec();
        check(
            "event: step\ndata: {}\n\n: keep-alive\n\nevent:done\ndata:1\n\nevent: step\ndata: 2\n\n",
            &["{}"],
            Some(Ok(text("1"))),
        );
        check("event: error\r\ndata: {\r\ndata: }\r\n\r\n", &[], Some(Err(text("{}"))));
        check("event: other\ndata: 1\n\ndata: 2\n\n", &[], None);
        check("event: done\ndata: 1", &[], None);
    }
}
