//! `exp`, `expm1` and `tanh` without branches, calls or tables, so that a loop over a slice becomes vector instructions.
//!
//! `x = k·ln 2 + r`, |r| ≤ ln 2 / 2, and `e^r − 1 = r + r²·q(r)`, q interpolated at Chebyshev nodes (relative error 6e-19 for f64,
//! 6e-10 for f32). ln 2 is split so that `k·HIGH` is exact (Cody and Waite). No fused multiply-add is asked for, so the bits are the
//! same on every processor. Errors: exp below 1 ulp, expm1 and tanh below 2 (held to the correctly rounded values in the tests).

macro_rules! elementary {
    ($module:ident, $t:ident, $bits:ident, mantissa: $mantissa:expr, bias: $bias:expr, magic: $magic:expr,
     high: $high:expr, low: $low:expr, least: $least:expr, most: $most:expr, flat: $flat:expr, q: $q:expr) => {
        pub(super) mod $module {
            /// 1.5·2^mantissa: adding it rounds to a whole number, which then stands in the lowest bits.
            const MAGIC: $t = $magic;

            /// 2^k for the k that [`MAGIC`] was added to.
            #[inline(always)]
            fn power(shifted: $t) -> $t {
                $t::from_bits((shifted.to_bits() << $mantissa).wrapping_add($bias << $mantissa))
            }

            /// k, shifted and plain, and e^r − 1.
            #[inline(always)]
            fn reduce(x: $t) -> ($t, $t, $t) {
                let shifted = x * std::$t::consts::LOG2_E + MAGIC;
                let k = shifted - MAGIC;
                let (high, low) = (x - k * $high, k * $low);
                let r = high - low;
                let q: fn($t) -> $t = $q;
                (shifted, k, high - (low - r * r * q(r)))
            }

            /// `e^x`.
            #[inline(always)]
            pub(in crate::tensor) fn exp(x: $t) -> $t {
                // Beyond these bounds the answer is 0 or infinite; NaN passes.
                let x = if x < $least { $least } else { x };
                let x = if x > $most { $most } else { x };
                let (_, k, p) = reduce(x);
                // In two steps, since 2^k alone may overflow where the answer does not, and for one rounding below the normal range.
                let half = k * 0.5 + MAGIC;
                let rest = k - (half - MAGIC) + MAGIC;
                (1.0 + p) * power(half) * power(rest)
            }

            /// `e^x − 1` for x from about −20 up to where `e^x` is far from overflow.
            #[inline(always)]
            fn moderate_exp_m1(x: $t) -> $t {
                let (shifted, _, p) = reduce(x);
                let scale = power(shifted);
                scale * p + (scale - 1.0)
            }

            /// `e^x − 1`.
            #[inline(always)]
            pub(in crate::tensor) fn exp_m1(x: $t) -> $t {
                let bounded = if x < -2.0 * $flat { -2.0 * $flat } else { x };
                let bounded = if bounded > 2.0 * $flat { 2.0 * $flat } else { bounded };
                let near = moderate_exp_m1(bounded);
                // A zero keeps its sign.
                let near = if x == 0.0 { x } else { near };
                if x > 2.0 * $flat { exp(x) } else { near }
            }

            /// `tanh x = (e^{2|x|} − 1) / (e^{2|x|} + 1)`, with x's sign.
            #[inline(always)]
            pub(in crate::tensor) fn tanh(x: $t) -> $t {
                let a = x.abs();
                // From here on the answer rounds to 1; NaN passes.
                let a = if a > $flat { $flat } else { a };
                let e = moderate_exp_m1(a + a);
                (e / (e + 2.0)).copysign(x)
            }
        }
    };
}

elementary!(
    double, f64, u64, mantissa: 52, bias: 1023_u64, magic: 6_755_399_441_055_744.0,
    high: 0.693_146_705_627_441_4, low: 4.749_325_039_031_673e-7, least: -746.0, most: 710.0, flat: 20.0,
    q: |r| {
        let (r2, r4) = (r * r, (r * r) * (r * r));
        let first = (0.5 + 0.166_666_666_666_666_7 * r) + r2 * (0.041_666_666_666_666_67 + 0.008_333_333_333_326_136 * r);
        let second = (0.001_388_888_888_888_374_8 + 0.000_198_412_698_748_206_27 * r)
            + r2 * (2.480_158_732_554_774_3e-5 + 2.755_725_540_020_642_2e-6 * r);
        let third = (2.755_727_364_311_03e-7 + 2.510_521_700_472_074_5e-8 * r) + r2 * 2.091_468_696_808_687_6e-9;
        first + r4 * (second + r4 * third)
    }
);

elementary!(
    single, f32, u32, mantissa: 23, bias: 127_u32, magic: 12_582_912.0,
    // 0.693359375 = 355/512; k stays below 2^8.
    high: 0.693_359_4, low: -2.121_944_4e-4, least: -104.0, most: 89.0, flat: 10.0,
    q: |r| {
        let r2 = r * r;
        let low = (0.5 + 0.166_666_67 * r) + r2 * (0.041_666_465 + 0.008_333_311 * r);
        low + (r2 * r2) * (0.001_393_365 + 0.000_198_909_91 * r)
    }
);

