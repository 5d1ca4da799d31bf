//! JSON laid out for a terminal. Only white space is added: every number stays as it was written.

/// Containers that fit on a line of this width stay on one.
const WIDTH: usize = 110;

/// Lay out a JSON text. What is not JSON comes out as it may.
pub(super) fn indented(text: &str) -> String {
    let tokens = tokens(text);
    let ends = ends(&tokens);
    let mut out = String::with_capacity(text.len() * 2);
    // For each open container, whether it is spread over lines.
    let mut spread: Vec<bool> = Vec::new();
    // How much of the current line is taken.
    let mut column = 0;
    for (at, token) in tokens.iter().enumerate() {
        let before = out.len();
        match *token {
            "{" | "[" => {
                let (close, width) = ends[at];
                let lines = column + width > WIDTH && close > at + 1;
                out.push_str(token);
                spread.push(lines);
                if lines {
                    break_line(&mut out, spread.len(), &mut column);
                    continue;
                }
            }
            "}" | "]" => {
                if spread.pop() == Some(true) {
                    break_line(&mut out, spread.len(), &mut column);
                    out.push_str(token);
                    column += 1;
                    continue;
                }
                out.push_str(token);
            }
            "," if spread.last() == Some(&true) => {
                out.push(',');
                break_line(&mut out, spread.len(), &mut column);
                continue;
            }
            "," => out.push_str(", "),
            ":" => out.push_str(": "),
            scalar => out.push_str(scalar),
        }
        column += out.len() - before;
    }
    out
}

fn break_line(out: &mut String, depth: usize, column: &mut usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
    *column = 2 * depth;
}

/// Punctuation, strings and scalars, without the white space between.
fn tokens(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'{' | b'}' | b'[' | b']' | b',' | b':' => at += 1,
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
            }
            _ => {
                while at < bytes.len() && !b" \t\r\n{}[],:\"".contains(&bytes[at]) {
                    at += 1;
                }
            }
        }
        // Cuts are made at ASCII characters alone, except after a text that ends in a backslash.
        tokens.push(text.get(start..at).unwrap_or_default());
    }
    tokens
}

/// For each opening bracket, where it is closed and how wide the container is on one line.
fn ends(tokens: &[&str]) -> Vec<(usize, usize)> {
    let mut ends = vec![(0, 0); tokens.len()];
    let mut open = Vec::new();
    let mut width = 0;
    for (at, token) in tokens.iter().enumerate() {
        if matches!(*token, "{" | "[") {
            open.push((at, width));
        }
        width += token.len() + usize::from(matches!(*token, "," | ":"));
        if matches!(*token, "}" | "]")
            && let Some((start, before)) = open.pop()
        {
            ends[start] = (at, width - before);
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_on_a_line_and_numbers_stay_as_they_are() {
        assert_eq!(indented("{\"a\":[1,2.50],\"b\":\"x,\\\"{\"}"), "{\"a\": [1, 2.50], \"b\": \"x,\\\"{\"}");
        let row = format!("[{}]", ["1.25"; 10].join(","));
        let laid = indented(&format!("{{\"w\":[{row},{row},{row}],\"e\":{{}}}}"));
        let spaced = row.replace(',', ", ");
        assert_eq!(laid, format!("{{\n  \"w\": [\n    {spaced},\n    {spaced},\n    {spaced}\n  ],\n  \"e\": {{}}\n}}"));
    }

    #[test]
    fn broken_text_does_no_harm() {
        for text in ["", "\"", "\"\\", "]]", "[[[", "{\"é", "\\é"] {
            indented(text);
        }
    }
}
