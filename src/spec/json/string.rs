//! Strings: what stands in them for itself, and what does not.

use std::str::Utf8Error;

use crate::tensor::{base64, wide};

/// What stands for itself in a string, from the start.
pub(super) fn plain(bytes: &[u8]) -> Result<&str, Utf8Error> {
    /// Strings of more bytes are tensors in base64.
    const NAME: usize = 128;
    let special = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    let mut length = plain_blocks::<32>(&bytes[..bytes.len().min(NAME)]);
    if length == NAME {
        if let Some(text) = base64::quoted(bytes) {
            return Ok(text);
        }
        length += wide::<f64, _>(
            #[inline(always)]
            || plain_blocks::<128>(&bytes[NAME..]),
        );
    }
    let length = bytes[length..].iter().position(|&byte| special(byte)).map_or(bytes.len(), |more| length + more);
    str::from_utf8(&bytes[..length])
}

/// How many bytes from the start, in whole blocks, stand for themselves: many at a time without a branch, of which the compiler makes
/// a few wide comparisons.
#[inline(always)]
fn plain_blocks<const BLOCK: usize>(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(block) = bytes[length..].first_chunk::<BLOCK>() {
        let mut any = 0;
        for &byte in block {
            any |= u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < 0x20);
        }
        if any > 0 {
            break;
        }
        length += BLOCK;
    }
    length
}

/// The character that the escape at `position` stands for, and the position after it.
pub(super) fn unescape(text: &[u8], position: usize) -> Option<(char, usize)> {
    let unit = |position: usize| {
        let digits = text.get(position..position + 4)?;
        digits.iter().try_fold(0, |unit, &digit| Some(unit * 16 + char::from(digit).to_digit(16)?))
    };
    let simple = match text.get(position + 1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let high = unit(position + 2)?;
            if let Some(character) = char::from_u32(high) {
                return Some((character, position + 6));
            }
            // Half of a pair of surrogates; the other half must follow.
            let low = (high < 0xDC00 && text.get(position + 6..position + 8)? == b"\\u").then(|| unit(position + 8)).flatten()?;
            let pair = (0xDC00..0xE000).contains(&low).then(|| 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))?;
            return Some((char::from_u32(pair)?, position + 12));
        }
        _ => return None,
    };
    Some((simple, position + 2))
}
