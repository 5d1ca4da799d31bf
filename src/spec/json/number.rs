//! One JSON number: its grammar checked, its value correctly rounded, in one pass. Rows of numbers have a faster way
//! ([`crate::tensor::decimal::Scanner`]), which leaves to this one what it is not made for.
//!
//! Up to 19 digits are gathered eight at a time into an integer `w`, so that the number is `w · 10^q`. Then either both are so
//! small that one floating-point operation is exact (Clinger), or `w` times the leading 64 bits of `5^q` decides the rounding
//! (after Eisel and Lemire), or, where those bits leave a doubt and for longer numbers, `fast-float2` reads the text again.
//!
//! The doubt, precisely: let `t ≤ 5^q·2^s < t + 1` with `2^63 ≤ t < 2^64`, and `w` shifted into the same range. Then the true
//! product lies in `[w·t, w·t + w)`, which is less than two units of its upper 64 bits above `w·t`. Of those bits 53 are kept and
//! `f` is left over, so the true remainder is in `[f, f + 2)`: below half for `f + 2 ≤ half`, above it for `f > half`, and
//! unknown only for two values of `f` out of some five hundred.

use crate::tensor::decimal::{DEEPEST, POWERS_OF_FIVE};

/// What is wrong with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is not a JSON number.
    Grammar,
    /// It is one, and rounds to infinity; it ends here.
    Infinite(usize),
}

/// Read the number that starts at `start`: its value, and the position after it.
#[inline]
pub(super) fn read(text: &[u8], start: usize) -> Result<(f64, usize), Bad> {
    let negative = text.get(start) == Some(&b'-');
    let integer = start + usize::from(negative);
    let mut digits = Digits { w: 0, long: false };
    let mut end = integer;
    if let Some([digit @ b'0'..=b'9', b'.']) = text.get(integer..).and_then(<[u8]>::first_chunk) {
        digits.w = u64::from(digit - b'0');
        end += 1;
    } else {
        end = digits.gather(text, integer);
        if end == integer || (end > integer + 1 && text[integer] == b'0') {
            return Err(Bad::Grammar);
        }
    }
    let mut q = 0;
    if text.get(end) == Some(&b'.') {
        let fraction = end + 1;
        end = digits.gather(text, fraction);
        if end == fraction {
            return Err(Bad::Grammar);
        }
        q = fraction as i64 - end as i64;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let (exponent, after) = exponent(text, end + 1).ok_or(Bad::Grammar)?;
        q += exponent;
        end = after;
    }
    if !digits.long
        && let Some(magnitude) = round(digits.w, q)
    {
        // The sign without a branch: half of a gradient's numbers are negative, and no predictor knows which.
        return Ok((f64::from_bits(magnitude.to_bits() | u64::from(negative) << 63), end));
    }
    let (value, _) = fast_float2::parse_partial::<f64, _>(&text[start..end]).map_err(|_| Bad::Grammar)?;
    if value.is_finite() { Ok((value, end)) } else { Err(Bad::Infinite(end)) }
}

struct Digits {
    w: u64,
    /// More digits than `w` can hold.
    long: bool,
}

impl Digits {
    /// Take all digits from `position` on, eight at a time; the position after them.
    #[inline]
    fn gather(&mut self, text: &[u8], mut position: usize) -> usize {
        loop {
            let values = word(text, position) ^ 0x3030_3030_3030_3030;
            // The top bit of each byte that is no digit; a carry disturbs later bytes only.
            let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
            if others == 0 {
                // A constant step: the processor reads on before it knows that these were digits.
                self.take(eight_digits(values), 8);
                position += 8;
            } else {
                // The length of a number is as unpredictable as its sign: no branch. The digits go last, zeros before them.
                let count = others.trailing_zeros() as usize / 8;
                self.take(eight_digits((values << 8) << (56 - 8 * count)), count);
                return position + count;
            }
        }
    }

    #[inline]
    fn take(&mut self, digits: u64, count: usize) {
        self.long |= self.w >= POWERS_OF_TEN[19 - count];
        self.w = self.w.wrapping_mul(POWERS_OF_TEN[count]).wrapping_add(digits);
    }
}

/// Eight bytes from `position`, zeros past the end.
#[inline]
fn word(text: &[u8], position: usize) -> u64 {
    match text.get(position..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => last_word(text, position),
    }
}

#[cold]
fn last_word(text: &[u8], position: usize) -> u64 {
    let rest = text.get(position..).unwrap_or_default();
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(bytes)
}

/// The number that eight digits write, from their values, the first in the lowest byte.
#[inline]
fn eight_digits(v: u64) -> u64 {
    let v = v.wrapping_mul(10).wrapping_add(v >> 8);
    let low = (v & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let high = ((v >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

/// The exponent that begins after its `e`, saturated, and the position after it.
#[inline]
fn exponent(text: &[u8], start: usize) -> Option<(i64, usize)> {
    let (negative, first) = match text.get(start) {
        Some(b'-') => (true, start + 1),
        Some(b'+') => (false, start + 1),
        _ => (false, start),
    };
    let mut digits = Digits { w: 0, long: false };
    let end = digits.gather(text, first);
    let magnitude = if digits.long { SATURATED } else { digits.w.min(SATURATED) } as i64;
    (end > first).then_some((if negative { -magnitude } else { magnitude }, end))
}

/// Beyond any exponent that leaves a double finite, or above zero, however many digits stand before it.
const SATURATED: u64 = 1 << 40;

/// `w · 10^q`, correctly rounded, where that is quickly known.
#[inline]
fn round(w: u64, q: i64) -> Option<f64> {
    // Up to 2^53 would be exact too, but 16 and 17 digits come mixed, and then this branch would be a coin's toss.
    if w < 1_000_000_000_000_000 {
        if (-22..=0).contains(&q) {
            return Some(w as f64 / EXACT_POWERS_OF_TEN[-q as usize]);
        }
        if w == 0 {
            return Some(0.0);
        }
    }
    if !(-DEEPEST..=DEEPEST).contains(&q) || w == 0 {
        return None;
    }
    let shift = w.leading_zeros();
    let product = u128::from(w << shift) * u128::from(POWERS_OF_FIVE[(q + DEEPEST) as usize]);
    let upper = (product >> 64) as u64;
    let carried = (upper >> 63) as u32;
    let dropped = 10 + carried;
    let kept = upper >> dropped;
    let half = 1_u64 << (dropped - 1);
    let rest = upper & (2 * half - 1);
    if rest == half || rest + 1 == half {
        return None;
    }
    let mantissa = kept + u64::from(rest > half);
    // floor(log2(10^q)) is 217706·q / 2^16 in this range. Adding the mantissa carries into the exponent where rounding does.
    let exponent = ((217_706 * q) >> 16) + 63 + i64::from(carried) - i64::from(shift) + 1023;
    Some(f64::from_bits(((exponent as u64 - 1) << 52) + mantissa))
}

const POWERS_OF_TEN: [u64; 20] = {
    let mut powers = [1; 20];
    let mut n = 1;
    while n < 20 {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// Each of them is a double without rounding.
const EXACT_POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
    1e22,
];
