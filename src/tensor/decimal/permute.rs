//! The texts of numbers put together by permutations of bytes, which AVX-512 has (VBMI).

use std::arch::x86_64::{
    __m128i, _mm_set_epi64x, _mm256_inserti128_si256, _mm256_loadu_si256, _mm256_permutexvar_epi8, _mm256_storeu_si256,
};
use std::ops::Range;

use super::print::{Digits, ROOM, Shape, suffix};

/// Whether the processor has them.
#[inline]
pub(super) fn pays() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
}

/// See [`Digits::texts`]; `special` writes what is not put here: it is given the number's place.
///
/// # Panics
/// When the processor has no such permutations, and when there is no room.
#[expect(unsafe_code, reason = "code for a processor's features may only be entered where it has them")]
pub(super) fn texts(
    digits: &Digits,
    range: Range<usize>,
    out: &mut [u8],
    end: usize,
    special: impl Fn(usize, &mut [u8; ROOM]) -> usize,
) -> usize {
    assert!(pays(), "the processor has no permutations of bytes");
    // SAFETY: the processor has the features that the function is compiled for.
    unsafe { permuted(digits, range, out, end, special) }
}

/// What is permuted: 16 digits, and these.
const FIXED: [u8; 32] = *b"                0.-             ";
const ZERO: u8 = 16;
const POINT: u8 = 17;
const MINUS: u8 = 18;

/// For [`Shape::PERMUTATION`], which holds the zeros after the point, whether there are 16 digits, and whether there is a sign: where
/// each byte of the text comes from.
static FROM: [[u8; 32]; 32] = {
    let mut table = [[MINUS; 32]; 32];
    let mut which = 0;
    while which < 32 {
        let (before, negative) = ((which >> 2) + (which >> 1 & 1), which & 1);
        let mut place = 0;
        while place + negative < 32 {
            // The digit before the point stands where the point is to be.
            let digit = if place == 0 { 1 } else { place };
            let from = if digit >= before && digit < before + 16 { (digit - before) as u8 } else { ZERO };
            table[which][negative + place] = if place == 1 { POINT } else { from };
            place += 1;
        }
        which += 1;
    }
    table
};

/// The exponents of ten below 0.
static SUFFIXES: [[u8; 4]; 64] = {
    let mut table = [[0; 4]; 64];
    let mut magnitude = 0;
    while magnitude < 64 {
        table[magnitude as usize] = suffix(magnitude);
        magnitude += 1;
    }
    table
};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
#[expect(unsafe_code, reason = "vectors are read and written through pointers")]
fn permuted(
    digits: &Digits,
    range: Range<usize>,
    out: &mut [u8],
    mut end: usize,
    special: impl Fn(usize, &mut [u8; ROOM]) -> usize,
) -> usize {
    // SAFETY: there are 32 bytes.
    let fixed = unsafe { _mm256_loadu_si256(FIXED.as_ptr().cast()) };
    let Range { start, end: after } = range;
    let all = digits.first[start..after].iter().zip(&digits.second[start..after]).zip(&digits.shape[start..after]);
    for (i, ((&first, &second), &shape)) in all.enumerate() {
        let room: &mut [u8; ROOM] = out[end..].first_chunk_mut().expect("there is room");
        let shape = Shape(shape);
        if shape.0 & Shape::SPECIAL != 0 {
            end += special(start + i, room);
        } else {
            let sixteen: __m128i = _mm_set_epi64x(second as i64, first as i64);
            let from = &FROM[usize::from(shape.byte(Shape::PERMUTATION) & 31)];
            // SAFETY: there are 32 bytes to be read, and more than that to be written.
            unsafe {
                let from = _mm256_loadu_si256(from.as_ptr().cast());
                let text = _mm256_permutexvar_epi8(from, _mm256_inserti128_si256::<0>(fixed, sixteen));
                _mm256_storeu_si256(room.as_mut_ptr().cast(), text);
            }
            room[usize::from(shape.byte(Shape::LAST_PLACE) & 31)] = shape.byte(Shape::LAST);
            let place = usize::from(shape.byte(Shape::SUFFIX) & 31);
            let magnitude = usize::from(shape.byte(Shape::EXPONENT).wrapping_neg() & 63);
            room[place..place + 4].copy_from_slice(&SUFFIXES[magnitude]);
            end += usize::from(shape.byte(Shape::LENGTH));
        }
        out[end] = b',';
        end += 1;
    }
    end
}
