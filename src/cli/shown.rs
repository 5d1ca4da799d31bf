//! Problems, shown to a reader: coloured on a terminal only, aligned, one line a fault.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();
const DIM: Style = Style::new().dimmed();

/// `error: …` on standard error. If that is closed there is nobody to tell.
pub(super) fn complain(message: &str) {
    let _ = writeln!(anstream::stderr(), "{RED}error:{RED:#} {message}");
}

/// A problem document: its detail, then pointer, code and detail of each fault.
pub(super) fn problem(document: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Value>(document) else {
        complain("the answer is not a problem document");
        return;
    };
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    complain(&text(&document, "detail"));
    let faults = document.get("errors").and_then(Value::as_array).into_iter().flatten();
    let rows: Vec<[String; 3]> = faults.map(|fault| ["pointer", "code", "detail"].map(|key| text(fault, key))).collect();
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (pointers, codes) = (wide(0).min(60), wide(1));
    let mut out = anstream::stderr().lock();
    for [pointer, code, detail] in &rows {
        let _ = writeln!(out, "  {CYAN}{pointer:<pointers$}{CYAN:#}  {DIM}{code:<codes$}{DIM:#}  {detail}");
    }
}