#[cfg(test)]
mod tests {
    use crate::tensor::{DoubleDouble, Float};

    /// How far `found` lies from the value that double-double arithmetic gives, in units of the last place of the nearest number.
    fn ulps(found: f64, exact: DoubleDouble, ulp: f64) -> f64 {
        let error = DoubleDouble::from_f64(found) - exact;
        error.to_f64().abs() / ulp
    }

    fn ulp(x: f64) -> f64 {
        let x = x.abs().max(f64::MIN_POSITIVE);
        f64::from_bits(x.to_bits() + 1) - x
    }

    fn ulp_single(x: f64) -> f64 {
        let x = (x.abs() as f32).max(f32::MIN_POSITIVE);
        f64::from(f32::from_bits(x.to_bits() + 1) - x)
    }

    /// Arguments of every size, both signs.
    fn arguments(largest: f64) -> impl Iterator<Item = f64> {
        let mut state = 0x0139_408d_cbbf_7a44_u64;
        (0..60_000).map(move |i| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let unit = (state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0;
            match i % 3 {
                0 => unit * largest,
                1 => unit,
                _ => unit * 2.0_f64.powi(-(i % 40)),
            }
        })
    }

    fn worst(largest: f64, f: impl Fn(f64) -> (f64, DoubleDouble, f64)) -> f64 {
        let of = |x| {
            let (found, exact, ulp) = f(x);
            ulps(found, exact, ulp)
        };
        arguments(largest).map(of).fold(0.0, f64::max)
    }

    #[test]
    fn doubles_are_right_to_an_ulp_or_two() {
        let exact = |x, f: fn(DoubleDouble) -> DoubleDouble| f(DoubleDouble::from_f64(x));
        let against = |f: fn(f64) -> f64, e: fn(DoubleDouble) -> DoubleDouble, largest| {
            worst(largest, |x| (f(x), exact(x, e), ulp(exact(x, e).to_f64())))
        };
        let found = [
            against(super::double::exp, Float::exp, 708.0),
            against(super::double::exp_m1, Float::exp_m1, 708.0),
            against(super::double::tanh, Float::tanh, 22.0),
        ];
        println!("exp, expm1, tanh of f64: {found:?} ulp");
        assert!(found[0] < 1.0 && found[1] < 2.0 && found[2] < 2.5, "{found:?} ulp");
    }

    #[test]
    fn singles_are_right_to_an_ulp_or_two() {
        let against = |f: fn(f32) -> f32, e: fn(DoubleDouble) -> DoubleDouble, largest| {
            worst(largest, |x| {
                let exact = e(DoubleDouble::from_f64(f64::from(x as f32)));
                (f64::from(f(x as f32)), exact, ulp_single(exact.to_f64()))
            })
        };
        let found = [
            against(super::single::exp, Float::exp, 87.0),
            against(super::single::exp_m1, Float::exp_m1, 87.0),
            against(super::single::tanh, Float::tanh, 10.0),
        ];
        println!("exp, expm1, tanh of f32: {found:?} ulp");
        assert!(found[0] < 1.1 && found[1] < 2.0 && found[2] < 2.5, "{found:?} ulp");
    }

    #[test]
    fn ends_are_ieee() {
        use super::{double, single};
        const INF: f64 = f64::INFINITY;
        let cases: [(fn(f64) -> f64, f64, f64); 14] = [
            (double::exp, -INF, 0.0),
            (double::exp, INF, INF),
            (double::exp, -746.0, 0.0),
            (double::exp, -745.0, 5e-324),
            (double::exp, 709.0, 8.218_407_461_554_972e307),
            (double::exp, 710.0, INF),
            (double::exp, 0.0, 1.0),
            (double::exp_m1, -INF, -1.0),
            (double::exp_m1, INF, INF),
            (double::exp_m1, -0.0, -0.0),
            (double::exp_m1, 1e-300, 1e-300),
            (double::tanh, -INF, -1.0),
            (double::tanh, -0.0, -0.0),
            (double::tanh, 3e-310, 3e-310),
        ];
        for (i, (f, x, y)) in cases.into_iter().enumerate() {
            assert_eq!(f(x).to_bits(), y.to_bits(), "case {i}: {} is not {y}", f(x));
        }
        for f in [double::exp, double::exp_m1, double::tanh] {
            assert!(f(f64::NAN).is_nan());
        }
        for f in [single::exp, single::exp_m1, single::tanh] {
            assert!(f(f32::NAN).is_nan());
        }
        assert_eq!([single::exp(-f32::INFINITY), single::exp(89.0), single::exp(-104.0)], [0.0, f32::INFINITY, 0.0]);
        assert_eq!([single::tanh(-f32::INFINITY), single::exp_m1(f32::NEG_INFINITY)], [-1.0, -1.0]);
        assert_eq!(single::exp(88.0).to_bits(), 1.651_636_3e38_f32.to_bits());
    }
}
