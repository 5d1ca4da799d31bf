//! Names of requests: equal bytes, equal names.
//!
//! A request's name tells requests apart in logs and in clients' caches, and costs each of them: XXH3 with 128 bits, which nobody
//! meets twice by chance, but which may be made to meet. What somebody could gain by that, a stored network or another's exercise,
//! is kept under SHA-256 and BLAKE3.

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;

use super::Request;

/// The name of a request: of one that is its text alone, the text's own hash; of any other, that of the hashes of all that came.
pub(super) fn request_hash(request: Request<'_>) -> String {
    let [problem, rest @ ..] = parts(request);
    let mut hash = XxHash3_128::oneshot(problem.unwrap_or_default());
    if rest.iter().any(Option::is_some) {
        let mut hashes = hash.to_be_bytes().to_vec();
        for (place, part) in rest.into_iter().enumerate().filter_map(|(place, part)| Some((place, part?))) {
            hashes.push(place as u8);
            hashes.extend(XxHash3_128::oneshot(part).to_be_bytes());
        }
        hash = XxHash3_128::oneshot(&hashes);
    }
    format!("xxh128:{hash:032x}")
}

/// The name that a network is kept under, in the contract's own hash.
pub(super) fn content_hash(request: Request<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(request.problem);
    for part in [request.parameters, request.inputs, request.targets].into_iter().flatten() {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(request.query.as_bytes());
    hash.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}

/// All that came with a request, the problem first.
fn parts(request: Request<'_>) -> [Option<&[u8]>; 5] {
    let query = Some(request.query.as_bytes()).filter(|query| !query.is_empty());
    [Some(request.problem), request.parameters, request.inputs, request.targets, query]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_text_is_its_published_hash() {
        // What `xxh128sum` says of an empty file, and of a file that holds an a.
        for (problem, name) in [("", "99aa06d3014798d86001c324468d497f"), ("a", "a96faf705af16834e6c632b61e964e1f")] {
            let request = Request { problem: problem.as_bytes(), ..Request::default() };
            assert_eq!(request_hash(request), format!("xxh128:{name}"));
        }
    }

    #[test]
    fn whatever_comes_with_a_request_changes_its_name() {
        let plain = Request { problem: b"{}", ..Request::default() };
        let requests = [
            plain,
            Request { problem: b"{} ", ..plain },
            Request { parameters: Some(b""), ..plain },
            Request { parameters: Some(b"x"), ..plain },
            Request { inputs: Some(b"x"), ..plain },
            Request { targets: Some(b"x"), ..plain },
            Request { inputs: Some(b"x"), targets: Some(b"x"), ..plain },
            Request { query: "x", ..plain },
            Request { problem: b"{}x", ..plain },
        ];
        let names: std::collections::HashSet<_> = requests.map(request_hash).into();
        assert_eq!(names.len(), 9, "{names:?}");
    }
}
