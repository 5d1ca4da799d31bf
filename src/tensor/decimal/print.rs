//! Numbers written many at a time.
//!
//! A block of numbers is brought to its digits in one loop without branches, of which the compiler makes vectors; then each number's
//! text is put together by a few stores of fixed length, some of which a later one overwrites.
//!
//! The digits are the shortest that read back the same, after Raffaello Giulietti's Schubfach with Xiang Junbo's shortcut, as in
//! Victor Zverovich's zmij: the number times a power of ten has 15 or 16 digits before its point, where the spacing of doubles is less
//! than one. If the interval of what rounds to the number holds a whole number, that is it, less its zeros; if not, one digit of the
//! fraction is. In the range of this loop, from 1e-37 on and below 1e16 (singles below 8e6), these powers are exact in 128 bits.

use super::super::wide::{wide, widest};
use super::LOW;

/// Numbers brought to their digits together.
const BLOCK: usize = 64;

/// Whether a [`Printer`] pays here: with AVX-512 it takes 10 ns a number where the way number by number takes 23, without it 29.
pub fn printer_pays() -> bool {
    widest()
}

/// Room that one number's text may be put together in.
pub const ROOM: usize = 48;

/// A number type with shortest digits.
pub trait Decimal: Copy + Default {
    /// The least exponent of ten at which a number is still written without one.
    const LEAST_FIXED: i32;
    /// The digits of the first `count` numbers.
    #[doc(hidden)]
    fn digits(data: &[Self; BLOCK], count: usize, out: &mut Digits);
}

/// Digits of up to [`BLOCK`] numbers.
#[doc(hidden)]
#[derive(Debug)]
pub struct Digits {
    /// The first eight of 16 digits, as text in memory's order.
    first: [u64; BLOCK],
    second: [u64; BLOCK],
    /// See [`Shape`].
    shape: [u64; BLOCK],
}

/// How a number's digits are to be put.
#[derive(Clone, Copy)]
struct Shape {
    negative: bool,
    /// Whether the first of the 16 digits is one; if not, it is a zero before them.
    sixteen: bool,
    /// Whether this loop is not made for the number.
    other: bool,
    /// Digits without the zeros at their end, with the 17th if there is one.
    count: u64,
    /// The 17th.
    last: u64,
    /// The first digit's power of ten.
    exponent: i32,
}

impl Shape {
    #[inline(always)]
    fn pack(self) -> u64 {
        u64::from(self.negative)
            | u64::from(self.sixteen) << 1
            | u64::from(self.other) << 2
            | self.count << 8
            | self.last << 16
            | u64::from(self.exponent as u32) << 32
    }

    #[inline(always)]
    fn unpack(bits: u64) -> Self {
        Self {
            negative: bits & 1 != 0,
            sixteen: bits & 2 != 0,
            other: bits & 4 != 0,
            count: bits >> 8 & 0x1F,
            last: bits >> 16 & 0xFF,
            exponent: (bits >> 32) as i32,
        }
    }
}

/// Writes the numbers of a slice one after the other.
#[derive(Debug)]
pub struct Printer<'d, T> {
    /// What is left.
    data: &'d [T],
    digits: Digits,
    /// The next in the block, and how many there are.
    at: usize,
    filled: usize,
}

impl<'d, T: Decimal> Printer<'d, T> {
    /// A writer of these.
    pub fn new(data: &'d [T]) -> Self {
        let digits = Digits { first: [0; BLOCK], second: [0; BLOCK], shape: [0; BLOCK] };
        Self { data, digits, at: 0, filled: 0 }
    }

