//! Enclosure is judged by numbers drawn from the operands: what plain doubles (and, for functions, double-double arithmetic) make of
//! them lies inside.

use proptest::prelude::*;

use super::super::{DoubleDouble, Float};
use super::*;

/// An interval and two numbers in it.
fn drawn() -> impl Strategy<Value = (Interval, f64)> {
    let end = prop_oneof![-3.0..3.0, -1e-3..1e-3, -40.0..40.0, Just(0.0), Just(1.0), Just(-1.0)];
    (end.clone(), end, 0.0..=1.0).prop_map(|(a, b, share): (f64, f64, f64)| {
        let (lo, hi) = if a <= b { (a, b) } else { (b, a) };
        (Interval::new(lo, hi), (lo + share * (hi - lo)).clamp(lo, hi))
    })
}

fn digits() -> impl Strategy<Value = Option<Digits>> {
    prop_oneof![Just(None), (1..9_u8).prop_map(|k| Some(Digits::Figures(k))), (0..9_u8).prop_map(|k| Some(Digits::Places(k)))]
}

/// As it is printed to so many digits, and read again: rounding that is not ours.
fn printed(x: f64, digits: Digits) -> f64 {
    let text = match digits {
        Digits::Figures(count) => format!("{x:.*e}", usize::from(count) - 1),
        Digits::Places(count) => format!("{x:.*}", usize::from(count)),
    };
    text.parse().expect("a number")
}

proptest! {
    #[test]
    fn operations_enclose_numbers_and_their_rounding((a, x) in drawn(), (b, y) in drawn(), digits in digits()) {
        type Operation<T> = fn(T, T) -> T;
        let a = Interval { written: digits, ..a };
        let operations: [(&str, Operation<Interval>, Operation<f64>); 5] = [
            ("+", |a, b| a + b, |x, y| x + y),
            ("-", |a, b| a - b, |x, y| x - y),
            ("*", |a, b| a * b, |x, y| x * y),
            ("/", |a, b| a / b, |x, y| x / y),
            ("pow", Float::pow, f64::powf),
        ];
        for (name, enclosing, plain) in operations {
            let (found, value) = (enclosing(a, b), plain(x, y));
            if !value.is_finite() {
                continue;
            }
            prop_assert!(found.contains(value), "{a:?} {name} {b:?} = {found:?} without {value}");
            // What a factor of ±1 gives has its digits already.
            let unit = |x: Interval| x.lo == x.hi && x.lo.abs() == 1.0;
            if let Some(digits) = digits.filter(|_| name != "*" || !(unit(a) || unit(b))) {
                let value = printed(value, digits);
                prop_assert!(found.contains(value), "{a:?} {name} {b:?} = {found:?} without the rounded {value}");
            }
        }
    }

    #[test]
    fn functions_enclose_numbers_and_their_rounding((a, x) in drawn(), digits in digits()) {
        let a = Interval { written: digits, ..a };
        let wide = DoubleDouble::from_f64(x);
        macro_rules! check {
            ($($function:ident)+) => { $(
                let (found, value) = (a.$function(), wide.$function());
                if value.to_f64().is_finite() {
                    let (lo, hi) = (DoubleDouble::from_f64(found.lo), DoubleDouble::from_f64(found.hi));
                    prop_assert!(lo <= value && value <= hi, "{} {a:?} = {found:?} without {value:?}", stringify!($function));
                    if let Some(digits) = digits.filter(|_| stringify!($function) != "abs") {
                        let value = printed(value.to_f64(), digits);
                        let name = stringify!($function);
                        prop_assert!(found.contains(value), "{name} {a:?} = {found:?} without the rounded {value}");
                    }
                }
            )+ };
        }
        check! { exp exp_m1 ln ln_1p sqrt sin cos sinh cosh tanh erf erfc abs }
    }

    /// Not only wide enough: the ends of a thin interval's image are the value's neighbours.
    #[test]
    fn functions_of_a_number_are_narrow(x in -20.0..20.0_f64) {
        let thin = Interval::thin(x);
        for image in [thin.exp(), thin.sin(), thin.cos(), thin.tanh(), thin.erf(), thin.erfc(), thin.abs().sqrt(), thin.abs().ln()] {
            prop_assert!(image.radius() <= 1e-15 * image.lo().abs().max(image.hi().abs()).max(1e-300), "{image:?}");
        }
    }
}

#[test]
fn what_is_not_known_is_the_whole_line() {
    let one = Interval::thin(1.0);
    let around_zero = Interval::new(-1.0, 2.0);
    let whole = |x: Interval| x.lo() == f64::NEG_INFINITY && x.hi() == f64::INFINITY;
    for (what, x) in [
        ("1 over an interval around 0", one / around_zero),
        ("1 over 0", one / Interval::thin(0.0)),
        ("0 over 0", Interval::thin(0.0) / Interval::thin(0.0)),
        ("infinity less infinity", Interval::thin(f64::INFINITY) - Interval::thin(f64::INFINITY)),
        ("NaN", Interval::thin(f64::NAN)),
        ("the logarithm of a negative number", (-one).ln()),
        ("the root of a negative number", (-one).sqrt()),
        ("a root by power of an interval around 0", around_zero.pow(Interval::thin(0.5))),
        ("the whole line times 2", Interval::WHOLE * Interval::thin(2.0)),
        ("the whole line plus itself", Interval::WHOLE + Interval::WHOLE),
        ("the whole line over itself", Interval::WHOLE / Interval::WHOLE),
    ] {
        assert!(whole(x), "{what} is {x:?}");
        assert!(!x.is_finite(), "{what}");
    }
    assert!((Interval::WHOLE * Interval::thin(0.0)).is_zero(), "a dead path stays dead");
    assert!(Interval::new(0.0, 1.0).ln().lo() == f64::NEG_INFINITY);
    assert!(Interval::new(700.0, 800.0).exp().hi() == f64::INFINITY);
    assert!(Interval::new(-1000.0, 1000.0).tanh().contains(1.0));
    assert!(Interval::WHOLE.sin().hi() == 1.0);
}

#[test]
fn comparisons_look_at_midpoints() {
    assert!(Interval::new(-1.0, 3.0) > Interval::thin(0.5));
    assert!(Interval::new(-1.0, 1.0) == Interval::thin(0.0));
    assert_eq!(Interval::new(f64::MAX / 2.0, f64::MAX).to_f64(), 0.75 * f64::MAX);
    assert_eq!(Interval::new(0.0, f64::INFINITY).to_f64(), f64::MAX);
    assert_eq!(Interval::WHOLE.to_f64(), 0.0);
}

#[test]
fn short_numbers_stay_what_they_are() {
    let of = |x: f64| Interval::thin(x).written(Digits::Places(4));
    let net = of(0.05) * of(0.15) + of(0.10) * of(0.20) + of(0.35);
    assert!(net.radius() < 1e-15 && net.noted().radius() < 1e-15, "{net:?}");
    let long = of(0.377_512_34).noted();
    assert!((long.radius() - 0.51e-4).abs() < 1e-12, "{long:?}");
    assert!(of(0.0).noted().is_zero());
}
