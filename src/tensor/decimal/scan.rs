//! Rows of numbers, read many at a time.
//!
//! Each number is found and its digits gathered with vectors of 32 bytes that end where the number ends, so that digits stand in
//! their places whatever its length. Then all are rounded in one loop: `w · 10^q` is `w` times the leading 64 bits of `5^q`, shifted
//! (after Clinger, Eisel and Lemire). The two steps keep the processor busy with several numbers at once.
//!
//! The rounding, precisely: let `t ≤ 5^q·2^s < t + 1` with `2^63 ≤ t < 2^64`, and `w` shifted into the same range. Then the true
//! product lies less than two units above the upper 64 bits of `w·t`, less than three above what [`upper`] finds, less than six once
//! that is shifted to have its first bit set. Of it 53 bits are kept. Where the other 11 are below half by seven units the number is
//! rounded down, where they are above half, up; four in a thousand are neither, and the standard library decides. `w` has up to 19
//! digits; for more it decides too.

#[cfg(target_arch = "x86_64")]
use super::lookup::look_up;

/// Most numbers between two roundings: whole vectors of them.
const BLOCK: usize = 64;

/// Reads rows of numbers. What it keeps between two calls is room.
#[derive(Debug)]
pub struct Scanner {
    count: usize,
    /// Digits 1 to 16 from the left and 17 to 32 of each number, in two groups of eight, the first in the lower half.
    upper: [u64; BLOCK],
    lower: [u64; BLOCK],
    /// `q + 54` of each, and its sign on top.
    power: [u64; BLOCK],
    bits: [u64; BLOCK],
    unsure: [bool; BLOCK],
}

impl Default for Scanner {
    fn default() -> Self {
        Self { count: 0, upper: [0; BLOCK], lower: [0; BLOCK], power: [0; BLOCK], bits: [0; BLOCK], unsure: [false; BLOCK] }
    }
}

impl Scanner {
    /// Read numbers from `position` on, where one begins, each with a comma and at most one space after it, as long as they are
    /// JSON numbers of ordinary length and another begins after them. The position of the one that is left, which may be the first.
    #[inline]
    pub fn numbers(&mut self, text: &[u8], position: usize, data: &mut Vec<f64>) -> usize {
        #[cfg(target_arch = "x86_64")]
        return x86::numbers(self, text, position, data);
        #[cfg(not(target_arch = "x86_64"))]
        position
    }

    /// Read rows of `length` numbers, from the bracket at `position` on, as long as each is followed by a comma and another row, with
    /// at most one space after any comma and no other: how many rows, and the position of the bracket of the one that is left.
    #[inline]
    pub fn rows(&mut self, text: &[u8], position: usize, length: usize, data: &mut Vec<f64>) -> (usize, usize) {
        #[cfg(target_arch = "x86_64")]
        return x86::rows(self, text, position, length, data);
        #[cfg(not(target_arch = "x86_64"))]
        (0, position)
    }

    /// Round what was gathered.
    #[cfg(target_arch = "x86_64")]
    fn flush(&mut self, data: &mut Vec<f64>) {
        let count = std::mem::take(&mut self.count);
        let unsure = super::super::wide::<f64, _>(
            #[inline(always)]
            || self.round(count.next_multiple_of(16).min(BLOCK)),
        );
        if unsure {
            for i in (0..count).filter(|&i| self.unsure[i]) {
                self.bits[i] = exactly(self.upper[i], self.lower[i], self.power[i]).to_bits();
            }
        }
        data.extend(self.bits[..count].iter().map(|&bits| f64::from_bits(bits)));
    }

    /// Whether any of them is unsure.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[expect(clippy::needless_bitwise_bool, clippy::needless_range_loop, reason = "vectors are made of loops without branches")]
    fn round(&mut self, count: usize) -> bool {
        let count = count.min(BLOCK);
        let mut powers = [0; BLOCK];
        // From 10^-54 to 10^9, which are most; then the others.
        look_up(POWERS.first_chunk().expect("it has more"), &self.power[..count], &mut powers);
        if self.power[..count].iter().fold(0, |all, power| all | power) & 64 != 0 {
            for (found, power) in powers.iter_mut().zip(&self.power[..count]) {
                *found = POWERS[(power & 127) as usize];
            }
        }
        let mut any = false;
        for i in 0..count {
            let (power, lower) = (self.power[i], self.lower[i]);
            // The first 16 of 32 digits; no more than 3 of them fit.
            let first = self.upper[i].rotate_left(32);
            let w = first.wrapping_mul(10_000_000_000_000_000);
            let w = w.wrapping_add((lower & super::LOW) * 100_000_000).wrapping_add(lower >> 32);
            let at = power & 127;
            let t = powers[i];
            // floor(log2(10^q)) is 217706·q / 2^16 in this range.
            let exponent = (at * 217_706 + OFFSET) >> 16 << 52;
            let shift = u64::from(w.leading_zeros());
            let product = upper(w << (shift & 63), t);
            let missing = (product >> 63) ^ 1;
            let product = product << missing;
            let unsure = (product.wrapping_add(7) & 0x7F8 == 0x400) | (first >= 1000);
            // Adding the mantissa carries into the exponent where rounding does.
            let mantissa = (product >> 11) + (product >> 10 & 1);
            let magnitude = exponent.wrapping_sub((shift + missing) << 52).wrapping_add(mantissa);
            let magnitude = if w == 0 { 0 } else { magnitude };
            self.bits[i] = magnitude | power & 1 << 63;
            self.unsure[i] = unsure;
            any |= unsure;
        }
        any
    }
}

