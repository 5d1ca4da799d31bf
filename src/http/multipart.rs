//! `multipart/form-data` (RFC 7578) with the parts `problem`, `parameters`, `inputs`, `targets`: cut, not copied.

use bytes::Bytes;
use memchr::memmem;

use super::media::parameter;
use super::problem::Error;
use crate::pool::Parts;

/// Cut a body into its parts.
pub(super) fn cut(body: Bytes, boundary: &str) -> Result<Parts, Error> {
    let malformed = |detail: &str| Error::Malformed(format!("multipart/form-data: {detail}"));
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    let mut parts = Parts::default();
    let mut seen = [false; 4];
    // The first delimiter may open the body, without the line break before it.
    let mut at = if body.starts_with(&delimiter.as_bytes()[2..]) {
        delimiter.len() - 2
    } else {
        finder.find(&body).ok_or_else(|| malformed("its boundary is not found"))? + delimiter.len()
    };
    loop {
        if body[at..].starts_with(b"--") {
            break;
        }
        let line = memmem::find(&body[at..], b"\r\n").ok_or_else(|| malformed("it ends early"))?;
        if !body[at..at + line].iter().all(|&byte| byte == b' ' || byte == b'\t') {
            return Err(malformed("a boundary is followed by something else"));
        }
        at += line;
        // From the line break that ends the boundary, so that a part without headers has its empty line too.
        let head = memmem::find(&body[at..], b"\r\n\r\n").ok_or_else(|| malformed("a part has no end to its headers"))?;
        let headers = std::str::from_utf8(&body[at..at + head]).map_err(|_| malformed("a part's headers are not UTF-8"))?;
        let name = name(headers).ok_or_else(|| malformed("a part has no name"))?;
        let start = at + head + 4;
        // An empty part's delimiter begins with the empty line's own line break.
        let length = finder.find(&body[start - 2..]).ok_or_else(|| malformed("its last boundary is missing"))?;
        let content = body.slice(start.min(start - 2 + length)..start - 2 + length);
        at = start - 2 + length + delimiter.len();
        let (index, slot) = match name.as_str() {
            "problem" => (0, None),
            "parameters" => (1, Some(&mut parts.parameters)),
            "inputs" => (2, Some(&mut parts.inputs)),
            "targets" => (3, Some(&mut parts.targets)),
            other => {
                let known = "problem, parameters, inputs, targets";
                return Err(malformed(&format!("part {other:?} is not one of {known}")));
            }
        };
        if std::mem::replace(&mut seen[index], true) {
            return Err(malformed(&format!("part {name:?} comes twice")));
        }
        match slot {
            None => parts.problem = content,
            Some(slot) => *slot = Some(content),
        }
    }
    if seen[0] { Ok(parts) } else { Err(malformed("part \"problem\" is missing")) }
}

/// The name in a part's `Content-Disposition: form-data; name="…"`.
fn name(headers: &str) -> Option<String> {
    headers.split("\r\n").find_map(|line| {
        let (field, value) = line.split_once(':')?;
        let (kind, parameters) = value.split_once(';')?;
        let is_form_data = kind.trim().eq_ignore_ascii_case("form-data");
        (is_form_data && field.trim().eq_ignore_ascii_case("content-disposition")).then(|| parameter(parameters, "name"))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, content: &str) -> String {
        format!(
            "--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\nContent-Type: x/y\r\n\r\n{content}\r\n"
        )
    }

    fn of(text: &str) -> Result<Parts, String> {
        cut(Bytes::from(text.to_owned()), "B").map_err(|error| super::super::problem::Problem::of(&error).detail)
    }

    #[test]
    fn parts_are_cut_where_the_boundary_says() {
        let body = format!(
            "preamble\r\n{}{}{}--B--\r\nepilogue",
            part("problem", "{\r\n--Bish}"),
            part("inputs", "\r\n"),
            part("targets", "")
        );
        let error = of(&body).unwrap_err();
        assert!(error.contains("followed by something else"), "{error}");
        let body = body.replace("--Bish", "- -Bish");
        let parts = of(&body).unwrap();
        assert_eq!(parts.problem, "{\r\n- -Bish}");
        assert_eq!(parts.inputs.unwrap(), "\r\n");
        assert_eq!(parts.targets.unwrap(), "");
        assert_eq!(parts.parameters, None);
    }

    #[test]
    fn broken_frames_are_told() {
        for (body, expect) in [
            (String::new(), "boundary is not found"),
            ("--B".to_owned(), "ends early"),
            ("--B--".to_owned(), "\"problem\" is missing"),
            ("--B\r\nx".to_owned(), "no end to its headers"),
            ("--B\r\n\r\nx\r\n--B--".to_owned(), "no name"),
            (part("problem", "{}"), "last boundary is missing"),
            (format!("{}{}--B--", part("problem", "1"), part("problem", "2")), "comes twice"),
            (format!("{}--B--", part("weights", "1")), "\"weights\" is not one of"),
        ] {
            let told = of(&body).expect_err(&body);
            assert!(told.contains(expect), "{body:?}: {told}");
        }
    }
}
