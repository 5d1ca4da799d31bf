//! Bytes as base64: RFC 4648's standard alphabet, padded.
//!
//! With AVX-512's byte permutations 64 characters are 48 bytes in a few instructions, after Wojciech Muła and Daniel Lemire, "Base64
//! encoding and decoding at almost the speed of a memory copy" (2018). What is left at the end, and all of it on another processor,
//! is the library's.

use base64_simd::STANDARD;

/// A text is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotBase64;

/// Append the text of some bytes, padded at its end.
pub fn encode(bytes: &[u8], text: &mut Vec<u8>) {
    text.reserve(bytes.len().div_ceil(3) * 4);
    let done = wide_encode(bytes, text);
    STANDARD.encode_append(&bytes[done..], text);
}

/// Append the bytes that a text stands for.
///
/// # Errors
/// When it has other characters, or padding anywhere but where it ends, or not as much of it as it must. Some bytes may have been
/// appended then.
pub fn decode(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), NotBase64> {
    bytes.reserve(text.len() / 4 * 3);
    let done = wide_decode(text, bytes)?;
    STANDARD.decode_append(&text[done..], bytes).map_err(|_| NotBase64)
}

/// The text before the first quote, where it is known to be base64, or at least to have no other characters, sooner than its end can
/// be found and its encoding checked: that is, where the processor has the permutations.
#[expect(unsafe_code, reason = "the standard library would look at all of it once more")]
pub fn quoted(text: &[u8]) -> Option<&str> {
    let known = wide_characters(text)?;
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let length = known + text[known..].iter().position(|&byte| !is_one(byte))?;
    // SAFETY: all of these bytes are characters of base64 or its padding, which are ASCII.
    (text[length] == b'"').then(|| unsafe { str::from_utf8_unchecked(&text[..length]) })
}

#[cfg(not(target_arch = "x86_64"))]
fn wide_characters(_: &[u8]) -> Option<usize> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
fn wide_encode(_: &[u8], _: &mut Vec<u8>) -> usize {
    0
}

#[cfg(not(target_arch = "x86_64"))]
fn wide_decode(_: &[u8], _: &mut Vec<u8>) -> Result<usize, NotBase64> {
    Ok(0)
}

/// As far as whole blocks go: how much of the bytes was encoded.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "code for a processor's features may only be entered where it has them")]
fn wide_encode(bytes: &[u8], text: &mut Vec<u8>) -> usize {
    // SAFETY: the processor has the features that the function is compiled for.
    if x86::has_permutations() { unsafe { x86::encode(bytes, text) } } else { 0 }
}

/// How many characters of base64 a text begins with, as far as whole blocks go.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "code for a processor's features may only be entered where it has them")]
fn wide_characters(text: &[u8]) -> Option<usize> {
    // SAFETY: the processor has the features that the function is compiled for.
    x86::has_permutations().then(|| unsafe { x86::characters(text) })
}

