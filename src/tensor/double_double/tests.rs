//! Judged by mpmath (`tests/golden/double_double.py`), by the special cases of IEEE 754 and C, and by laws.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::DoubleDouble;
use crate::tensor::Float;

const GOLDEN: &str = include_str!("../../../tests/golden/double_double.tsv");
/// Where the second half of a result is subnormal, two steps of the subnormals.
const SUBNORMAL_STEPS: f64 = 1e-323;

type Unary = fn(DoubleDouble) -> DoubleDouble;

fn unary(name: &str) -> Option<Unary> {
    Some(match name {
        "exp" => Float::exp,
        "exp_m1" => Float::exp_m1,
        "ln" => Float::ln,
        "ln_1p" => Float::ln_1p,
        "sqrt" => Float::sqrt,
        "sin" => Float::sin,
        "cos" => Float::cos,
        "sinh" => Float::sinh,
        "cosh" => Float::cosh,
        "tanh" => Float::tanh,
        "erf" => Float::erf,
        "erfc" => Float::erfc,
        _ => return None,
    })
}

fn evaluate(name: &str, arguments: &[DoubleDouble]) -> DoubleDouble {
    match (name, arguments) {
        ("add", &[x, y]) => x + y,
        ("sub", &[x, y]) => x - y,
        ("mul", &[x, y]) => x * y,
        ("div", &[x, y]) => x / y,
        ("pow", &[x, y]) => x.pow(y),
        (name, &[x]) => unary(name).unwrap_or_else(|| panic!("{name} is no function"))(x),
        _ => panic!("{name} of {} arguments", arguments.len()),
    }
}

/// About eight units in the last place of 106 bits: the documented bound, 1e-30, has a digit to spare.
const TOLERANCE: f64 = 1e-31;

fn dd(x: f64) -> DoubleDouble {
    DoubleDouble::from_f64(x)
}

/// `hi` and `lo` of numbers near each other differ by an exact double and a small one.
fn distance(x: DoubleDouble, y: DoubleDouble) -> f64 {
    ((x.hi - y.hi) + (x.lo - y.lo)).abs()
}

#[test]
fn every_function_agrees_with_mpmath() {
    let mut worst: BTreeMap<&str, (f64, &str)> = BTreeMap::new();
    for line in GOLDEN.lines() {
        let mut cells = line.split('\t');
        let name = cells.next().expect("a name");
        let doubles: Vec<f64> = cells.map(|cell| cell.parse().expect("a double")).collect();
        let numbers: Vec<_> = doubles.chunks(2).map(|parts| DoubleDouble { hi: parts[0], lo: parts[1] }).collect();
        let (expected, arguments) = numbers.split_last().expect("a value");
        let value = evaluate(name, arguments);
        assert_eq!(value.hi + value.lo, value.hi, "halves overlap: {line}");
        let error = distance(value, *expected);
        let error = if error <= SUBNORMAL_STEPS { 0.0 } else { error / expected.hi.abs() };
        let entry = worst.entry(name).or_insert((0.0, ""));
        if error.is_nan() || error > entry.0 {
            *entry = (error, line);
        }
    }
    assert_eq!(worst.len(), 17, "functions in the golden file");
    println!("worst relative errors: {worst:#?}");
    for (error, line) in worst.values() {
        assert!(*error <= TOLERANCE, "relative error {error:e} of {line}");
    }
}

/// Same class and sign, or the same number.
fn assert_same(value: DoubleDouble, expected: f64, what: &str) {
    let same = if expected.is_nan() { value.hi.is_nan() } else { value.hi.to_bits() == expected.to_bits() };
    assert!(same && value.lo == 0.0, "{what} is {value:?}, not {expected}");
}

const SPECIAL: [f64; 18] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    -2.0,
    3.0,
    -3.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    f64::MAX,
    -f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
    -5e-324,
];

