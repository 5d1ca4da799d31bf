//! What to say about text that is not JSON: what was found, by name, and how to mend it.

/// What the first bytes say about the encoding, if it is not plain UTF-8.
pub(super) fn encoding(text: &[u8]) -> Option<String> {
    let found = match text {
        [0xEF, 0xBB, 0xBF, ..] => {
            return Some(
                "the text begins with a byte order mark; send UTF-8 without one (python: encoding='utf-8', not 'utf-8-sig')"
                    .into(),
            );
        }
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [_, 0, ..] | [0, _, ..] => "UTF-16 or UTF-32",
        [0x1F, 0x8B, ..] => "gzip",
        [0x28, 0xB5, 0x2F, 0xFD, ..] => "zstd",
        _ => return None,
    };
    Some(format!("the text looks like {found}; send plain UTF-8"))
}

/// Where a value should begin.
pub(super) fn no_value(text: &[u8], position: usize, depth: usize) -> String {
    let rest = &text[position..];
    let word = word(rest);
    match (rest.first(), word) {
        (None, _) => end(depth),
        (_, "NaN" | "nan" | "NAN" | "-NaN" | "-nan" | "+NaN" | "+nan") => non_finite(word, "NaN"),
        (_, "Infinity" | "inf" | "Inf" | "INF" | "infinity" | "+Infinity" | "+inf" | "+Inf") => non_finite(word, "Infinity"),
        (_, "-Infinity" | "-inf" | "-Inf" | "-INF" | "-infinity") => non_finite(word, "-Infinity"),
        (_, "True" | "False" | "None") => {
            let json = match word {
                "True" => "true",
                "False" => "false",
                _ => "null",
            };
            format!("{word} is Python, not JSON; write {json} (python: send json.dumps(x), not str(x))")
        }
        (_, "TRUE" | "FALSE" | "NULL" | "Null") => format!("{word} is not JSON; write {}", word.to_lowercase()),
        (_, "undefined" | "nil" | "NA") => format!("{word} is not JSON; write null or leave the member out"),
        (Some(b'\''), _) => single_quote(),
        (Some(b'}'), _) => "expected a value, found '}'; it closes no object here".into(),
        (Some(b']'), _) => "expected a value, found ']'; it closes no array here".into(),
        (Some(b','), _) => "expected a value, found ','; is one missing, or is there one comma too many?".into(),
        (Some(b'+' | b'.'), _) => number(text, position),
        (Some(b'('), _) => "expected a value, found '('; JSON has no tuples, write [ and ]".into(),
        _ if is_comment(rest) => comment(),
        (Some(_), "") => format!("expected a value, found {}", excerpt(rest)),
        (Some(_), word) if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => {
            format!("expected a value, found the bare word {word}; strings take double quotes")
        }
        _ => format!("expected a value, found {}", excerpt(rest)),
    }
}

/// Where a member's name should begin.
pub(super) fn no_key(text: &[u8], position: usize, depth: usize) -> String {
    let rest = &text[position..];
    match (rest.first(), word(rest)) {
        (None, _) => end(depth),
        (Some(b'\''), _) => single_quote(),
        (Some(b','), _) => "expected a member's name, found ','; there is one comma too many".into(),
        _ if is_comment(rest) => comment(),
        (_, word) if !word.is_empty() => format!("a member's name takes double quotes: \"{word}\""),
        _ => format!("expected a member's name in double quotes, found {}", excerpt(rest)),
    }
}

/// Where the colon after a member's name should be.
pub(super) fn no_colon(text: &[u8], position: usize, key: &str) -> String {
    let rest = &text[position..];
    let name = excerpt(key.as_bytes());
    match rest.first() {
        None => format!("the text ends after the name {name}; was it cut off?"),
        Some(b'=') => format!("expected ':' after the name {name}, found '='"),
        Some(b',' | b'}') => format!("expected ':' and a value after the name {name}"),
        _ if is_comment(rest) => comment(),
        Some(_) => format!("expected ':' after the name {name}, found {}", excerpt(rest)),
    }
}

/// Where a comma or the end of an array or object should be.
pub(super) fn no_separator(text: &[u8], position: usize, close: u8, depth: usize) -> String {
    let rest = &text[position..];
    let close = char::from(close);
    match rest.first() {
        None => end(depth),
        _ if is_comment(rest) => comment(),
        Some(b'"' | b'[' | b'{' | b'-' | b'0'..=b'9') => {
            format!("expected ',' or '{close}', found {}; is a comma missing?", excerpt(rest))
        }
        Some(other @ (b']' | b'}')) => format!("expected ',' or '{close}', found '{}'; brackets must match", char::from(*other)),
        Some(_) => format!("expected ',' or '{close}', found {}", excerpt(rest)),
    }
}

/// Where the text should end.
pub(super) fn after_the_end(text: &[u8], position: usize) -> String {
    let rest = &text[position..];
    match rest.first() {
        _ if is_comment(rest) => comment(),
        Some(b'{' | b'[') => {
            "the JSON value ended before this; for several requests, one a line, send content-type application/x-ndjson".into()
        }
        _ => format!("the JSON value ended before this; remove {}", excerpt(rest)),
    }
}