    /// Write the next number at the start of `out`; how many bytes it took. Those after them may be overwritten too. `other` writes
    /// what this is not made for: it is given the number.
    ///
    /// # Panics
    /// When there is no next number.
    #[inline]
    pub fn put(&mut self, out: &mut [u8; ROOM], other: impl FnOnce(T, &mut [u8]) -> usize) -> usize {
        if self.at == self.filled {
            self.fill();
        }
        let at = self.at & (BLOCK - 1);
        let shape = Shape::unpack(self.digits.shape[at]);
        let x = self.data[self.at];
        self.at += 1;
        if shape.other {
            return other(x, out);
        }
        let (first, second) = (self.digits.first[at], self.digits.second[at]);
        if (T::LEAST_FIXED..=0).contains(&shape.exponent) {
            put_small(out, first, second, shape)
        } else {
            put_wide(out, first, second, shape)
        }
    }

    #[inline(never)]
    fn fill(&mut self) {
        self.data = &self.data[self.filled..];
        self.filled = self.data.len().min(BLOCK);
        self.at = 0;
        let mut padded;
        let block = if let Some(full) = self.data.first_chunk() {
            full
        } else {
            padded = [T::default(); BLOCK];
            padded[..self.filled].copy_from_slice(self.data);
            &padded
        };
        // Whole vectors alone.
        let count = self.filled.next_multiple_of(16);
        wide::<f64, _>(
            #[inline(always)]
            || T::digits(block, count, &mut self.digits),
        );
    }
}

#[inline(always)]
fn store<const N: usize>(out: &mut [u8; ROOM], at: usize, bytes: [u8; N]) {
    out[at..at + N].copy_from_slice(&bytes);
}

/// A number below 10, without an exponent: `-0.00123`, `1.23`.
#[inline(always)]
fn put_small(out: &mut [u8; ROOM], first: u64, second: u64, shape: Shape) -> usize {
    out[0] = b'-';
    let start = usize::from(shape.negative);
    let zeros = -shape.exponent as usize & 7;
    let digits = start + zeros + usize::from(shape.sixteen);
    store(out, start, *b"00000000");
    store(out, digits, first.to_le_bytes());
    store(out, digits + 8, second.to_le_bytes());
    out[digits + 16] = shape.last as u8;
    // The digit before the point stands one too far right: it, or a zero.
    out[start] = out[start + 1];
    out[start + 1] = b'.';
    start + (1 + zeros + shape.count as usize).max(3)
}

/// Any other: `123.4`, `1.23e-9`.
#[inline]
fn put_wide(out: &mut [u8; ROOM], first: u64, second: u64, shape: Shape) -> usize {
    const ZEROS: u128 = 0x3030_3030_3030_3030_3030_3030_3030_3030;
    out[0] = b'-';
    let start = usize::from(shape.negative);
    let all = u128::from(first) | u128::from(second) << 64;
    let all = if shape.sixteen { all } else { all >> 8 | u128::from(shape.last) << 120 };
    let count = shape.count as usize & 0x1F;
    let whole = if shape.exponent < 0 { 1 } else { (shape.exponent as usize & 15) + 1 };
    store(out, start, all.to_le_bytes());
    out[start + whole] = b'.';
    let rest = if whole < 16 { all >> (8 * whole) } else { 0 };
    store(out, start + whole + 1, (rest | ZEROS << (8 * (16 - whole))).to_le_bytes());
    if shape.sixteen {
        out[start + 17] = shape.last as u8;
    }
    if shape.exponent >= 0 {
        return start + (count + 1).max(whole + 2);
    }
    let end = start + if count == 1 { 1 } else { count + 1 };
    let magnitude = -shape.exponent as u8;
    let (tens, ones) = (b'0' + magnitude / 10, b'0' + magnitude % 10);
    if magnitude < 10 {
        store(out, end, [b'e', b'-', ones]);
        end + 3
    } else {
        store(out, end, [b'e', b'-', tens, ones]);
        end + 4
    }
}

/// `x · y`, its upper and its lower word, where `y` is given by its halves: the compiler makes vectors of these products of halves.
/// If it saw `y` itself, it would see through them and multiply one by one.
#[inline(always)]
fn product(x: u64, (y1, y0): (u64, u64)) -> (u64, u64) {
    let (x1, x0) = (x >> 32, x & LOW);
    let (a, b, c) = (x1 * y0, x0 * y1, x0 * y0);
    let middle = (c >> 32) + (a & LOW) + (b & LOW);
    (x1 * y1 + (a >> 32) + (b >> 32) + (middle >> 32), middle << 32 | c & LOW)
}

