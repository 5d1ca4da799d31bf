//! Sine and cosine.
//!
//! `x = (4j + q + f)·π/2` with `|f| ≤ ½`, then a Taylor series at `r = f·π/2`, up to π/4. The reduction (M. H. Payne and R. N. Hanek,
//! 1983) multiplies the integers behind `hi` and `lo` by the bits of 2/π that matter to the product modulo 4, in fixed point.
//! It is good for every finite argument: `f` has an absolute error below 2⁻²⁶⁴, and no double-double other than 0 is so near to a
//! multiple of π/2 that this takes digits from `f`.

use std::f64::consts::FRAC_PI_4;

use super::DoubleDouble;
use super::arithmetic::{polynomial, power_of_two};
use super::exp::{INVERSE_FACTORIALS, TINY};

pub(super) fn sin(x: DoubleDouble) -> DoubleDouble {
    if x.hi.abs() < TINY {
        return x;
    }
    if !x.hi.is_finite() {
        return DoubleDouble::from_double(f64::NAN);
    }
    let (quadrant, r) = reduce(x);
    quarter(quadrant, r)
}

pub(super) fn cos(x: DoubleDouble) -> DoubleDouble {
    if !x.hi.is_finite() {
        return DoubleDouble::from_double(f64::NAN);
    }
    let (quadrant, r) = reduce(x);
    quarter(quadrant + 1, r)
}

/// `sin(quadrant·π/2 + r)`.
fn quarter(quadrant: u64, r: DoubleDouble) -> DoubleDouble {
    const SINE: [DoubleDouble; 14] = every_other_inverse_factorial(3);
    const COSINE: [DoubleDouble; 14] = every_other_inverse_factorial(2);
    const FINE: usize = 8;
    let s = (r * r).negated();
    let value = if quadrant & 1 == 0 { r + r * s * polynomial(s, &SINE, FINE) } else { s * polynomial(s, &COSINE, FINE) + 1.0 };
    if quadrant & 2 == 0 { value } else { value.negated() }
}

const fn every_other_inverse_factorial<const N: usize>(first: usize) -> [DoubleDouble; N] {
    let mut table = [DoubleDouble::from_double(0.0); N];
    let mut i = 0;
    while i < N {
        table[i] = INVERSE_FACTORIALS[first + 2 * i];
        i += 1;
    }
    table
}

/// The quadrant (modulo 4) and what is left over, between ±π/4.
fn reduce(x: DoubleDouble) -> (u64, DoubleDouble) {
    const FRAC_PI_2: DoubleDouble = DoubleDouble { hi: std::f64::consts::FRAC_PI_2, lo: 6.123_233_995_736_766e-17 };
    if x.hi.abs() < FRAC_PI_4 {
        return (0, x);
    }
    let turns = Fixed::quarter_turns(x.hi).plus(Fixed::quarter_turns(x.lo));
    let quadrant = turns.rounded();
    (quadrant, turns.minus_whole(quadrant).to_double_double() * FRAC_PI_2)
}

/// 2/π in binary: enough for the largest double and 320 bits more.
const TWO_OVER_PI: [u64; 22] = [
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
    0x5603_3046_fc7b_6bab,
    0xf0cf_bc20_9af4_361d,
    0xa9e3_9161_5ee6_1b08,
    0x6599_855f_14a0_6840,
];

const LIMBS: usize = 5;

/// A number modulo 4 in two's complement, most significant limb first: two bits before the point, 318 after it.
#[derive(Clone, Copy)]
struct Fixed([u64; LIMBS]);

impl Fixed {
    /// `x·2/π` modulo 4.
    fn quarter_turns(x: f64) -> Self {
        const FRACTION: u64 = (1 << 52) - 1;
        let (biased, fraction) = (x.to_bits() >> 52 & 0x7ff, x.to_bits() & FRACTION);
        let (integer, scale) = if biased == 0 { (fraction, -1074) } else { (fraction + FRACTION + 1, biased as i32 - 1075) };
        // integer · 2^scale · 2/π = 4 · (integer · window), and whole parts of the bracket do not matter.
        let window = std::array::from_fn(|i| two_over_pi(scale - 2 + 64 * i as i32));
        let product = Self(window).times(integer);
        if x < 0.0 { product.negated() } else { product }
    }

    fn plus(self, other: Self) -> Self {
        let mut sum = [0; LIMBS];
        let mut carry = false;
        for i in (0..LIMBS).rev() {
            let (partial, first) = self.0[i].overflowing_add(other.0[i]);
            let (total, second) = partial.overflowing_add(u64::from(carry));
            (sum[i], carry) = (total, first || second);
        }
        Self(sum)
    }

    fn negated(self) -> Self {
        let mut one = [0; LIMBS];
        one[LIMBS - 1] = 1;
        Self(self.0.map(|limb| !limb)).plus(Self(one))
    }

    fn times(self, factor: u64) -> Self {
        let mut product = [0; LIMBS];
        let mut carry = 0;
        for i in (0..LIMBS).rev() {
            let partial = u128::from(self.0[i]) * u128::from(factor) + carry;
            product[i] = partial as u64;
            carry = partial >> 64;
        }
        Self(product)
    }

    /// The nearest whole number, modulo 4.
    fn rounded(self) -> u64 {
        self.0[0].wrapping_add(1 << 61) >> 62
    }

    fn minus_whole(mut self, whole: u64) -> Self {
        self.0[0] = self.0[0].wrapping_sub(whole << 62);
        self
    }

    fn to_double_double(self) -> DoubleDouble {
        let negative = self.0[0] >> 63 == 1;
        let Self(limbs) = if negative { self.negated() } else { self };
        let Some(leading) = limbs.iter().position(|&limb| limb != 0) else {
            return DoubleDouble::from_double(0.0);
        };
        let limb = |i: usize| limbs.get(i).copied().unwrap_or(0);
        let zeros = limbs[leading].leading_zeros();
        let long = u128::from(limb(leading)) << 64 | u128::from(limb(leading + 1));
        let bits = if zeros == 0 { long } else { long << zeros | u128::from(limb(leading + 2) >> (64 - zeros)) };
        let high = (bits >> 75) as f64 * power_of_two(75);
        let low = (bits & ((1 << 75) - 1)) as f64;
        let scale = 2 - 128 - zeros as i32 - 64 * leading as i32;
        let magnitude = DoubleDouble::ordered(high, low).scaled(scale);
        if negative { magnitude.negated() } else { magnitude }
    }
}

/// 64 bits of 2/π from a place after the binary point; before the point, and past the table's end, there are zeros.
fn two_over_pi(place: i32) -> u64 {
    let limb = |i: i32| usize::try_from(i).ok().and_then(|i| TWO_OVER_PI.get(i)).copied().unwrap_or(0);
    let (i, bit) = (place.div_euclid(64), place.rem_euclid(64));
    if bit == 0 { limb(i) } else { limb(i) << bit | limb(i + 1) >> (64 - bit) }
}
