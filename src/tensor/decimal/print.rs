//! Numbers written many at a time.
//!
//! A block of numbers is brought to its digits in a few loops without branches, of which the compiler makes vectors; then each number's
//! text is put together by a few stores of fixed length, some of which a later one overwrites, or by one permutation of bytes where
//! the processor has it.
//!
//! The digits are the shortest that read back the same, after Raffaello Giulietti's Schubfach with Xiang Junbo's shortcut, as in
//! Victor Zverovich's zmij: the number times a power of ten has 15 or 16 digits before its point, where the spacing of doubles is less
//! than one. If the interval of what rounds to the number holds a whole number, that is it, less its zeros; if not, one digit of the
//! fraction is. In the range of this loop, from 1e-37 on and below 1e16 (singles below 8e6), these powers are exact in 128 bits.

use std::ops::Range;

use super::super::wide::{wide, widest};
use super::LOW;
use super::lookup::look_up;
#[cfg(target_arch = "x86_64")]
use super::permute;

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
    /// The digits of the first `count` numbers as one number each, to be spelled.
    #[doc(hidden)]
    fn digits(data: &[Self; BLOCK], count: usize, out: &mut Digits);
}

/// Digits of up to [`BLOCK`] numbers.
#[doc(hidden)]
#[derive(Debug)]
pub struct Digits {
    /// The first eight of 16 digits, as text in memory's order; before that, all 16 as a number.
    pub(super) first: [u64; BLOCK],
    pub(super) second: [u64; BLOCK],
    /// See [`Shape`].
    pub(super) shape: [u64; BLOCK],
}

/// How a number's digits are to be put, a byte for each field: some bits, [`Shape::COUNT`] and the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape(pub(super) u64);

impl Shape {
    pub(super) const NEGATIVE: u64 = 1;
    /// The first of the 16 digits is one; if not, it is a zero before them.
    const SIXTEEN: u64 = 2;
    /// These loops are not made for the number.
    const OTHER: u64 = 4;
    /// There is a 17th digit.
    const SEVENTEEN: u64 = 8;
    /// It is below 10, and written without an exponent.
    const SMALL: u64 = 16;
    /// It is 10 or more, or not made for these loops.
    pub(super) const SPECIAL: u64 = 32;

    /// Where the other fields begin. Digits without the zeros at their end.
    const COUNT: u32 = 8;
    /// The 17th digit.
    pub(super) const LAST: u32 = 16;
    /// The first digit's power of ten, a signed byte.
    pub(super) const EXPONENT: u32 = 24;
    /// For a number that is not special: which permutation puts its text, without a sign two less…
    pub(super) const PERMUTATION: u32 = 32;
    /// … its length, …
    pub(super) const LENGTH: u32 = 40;
    /// … where its exponent goes, …
    pub(super) const SUFFIX: u32 = 48;
    /// … and its 17th digit.
    pub(super) const LAST_PLACE: u32 = 56;

    fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    #[inline(always)]
    pub(super) fn byte(self, field: u32) -> u8 {
        (self.0 >> field) as u8
    }
}

impl Digits {
    /// Bring the first `count` numbers to digits, once their wholes, their 17th digits, exponents and first flags are there.
    #[inline(always)]
    fn spell(&mut self, count: usize, least_fixed: i32) {
        for i in 0..count.min(BLOCK) {
            let (whole, shape) = (self.first[i], self.shape[i]);
            // whole / 10^8
            let upper = product(whole, (0xABCC_7711, 0x8461_CEFD)).0 >> 26;
            let lower = whole - (upper & LOW) * 100_000_000;
            let (first, second) = (eight(upper), eight(lower));
            self.first[i] = first | TEXT;
            self.second[i] = second | TEXT;
            let (negative, sixteen, seventeen) = (shape & 1, shape >> 1 & 1, shape & Shape::SEVENTEEN);
            let zeros = u64::from(second.leading_zeros() / 8);
            let count = if zeros < 8 { 16 - zeros } else { (8 - u64::from(first.leading_zeros() / 8)).max(1) };
            let count = if seventeen != 0 { 17 } else { count } - (1 - sixteen);
            let exponent = (shape << (56 - Shape::EXPONENT)) as i64 >> 56;
            let (small, large) = (exponent >= i64::from(least_fixed) && exponent <= 0, exponent > 0);
            let magnitude = (-exponent) as u64 & 0xFF;
            // The zeros after the point, and what else stands before an exponent, or before the end.
            let zeros = if small { magnitude } else { 0 };
            let fixed = (1 + zeros + count).max(3);
            let before = if count == 1 { 1 } else { count + 1 };
            let suffix = negative + if small { fixed } else { before };
            let length = suffix + if small { 0 } else { 3 + u64::from(magnitude > 9) };
            let permutation = zeros << 2 | sixteen << 1 | negative;
            let special = if large { Shape::SPECIAL } else { (shape & Shape::OTHER) << 3 };
            self.shape[i] = shape
                | if small { Shape::SMALL } else { 0 }
                | special
                | count << Shape::COUNT
                | permutation << Shape::PERMUTATION
                | length << Shape::LENGTH
                | suffix << Shape::SUFFIX
                | (negative + zeros + sixteen + 16) << Shape::LAST_PLACE;
        }
    }

