//! Names of requests: equal bytes, equal names.

use sha2::{Digest, Sha256};

use super::Request;

/// The name of a request under way. A long text is hashed behind whoever reads it, while it is still in the processor's cache.
pub(super) struct Naming<'a> {
    request: Request<'a>,
    hash: blake3::Hasher,
    /// Bytes of the problem that are hashed.
    at: usize,
}

impl<'a> Naming<'a> {
    pub(super) fn new(request: Request<'a>) -> Self {
        Self { request, hash: blake3::Hasher::new(), at: 0 }
    }

    /// The problem was read up to this place.
    pub(super) fn passed(&mut self, place: usize) {
        /// Whole blocks alone, since the hash is a tree.
        const BLOCK: usize = 64 << 10;
        let end = place / BLOCK * BLOCK;
        if end > self.at {
            self.hash.update(&self.request.problem[self.at..end]);
            self.at = end;
        }
    }

    pub(super) fn finish(mut self) -> String {
        let rest = &self.request.problem[self.at..];
        hashed(self.request, rest, |bytes| {
            self.hash.update(bytes);
        });
        ["blake3:", &self.hash.finalize().to_hex()].concat()
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
    fn a_name_does_not_depend_on_how_it_was_read() {
        let problem: Vec<u8> = (0..400_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let request = Request { problem: &problem, inputs: Some(b"x"), query: "format=csv", ..Request::default() };
        let mut bytes = problem.clone();
        bytes.extend_from_slice(&1_u64.to_le_bytes());
        bytes.extend_from_slice(b"xformat=csv");
        let expected = format!("blake3:{}", blake3::hash(&bytes).to_hex());
        assert_eq!(request_hash(request), expected);
        for places in [vec![0, 65_535, 65_536, 65_537, 10, 399_999, 400_000], vec![200_000, 100_000], vec![400_000]] {
            let mut naming = Naming::new(request);
            places.into_iter().for_each(|place| naming.passed(place));
            assert_eq!(naming.finish(), expected);
        }
    }
}
