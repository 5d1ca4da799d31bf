//! Where a member of an object stands in a text, without reading the rest of it.

use std::ops::Range;

/// The extent of the value of a member of the object that `text` is. A name that is written with escapes is not found.
pub fn member(text: &[u8], name: &str) -> Option<Range<usize>> {
    members(text).find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
}

/// The members of the object that `text` is: each name as it is written, and the extent of its value. They end where the text does
/// not go on as an object; nothing is checked that finding the end of a value does not need.
pub fn members(text: &[u8]) -> impl Iterator<Item = (&[u8], Range<usize>)> {
    let mut at = skip_space(text, 0);
    let mut before = b'{';
    std::iter::from_fn(move || {
        (*text.get(at)? == before).then_some(())?;
        before = b',';
        let start = skip_space(text, at + 1);
        (*text.get(start)? == b'"').then_some(())?;
        let end = string_end(text, start)?;
        let name = text.get(start + 1..end - 1)?;
        at = skip_space(text, end);
        (*text.get(at)? == b':').then_some(())?;
        let start = skip_space(text, at + 1);
        let end = value_end(text, start)?;
        at = skip_space(text, end);
        let space = text[start..end].iter().rev().take_while(|byte| b" \t\r\n".contains(byte)).count();
        Some((name, start..end - space))
    })
}

/// A JSON text without the white space between its tokens.
pub fn compact(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = skip_space(text, 0);
    while at < text.len() {
        let end = if text[at] == b'"' { string_end(text, at).unwrap_or(text.len()) } else { at + 1 };
        out.extend_from_slice(&text[at..end.min(text.len())]);
        at = skip_space(text, end);
    }
    out
}

/// The place of the next byte that is no white space.
pub fn skip_space(text: &[u8], at: usize) -> usize {
    let space = text.get(at..).unwrap_or_default().iter().take_while(|byte| b" \t\r\n".contains(byte));
    at + space.count()
}

/// The place after the string that begins here.
pub fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The place after the value that begins here: strings are skipped, and brackets counted.
pub fn value_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut open = 0_usize;
    loop {
        match *text.get(at)? {
            b'"' => {
                at = string_end(text, at)?;
                if open == 0 {
                    return Some(at);
                }
                continue;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' if open <= 1 => return Some(if open == 0 { at } else { at + 1 }),
            b'}' | b']' => open -= 1,
            b',' if open == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_goes_between_tokens_and_stays_in_strings() {
        for (text, compacted) in [
            (" { \"a b\" : [ 1 , -2.50e3 ,\n\t\"x \\\" y\" ] , \"é\":null }\r\n", r#"{"a b":[1,-2.50e3,"x \" y"],"é":null}"#),
            ("{}", "{}"),
            ("", ""),
            (r#"["cut "#, r#"["cut "#),
            ("[\"cut\\", "[\"cut\\"),
        ] {
            assert_eq!(String::from_utf8(compact(text.as_bytes())).unwrap(), compacted, "{text}");
        }
    }

    #[test]
    fn members_are_found_wherever_they_stand() {
        for (text, found) in [
            (r#"{"grade":{}}"#, Some("{}")),
            (r#" { "loss" : {"a":[1,"}",{}]} , "grade" : {"n":["]\"}"]} , "x":1}"#, Some(r#"{"n":["]\"}"]}"#)),
            (r#"{"grade": 1.5 , "b":2}"#, Some("1.5")),
            (r#"{"a":{"grade":1},"grade":"x,}"}"#, Some(r#""x,}""#)),
            (r#"{"grade":{"ref":"x"#, None),
            (r#"{"gr\u0061de":{}}"#, None),
            (r#"[{"grade":{}}]"#, None),
            ("{", None),
            ("", None),
            (r#"{"a":"\"#, None),
        ] {
            assert_eq!(member(text.as_bytes(), "grade").map(|span| &text[span]), found, "{text}");
        }
    }
}