#[test]
fn special_cases_are_those_of_doubles() {
    type Pair<T> = fn(T, T) -> T;
    let operations: [(&str, Pair<f64>, Pair<DoubleDouble>); 5] = [
        ("+", |x, y| x + y, |x, y| x + y),
        ("-", |x, y| x - y, |x, y| x - y),
        ("*", |x, y| x * y, |x, y| x * y),
        ("/", |x, y| x / y, |x, y| x / y),
        ("pow", f64::powf, DoubleDouble::pow),
    ];
    for x in SPECIAL {
        for y in SPECIAL {
            for (name, on_double, on_double_double) in operations {
                let expected = on_double(x, y);
                let value = on_double_double(dd(x), dd(y));
                if expected == 0.0 || !expected.is_finite() {
                    assert_same(value, expected, &format!("{x:e} {name} {y:e}"));
                } else {
                    assert!((value.hi - expected).abs() <= 1e-15 * expected.abs(), "{x:e} {name} {y:e} is {value:?}");
                }
            }
            let (wide_x, wide_y) = (dd(x), dd(y));
            assert_eq!(wide_x == wide_y, x == y);
            assert_eq!(wide_x.partial_cmp(&wide_y), x.partial_cmp(&y));
        }
        assert_same(-dd(x), -x, "negative");
        assert_same(Float::abs(dd(x)), x.abs(), "magnitude");
    }
}

