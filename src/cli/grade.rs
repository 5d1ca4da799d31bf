//! `dedz grade`: one submission, or a folder of them against one exercise, with no server.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Args;

use super::ask::{By, read};
use super::progress::Count;
use super::{Stopped, shown};
use crate::analysis::{self, Failure, Form, Library, Request, Stop};
use crate::config::Sealing;
use crate::grading::formats::{self, FORMATS, Format};
use crate::grading::report::Report;
use crate::grading::summary::Summary;
use crate::http::problem::{Error, Problem};
use crate::seal;
use crate::spec::json;
use crate::spec::write::Writer;

#[derive(Debug, Args)]
pub(super) struct Grade {
    /// The exercise, then claims: files, or a folder with one file a student. Without claims, the file is a whole request.
    #[arg(value_name = "FILE", required_unless_present = "exercise")]
    files: Vec<PathBuf>,
    /// The exercise: a problem that may have a "grade" with its rules, or what dedz seal made of one.
    #[arg(long, value_name = "FILE")]
    exercise: Option<PathBuf>,
    /// More claims.
    #[arg(long, value_name = "FILE")]
    claims: Vec<PathBuf>,
    /// The platform that the result is for.
    #[arg(long, value_name = "FORMAT", default_value = "dedz", value_parser = format)]
    format: Chosen,
    /// Write one result a student into this folder instead of all to standard output.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Write the class's summary as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    #[command(flatten)]
    sealing: Sealing,
    #[command(flatten)]
    by: By,
}

