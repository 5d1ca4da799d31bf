//! What the README shows is what a reader gets: every `sh` block is run and its `text` block compared.
//!
//! `DEDZ_UPDATE=1 cargo test readme` writes the outputs anew. A block marked `bash` is for a reader alone (`cargo test` itself, a
//! container). `dedz` and `cargo run --release --` stand for the binary under test, `curl` for a few of its options, and
//! 127.0.0.1:8080 for a service on a free port; the rest of a pipe is a real shell's.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use crate::support::{Served, dedz, without_settings};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const DOCUMENTED: &str = "127.0.0.1:8080";

#[test]
fn readme_outputs_are_those_of_a_run() {
    let readme = fs::read_to_string(README).expect("the README is checked in");
    let service = Served::start(&[]);
    let mut fresh = String::new();
    let mut ran = 0;
    let mut lines: VecDeque<&str> = readme.lines().collect();
    while let Some(line) = lines.pop_front() {
        writeln!(fresh, "{line}").expect("writing to a string");
        if line != "```sh" {
            continue;
        }
        let script = block(&mut lines);
        writeln!(fresh, "{script}```").expect("writing to a string");
        let output = run(&script, &service);
        ran += 1;
        let shown = lines.iter().take_while(|line| line.is_empty()).count();
        if lines.get(shown) != Some(&"```text") {
            continue;
        }
        lines.drain(..=shown);
        block(&mut lines);
        writeln!(fresh, "{}```text\n{}\n```", "\n".repeat(shown), output.trim_end()).expect("writing to a string");
    }
    assert!(ran >= 5, "the README's blocks were not found: {ran} ran");
    if env::var_os("DEDZ_UPDATE").is_some() {
        fs::write(README, &fresh).expect("the README can be written");
    } else if let Some((at, (old, new))) = readme.lines().zip(fresh.lines()).enumerate().find(|(_, (old, new))| !same(old, new)) {
        panic!("README.md:{}: it shows\n{old}\nand a run gives\n{new}\n(DEDZ_UPDATE=1 cargo test readme writes it anew)", at + 1);
    } else {
        let lengths = [&readme, &fresh].map(|text| text.lines().count());
        assert_eq!(lengths[0], lengths[1], "the README ends early or late (DEDZ_UPDATE=1 cargo test readme writes it anew)");
    }
}

/// The same words, and numbers that agree to ten digits: the last ones are the processor's and the system's libm's, as is the
/// whole of a number below 1e-8, which on this page is what rounding left.
fn same(shown: &str, found: &str) -> bool {
    let near = |a: &str, b: &str| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-10 * a.abs().max(1e-3) || a.abs().max(b.abs()) < 1e-8,
        _ => false,
    };
    let (shown, found) = (pieces(shown), pieces(found));
    shown.len() == found.len() && shown.iter().zip(&found).all(|(a, b)| a == b || near(a, b))
}

/// A line cut where numbers begin and end.
fn pieces(line: &str) -> Vec<&str> {
    let of_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| of_number(c) != of_number(first)).unwrap_or(rest.len());
        pieces.push(&rest[..end]);
        rest = &rest[end..];
    }
    pieces
}

#[test]
fn last_digits_are_the_processors() {
    for (shown, found, expect) in [
        ("loss 2.585708826335427", "loss 2.5857088263354272", true),
        ("loss 2.585708826335427", "loss 2.585708827335427", false),
        ("\"dE_dz\":[-1.5e-7,0]", "\"dE_dz\":[-1.5000000000000001e-7,0]", true),
        ("\"dE_dz\":[-1.5e-7,0]", "\"dE_dz\":[1.5e-7,0]", false),
        ("\"error\":3.2e-11", "\"error\":4.1e-12", true),
        ("\"error\":3.2e-7", "\"error\":4.1e-12", false),
        ("z7->z5 0.1", "z7->z6 0.1", false),
        ("[1,2]", "[1,2,3]", false),
        ("sha256:8e5f", "sha256:8e5e", false),
    ] {
        assert_eq!(same(shown, found), expect, "{shown} and {found}");
    }
}

#[test]
fn commands_are_read_as_a_shell_would() {
    let commands =
        commands("# note\ndedz a 'b \"c\"' \\\n  \"d e\" | head -n 2 | cut -c 1\ncurl -s --json @- x <<'EOF'\n{\n}\nEOF\n");
    let first = &commands[0];
    assert_eq!(first.words, ["dedz", "a", "b \"c\"", "d e"]);
    assert_eq!(first.filter, " head -n 2 | cut -c 1");
    assert_eq!((commands[1].words.len(), commands[1].input.as_str()), (5, "{\n}\n"));
    assert_eq!(commands.len(), 2);
}

