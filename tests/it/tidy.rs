//! House rules. They hold of the text, so that nobody has to remember them.

use std::fs;
use std::path::{Path, PathBuf};

/// The Rust files below a folder (or that file itself), with their path from the repository's root.
fn files(below: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.join(below)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(&path).expect("source is text")));
        }
    }
    assert!(!found.is_empty(), "{below} holds no source");
    found.sort();
    found
}

/// A file's lines that are no comments, numbered from 1, up to its tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.find("\n#[cfg(test)]\nmod tests {").map_or(text, |tests| &text[..tests]);
    text.lines().enumerate().map(|(i, line)| (i + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether `word` stands in `line` as a word of its own.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// No line below `room` may be one that `bad` accepts.
fn forbid(rooms: &[&str], bad: impl Fn(&str, &str) -> bool, why: &str) {
    let mut found = Vec::new();
    for (name, text) in rooms.iter().flat_map(|room| files(room)) {
        let lines = code(&text).filter(|(_, line)| bad(&name, line));
        found.extend(lines.map(|(number, line)| format!("{name}:{number}: {}", line.trim())));
    }
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

#[test]
fn the_engine_knows_no_wire() {
    let rooms = ["src/graph", "src/ops", "src/optim", "src/tensor", "src/tape.rs"];
    let outside = ["axum", "tokio", "serde", "serde_json", "hyper", "utoipa", "reqwest", "tower"];
    forbid(&rooms, |_, line| outside.iter().any(|word| names(line, word)), "the engine names the wire");
}

#[test]
fn arrows_run_one_way() {
    let arrows: &[(&[&str], &[&str])] = &[
        (&["src/tensor"], &["ops", "graph", "tape", "lower", "losses", "spec", "analysis", "http", "cli", "pool", "config"]),
        (&["src/ops"], &["graph", "tape", "lower", "losses", "spec", "analysis", "http", "cli", "pool", "config"]),
        (&["src/graph"], &["tape", "lower", "losses", "spec", "analysis", "http", "cli", "pool", "config"]),
        (&["src/optim"], &["graph", "tape", "lower", "losses", "spec", "analysis", "http", "cli", "pool", "config"]),
        (&["src/tape.rs"], &["lower", "losses", "spec", "analysis", "http", "cli", "pool", "config"]),
        (&["src/spec"], &["ops", "graph", "tape", "lower", "losses", "analysis", "http", "cli", "pool"]),
        (&["src/lower", "src/losses"], &["tape", "analysis", "http", "cli", "pool"]),
        (&["src/grading"], &["analysis", "http", "cli", "pool"]),
        (&["src/analysis"], &["http", "cli", "pool"]),
        (
            &["src/draw"],
            &["tensor", "ops", "graph", "tape", "lower", "losses", "spec", "analysis", "http", "cli", "pool", "config"],
        ),
        (&["src/pool.rs", "src/pool"], &["graph", "tape", "lower", "losses", "ops", "tensor", "cli"]),
    ];
    for (rooms, closed) in arrows {
        let climbs = |line: &str| closed.iter().any(|room| names(line, &format!("crate::{room}")));
        forbid(rooms, |_, line| climbs(line), &format!("{rooms:?} may know nothing of {closed:?}"));
    }
}

#[test]
fn unsafe_stands_in_kernels_alone() {
    let is_unsafe = |line: &str| {
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|word| line.contains(word))
            || (line.contains("unsafe_code") && !line.contains("deny"))
    };
    forbid(
        &["src", "tests"],
        |name, line| !name.starts_with("src/tensor/") && name != "tests/it/tidy.rs" && is_unsafe(line),
        "unsafe outside src/tensor",
    );
}

#[test]
fn nothing_is_left_for_later() {
    let left = ["todo!", "unimplemented!", "dbg!", "FIXME", "TODO"];
    forbid(
        &["src", "tests"],
        |name, line| name != "tests/it/tidy.rs" && left.iter().any(|word| line.contains(word)),
        "work left for later",
    );
}

#[test]
fn tests_run_and_do_not_sleep() {
    let mut found = Vec::new();
    for (name, text) in files("tests").into_iter().chain(files("src")).filter(|(name, _)| name != "tests/it/tidy.rs") {
        // A pool's own threads may wait; tests may not.
        let tests = if name.starts_with("tests") { 0 } else { text.find("#[cfg(test)]").unwrap_or(text.len()) };
        for word in ["#[ignore", "thread::sleep", "time::sleep"] {
            if text[tests..].contains(word) {
                found.push(format!("{name}: {word}"));
            }
        }
    }
    assert!(found.is_empty(), "tests that sleep or do not run:\n{}", found.join("\n"));
}

#[test]
fn files_say_what_they_are_for() {
    let silent: Vec<_> = files("src")
        .into_iter()
        .filter(|(_, text)| !text.trim().is_empty() && !text.starts_with("//!"))
        .map(|(name, _)| name)
        .collect();
    assert!(silent.is_empty(), "files without a first line that says what they are for:\n{}", silent.join("\n"));
}

#[test]
fn files_are_short() {
    const MOST: usize = 600;
    let lines = |text: &str| text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text).lines().count();
    let long: Vec<_> = files("src")
        .into_iter()
        .filter(|(name, text)| !name.ends_with("/tests.rs") && lines(text) > MOST)
        .map(|(name, text)| format!("{name}: {} lines", lines(&text)))
        .collect();
    assert!(long.is_empty(), "files of more than {MOST} lines without their tests:\n{}", long.join("\n"));
}