/// The number that these digits write.
#[cfg(target_arch = "x86_64")]
#[cold]
#[inline(never)]
fn exactly(upper: u64, lower: u64, power: u64) -> f64 {
    let (a, b, c, d) = (upper & super::LOW, upper >> 32, lower & super::LOW, lower >> 32);
    let q = (power & 127) as i64 - super::DEEPEST;
    let x: f64 = format!("{a}{b:08}{c:08}{d:08}e{q}").parse().expect("digits and an exponent");
    if power >> 63 == 0 { x } else { -x }
}

/// The upper 64 bits of `x · y`, or one less. Without the product of the lower halves the compiler makes vectors of it; with it, it
/// would see through it and multiply one by one.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn upper(x: u64, y: u64) -> u64 {
    let (x1, x0, y1, y0) = (x >> 32, x & super::LOW, y >> 32, y & super::LOW);
    x1 * y1 + ((((x1 * y0) >> 1) + ((x0 * y1) >> 1)) >> 31)
}

/// The leading 64 bits of `5^q`, from `q = -54` on.
#[cfg(target_arch = "x86_64")]
static POWERS: [u64; 128] = {
    let mut table = [0; 128];
    let mut i = 0;
    while i < super::POWERS_OF_FIVE.len() {
        table[i] = super::POWERS_OF_FIVE[i];
        i += 1;
    }
    table
};