impl Digits {
    /// `whole` of at most 16 digits, and a digit after it.
    #[inline(always)]
    fn set(&mut self, i: usize, whole: u64, last: Option<u64>, mut shape: Shape) {
        // whole / 10^8
        let upper = product(whole, (0xABCC_7711, 0x8461_CEFD)).0 >> 26;
        let lower = whole - (upper & LOW) * 100_000_000;
        let (first, second) = (eight(upper), eight(lower));
        self.first[i] = first | TEXT;
        self.second[i] = second | TEXT;
        let zeros = u64::from(second.leading_zeros() / 8);
        let count = if zeros < 8 { 16 - zeros } else { (8 - u64::from(first.leading_zeros() / 8)).max(1) };
        shape.count = if last.is_some() { 17 } else { count } - u64::from(!shape.sixteen);
        shape.last = u64::from(b'0') + last.unwrap_or(0);
        self.shape[i] = shape.pack();
    }
}

const TEXT: u64 = 0x3030_3030_3030_3030;

/// Eight digits, the first in the lowest byte.
#[inline(always)]
fn eight(x: u64) -> u64 {
    let q = ((x & LOW) * 109_951_163) >> 40;
    let fours = q | (x - q * 10_000) << 32;
    let q = ((fours * 5243) >> 19) & 0x0000_007F_0000_007F;
    let twos = q | (fours - q * 100) << 16;
    let q = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    q | (twos - q * 10) << 8
}

/// `10^n`, shifted to have its first bit set: the upper word.
static UPPER: [u64; MOST + 1] = powers_of_ten(64);
/// The lower word.
static LOWER: [u64; MOST + 1] = powers_of_ten(0);

const fn powers_of_ten(shift: u32) -> [u64; MOST + 1] {
    let mut table = [0; MOST + 1];
    let mut power = 1_u128;
    let mut n = 0;
    while n <= MOST {
        table[n] = (power << power.leading_zeros() >> shift) as u64;
        if n < MOST {
            power *= 5;
        }
        n += 1;
    }
    table
}

/// `5^55` is the last that 128 bits hold.
const MOST: usize = 55;

/// For a number `sig · 2^e`: the power of ten to multiply it by, if the table has it; how far `sig` is shifted for the product to have
/// 128 bits after its point, less `extra`; and the exponent of ten of the product's units.
#[inline(always)]
fn scaling(e: i32, extra: i32) -> (Option<usize>, u64, i32) {
    // floor(e · log10(2)), and floor(power · log2(10)).
    let exponent = (e * 315_653) >> 20;
    let power = -exponent - 1;
    let shift = e + ((power * 217_707) >> 16) + 1 + extra;
    ((0..=MOST as i32).contains(&power).then_some(power as usize), shift as u64 & 63, exponent)
}

impl Decimal for f64 {
    const LEAST_FIXED: i32 = -5;