/// The lines up to the closing fence, which is taken too.
fn block(lines: &mut VecDeque<&str>) -> String {
    let mut text = String::new();
    loop {
        match lines.pop_front().expect("every block is closed") {
            "```" => return text,
            line => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
}

/// `words… <<'EOF' | filter`.
#[derive(Debug, Default)]
struct Line {
    words: Vec<String>,
    filter: String,
    input: String,
}

fn commands(script: &str) -> Vec<Line> {
    // A backslash or a pipe at its end continues a line.
    let joined = script.replace("\\\n", "").replace("|\n", "|");
    let mut lines: VecDeque<&str> = joined.lines().collect();
    let mut commands = Vec::new();
    while let Some(text) = lines.pop_front() {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let mut line = parse(text);
        if let Some(at) = line.words.iter().position(|word| word.starts_with("<<")) {
            let end = line.words.remove(at).split_off(2);
            while let Some(text) = lines.pop_front().filter(|text| *text != end) {
                line.input.push_str(text);
                line.input.push('\n');
            }
        }
        commands.push(line);
    }
    commands
}

fn parse(text: &str) -> Line {
    let mut line = Line::default();
    let mut word: Option<String> = None;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => line.words.extend(word.take()),
            (None, '|') => {
                text[at + 1..].clone_into(&mut line.filter);
                break;
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "an open quote in {text:?}");
    line.words.extend(word);
    line
}

/// What a reader sees on the terminal.
fn run(script: &str, service: &Served) -> String {
    let mut seen = String::new();
    for mut line in commands(script) {
        let shows_errors = line.words.iter().position(|word| word == "2>&1").map(|at| line.words.remove(at)).is_some();
        for word in &mut line.words {
            *word = word.replace(DOCUMENTED, &service.address);
        }
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        let mut output = match words[..] {
            ["cargo", "run", "--release", "--", ref arguments @ ..] | ["dedz", ref arguments @ ..] => {
                let output = piped(&mut dedz(arguments), line.input.as_bytes());
                let errors = String::from_utf8(output.stderr).expect("messages are text");
                assert!(output.status.success() || shows_errors, "{words:?} failed:\n{errors}");
                let mut text = String::from_utf8(output.stdout).expect("output is text");
                if shows_errors {
                    text.push_str(&errors);
                }
                text
            }
            ["curl", ref arguments @ ..] => curl(arguments, &line.input),
            _ => panic!("{words:?} cannot be run here: mark its block `bash`"),
        };
        if !line.filter.is_empty() {
            let filtered = piped(Command::new("sh").args(["-c", &line.filter]), output.as_bytes());
            assert!(filtered.status.success(), "{:?} failed on:\n{output}", line.filter);
            output = String::from_utf8(filtered.stdout).expect("output is text");
        }
        seen.push_str(&output);
    }
    seen.replace(&service.address, DOCUMENTED)
}

/// Run with this standard input, from the repository's root, without what the caller's environment says of dedz.
fn piped(command: &mut Command, input: &[u8]) -> Output {
    without_settings(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    std::thread::scope(|scope| {
        // A filter such as `head` may leave before it has read everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("the command ends")
    })
}

/// The few options of curl that the README uses.
fn curl(arguments: &[&str], input: &str) -> String {
    let mut arguments = arguments.iter();
    let mut request = None;
    let mut body = None;
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut head = false;
    let mut method = None;
    while let Some(&argument) = arguments.next() {
        let mut value = || *arguments.next().expect("this option of curl takes a value");
        let content = |text: &str| match text.strip_prefix('@') {
            Some("-") => input.as_bytes().to_vec(),
            Some(file) => {
                let file = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
                fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
            }
            None => text.as_bytes().to_vec(),
        };
        match argument {
            "-s" | "-N" => {}
            "-I" => head = true,
            "-X" => method = Some(value().parse().expect("a method")),
            "--json" => {
                body = Some(content(value()));
                for name in ["content-type", "accept"] {
                    headers.push((name.to_owned(), "application/json".to_owned()));
                }
            }
            "--data-binary" => body = Some(content(value())),
            "-H" => {
                let (name, text) = value().split_once(':').expect("a header has a colon");
                headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                headers.push((name.to_owned(), text.trim().to_owned()));
            }
            url if !url.starts_with('-') => request = Some(format!("http://{}", url.trim_start_matches("http://"))),
            other => panic!("curl {other} is not known here"),
        }
    }
    let url = request.expect("curl is given a URL");
    let client = reqwest::blocking::Client::new();
    let mut request = match body {
        Some(body) => client.post(url).body(body),
        None if head => client.head(url),
        None => client.get(url),
    };
    if let Some(method) = method {
        let (client, built) = request.build_split();
        let mut built = built.expect("a request");
        *built.method_mut() = method;
        request = reqwest::blocking::RequestBuilder::from_parts(client, built);
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send().and_then(reqwest::blocking::Response::text).expect("the service answers")
}