/// As far as whole blocks go: how much of the text was decoded.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "code for a processor's features may only be entered where it has them")]
fn wide_decode(text: &[u8], bytes: &mut Vec<u8>) -> Result<usize, NotBase64> {
    // SAFETY: the processor has the features that the function is compiled for.
    if x86::has_permutations() { unsafe { x86::decode(text, bytes) } } else { Ok(0) }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512i, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_maddubs_epi16, _mm512_movepi8_mask, _mm512_multishift_epi64_epi8,
        _mm512_or_si512, _mm512_permutex2var_epi8, _mm512_permutexvar_epi8, _mm512_set1_epi32, _mm512_set1_epi64,
        _mm512_setzero_si512, _mm512_storeu_si512,
    };

    use super::NotBase64;

    /// Characters of a block, and the bytes that they stand for.
    const CHARACTERS: usize = 64;
    const BYTES: usize = 48;

    pub(super) fn has_permutations() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vbmi")
    }

    const ALPHABET: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// What a character stands for; its highest bit set where it stands for nothing.
    const MEANING: [u8; 128] = {
        let mut table = [0x80; 128];
        let mut i = 0;
        while i < 64 {
            table[ALPHABET[i] as usize] = i as u8;
            i += 1;
        }
        table
    };

    /// Three bytes as four, each of which has six of their bits: second, first, third, second.
    const SPREAD: [u8; 64] = {
        let mut table = [0; 64];
        let mut i = 0;
        while i < 64 {
            table[i] = (i / 4 * 3) as u8 + [1, 0, 2, 1][i % 4];
            i += 1;
        }
        table
    };

    /// The lower three bytes of each four, the highest first.
    const GATHER: [u8; 64] = {
        let mut table = [0; 64];
        let mut i = 0;
        while i < BYTES {
            table[i] = (i / 3 * 4 + 2 - i % 3) as u8;
            i += 1;
        }
        table
    };

    #[inline(always)]
    #[expect(unsafe_code, reason = "vectors are read through pointers")]
    fn load(block: &[u8; 64]) -> __m512i {
        // SAFETY: the block has as many bytes as are read, which may stand anywhere; it is called in the functions below alone,
        // where the processor has AVX-512.
        unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
    }

    /// Encode whole blocks as long as a vector can be read; how many bytes they were.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    #[expect(unsafe_code, reason = "vectors are written through pointers, into memory that need not be zeroed before")]
    pub(super) fn encode(bytes: &[u8], text: &mut Vec<u8>) -> usize {
        let (spread, alphabet) = (load(&SPREAD), load(&ALPHABET));
        // Where the four groups of six bits begin in four spread bytes, and in the next four.
        let shifts = _mm512_set1_epi64(0x3036_242A_1016_040A);
        let mut done = 0;
        text.reserve(bytes.len() / BYTES * CHARACTERS);
        while let Some(block) = bytes[done..].first_chunk() {
            let groups = _mm512_multishift_epi64_epi8(shifts, _mm512_permutexvar_epi8(spread, load(block)));
            let characters = _mm512_permutexvar_epi8(groups, alphabet);
            // SAFETY: there is room for a block of characters for every whole block of bytes, as was reserved above, of which
            // this is one more; they are initialised when the length counts them.
            unsafe {
                _mm512_storeu_si512(text.as_mut_ptr().add(text.len()).cast(), characters);
                text.set_len(text.len() + CHARACTERS);
            }
            done += BYTES;
        }
        done
    }

    /// Decode blocks as long as a vector can be written and padding cannot come; how many characters they were.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    #[expect(unsafe_code, reason = "vectors are written through pointers, into memory that need not be zeroed before")]
    pub(super) fn decode(text: &[u8], bytes: &mut Vec<u8>) -> Result<usize, NotBase64> {
        /// Whose bytes leave room for a whole vector.
        const ROOM: usize = 88;
        let [lower, upper] = [load(&half(0)), load(&half(64))];
        let gather = load(&GATHER);
        let (pairs, fours) = (_mm512_set1_epi32(0x0140_0140), _mm512_set1_epi32(0x0001_1000));
        let mut odd = _mm512_setzero_si512();
        let mut done = 0;
        bytes.reserve(text.len() / 4 * 3);
        while text.len() - done >= ROOM {
            let Some(block) = text[done..].first_chunk() else { break };
            let block = load(block);
            let groups = _mm512_permutex2var_epi8(lower, block, upper);
            odd = _mm512_or_si512(odd, _mm512_or_si512(groups, block));
            let twelve = _mm512_maddubs_epi16(groups, pairs);
            let found = _mm512_permutexvar_epi8(gather, _mm512_madd_epi16(twelve, fours));
            // SAFETY: three bytes were reserved for every four characters, so that 66 are left for the 88 or more; those that the
            // length counts are initialised.
            unsafe {
                _mm512_storeu_si512(bytes.as_mut_ptr().add(bytes.len()).cast(), found);
                bytes.set_len(bytes.len() + BYTES);
            }
            done += CHARACTERS;
        }
        if _mm512_movepi8_mask(odd) == 0 { Ok(done) } else { Err(NotBase64) }
    }

    /// How many characters of the alphabet stand at the beginning, in whole blocks.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn characters(text: &[u8]) -> usize {
        let [lower, upper] = [load(&half(0)), load(&half(64))];
        let mut blocks = text.as_chunks::<CHARACTERS>().0.iter();
        let first_other = blocks.position(|block| {
            let block = load(block);
            _mm512_movepi8_mask(_mm512_or_si512(_mm512_permutex2var_epi8(lower, block, upper), block)) != 0
        });
        first_other.unwrap_or(text.len() / CHARACTERS) * CHARACTERS
    }

    const fn half(from: usize) -> [u8; 64] {
        let mut table = [0; 64];
        let mut i = 0;
        while i < 64 {
            table[i] = MEANING[from + i];
            i += 1;
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &[u8]) -> Result<Vec<u8>, NotBase64> {
        let mut bytes = b"before".to_vec();
        decode(text, &mut bytes).map(|()| bytes.split_off(6))
    }

    proptest! {
        #[test]
        fn text_is_the_librarys_and_reads_back(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            let mut text = b"before".to_vec();
            encode(&bytes, &mut text);
            prop_assert_eq!(&text[..6], b"before");
            prop_assert_eq!(text[6..].to_vec(), STANDARD.encode_to_string(&bytes).into_bytes());
            prop_assert_eq!(decoded(&text[6..]), Ok(bytes));
        }

        #[test]
        fn what_is_refused_is_what_the_library_refuses(count in 0..300usize, at in 0..400usize, byte: u8) {
            let mut text = STANDARD.encode_to_string(vec![0x5A; count]).into_bytes();
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
            prop_assert_eq!(decoded(&text).ok(), STANDARD.decode_to_vec(&text).ok());
            prop_assert_eq!(decoded(&text[..text.len().min(at)]).ok(), STANDARD.decode_to_vec(&text[..text.len().min(at)]).ok());
        }
    }

    #[test]
    fn text_before_a_quote_is_taken_if_it_has_no_other_characters() {
        for count in [0, 1, 63, 64, 65, 127, 128, 129, 300] {
            let text = [&vec![b'A'; count][..], b"+/==\"AAAA\""].concat();
            let found = quoted(&text);
            assert!(found.is_none_or(|found| found.as_bytes() == &text[..count + 4]));
            assert_eq!(found.is_some(), wide_characters(&text).is_some());
            for at in 0..count + 4 {
                for other in [b'\\', b' ', b'-', 0x80, 0xFF, 0] {
                    let mut text = text.clone();
                    text[at] = other;
                    assert_eq!(quoted(&text), None, "{at} of {count}: {other}");
                }
            }
            assert_eq!(quoted(&text[..count + 4]), None, "no quote");
        }
    }

    #[test]
    fn every_byte_is_a_character_or_none() {
        for byte in 0..=255 {
            let text = [&[byte; 4][..], &b"AAAA".repeat(40)].concat();
            assert_eq!(decoded(&text).ok(), STANDARD.decode_to_vec(&text).ok(), "{byte}");
        }
    }
}