    #[expect(clippy::needless_bitwise_bool, clippy::needless_range_loop, reason = "vectors are made of loops without branches")]
    #[inline(always)]
    fn digits(data: &[Self; BLOCK], count: usize, out: &mut Digits) {
        /// Bits of the product above its fraction that are not whole yet.
        const EXTRA: i32 = 6;
        for i in 0..count.min(BLOCK) {
            let bits = data[i].to_bits();
            let mantissa = bits & ((1 << 52) - 1);
            let zero = bits << 1 == 0;
            let raw = if zero { 1023 } else { bits >> 52 & 0x7FF };
            let sig = if zero { 0 } else { mantissa | 1 << 52 };
            let (power, shift, exponent) = scaling(raw as i32 - 1075, EXTRA);
            let (hi, lo) = (UPPER[power.unwrap_or(0)], LOWER[power.unwrap_or(0)]);
            let halves = (sig >> (32 - shift), (sig << shift) & LOW);
            let (high, middle) = product(hi, halves);
            let low = middle.wrapping_add(product(lo, halves).0);
            let high = high + u64::from(low < middle);
            let (whole, part) = (high >> EXTRA, high << (64 - EXTRA) | low >> EXTRA);
            // Half the distance to the next double; the interval's ends round to an even one.
            let half = (hi >> ((7_u64.wrapping_sub(shift)) & 63)) + (1 - (sig & 1));
            let (up, down) = (part.wrapping_add(half) < part, half > part);
            let whole = whole + u64::from(up);
            // The fraction's first digit, rounded; 2.5 is a tie, and the even digit is wanted.
            let digit = ((part >> 32) * 10 + (1 << 31) + (((part & LOW) * 10 + 6) >> 32)) >> 32;
            let digit = if part == 1 << 62 { 2 } else { digit };
            let sixteen = whole >= 1_000_000_000_000_000;
            let exponent = exponent + 15 + i32::from(sixteen);
            // Below a power of two doubles are twice as dense; where it is written exactly, that does not matter.
            let uneven = mantissa == 0 && part != 0;
            let other = power.is_none() | uneven | (whole >= 10_000_000_000_000_000) | (exponent > 15);
            let shape = Shape { negative: bits >> 63 != 0, sixteen, other, count: 0, last: 0, exponent };
            out.set(i, whole, (!(up | down)).then_some(digit), shape);
        }
    }
}

impl Decimal for f32 {
    const LEAST_FIXED: i32 = -6;

    #[expect(clippy::needless_bitwise_bool, clippy::needless_range_loop, reason = "vectors are made of loops without branches")]
    #[inline(always)]
    fn digits(data: &[Self; BLOCK], count: usize, out: &mut Digits) {
        /// As for doubles; the product has 64 bits here.
        const EXTRA: i32 = 34;
        for i in 0..count.min(BLOCK) {
            let bits = u64::from(data[i].to_bits());
            let mantissa = bits & ((1 << 23) - 1);
            let zero = bits << 33 == 0;
            let raw = if zero { 127 } else { bits >> 23 & 0xFF };
            let sig = if zero { 0 } else { mantissa | 1 << 23 };
            let (power, shift, exponent) = scaling(raw as i32 - 150, EXTRA);
            let hi = UPPER[power.unwrap_or(0)];
            // 24 bits, shifted to the left by 31 or a little more.
            let (sig, left) = (sig << 8, shift.wrapping_sub(8) & 31);
            let scaled = product(hi.wrapping_add(1), (sig >> (32 - left), (sig << left) & LOW)).0;
            let (whole, part) = (scaled >> EXTRA, scaled & ((1 << EXTRA) - 1));
            let half = (hi >> ((65_u64.wrapping_sub(shift)) & 63)) + (1 - (bits & 1));
            let (up, down) = ((part + half) >> EXTRA != 0, half > part);
            let digit = (part * 10 + (1 << (EXTRA - 1))) >> EXTRA;
            let digit = if part == 1 << (EXTRA - 2) { 2 } else { digit };
            // All digits in one number, 8 or 9 of them.
            let whole = (whole + u64::from(up)) * 10 + if up | down { 0 } else { digit };
            let short = whole < 10_000_000;
            let whole = if short { whole * 10 } else { whole };
            let sixteen = whole >= 100_000_000;
            let exponent = exponent + 7 + i32::from(sixteen) - i32::from(short & !zero);
            let other = power.is_none() | (raw == 0) | (mantissa == 0 && part != 0) | (whole >= 1_000_000_000);
            let shape = Shape { negative: bits >> 31 != 0, sixteen, other, count: 0, last: 0, exponent };
            out.set(i, whole.wrapping_mul(10_000_000), None, shape);
        }
    }
}
