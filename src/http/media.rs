//! What a request brings (`Content-Type`) and what it takes (`Accept`).

use axum::http::{HeaderMap, header};

use super::problem::Error;
use crate::analysis::Form;

/// How the body is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// One problem.
    Json,
    /// One problem a line.
    Ndjson,
    /// A problem and tensors, in parts set apart by this boundary.
    Multipart(String),
}

const READ_HERE: &str = "send application/json, application/x-ndjson or multipart/form-data";

/// What the body is, from `Content-Type`.
pub(super) fn input(headers: &HeaderMap) -> Result<Input, Error> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Error::UnsupportedMediaType("Content-Encoding is not read here; send the body as it is".to_owned()));
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(Error::UnsupportedMediaType(format!("the header Content-Type is missing; {READ_HERE}")));
    };
    if value == "application/json" {
        return Ok(Input::Json);
    }
    let unreadable = || Error::UnsupportedMediaType(format!("the header Content-Type cannot be read; {READ_HERE}"));
    let text = value.to_str().map_err(|_| unreadable())?;
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let essence = essence.trim().to_ascii_lowercase();
    if let Some(charset) = parameter(parameters, "charset")
        && !["utf-8", "utf8", "us-ascii"].iter().any(|name| charset.eq_ignore_ascii_case(name))
    {
        return Err(Error::UnsupportedMediaType(format!("charset {charset:?} is not read here; send UTF-8")));
    }
    match essence.as_str() {
        "application/json" => Ok(Input::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Input::Ndjson),
        "multipart/form-data" => match parameter(parameters, "boundary") {
            Some(boundary) if (1..=70).contains(&boundary.len()) => Ok(Input::Multipart(boundary)),
            _ => Err(Error::Malformed("multipart/form-data needs a boundary of 1 to 70 characters".to_owned())),
        },
        other if other.starts_with("application/") && other.ends_with("+json") => Ok(Input::Json),
        other => Err(Error::UnsupportedMediaType(format!("{other:?} is not read here; {READ_HERE}"))),
    }
}

/// How the answer is to look, from `Accept`: of `forms`, those that the question has, the one wanted most, an earlier one where
/// several are.
pub(super) fn form(headers: &HeaderMap, input: &Input, forms: &[Form]) -> Result<Form, Error> {
    let first = forms.first().copied().unwrap_or_default();
    let mut accept = headers.get_all(header::ACCEPT).iter().peekable();
    if accept.peek().is_none() {
        return Ok(first);
    }
    let mut ranges = Vec::new();
    for value in accept {
        if value == "*/*" {
            return Ok(first);
        }
        ranges.extend(value.to_str().unwrap_or_default().split(',').filter_map(Range::parse));
    }
    let quality = |media_type: &str| {
        let matching = ranges.iter().filter(|range| range.admits(media_type));
        matching.max_by_key(|range| range.precision()).map_or(0, |range| range.quality)
    };
    if *input == Input::Ndjson {
        let lines = quality("application/x-ndjson").max(quality("application/json"));
        return if lines > 0 { Ok(Form::Json) } else { Err(Error::NotAcceptable("application/x-ndjson".to_owned())) };
    }
    // `max_by_key` takes the last of equals, and the first is the default.
    let best = forms.iter().rev().map(|&form| (quality(form.media_type()), form)).max_by_key(|&(quality, _)| quality);
    match best {
        Some((1.., form)) => Ok(form),
        _ => {
            let names: Vec<_> = forms.iter().map(|form| form.media_type()).collect();
            Err(Error::NotAcceptable(names.join(", ")))
        }
    }
}

/// One entry of `Accept`: a range of media types and how much it is wanted, in thousandths.
struct Range {
    pattern: String,
    quality: u32,
}

impl Range {
    fn parse(entry: &str) -> Option<Self> {
        let (pattern, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let pattern = pattern.trim().to_ascii_lowercase();
        let quality = parameter(parameters, "q").and_then(|q| q.parse::<f32>().ok()).unwrap_or(1.0);
        (!pattern.is_empty()).then(|| Self { pattern, quality: (quality.clamp(0.0, 1.0) * 1000.0) as u32 })
    }

    fn admits(&self, media_type: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some("*/") => true,
            Some(prefix) => media_type.starts_with(prefix),
            None => self.pattern == media_type,
        }
    }

    /// The more precise range decides: `application/json;q=0` forbids what `*/*` admits.
    fn precision(&self) -> usize {
        self.pattern.trim_end_matches('*').len()
    }
}

/// The value of one parameter of a header: `; name=value` or `; name="value"`.
pub(super) fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let entry = rest.trim_start_matches([';', ' ', '\t']);
        let (key, after) = entry.split_once('=')?;
        let (value, tail) = if let Some(quoted) = after.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = after.find(';').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = tail;
    }
}

/// A quoted string after its first quote: its value and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(entries: &[(HeaderName, &str)]) -> HeaderMap {
        entries.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn check_input(content_type: &str, expect: Option<Input>) {
        let read = input(&headers(&[(header::CONTENT_TYPE, content_type)]));
        assert_eq!(read.ok(), expect, "{content_type}");
    }

    #[test]
    fn content_types() {
        check_input("application/json", Some(Input::Json));
        check_input("Application/JSON; charset=UTF-8", Some(Input::Json));
        check_input("application/json;charset=\"utf-8\"", Some(Input::Json));
        check_input("application/json; charset=latin1", None);
        check_input("application/vnd.dedz.problem+json", Some(Input::Json));
        check_input("application/x-ndjson", Some(Input::Ndjson));
        check_input("multipart/form-data; charset=utf-8; boundary=\"a;\\\"b\"", Some(Input::Multipart("a;\"b".to_owned())));
        check_input("multipart/form-data", None);
        check_input("text/plain", None);
        check_input("text/x+json", None);
        check_input("", None);
        assert!(input(&headers(&[])).is_err());
        assert!(input(&headers(&[(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")])).is_err());
    }

    fn check_form(accept: &str, input: &Input, expect: Option<Form>) {
        let forms = [Form::Json, Form::Safetensors];
        assert_eq!(form(&headers(&[(header::ACCEPT, accept)]), input, &forms).ok(), expect, "{accept}");
    }

    #[test]
    fn accepted_forms() {
        for json in
            ["*/*", "application/json", "text/html, */*;q=0.1", "application/*", "application/vnd.safetensors, application/json"]
        {
            check_form(json, &Input::Json, Some(Form::Json));
        }
        for safetensors in ["application/vnd.safetensors", "application/vnd.safetensors, */*;q=0.1", "application/json;q=0, */*"]
        {
            check_form(safetensors, &Input::Json, Some(Form::Safetensors));
        }
        for neither in ["text/html", "application/json;q=0", "application/xml, text/*"] {
            check_form(neither, &Input::Json, None);
        }
        check_form("application/x-ndjson", &Input::Ndjson, Some(Form::Json));
        check_form("application/json", &Input::Ndjson, Some(Form::Json));
        check_form("application/vnd.safetensors", &Input::Ndjson, None);
    }
}