#[test]
fn functions_at_their_special_arguments() {
    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    #[rustfmt::skip]
    let table: &[(&str, &[(f64, f64)])] = &[
        ("exp", &[(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (710.0, INF), (1e300, INF), (-746.0, 0.0), (-1e300, 0.0)]),
        ("exp_m1", &[(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (710.0, INF), (1e300, INF), (-1e300, -1.0)]),
        ("ln", &[(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-INF, NAN), (-1.0, NAN), (-5e-324, NAN)]),
        ("ln_1p", &[(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (-2.0, NAN), (INF, INF), (-INF, NAN)]),
        ("sqrt", &[(0.0, 0.0), (-0.0, -0.0), (4.0, 2.0), (INF, INF), (-INF, NAN), (-1.0, NAN)]),
        ("sin", &[(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)]),
        ("cos", &[(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)]),
        ("sinh", &[(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (711.0, INF), (-1e300, -INF)]),
        ("cosh", &[(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (711.0, INF), (-1e300, INF)]),
        ("tanh", &[(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (1e300, 1.0), (-1e300, -1.0)]),
        ("erf", &[(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (1e300, 1.0), (-1e300, -1.0)]),
        ("erfc", &[(0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 2.0), (28.0, 0.0), (-1e300, 2.0)]),
    ];
    for (name, cases) in table {
        let function = unary(name).expect("a function");
        for &(x, expected) in cases.iter().chain(&[(NAN, NAN)]) {
            assert_same(function(dd(x)), expected, &format!("{name}({x:e})"));
        }
    }
}

#[test]
fn the_second_half_decides_where_the_first_cannot() {
    let above_one = DoubleDouble::from_parts(1.0, 1e-20);
    let below_one = DoubleDouble::from_parts(1.0, -1e-20);
    assert!(below_one < DoubleDouble::ONE && DoubleDouble::ONE < above_one);
    assert_same(above_one.pow(dd(f64::INFINITY)), f64::INFINITY, "above one to infinity");
    assert_same(below_one.pow(dd(f64::INFINITY)), 0.0, "below one to infinity");
    assert_same((-below_one).pow(dd(f64::NEG_INFINITY)), f64::INFINITY, "below one to minus infinity");
    let odd = DoubleDouble::from_parts(1e17, 1.0);
    let even = DoubleDouble::from_parts(1e17, 2.0);
    assert_same(dd(-1.0).pow(odd), -1.0, "odd power");
    assert_same(dd(-1.0).pow(even), 1.0, "even power");
    assert_same(dd(-0.0).pow(-odd), f64::NEG_INFINITY, "odd power of zero");
    assert_same(dd(-2.0).pow(dd(3.0) + above_one - dd(1.0)), f64::NAN, "broken power of a negative number");
}

#[test]
fn overflow_is_infinite_and_never_nan() {
    let largest = DoubleDouble::from_parts(f64::MAX, 1e291);
    assert_same(largest + largest, f64::INFINITY, "sum");
    assert_same(-largest - largest, f64::NEG_INFINITY, "difference");
    assert_same(largest * dd(-2.0), f64::NEG_INFINITY, "product");
    assert_same(largest / dd(0.5), f64::INFINITY, "quotient");
    assert_same(largest / largest, 1.0, "quotient of equals");
    assert_same(largest - largest, 0.0, "difference of equals");
    assert_eq!(largest * dd(0.5) * dd(2.0), largest);
    assert_same(DoubleDouble::from_parts(f64::INFINITY, 1.0), f64::INFINITY, "infinity with a second half");
    assert_same(DoubleDouble::from_parts(0.0, -3.0), -3.0, "halves in the wrong order");
    assert_same(DoubleDouble::default(), 0.0, "default");
}

#[test]
fn whole_powers_are_exact_where_they_fit() {
    assert_eq!(dd(3.0).pow(dd(40.0)), DoubleDouble::from_parts(12_157_665_459_056_928_768.0, 33.0));
    assert_eq!(dd(-3.0).pow(dd(3.0)), dd(-27.0));
    assert_eq!(dd(2.0).pow(dd(-1074.0)), dd(5e-324));
}

prop_compose! {
    fn number(magnitude: f64)(hi in -magnitude..magnitude, room in -0.49..0.49) -> DoubleDouble {
        DoubleDouble::from_parts(hi, hi * f64::EPSILON * room)
    }
}

fn assert_near(value: DoubleDouble, expected: DoubleDouble, tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert!(distance(value, expected) <= tolerance, "{:?} is not {:?}", value, expected);
    Ok(())
}

proptest! {
    #[test]
    fn products_of_doubles_are_exact(x in -(1_i64 << 53)..(1_i64 << 53), y in -(1_i64 << 53)..(1_i64 << 53)) {
        let exact = i128::from(x) * i128::from(y);
        let product = dd(x as f64) * dd(y as f64);
        prop_assert_eq!(product.hi as i128 + product.lo as i128, exact);
        let sum = dd(x as f64) + dd(y as f64 * 1024.0);
        prop_assert_eq!(sum.hi as i128 + sum.lo as i128, i128::from(x) + i128::from(y) * 1024);
        if y != 0 {
            prop_assert_eq!(product / dd(y as f64), dd(x as f64));
        }
    }

    #[test]
    fn field_laws(x in number(1e6), y in number(1e6), z in number(1e6)) {
        let size = x.hi.abs() + y.hi.abs();
        prop_assert_eq!(x + y, y + x);
        prop_assert_eq!(x * y, y * x);
        prop_assert_eq!(x - x, DoubleDouble::ZERO);
        prop_assert_eq!(x - y, -(y - x));
        assert_near((x + y) - y, x, 1e-31 * size)?;
        assert_near((x + y) * z, x * z + y * z, 1e-31 * size * z.hi.abs())?;
        prop_assume!(y.hi != 0.0);
        assert_near(x / y * y, x, 1e-31 * x.hi.abs())?;
        let root = Float::abs(x).sqrt();
        assert_near(root * root, Float::abs(x), 1e-31 * x.hi.abs())?;
    }

    #[test]
    fn functions_invert_and_complement_each_other(x in number(30.0), y in number(660.0)) {
        prop_assume!(x.hi != 0.0);
        let one = DoubleDouble::ONE;
        let e = y.exp();
        assert_near(e.ln(), y, 1e-30 * (1.0 + y.hi.abs()))?;
        assert_near(e * (-y).exp(), one, 1e-30)?;
        assert_near(x.exp_m1().ln_1p(), x, 1e-30 * (1.0 + x.hi.abs()) * (1.0 + (-x).exp().hi))?;
        assert_near(x.sin() * x.sin() + x.cos() * x.cos(), one, 1e-30)?;
        assert_near(x.cosh() - x.sinh(), (-x).exp(), 1e-30 * x.cosh().hi)?;
        assert_near(x.tanh(), x.sinh() / x.cosh(), 1e-30)?;
        assert_near(x.erf() + x.erfc(), one, 1e-30)?;
        prop_assert_eq!((-x).sin(), -x.sin());
        prop_assert_eq!((-x).tanh(), -x.tanh());
        prop_assert_eq!((-x).erf(), -x.erf());
        let (base, exponent) = (Float::abs(x) + dd(0.5), y * dd(0.25));
        let logarithm = exponent * base.ln();
        assert_near(base.pow(exponent), logarithm.exp(), 1e-30 * base.pow(exponent).hi * (1.0 + logarithm.hi.abs()))?;
    }
}
