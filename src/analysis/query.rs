//! The query string of a request, `sweep=true&format=csv`: arguments that stand in the address instead of the body.

use std::borrow::Cow;

use crate::spec::json::Json;

/// Its names and values, decoded; a name alone has an empty value.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// A value as the body would have it: truth values as such, anything else as a string; a name alone is true.
pub(super) fn json(value: String) -> Json<'static> {
    match value.as_str() {
        "" | "true" | "1" => Json::Bool(true),
        "false" | "0" => Json::Bool(false),
        _ => Json::String(Cow::Owned(value)),
    }
}

/// `%3E` is `>`, `+` a space; what is no escape stands for itself.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape =
            text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], escape) {
            (_, Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', None) => out.push(b' '),
            (byte, None) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read() {
        let of = |query: &str| pairs(query).collect::<Vec<_>>();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(of(""), []);
        assert_eq!(of("sweep"), [pair("sweep", "")]);
        assert_eq!(of("&sweep=z7-%3Ez5&a=b+c%"), [pair("sweep", "z7->z5"), pair("a", "b c%")]);
        assert_eq!(of("x=%zz%c3%a9%2"), [pair("x", "%zzé%2")]);
        assert_eq!(json("true".to_owned()), Json::Bool(true));
        assert_eq!(json("w[1]".to_owned()), Json::String("w[1]".into()));
    }
}