    /// What [`Digits::spell`] needs of a number: its 16 digits, the one after them or 0, [`FROM`] plus the first one's power of ten, and
    /// the first flags of its [`Shape`].
    #[inline(always)]
    fn note(&mut self, i: usize, whole: u64, last: u64, exponent: u64, flags: u64) {
        let other = flags >> Shape::OTHER.trailing_zeros() & 1;
        self.first[i] = whole & other.wrapping_sub(1);
        let exponent = exponent.wrapping_sub(FROM) & 0xFF;
        self.shape[i] = flags | (u64::from(b'0') + last) << Shape::LAST | exponent << Shape::EXPONENT;
    }

    /// Write a number's text at the start of `out`; how many bytes it took, if these loops are made for it.
    #[inline]
    fn text(&self, i: usize, out: &mut [u8; ROOM]) -> Option<usize> {
        let (first, second, shape) = (self.first[i], self.second[i], Shape(self.shape[i]));
        if shape.has(Shape::OTHER) {
            None
        } else if shape.has(Shape::SMALL) {
            Some(put_small(out, first, second, shape))
        } else {
            Some(put_wide(out, first, second, shape))
        }
    }

    /// Write the texts of some numbers into `out` from `end` on, each with a comma after it; where they end. `other` writes what these
    /// loops are not made for.
    #[inline]
    fn texts(&self, range: Range<usize>, out: &mut [u8], end: usize, other: &impl Fn(usize, &mut [u8]) -> usize) -> usize {
        let one = |at: usize, room: &mut [u8; ROOM]| self.text(at, room).unwrap_or_else(|| other(at, room));
        #[cfg(target_arch = "x86_64")]
        if permute::pays() {
            return permute::texts(self, range, out, end, one);
        }
        range.fold(end, |end, at| {
            let end = end + one(at, out[end..].first_chunk_mut().expect("there is room"));
            out[end] = b',';
            end + 1
        })
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
        let x = self.data[self.at];
        self.at += 1;
        self.digits.text((self.at - 1) & (BLOCK - 1), out).unwrap_or_else(|| other(x, out))
    }