/// A comma with nothing after it.
pub(super) fn trailing_comma(close: u8) -> String {
    format!("trailing comma before '{}'; remove it", char::from(close))
}

/// Text that begins like a number and is none.
pub(super) fn number(text: &[u8], position: usize) -> String {
    let rest = &text[position..];
    let word = word(rest);
    let (sign, digits) = match word.as_bytes() {
        [b'-', digits @ ..] => ("-", digits),
        _ => ("", word.as_bytes()),
    };
    match digits {
        [] if rest.len() == 1 => "the text ends after a minus sign; was it cut off?".into(),
        [b'I' | b'i' | b'N' | b'n', ..] => no_value(text, position, 0),
        [b'+', ..] => "a number takes no leading '+'; remove it".into(),
        [b'.', b'0'..=b'9', ..] => format!("a number needs a digit before its point: write {sign}0{}", utf8(digits)),
        [b'0', b'x' | b'X' | b'b' | b'o', ..] => format!("{} is not JSON; write the number in decimal", excerpt(word.as_bytes())),
        [b'0', b'0'..=b'9', ..] => {
            let trimmed = digits.iter().position(|&b| b != b'0').filter(|&i| digits[i].is_ascii_digit());
            let rest = trimmed.map_or("0", |i| utf8(&digits[i..]));
            format!("a number takes no leading zeros: write {sign}{}", rest.trim_end_matches(['.', '-', '+', '_']))
        }
        [b'0'..=b'9', ..] => {
            let point = digits.iter().position(|&b| b == b'.');
            match point {
                Some(i) if !digits.get(i + 1).is_some_and(u8::is_ascii_digit) => {
                    format!("a number needs a digit after its point: write {sign}{}.0", utf8(&digits[..i]))
                }
                _ => format!("the exponent of {} has no digits", excerpt(word.as_bytes())),
            }
        }
        _ => "expected a digit after the minus sign".into(),
    }
}

/// A backslash that begins no escape.
pub(super) fn escape(text: &[u8], position: usize) -> String {
    let rest = &text[position..];
    match rest.get(1) {
        None => "the text ends inside an escape; was it cut off?".into(),
        Some(b'u') => {
            let digits = rest[2..].iter().take(4).take_while(|b| b.is_ascii_hexdigit()).count();
            if digits < 4 {
                "\\u takes four hexadecimal digits".into()
            } else {
                format!("{} is half of a surrogate pair; the other half must stand beside it", utf8(&rest[..6]))
            }
        }
        Some(b'\'') => "\\' is no JSON escape; write ' without the backslash".into(),
        Some(_) => format!("{} is no JSON escape; a backslash itself is written \\\\", excerpt(&rest[..2])),
    }
}

/// A control character within a string.
pub(super) fn control(byte: u8) -> String {
    let escape = match byte {
        b'\n' => "\\n".into(),
        b'\r' => "\\r".into(),
        b'\t' => "\\t".into(),
        _ => format!("\\u{byte:04x}"),
    };
    format!("a string may not hold the control character U+{byte:04X} as it is; write {escape}, or is a closing quote missing?")
}

/// A byte that is not UTF-8.
pub(super) fn not_utf8(byte: u8) -> String {
    format!("byte 0x{byte:02X} is not UTF-8 here; is the text in another encoding, or cut off?")
}

/// The first characters of `text`, quoted, for a message.
pub(super) fn excerpt(text: &[u8]) -> String {
    const LONGEST: usize = 24;
    let cut = &text[..text.len().min(4 * LONGEST)];
    let lossy = String::from_utf8_lossy(cut);
    let mut short: String = lossy.chars().take_while(|c| !c.is_control()).take(LONGEST).flat_map(char::escape_debug).collect();
    if short.is_empty() {
        short = lossy.chars().take(1).flat_map(char::escape_debug).collect();
    } else if lossy.chars().count() > LONGEST {
        short.push('…');
    }
    format!("'{short}'")
}

fn end(depth: usize) -> String {
    let open = match depth {
        0 => return "the text ends where a value should begin; was it cut off?".into(),
        1 => "an array or object".into(),
        _ => format!("{depth} arrays and objects"),
    };
    format!("the text ends with {open} still open; was it cut off?")
}

fn non_finite(word: &str, name: &str) -> String {
    format!(
        "{word} is not JSON; send the string \"{name}\" with options.allow_non_finite, or find where it comes from \
         (python: json.dumps(x, allow_nan=False) refuses it)"
    )
}

fn single_quote() -> String {
    "strings take double quotes, found a single one (python: send json.dumps(x), not str(x))".into()
}

fn is_comment(rest: &[u8]) -> bool {
    matches!(rest, [b'/', b'/' | b'*', ..] | [b'#', ..])
}

fn comment() -> String {
    "JSON has no comments; remove this one".into()
}

/// The run of letters, digits, signs and points at the start, up to a bound.
fn word(rest: &[u8]) -> &str {
    let length = rest.iter().take(40).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'+' | b'-')).count();
    utf8(&rest[..length])
}

fn utf8(ascii: &[u8]) -> &str {
    str::from_utf8(ascii).unwrap_or_default()
}