/// `217706 · (i - 54) / 2^16 + 1086`, times 2^16, without the first product.
#[cfg(target_arch = "x86_64")]
const OFFSET: u64 = (1086 << 16) - 217_706 * 54;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm_cvtsi128_si64, _mm256_and_si256, _mm256_blendv_epi8, _mm256_castsi256_si128, _mm256_cmpeq_epi8,
        _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_min_epu8,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_packus_epi32, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
        _mm256_sub_epi8,
    };

    use super::{BLOCK, Scanner};

    /// The vector that ends with a number, and the one a byte before it, begin at most so far before the number.
    const BEFORE: usize = 33;
    /// Bytes in which commas are looked for at once.
    const WINDOW: usize = 64;
    /// Bytes of the longest number that is read here.
    const LONGEST: usize = 31;

    #[expect(unsafe_code, reason = "code for a processor's features may only be entered where it has them")]
    pub(super) fn numbers(scanner: &mut Scanner, text: &[u8], position: usize, data: &mut Vec<f64>) -> usize {
        // SAFETY: the processor has the features that the function is compiled for.
        if is_able() { unsafe { read(scanner, text, position, data) } } else { position }
    }

    #[expect(unsafe_code, reason = "code for a processor's features may only be entered where it has them")]
    pub(super) fn rows(
        scanner: &mut Scanner,
        text: &[u8],
        position: usize,
        length: usize,
        data: &mut Vec<f64>,
    ) -> (usize, usize) {
        // SAFETY: the processor has the features that the function is compiled for.
        if is_able() { unsafe { read_rows(scanner, text, position, length, data) } } else { (0, position) }
    }

    fn is_able() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2")
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    #[expect(unsafe_code, reason = "loads without a check each: one comparison a window is enough")]
    fn read(scanner: &mut Scanner, text: &[u8], position: usize, data: &mut Vec<f64>) -> usize {
        // The number to be read, the one read last, and the window in which commas are looked for: it does not wait for the numbers.
        let (mut start, mut last, mut window) = (position, position, position);
        'windows: while position >= BEFORE && window + WINDOW < text.len() {
            // SAFETY: `WINDOW` bytes are there from here on, and one more.
            let mut commas = unsafe {
                let bytes = text.as_ptr().add(window);
                u64::from(commas(bytes)) | u64::from(commas(bytes.add(32))) << 32
            };
            while commas != 0 {
                let end = window + commas.trailing_zeros() as usize;
                commas &= commas - 1;
                let length = end.wrapping_sub(start);
                // SAFETY: the number lies in the bytes that are there, `BEFORE` bytes stand before it, and one after its comma.
                if length > LONGEST || !unsafe { gather(scanner, text.as_ptr().add(start), length) } {
                    break 'windows;
                }
                last = start;
                // SAFETY: as above.
                start = end + 1 + usize::from(unsafe { *text.as_ptr().add(end + 1) } == b' ');
                if scanner.count >= BLOCK {
                    scanner.flush(data);
                }
            }
            window += WINDOW;
            if window > start + LONGEST {
                break;
            }
        }
        if last < start && !matches!(text.get(start), Some(b'-' | b'0'..=b'9')) {
            // No number follows: the comma after the last is somebody else's to judge.
            if scanner.count == 0 {
                data.pop();
            } else {
                scanner.count -= 1;
            }
            start = last;
        }
        scanner.flush(data);
        start
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    #[expect(unsafe_code, reason = "as in `read`")]
    fn read_rows(scanner: &mut Scanner, text: &[u8], position: usize, length: usize, data: &mut Vec<f64>) -> (usize, usize) {
        let (before, mut rows, mut left) = (data.len(), 0, position);
        // The number to be read, its place in its row, and the window in which ends of numbers are looked for.
        let (mut start, mut column, mut window) = (position + 1, 0, position + 1);
        'windows: while position >= BEFORE && window + WINDOW < text.len() {
            // SAFETY: `WINDOW` bytes are there from here on, and one more.
            let mut ends = unsafe {
                let bytes = text.as_ptr().add(window);
                u64::from(ends(bytes)) | u64::from(ends(bytes.add(32))) << 32
            };
            while ends != 0 {
                let end = window + ends.trailing_zeros() as usize;
                ends &= ends - 1;
                if end < start {
                    // The comma after a row.
                    continue;
                }
                let is_last = column + 1 == length;
                let size = end - start;
                // SAFETY: the number lies in the bytes that are there, `BEFORE` bytes stand before it, and one after its end.
                let read = size <= LONGEST && unsafe { gather(scanner, text.as_ptr().add(start), size) };
                if !read || text[end] != if is_last { b']' } else { b',' } {
                    break 'windows;
                }
                let comma = if is_last { end + 1 } else { end };
                let next = comma + 1 + usize::from(text.get(comma + 1) == Some(&b' '));
                if is_last {
                    if text[comma] != b',' || text.get(next) != Some(&b'[') {
                        break 'windows;
                    }
                    (rows, left) = (rows + 1, next);
                }
                (start, column) = if is_last { (next + 1, 0) } else { (next, column + 1) };
                if scanner.count >= BLOCK {
                    scanner.flush(data);
                }
            }
            window += WINDOW;
            if window > start + LONGEST {
                break;
            }
        }
        scanner.flush(data);
        // The numbers of the row that is left are somebody else's to read.
        data.truncate(before + rows * length);
        (rows, left)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "an unaligned load")]
    unsafe fn load(bytes: *const u8) -> __m256i {
        // SAFETY: 32 bytes are there, as the callers promise.
        unsafe { _mm256_loadu_si256(bytes.cast()) }
    }

    /// Where there are commas in 32 bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "an unaligned load")]
    unsafe fn commas(bytes: *const u8) -> u32 {
        // SAFETY: 32 bytes are there, as the caller promises.
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(unsafe { load(bytes) }, _mm256_set1_epi8(b',' as i8))) as u32
    }

    /// Where there are commas or closing brackets in 32 bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "an unaligned load")]
    unsafe fn ends(bytes: *const u8) -> u32 {
        // SAFETY: 32 bytes are there, as the caller promises.
        let bytes = unsafe { load(bytes) };
        let are = |byte: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8));
        _mm256_movemask_epi8(_mm256_or_si256(are(b','), are(b']'))) as u32
    }

    /// Bytes 0xFF at the last `n` places of 32: the 32 from `n` on.
    static LAST: [u8; 64] = {
        let mut bytes = [0; 64];
        let mut i = 32;
        while i < 64 {
            bytes[i] = 0xFF;
            i += 1;
        }
        bytes
    };

    /// Take the digits of a number of `length` bytes, up to [`LONGEST`]. False, and nothing taken, if it is none that is read here.
    /// `BEFORE` bytes before it may be read.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    #[expect(unsafe_code, reason = "loads at places that were just found in the text")]
    unsafe fn gather(scanner: &mut Scanner, start: *const u8, length: usize) -> bool {
        // SAFETY: the caller's promises are those asked for.
        let Err(marks) = (unsafe { plain(scanner, start, length, 0) }) else { return true };
        // SAFETY: as above.
        marks > 1 && unsafe { with_exponent(scanner, start, length) }
    }

    /// The exponent is read, and what stands before it taken as a number.
    #[inline(never)]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    #[expect(unsafe_code, reason = "as in `gather`")]
    unsafe fn with_exponent(scanner: &mut Scanner, start: *const u8, length: usize) -> bool {
        // SAFETY: the caller promises that the number is there.
        let number = unsafe { std::slice::from_raw_parts(start, length) };
        let digits = number.iter().rev().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        let (before, exponent) = number.split_at(length - digits);
        let magnitude = exponent.iter().fold(0, |sum, digit| 10 * sum + i64::from(digit - b'0'));
        let (mantissa, exponent) = match before {
            [mantissa @ .., b'e' | b'E', b'-'] => (mantissa, -magnitude),
            [mantissa @ .., b'e' | b'E', b'+'] | [mantissa @ .., b'e' | b'E'] => (mantissa, magnitude),
            _ => return false,
        };
        // SAFETY: it begins where the number does and is shorter.
        digits > 0 && !mantissa.is_empty() && unsafe { plain(scanner, start, mantissa.len(), exponent) }.is_ok()
    }

    /// As [`gather`], without an exponent of its own. If it is not one, how many of its bytes are neither digits nor its sign.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    #[expect(unsafe_code, reason = "as in `gather`")]
    unsafe fn plain(scanner: &mut Scanner, start: *const u8, length: usize, exponent: i64) -> Result<(), u32> {
        let zero = _mm256_set1_epi8(b'0' as i8);
        let from = start.wrapping_add(length).wrapping_sub(32);
        // SAFETY: both begin within `BEFORE` bytes before the number and end with it, or a byte before that.
        let (right, left, first) = unsafe { (load(from), load(from.wrapping_sub(1)), *start) };
        let values = _mm256_sub_epi8(right, zero);
        let are_digits = _mm256_cmpeq_epi8(_mm256_min_epu8(values, _mm256_set1_epi8(9)), values);
        let others = !(_mm256_movemask_epi8(are_digits) as u32);
        let negative = usize::from(first == b'-');
        // The place of the first digit, and the marks from there on.
        let begin = 32 - length + negative;
        let marks = if begin < 32 { others >> begin << begin } else { return Err(0) };
        if marks & marks.wrapping_sub(1) != 0 {
            return Err(marks.count_ones());
        }
        let point = marks.trailing_zeros() as usize;
        let (whole, fraction) = (point - begin, 31_usize.wrapping_sub(point));
        // SAFETY: the first digit, or the point, is one of the number's bytes.
        if whole != 1 && (whole == 0 || unsafe { *start.add(negative) } == b'0') {
            return Err(0);
        }
        let digits = if point == 32 {
            // SAFETY: 32 bytes are there from at most 32 on.
            _mm256_and_si256(values, unsafe { load(LAST.as_ptr().add(32 - begin)) })
        } else {
            // SAFETY: it is one of the number's bytes.
            if fraction == 0 || unsafe { *from.add(point) } != b'.' {
                return Err(0);
            }
            // SAFETY: as above.
            let (after, all) = unsafe { (load(LAST.as_ptr().add(fraction)), load(LAST.as_ptr().add(31 - begin))) };
            // The digits before the point move over it.
            _mm256_and_si256(_mm256_sub_epi8(_mm256_blendv_epi8(left, right, after), zero), all)
        };
        let q = exponent - if point == 32 { 0 } else { fraction as i64 };
        if !(-super::super::DEEPEST..=super::super::DEEPEST).contains(&q) {
            return Err(0);
        }
        let pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010A));
        let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x0001_0064));
        let eights = _mm256_madd_epi16(_mm256_packus_epi32(fours, fours), _mm256_set1_epi32(0x0001_2710));
        let at = scanner.count;
        scanner.upper[at] = _mm_cvtsi128_si64(_mm256_castsi256_si128(eights)) as u64;
        scanner.lower[at] = _mm_cvtsi128_si64(_mm256_extracti128_si256::<1>(eights)) as u64;
        scanner.power[at] = (q + super::super::DEEPEST) as u64 | (negative as u64) << 63;
        scanner.count = at + 1;
        Ok(())
    }
}