/// A platform's format; nothing for our own.
#[derive(Debug, Clone, Copy)]
struct Chosen(Option<&'static Format>);

fn format(name: &str) -> Result<Chosen, String> {
    if name == "dedz" {
        return Ok(Chosen(None));
    }
    formats::named(name).map(|format| Chosen(Some(format))).ok_or_else(|| {
        let names: Vec<_> = std::iter::once("dedz").chain(FORMATS.iter().map(|format| format.name)).collect();
        format!("expected {}", names.join(", "))
    })
}

/// One submission: whose, and the text of its claims or why there is none.
struct Submission {
    student: String,
    file: PathBuf,
}

impl Grade {
    pub(super) fn run(&self) -> Result<(), Stopped> {
        let mut claims = self.files.clone();
        let exercise = match &self.exercise {
            Some(exercise) => exercise.clone(),
            None => claims.remove(0),
        };
        claims.extend(self.claims.iter().cloned());
        let text = unwrapped(read(&exercise)?);
        match &claims[..] {
            [] if self.exercise.is_some() => Err(Stopped::Usage("no claims: name a file, or a folder of files".to_owned())),
            [] => self.single(text),
            [one] if self.output.is_none() && self.summary.is_none() && !one.is_dir() => {
                let claims = claims_of(&read(one)?);
                // Text that is no JSON by itself could reach beyond its place in the request, and change the rules.
                match self.unreadable(&claims) {
                    Some(report) => {
                        self.grade(&self.pose(&exercise, &text, b"{}")?, &self.library())
                            .map_err(|failure| self.failed(failure))?;
                        Ok(std::io::stdout().lock().write_all(&self.text(&report))?)
                    }
                    None => self.single(self.pose(&exercise, &text, &claims)?),
                }
            }
            _ => self.class(&exercise, &text, &submissions(&claims)?),
        }
    }

    /// An empty one: exercises are kept in it, and it opens sealed ones.
    fn library(&self) -> Library {
        Library::new(0).sealed_with(self.sealing.seal_keys.clone())
    }

    fn pose(&self, exercise: &Path, text: &[u8], claims: &[u8]) -> Result<Vec<u8>, Stopped> {
        analysis::posed(text, claims).ok_or_else(|| {
            Stopped::Usage(format!(
                "{} is no exercise: a problem as a JSON object, whose \"grade\" has no claims, or {{}}",
                exercise.display()
            ))
        })
    }

    /// A whole request, answered as any question.
    fn single(&self, request: Vec<u8>) -> Result<(), Stopped> {
        let query = self.format.0.map_or_else(String::new, |format| format!("format={}", format.name));
        let answered = self.by.answer(&analysis::GRADE, request, &query, Form::Json, None, Some(&self.library()))?;
        self.by.show(answered)
    }

    fn class(&self, exercise: &Path, text: &[u8], submissions: &[Submission]) -> Result<(), Stopped> {
        if self.by.url.is_some() {
            return Err(Stopped::Usage("a class is graded here: leave --url out, or post its submissions as NDJSON".to_owned()));
        }
        if self.output.is_none() && self.format.0.is_some_and(|format| !format.joins) {
            return Err(Stopped::Usage("several results in this format need a folder: --output FOLDER".to_owned()));
        }
        // Whatever is wrong with the exercise is said once, before anybody is graded by it.
        self.grade(&self.pose(exercise, text, b"{}")?, &self.library()).map_err(|failure| self.failed(failure))?;
        let reports = self.all(exercise, text, submissions)?;
        self.write(submissions, &reports)?;
        let summary = Summary::of(&reports);
        write!(std::io::stderr(), "{}", summary.text())?;
        if let Some(file) = &self.summary {
            let mut w = Writer::new();
            summary.write(&mut w);
            write_file(file, &w.into_bytes())?;
        }
        Ok(())
    }

    /// Every report, in the order of the submissions: as many threads as there are cores share them.
    fn all(&self, exercise: &Path, text: &[u8], submissions: &[Submission]) -> Result<Vec<Report>, Stopped> {
        let library = self.library();
        let progress = Mutex::new(Count::new(submissions.len()));
        let next = AtomicUsize::new(0);
        let slots: Vec<Mutex<Option<Result<Report, Stopped>>>> = submissions.iter().map(|_| Mutex::new(None)).collect();
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(submission) = submissions.get(at) else { break };
                let report = self.one(exercise, text, submission, &library);
                let full = slots[at].lock().map(|mut slot| *slot = Some(report));
                let told = progress.lock().map(|mut progress| progress.step());
                debug_assert!(full.is_ok() && told.is_ok(), "nobody panics while holding them");
            }
        };
        std::thread::scope(|scope| {
            let threads = std::thread::available_parallelism().map_or(1, usize::from).min(submissions.len().max(1));
            (1..threads).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        if let Ok(mut progress) = progress.lock() {
            progress.end();
        }
        let reports = slots.into_iter().map(|slot| slot.into_inner().ok().flatten().expect("every submission was graded"));
        reports.collect()
    }

    /// The report on one student. What a student did wrong is in the report; an error is ours.
    fn one(&self, exercise: &Path, text: &[u8], submission: &Submission, library: &Library) -> Result<Report, Stopped> {
        let claims = claims_of(
            &std::fs::read(&submission.file)
                .map_err(|error| Stopped::Problem(format!("cannot read {}: {error}", submission.file.display())))?,
        );
        let report = match self.unreadable(&claims) {
            Some(report) => report,
            None => {
                let request = self.pose(exercise, text, &claims)?;
                self.grade(&request, library).map_err(|failure| self.failed(failure))?
            }
        };
        Ok(Report { submission: Some(submission.student.clone()), ..report })
    }

    /// The report on claims that are no JSON; nothing on those that are.
    fn unreadable(&self, claims: &[u8]) -> Option<Report> {
        let faults = json::parse(claims, &self.by.limits).err()?;
        let what: Vec<_> = faults.listed().iter().map(|fault| fault.detail.clone()).collect();
        Some(Report { message: Some(format!("the claims are no JSON: {}", what.join("; "))), ..Report::default() })
    }

    fn grade(&self, request: &[u8], library: &Library) -> Result<Report, Failure> {
        let deadline = Instant::now() + self.by.limits.deadline();
        let guard: analysis::Guard<'_> = &|| if Instant::now() < deadline { Ok(()) } else { Err(Stop::Deadline) };
        let request = Request { problem: request, library: Some(library), ..Request::default() };
        analysis::grade(request, &self.by.limits, guard)
    }

    fn failed(&self, failure: Failure) -> Stopped {
        let error = match failure {
            Failure::Stopped(_) => Error::Deadline(self.by.limits.deadline_ms),
            failure => Error::Failed(failure),
        };
        shown::problem(&Problem::of(&error).to_json());
        Stopped::Problem(String::new())
    }

    /// One file a student, or all on standard output.
    fn write(&self, submissions: &[Submission], reports: &[Report]) -> Result<(), Stopped> {
        let Some(folder) = &self.output else {
            let mut out = std::io::stdout().lock();
            let mut first = true;
            for report in reports {
                let text = self.text(report);
                out.write_all(if first { &text } else { after_header(&text, self.format.0) })?;
                first = false;
            }
            return Ok(out.flush()?);
        };
        std::fs::create_dir_all(folder)
            .map_err(|error| Stopped::Problem(format!("cannot make {}: {error}", folder.display())))?;
        let extension = self.format.0.map_or("json", |format| format.extension);
        for (submission, report) in submissions.iter().zip(reports) {
            write_file(&folder.join(format!("{}.{extension}", submission.student)), &self.text(report))?;
        }
        Ok(())
    }

    fn text(&self, report: &Report) -> Vec<u8> {
        if let Some(format) = self.format.0 {
            return (format.write)(report);
        }
        let mut w = Writer::new();
        report.write(&mut w);
        let mut text = w.into_bytes();
        text.push(b'\n');
        text
    }
}

/// A table's rows without the header that stands above the first table already.
fn after_header<'t>(text: &'t [u8], format: Option<&Format>) -> &'t [u8] {
    let header = format.filter(|format| format.header).and_then(|_| text.iter().position(|&byte| byte == b'\n'));
    header.map_or(text, |end| &text[end + 1..])
}

