//! Names of requests: equal bytes, equal names.
//!
//! A request's name tells requests apart in logs and in clients' caches, and costs each of them: XXH3 with 128 bits, which nobody
//! meets twice by chance, but which may be made to meet. What somebody could gain by that, a stored network or another's exercise,
//! is kept under SHA-256 and BLAKE3.

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;

use super::Request;

/// The name of a request under way. A long text is hashed behind whoever reads it, while it is still in the processor's cache.
pub(super) struct Naming<'a> {
    request: Request<'a>,
    hash: XxHash3_128,
    /// Bytes of the problem that are hashed.
    at: usize,
}

impl<'a> Naming<'a> {
    pub(super) fn new(request: Request<'a>) -> Self {
        Self { request, hash: XxHash3_128::new(), at: 0 }
    }

    /// The problem was read up to this place.
    pub(super) fn passed(&mut self, place: usize) {
        /// So much at a time that a call is worth it.
        const BLOCK: usize = 64 << 10;
        let end = place / BLOCK * BLOCK;
        if end > self.at {
            self.hash.write(&self.request.problem[self.at..end]);
            self.at = end;
        }
    }

    pub(super) fn finish(mut self) -> String {
        let rest = &self.request.problem[self.at..];
        hashed(self.request, rest, |bytes| {
            self.hash.write(bytes);
        });
        format!("xxh128:{:032x}", self.hash.finish_128())
    }
}

/// The name of a request that is read already.
pub(super) fn request_hash(request: Request<'_>) -> String {
    Naming::new(request).finish()
}

/// The name that a network is kept under, in the contract's own hash.
pub(super) fn content_hash(request: Request<'_>) -> String {
    let mut hash = Sha256::new();
    hashed(request, request.problem, |bytes| hash.update(bytes));
    hash.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}

/// The rest of the problem, and all else that came with it.
fn hashed(request: Request<'_>, rest: &[u8], mut update: impl FnMut(&[u8])) {
    update(rest);
    for part in [request.parameters, request.inputs, request.targets].into_iter().flatten() {
        update(&(part.len() as u64).to_le_bytes());
        update(part);
    }
    update(request.query.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_published_hash() {
        // What `xxh128sum` says of an empty file, and of a file that holds an a.
        for (problem, name) in [("", "99aa06d3014798d86001c324468d497f"), ("a", "a96faf705af16834e6c632b61e964e1f")] {
            let request = Request { problem: problem.as_bytes(), ..Request::default() };
            assert_eq!(request_hash(request), format!("xxh128:{name}"));
        }
    }

    #[test]
    fn a_name_does_not_depend_on_how_it_was_read() {
        let problem: Vec<u8> = (0..400_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let request = Request { problem: &problem, inputs: Some(b"x"), query: "format=csv", ..Request::default() };
        let mut bytes = problem.clone();
        bytes.extend_from_slice(&1_u64.to_le_bytes());
        bytes.extend_from_slice(b"xformat=csv");
        let expected = format!("xxh128:{:032x}", XxHash3_128::oneshot(&bytes));
        assert_eq!(request_hash(request), expected);
        for places in [vec![0, 65_535, 65_536, 65_537, 10, 399_999, 400_000], vec![200_000, 100_000], vec![400_000]] {
            let mut naming = Naming::new(request);
            places.into_iter().for_each(|place| naming.passed(place));
            assert_eq!(naming.finish(), expected);
        }
    }
}
