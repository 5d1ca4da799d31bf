//! Sealed exercises: a text that only holders of a key can write, and only they can read.
//!
//! A token is `dedz1.` and, in base64url without padding, a nonce of 24 bytes followed by the text under XChaCha20-Poly1305, with
//! the version as associated data. Whoever carries it sees the text's length and nothing else, and can change nothing: what opens
//! was sealed with the key. No randomness and no files here; the edges have both.

use std::fmt;

use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// What a token begins with, and what is authenticated beside its text.
const VERSION: &str = "dedz1";

/// Bytes of a [`Key`].
pub const KEY_BYTES: usize = 32;
/// Bytes of a nonce. So many may be drawn at random for as many tokens as anybody makes.
pub const NONCE_BYTES: usize = 24;

/// A key that seals and opens; it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The key of these bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key in a text, white space around it aside: 64 hexadecimal digits, or 32 bytes in base64.
    ///
    /// # Errors
    /// It is neither; nothing of the text is repeated.
    pub fn of_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bytes = match text.len() {
            64 => of_hex(text),
            _ => [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|base| base.decode_to_vec(text).ok()),
        };
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| "expected a key of 32 bytes, as 64 hexadecimal digits or in base64".to_owned())
    }

    /// The key as [`Key::of_text`] reads it.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

fn of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes().chunks(2).map(|pair| Some((digit(pair[0])? * 16 + digit(*pair.get(1)?)?) as u8)).collect()
}

/// Whether a text claims to be a token.
pub fn is_token(text: &str) -> bool {
    text.strip_prefix(VERSION).is_some_and(|rest| rest.starts_with('.'))
}

/// Seal a text. A nonce may serve one text only.
pub fn seal(text: &[u8], key: &Key, nonce: [u8; NONCE_BYTES]) -> String {
    let payload = Payload { msg: text, aad: VERSION.as_bytes() };
    let sealed =
        key.cipher().encrypt(&XNonce::from(nonce), payload).expect("a text in memory is shorter than the cipher's bound");
    let bytes = [&nonce[..], &sealed].concat();
    format!("{VERSION}.{}", URL_SAFE_NO_PAD.encode_to_string(bytes))
}

/// The text of a token that one of the keys sealed; nothing where none of them did, or it was altered. Why is not told.
pub fn open(token: &str, keys: &[Key]) -> Option<Vec<u8>> {
    let encoded = token.strip_prefix(VERSION)?.strip_prefix('.')?;
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(encoded).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
    let nonce = XNonce::from(*nonce);
    keys.iter().find_map(|key| key.cipher().decrypt(&nonce, Payload { msg: sealed, aad: VERSION.as_bytes() }).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = br#"{"network":{"inputs":["x"]},"grade":{"check_only":true}}"#;

    fn key(byte: u8) -> Key {
        Key::new([byte; KEY_BYTES])
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_alone() {
        for text in [TEXT, b"", &[0xff; 1000]] {
            let token = seal(text, &key(7), [9; NONCE_BYTES]);
            assert_eq!(open(&token, &[key(7)]).as_deref(), Some(text));
            assert_eq!(open(&token, &[key(1), key(7)]).as_deref(), Some(text), "after the keys were rotated");
            assert_eq!(open(&token, &[key(1), key(2)]), None);
            assert_eq!(open(&token, &[]), None);
            assert_ne!(token, seal(text, &key(7), [8; NONCE_BYTES]), "another nonce");
        }
    }

    #[test]
    fn whatever_is_altered_does_not_open() {
        let token = seal(TEXT, &key(7), [9; NONCE_BYTES]);
        let encoded = token.strip_prefix("dedz1.").unwrap();
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(encoded).unwrap();
        assert_eq!(bytes.len(), NONCE_BYTES + TEXT.len() + 16);
        // Each bit of nonce, text and tag.
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let altered = format!("dedz1.{}", URL_SAFE_NO_PAD.encode_to_string(altered));
            assert_eq!(open(&altered, &[key(7)]), None, "bit {bit}");
        }
        for length in 0..token.len() {
            assert_eq!(open(&token[..length], &[key(7)]), None, "{length} characters of {}", token.len());
        }
        for altered in [
            format!("dedz2.{encoded}"),
            format!("dedz.{encoded}"),
            format!("dedz1{encoded}"),
            encoded.to_owned(),
            format!("{token}="),
            format!("{token}A"),
            format!(" {token}"),
            format!("dedz1.{}", STANDARD.encode_to_string([0xfb; 60])),
        ] {
            assert_eq!(open(&altered, &[key(7)]), None, "{altered}");
        }
    }

    #[test]
    fn another_version_of_the_same_bytes_does_not_open() {
        // As a later version would seal: the same cipher, key and nonce, but its own name beside the text.
        let nonce = [9; NONCE_BYTES];
        let sealed = key(7).cipher().encrypt(&XNonce::from(nonce), Payload { msg: TEXT, aad: b"dedz2" }).unwrap();
        let later = format!("dedz1.{}", URL_SAFE_NO_PAD.encode_to_string([&nonce[..], &sealed].concat()));
        assert_eq!(open(&later, &[key(7)]), None);
    }

    /// The vector of draft-irtf-cfrg-xchacha-03, appendix A.3.1: the cipher is the one that the page describes.
    #[test]
    fn the_cipher_is_that_of_the_draft() {
        let text =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let aad = of_hex("50515253c0c1c2c3c4c5c6c7").unwrap();
        let key = Key::of_text("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f").unwrap();
        let nonce: [u8; NONCE_BYTES] = of_hex("404142434445464748494a4b4c4d4e4f5051525354555657").unwrap().try_into().unwrap();
        let sealed = key.cipher().encrypt(&XNonce::from(nonce), Payload { msg: text, aad: &aad }).unwrap();
        assert_eq!(sealed[..16], of_hex("bd6d179d3e83d43b9576579493c0e939").unwrap());
        assert_eq!(sealed[text.len()..], of_hex("c0875924c1c7987947deafd8780acf49").unwrap());
    }

    #[test]
    fn keys_are_read_from_hexadecimal_and_base64_and_never_printed() {
        let bytes: [u8; KEY_BYTES] = std::array::from_fn(|i| (i * 8) as u8);
        let key = Key::new(bytes);
        let hex = key.to_text();
        assert_eq!(hex.len(), 64);
        let base64 = STANDARD.encode_to_string(bytes);
        let url = URL_SAFE_NO_PAD.encode_to_string(bytes);
        for text in [&hex, &hex.to_uppercase(), &format!(" {hex}\n"), &base64, &url, base64.trim_end_matches('=')] {
            assert_eq!(Key::of_text(text).as_ref(), Ok(&key), "{text}");
        }
        for text in ["", "secret", &hex[..62], &format!("{hex}00"), &"zz".repeat(32), &"é".repeat(32), &base64[..40]] {
            let error = Key::of_text(text).expect_err("no key");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
        assert_eq!(format!("{key:?}"), "Key(…)");
    }
}