    /// Write the next `count` numbers from the start of `out`, each with a comma after it; how many bytes they took. There is room
    /// for the longest, and for [`ROOM`] bytes after them. `other` as in [`Printer::put`].
    ///
    /// # Panics
    /// When there are not so many, or when there is no room.
    pub fn row(&mut self, out: &mut [u8], count: usize, other: impl Fn(T, &mut [u8]) -> usize) -> usize {
        let (mut end, mut left) = (0, count);
        while left > 0 {
            if self.at == self.filled {
                self.fill();
            }
            let some = left.min(self.filled - self.at);
            assert!(some > 0, "there is a next number");
            let range = self.at..self.at + some;
            end = self.digits.texts(range, out, end, &|at, room| other(self.data[at], room));
            self.at += some;
            left -= some;
        }
        end
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
            || {
                T::digits(block, count, &mut self.digits);
                self.digits.spell(count, T::LEAST_FIXED);
            },
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
    let start = usize::from(shape.has(Shape::NEGATIVE));
    let zeros = usize::from(shape.byte(Shape::EXPONENT).wrapping_neg() & 7);
    let digits = start + zeros + usize::from(shape.has(Shape::SIXTEEN));
    store(out, start, *b"00000000");
    store(out, digits, first.to_le_bytes());
    store(out, digits + 8, second.to_le_bytes());
    out[digits + 16] = shape.byte(Shape::LAST);
    // The digit before the point stands one too far right: it, or a zero.
    out[start] = out[start + 1];
    out[start + 1] = b'.';
    usize::from(shape.byte(Shape::LENGTH))
}

/// Any other: `123.4`, `1.23e-9`.
#[inline]
fn put_wide(out: &mut [u8; ROOM], first: u64, second: u64, shape: Shape) -> usize {
    const ZEROS: u128 = 0x3030_3030_3030_3030_3030_3030_3030_3030;
    out[0] = b'-';
    let start = usize::from(shape.has(Shape::NEGATIVE));
    let (last, exponent) = (shape.byte(Shape::LAST), shape.byte(Shape::EXPONENT) as i8);
    let all = u128::from(first) | u128::from(second) << 64;
    let all = if shape.has(Shape::SIXTEEN) { all } else { all >> 8 | u128::from(last) << 120 };
    let count = usize::from(shape.byte(Shape::COUNT) & 0x1F);
    let whole = if exponent < 0 { 1 } else { (exponent as usize & 15) + 1 };
    store(out, start, all.to_le_bytes());
    out[start + whole] = b'.';
    let rest = if whole < 16 { all >> (8 * whole) } else { 0 };
    store(out, start + whole + 1, (rest | ZEROS << (8 * (16 - whole))).to_le_bytes());
    if shape.has(Shape::SIXTEEN) {
        out[start + 17] = last;
    }
    if exponent >= 0 {
        return start + (count + 1).max(whole + 2);
    }
    store(out, usize::from(shape.byte(Shape::SUFFIX) & 31), suffix(-exponent as u8));
    usize::from(shape.byte(Shape::LENGTH))
}

/// The exponent of ten `-magnitude`; what follows one digit does not count.
pub(super) const fn suffix(magnitude: u8) -> [u8; 4] {
    let (tens, ones) = (b'0' + magnitude / 10, b'0' + magnitude % 10);
    if magnitude < 10 { [b'e', b'-', ones, 0] } else { [b'e', b'-', tens, ones] }
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
static UPPER: [u64; 64] = powers_of_ten(64);
/// The lower word: nothing as far as [`SHORT`].
static LOWER: [u64; 64] = powers_of_ten(0);

const fn powers_of_ten(shift: u32) -> [u64; 64] {
    let mut table = [0; 64];
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
/// `5^27` is the last that 64 bits hold.
const SHORT: usize = 27;
const _: () = assert!(powers_of_ten(0)[SHORT] == 0 && powers_of_ten(0)[SHORT + 1] != 0);

/// For a number `sig · 2^e`, with `e` more than -1200: the power of ten to multiply it by, which the table has up to [`MOST`]; how far
/// `sig` is shifted for the product to have 128 bits after its point, less `extra`; and [`FROM`] plus the exponent of ten of the
/// product's units.
#[inline(always)]
fn scaling(e: i64, extra: i64) -> (u64, u64, u64) {
    // floor(e · log10(2)), and floor(power · log2(10)).
    let exponent = ((e * 315_653) + ((FROM as i64) << 20)) as u64 >> 20;
    let power = (FROM - 1).wrapping_sub(exponent);
    let shift = ((e + extra + 1) as u64).wrapping_add(((power & 63) * 217_707) >> 16);
    (power, shift & 63, exponent)
}

/// Exponents of ten are counted from here on, so that none is negative.
const FROM: u64 = 400;

// Conditions are 1 or 0, found without comparisons: those would go through the processor's mask registers and back, which takes longer
// than all else.

/// Whether `x < y`; both are below `2^63`.
#[inline(always)]
fn is_less(x: u64, y: u64) -> u64 {
    x.wrapping_sub(y) >> 63
}

/// Whether `x` is 0; it is below `2^63`.
#[inline(always)]
fn is_zero(x: u64) -> u64 {
    x.wrapping_sub(1) >> 63
}

/// `x + y`, and whether it overflows.
#[inline(always)]
fn add(x: u64, y: u64) -> (u64, u64) {
    let sum = x.wrapping_add(y);
    (sum, ((x & y) | ((x | y) & !sum)) >> 63)
}

/// Whether `x < y`, of any.
#[inline(always)]
fn is_below(x: u64, y: u64) -> u64 {
    ((!x & y) | ((!x | y) & x.wrapping_sub(y))) >> 63
}

impl Digits {
    /// Of doubles; `LONG` where some of the powers are more than [`SHORT`].
    #[inline(always)]
    fn of_doubles<const LONG: bool>(&mut self, data: &[f64; BLOCK], count: usize) {
        /// Bits of the product above its fraction that are not whole yet.
        const EXTRA: u32 = 6;
        let count = count.min(BLOCK);
        let (mut powers, mut shifts, mut exponents) = ([0; BLOCK], [0; BLOCK], [0; BLOCK]);
        for i in 0..count {
            let bits = data[i].to_bits();
            let raw = (bits >> 52 & 0x7FF) + is_zero(bits << 1 >> 1) * 1023;
            (powers[i], shifts[i], exponents[i]) = scaling(raw as i64 - 1075, i64::from(EXTRA));
        }
        let (mut upper, mut lower) = ([0; BLOCK], [0; BLOCK]);
        look_up(&UPPER, &powers[..count], &mut upper);
        if LONG {
            look_up(&LOWER, &powers[..count], &mut lower);
        }
        for i in 0..count {
            let bits = data[i].to_bits();
            let mantissa = bits & ((1 << 52) - 1);
            let zero = is_zero(bits << 1 >> 1);
            let sig = mantissa | (1 - zero) << 52;
            let (power, shift, exponent) = (powers[i], shifts[i], exponents[i]);
            let (hi, lo) = (upper[i], lower[i]);
            let halves = (sig >> (32_u64.wrapping_sub(shift) & 63) & LOW, (sig << shift) & LOW);
            let (high, middle) = product(hi, halves);
            let (low, carry) = if LONG { add(middle, product(lo, halves).0) } else { (middle, 0) };
            let high = high + carry;
            let (whole, part) = (high >> EXTRA, high << (64 - EXTRA) | low >> EXTRA);
            // Half the distance to the next double; the interval's ends round to an even one.
            let half = (hi >> (7_u64.wrapping_sub(shift) & 63)) + (1 - (sig & 1));
            let (up, down) = (add(part, half).1, is_below(part, half));
            let whole = whole + up;
            // The fraction's first digit, rounded; 2.5 is a tie, and the even digit is wanted.
            let digit = ((part >> 32) * 10 + (1 << 31) + (((part & LOW) * 10 + 6) >> 32)) >> 32;
            let digit = if part == 1 << 62 { 2 } else { digit };
            let last = 1 - (up | down);
            let sixteen = is_less(999_999_999_999_999, whole);
            let exponent = exponent + 15 + sixteen;
            // Below a power of two doubles are twice as dense; where it is written exactly, that does not matter.
            let uneven = is_zero(mantissa) & (part | part.wrapping_neg()) >> 63;
            let outside = is_less(MOST as u64, power) | power >> 63 | is_less(FROM + 15, exponent);
            let other = outside | uneven | is_less(9_999_999_999_999_999, whole);
            self.note(i, whole, digit * last, exponent, bits >> 63 | sixteen << 1 | other << 2 | last << 3);
        }
    }
}

impl Decimal for f64 {
    const LEAST_FIXED: i32 = -5;

    #[inline(always)]
    fn digits(data: &[Self; BLOCK], count: usize, out: &mut Digits) {
        /// The least exponent, as a double has it, for which a power of [`SHORT`] is enough: 2^-41 is written with 28 digits after its
        /// point.
        const LEAST: u64 = 982;
        let mut long = 0;
        for x in data {
            let magnitude = x.to_bits() << 1 >> 1;
            long |= (1 - is_zero(magnitude)) & is_less(magnitude >> 52, LEAST);
        }
        if long == 0 { out.of_doubles::<false>(data, count) } else { out.of_doubles::<true>(data, count) }
    }
}

impl Decimal for f32 {
    const LEAST_FIXED: i32 = -6;

    #[expect(clippy::needless_bitwise_bool, reason = "vectors are made of loops without branches")]
    #[inline(always)]
    fn digits(data: &[Self; BLOCK], count: usize, out: &mut Digits) {
        /// As for doubles; the product has 64 bits here.
        const EXTRA: i32 = 34;
        let exponent_of = |bits: u64| if bits << 33 == 0 { 127 } else { bits >> 23 & 0xFF };
        let count = count.min(BLOCK);
        let (mut powers, mut shifts, mut exponents) = ([0; BLOCK], [0; BLOCK], [0; BLOCK]);
        for i in 0..count {
            let raw = exponent_of(u64::from(data[i].to_bits()));
            (powers[i], shifts[i], exponents[i]) = scaling(raw as i64 - 150, i64::from(EXTRA));
        }
        let mut upper = [0; BLOCK];
        look_up(&UPPER, &powers[..count], &mut upper);
        for i in 0..count {
            let bits = u64::from(data[i].to_bits());
            let mantissa = bits & ((1 << 23) - 1);
            let zero = bits << 33 == 0;
            let raw = exponent_of(bits);
            let sig = if zero { 0 } else { mantissa | 1 << 23 };
            let (power, shift, exponent) = (powers[i], shifts[i], exponents[i]);
            let hi = upper[i];
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
            let exponent = exponent + 7 + u64::from(sixteen) - u64::from(short & !zero);
            let other = (power > MOST as u64) | (raw == 0) | (mantissa == 0 && part != 0) | (whole >= 1_000_000_000);
            let flags = bits >> 31 | u64::from(sixteen) << 1 | u64::from(other) << 2;
            out.note(i, whole.wrapping_mul(10_000_000), 0, exponent, flags);
        }
    }
}