/// The exercise as a request has it: a bare token is its member `sealed`.
fn unwrapped(text: Vec<u8>) -> Vec<u8> {
    match std::str::from_utf8(text.trim_ascii()) {
        // Without these two it stands in JSON as it is; whatever else is wrong with it is told where it is opened.
        Ok(token) if seal::is_token(token) && !token.contains(['"', '\\']) => format!("{{\"sealed\":\"{token}\"}}").into_bytes(),
        _ => text,
    }
}

fn write_file(file: &Path, text: &[u8]) -> Result<(), Stopped> {
    std::fs::write(file, text).map_err(|error| Stopped::Problem(format!("cannot write {}: {error}", file.display())))
}

/// The claims in a student's file: the object itself, or its member `claims`, or that of its `grade`.
fn claims_of(text: &[u8]) -> Vec<u8> {
    let inner = |text: &[u8], name| json::member(text, name).map(|span| text[span].to_vec());
    let within = |text: &[u8]| inner(text, "claims");
    within(text).or_else(|| inner(text, "grade").as_deref().and_then(within)).unwrap_or_else(|| text.to_vec())
}

/// The files of the claims: those named, and of folders the JSON files, in the order of their names; a folder inside is a student's
/// own, with one JSON file.
fn submissions(named: &[PathBuf]) -> Result<Vec<Submission>, Stopped> {
    let mut found = Vec::new();
    for path in named {
        if path.is_dir() {
            let inside = listed(path)?;
            for entry in inside {
                let file = if entry.is_dir() { only_json(&entry)? } else { Some(entry.clone()).filter(|entry| is_json(entry)) };
                found.extend(file.map(|file| Submission { student: name_of(&entry), file }));
            }
        } else {
            found.push(Submission { student: name_of(path), file: path.clone() });
        }
    }
    if found.is_empty() {
        return Err(Stopped::Usage("no submission: the folder has no .json files".to_owned()));
    }
    let mut names: Vec<_> = found.iter().map(|submission| submission.student.as_str()).collect();
    names.sort_unstable();
    if let Some((twice, _)) = names.iter().zip(&names[1..]).find(|(one, next)| one == next) {
        return Err(Stopped::Usage(format!("two submissions are named \"{twice}\"")));
    }
    Ok(found)
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, Stopped> {
    let unreadable = |error| Stopped::Usage(format!("cannot read {}: {error}", folder.display()));
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn only_json(folder: &Path) -> Result<Option<PathBuf>, Stopped> {
    let mut files: Vec<_> = listed(folder)?.into_iter().filter(|path| is_json(path)).collect();
    match files.len() {
        0 => Ok(None),
        1 => Ok(files.pop()),
        _ => {
            Ok(Some(files.iter().find(|file| name_of(file) == "claims").cloned().ok_or_else(|| {
                Stopped::Usage(format!("{} has several .json files and none is claims.json", folder.display()))
            })?))
        }
    }
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
