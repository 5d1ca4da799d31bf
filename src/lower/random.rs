//! Random numbers of requests: initialisers and dropout masks. **Generator version 1.**
//!
//! The numbers are part of the wire contract: a seed gives the same ones on every platform and in every later release; another
//! rule would be another version, under another key. What a client needs to make them again:
//!
//! - **Stream.** `ChaCha8`; the key is SHA-256 of `dedz.random.v1`, a zero byte, the seed's text, a zero byte and the
//!   stream's name (the parameter's name; the node's id for a mask), in UTF-8; counter and nonce start at 0. Its bytes are read
//!   as little-endian 64-bit words.
//! - **Uniform** in [0, 1): a word's upper 53 bits, `(word >> 11)·2⁻⁵³`; in [a, b): `a + (b − a)·u`.
//! - **Normal**, in pairs (Box–Muller): `r = √(−2·ln(1 − u₁))`, then `r·cos(2πu₂)` and `r·sin(2πu₂)`; of an odd count the last
//!   number is dropped.
//! - **Truncated normal**: the quantile function (Wichura's AS 241) at a uniform number between the bounds' probabilities; the
//!   bounds are mirrored where both lie above the mean.
//! - **Orthogonal**: normal numbers, orthonormalised along the shorter side; that is QR with a positive diagonal.
//! - **Dropout mask**: 1 (kept) where `u ≥ p`, else 0.
//! - **Order of samples** (`descend`): Fisher and Yates from the end: for i = N − 1, …, 1, what stands at i and at
//!   `⌊u·(i + 1)⌋` change places, beginning with 0, …, N − 1. The seed is `shuffle_seed`, the stream's name `shuffle/` and the
//!   epoch's number, the first being 0.
//! - **Masks over time** (`descend`): at step 0 the stream's name is the node's id; at step s > 0 it is the id, `/step/` and s.
//!
//! Elements are filled in row-major order. Names, arguments, defaults and the rules for fans and gains are those of
//! `torch.nn.init` (2.15); the numbers themselves are not PyTorch's.
//!
//! | seed, stream | first numbers |
//! |---|---|
//! | `7`, `fc1.weight` | uniform: 0.806506400411116, 0.3820749130283172, 0.6136415611090632 |
//! | | normal: -1.3372911348987826, 1.2233863284996709, 1.1094942821807132 |
//! | | mask at p = 0.5: 1, 0, 1, 1, 0, 1, 1, 1 |
//!
//! `tests/golden/random_streams.py` makes them again from this page, in plain Python.

use std::f64::consts::{SQRT_2, TAU};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::spec::tensor::InitSpec;
use crate::tensor::{Shape, lanes};

/// One initialiser of the table: its name, its numbers with their defaults (`None`: required), and whether it is one of
/// kaiming's, which take `mode` and `nonlinearity`.
struct Initialiser {
    name: &'static str,
    numbers: &'static [(&'static str, Option<f64>)],
    kaiming: bool,
}

const fn initialiser(name: &'static str, numbers: &'static [(&'static str, Option<f64>)]) -> Initialiser {
    Initialiser { name, numbers, kaiming: false }
}

const INITIALISERS: &[Initialiser] = &[
    initialiser("zeros", &[]),
    initialiser("ones", &[]),
    initialiser("constant", &[("val", None)]),
    initialiser("eye", &[]),
    initialiser("uniform", &[("a", Some(0.0)), ("b", Some(1.0))]),
    initialiser("normal", &[("mean", Some(0.0)), ("std", Some(1.0))]),
    initialiser("trunc_normal", &[("mean", Some(0.0)), ("std", Some(1.0)), ("a", Some(-2.0)), ("b", Some(2.0))]),
    initialiser("xavier_uniform", &[("gain", Some(1.0))]),
    initialiser("xavier_normal", &[("gain", Some(1.0))]),
    Initialiser { kaiming: true, ..initialiser("kaiming_uniform", &[("a", Some(0.0))]) },
    Initialiser { kaiming: true, ..initialiser("kaiming_normal", &[("a", Some(0.0))]) },
    initialiser("orthogonal", &[("gain", Some(1.0))]),
];

/// The names of all initialisers.
pub fn names() -> impl Iterator<Item = &'static str> {
    INITIALISERS.iter().map(|initialiser| initialiser.name)
}

/// What an initialiser comes to for one shape.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fill {
    Constant(f64),
    Eye,
    Uniform { low: f64, high: f64 },
    Normal { mean: f64, std: f64 },
    Truncated { mean: f64, std: f64, low: f64, high: f64 },
    Orthogonal { gain: f64 },
}

/// Whether the initialiser and its arguments are right for `shape`.
///
/// # Errors
/// In words for the client: what was found and what was expected.
pub fn check(spec: &InitSpec, shape: Shape) -> Result<(), String> {
    resolve(spec, shape).map(|_| ())
}

/// The elements of a parameter of `shape`, row-major, from the stream of its name.
///
/// # Errors
/// Those of [`check`].
pub fn initialise(spec: &InitSpec, shape: Shape, stream: &str) -> Result<Vec<f64>, String> {
    let count = shape.size();
    let mut stream = Stream::new(&spec.seed, stream);
    Ok(match resolve(spec, shape)? {
        Fill::Constant(value) => vec![value; count],
        Fill::Eye => {
            let columns = shape.dims()[1].max(1);
            (0..count).map(|i| if i / columns == i % columns { 1.0 } else { 0.0 }).collect()
        }
        Fill::Uniform { low, high } => (0..count).map(|_| low + (high - low) * stream.uniform()).collect(),
        Fill::Normal { mean, std } => stream.normals(count).into_iter().map(|z| mean + std * z).collect(),
        Fill::Truncated { mean, std, low, high } => stream.truncated(count, mean, std, low, high),
        Fill::Orthogonal { .. } if count == 0 => Vec::new(),
        Fill::Orthogonal { gain } => {
            let rows = shape.dims()[0];
            orthogonal(stream.normals(count), rows, count / rows).into_iter().map(|q| gain * q).collect()
        }
    })
}

/// Floating-point operations that [`initialise`] takes, within a small factor: an orthogonal matrix costs far more than its size.
pub fn flops(spec: &InitSpec, shape: Shape) -> u64 {
    let size = shape.size() as u64;
    let each = 50_u64;
    let side = if spec.init == "orthogonal" && size > 0 {
        let rows = shape.dims().first().map_or(1, |&rows| rows as u64);
        rows.min(size / rows).saturating_mul(4)
    } else {
        0
    };
    size.saturating_mul(each.saturating_add(side))
}

/// A dropout mask from the stream of its node: 1 keeps, with probability 1 − p; 0 drops.
pub fn dropout_mask(p: f64, count: usize, seed: &str, stream: &str) -> Vec<f64> {
    let mut stream = Stream::new(seed, stream);
    (0..count).map(|_| if stream.uniform() >= p { 1.0 } else { 0.0 }).collect()
}

/// The order of `count` samples in an epoch.
pub fn permutation(count: u32, seed: &str, epoch: u64) -> Vec<u32> {
    let mut stream = Stream::new(seed, &format!("shuffle/{epoch}"));
    let mut order: Vec<u32> = (0..count).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, (stream.uniform() * (i + 1) as f64) as usize);
    }
    order
}

/// The name of a mask's stream at a step of `descend`.
pub fn at_step(stream: &str, step: u64) -> String {
    if step == 0 { stream.to_owned() } else { format!("{stream}/step/{step}") }
}

/// The initialiser with its arguments, defaults, fans and gain worked out.
fn resolve(spec: &InitSpec, shape: Shape) -> Result<Fill, String> {
    let name = spec.init.as_str();
    let Some(known) = INITIALISERS.iter().find(|known| known.name == name) else {
        return Err(format!("unknown initialiser \"{name}\"; expected one of {}", names().collect::<Vec<_>>().join(", ")));
    };
    for (given, value) in &spec.numbers {
        if !known.numbers.iter().any(|(number, _)| number == given) {
            return Err(format!("initialiser \"{name}\" has no argument \"{given}\""));
        }
        if !value.is_finite() {
            return Err(format!("argument \"{given}\" of initialiser \"{name}\" is {value}, expected a finite number"));
        }
    }
    for (given, value) in [("mode", &spec.mode), ("nonlinearity", &spec.nonlinearity)] {
        if value.is_some() && !known.kaiming {
            return Err(format!("initialiser \"{name}\" has no argument \"{given}\""));
        }
    }
    let number = |wanted: &str| -> Result<f64, String> {
        let given = spec.numbers.iter().find(|(given, _)| *given == wanted).map(|&(_, value)| value);
        let default = known.numbers.iter().find(|(number, _)| *number == wanted).and_then(|&(_, default)| default);
        given.or(default).ok_or_else(|| format!("initialiser \"{name}\" needs its argument \"{wanted}\""))
    };
    match name {
        "zeros" => Ok(Fill::Constant(0.0)),
        "ones" => Ok(Fill::Constant(1.0)),
        "constant" => Ok(Fill::Constant(number("val")?)),
        "eye" if shape.rank() == 2 => Ok(Fill::Eye),
        "eye" => Err(format!("initialiser \"eye\" expects a shape of 2 axes, found {shape}")),
        "uniform" => uniform(name, number("a")?, number("b")?),
        "normal" => normal(name, number("mean")?, number("std")?),
        "trunc_normal" => truncated(number("mean")?, number("std")?, number("a")?, number("b")?),
        "orthogonal" => {
            fans(name, shape)?;
            Ok(Fill::Orthogonal { gain: number("gain")? })
        }
        "xavier_uniform" | "xavier_normal" => {
            let (fan_in, fan_out) = fans(name, shape)?;
            spread(name, number("gain")? * (2.0 / (fan_in + fan_out)).sqrt(), shape)
        }
        _ => {
            let (fan_in, fan_out) = fans(name, shape)?;
            let fan = match spec.mode.as_deref() {
                None | Some("fan_in") => fan_in,
                Some("fan_out") => fan_out,
                Some(mode) => return Err(format!("unknown mode \"{mode}\"; expected fan_in or fan_out")),
            };
            let gain = gain(spec.nonlinearity.as_deref().unwrap_or("leaky_relu"), number("a")?)?;
            spread(name, gain / fan.sqrt(), shape)
        }
    }
}

/// A uniform or normal distribution about 0 with this standard deviation, by the initialiser's name.
fn spread(name: &str, std: f64, shape: Shape) -> Result<Fill, String> {
    if shape.size() == 0 {
        return Ok(Fill::Constant(0.0)); // The fans may be 0, and nothing is filled.
    }
    if name.ends_with("uniform") {
        let bound = 3.0_f64.sqrt() * std;
        uniform(name, -bound, bound)
    } else {
        normal(name, 0.0, std)
    }
}

fn uniform(name: &str, low: f64, high: f64) -> Result<Fill, String> {
    if low <= high && (high - low).is_finite() {
        Ok(Fill::Uniform { low, high })
    } else {
        Err(format!("initialiser \"{name}\" expects a range from low to high, found {low} to {high}"))
    }
}

fn normal(name: &str, mean: f64, std: f64) -> Result<Fill, String> {
    if std >= 0.0 && std.is_finite() {
        Ok(Fill::Normal { mean, std })
    } else {
        Err(format!("initialiser \"{name}\" expects a standard deviation of at least 0, found {std}"))
    }
}

fn truncated(mean: f64, std: f64, low: f64, high: f64) -> Result<Fill, String> {
    if std <= 0.0 {
        return Err(format!("initialiser \"trunc_normal\" expects a standard deviation above 0, found {std}"));
    }
    if low >= high {
        return Err(format!("initialiser \"trunc_normal\" expects a below b, found {low} and {high}"));
    }
    let (from, to, _) = probabilities(mean, std, low, high);
    if to > from {
        Ok(Fill::Truncated { mean, std, low, high })
    } else {
        Err(format!(
            "initialiser \"trunc_normal\" finds no probability between {low} and {high} about mean {mean} with std {std}"
        ))
    }
}

/// PyTorch's `_calculate_fan_in_and_fan_out`: inputs and outputs of a unit, times the window's taps.
fn fans(name: &str, shape: Shape) -> Result<(f64, f64), String> {
    let [out, input, window @ ..] = shape.dims() else {
        return Err(format!("initialiser \"{name}\" expects a shape of at least 2 axes, found {shape}"));
    };
    let taps = window.iter().map(|&taps| taps as f64).product::<f64>();
    Ok((*input as f64 * taps, *out as f64 * taps))
}

/// PyTorch's `calculate_gain`.
fn gain(nonlinearity: &str, negative_slope: f64) -> Result<f64, String> {
    match nonlinearity {
        "linear" | "sigmoid" | "conv1d" | "conv2d" | "conv3d" | "conv_transpose1d" | "conv_transpose2d" | "conv_transpose3d" => {
            Ok(1.0)
        }
        "tanh" => Ok(5.0 / 3.0),
        "relu" => Ok(SQRT_2),
        "leaky_relu" => Ok((2.0 / (1.0 + negative_slope * negative_slope)).sqrt()),
        "selu" => Ok(0.75),
        other => Err(format!(
            "no gain is known for nonlinearity \"{other}\"; expected linear, conv1d, conv2d, conv3d, conv_transpose1d, \
             conv_transpose2d, conv_transpose3d, sigmoid, tanh, relu, leaky_relu or selu"
        )),
    }
}

/// The numbers of one seed and name.
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    fn new(seed: &str, name: &str) -> Self {
        Self::of("dedz.random.v1", seed, name)
    }

    /// The stream of a generator by its own name and version, which stand first in the key.
    pub(crate) fn of(generator: &str, seed: &str, name: &str) -> Self {
        let mut key = Sha256::new();
        for part in [generator, "\0", seed, "\0", name] {
            key.update(part);
        }
        Self(ChaCha8Rng::from_seed(key.finalize().into()))
    }

    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of the numbers from 0 to `count` − 1: `⌊u·count⌋`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    fn normals(&mut self, count: usize) -> Vec<f64> {
        let mut numbers = Vec::with_capacity(count + 1);
        while numbers.len() < count {
            let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
            let angle = TAU * self.uniform();
            numbers.extend([radius * libm::cos(angle), radius * libm::sin(angle)]);
        }
        numbers.truncate(count);
        numbers
    }

    fn truncated(&mut self, count: usize, mean: f64, std: f64, low: f64, high: f64) -> Vec<f64> {
        let (from, to, sign) = probabilities(mean, std, low, high);
        let value = |u: f64| mean + std * (sign * quantile(from + (to - from) * u));
        (0..count).map(|_| value(self.uniform()).clamp(low, high)).collect()
    }
}

/// The normal distribution function at the bounds, and 1; or at the mirrored bounds, and −1, where both lie above the mean and
/// the probabilities would round to 1.
fn probabilities(mean: f64, std: f64, low: f64, high: f64) -> (f64, f64, f64) {
    let below = |x: f64| 0.5 * libm::erfc(-x / SQRT_2);
    let (low, high) = ((low - mean) / std, (high - mean) / std);
    if low > 0.0 { (below(-high), below(-low), -1.0) } else { (below(low), below(high), 1.0) }
}

/// The inverse of the normal distribution function: M. J. Wichura, "Algorithm AS 241: the percentage points of the normal
/// distribution", Applied Statistics 37 (1988), good to about 1e-16.
fn quantile(p: f64) -> f64 {
    let horner = |coefficients: [f64; 8], x: f64| coefficients.into_iter().fold(0.0, |sum, c| sum * x + c);
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * horner(MIDDLE[0], r) / horner(MIDDLE[1], r);
    }
    let r = libm::sqrt(-libm::log(if q < 0.0 { p } else { 1.0 - p }));
    let x = if r <= 5.0 {
        horner(TAIL[0], r - 1.6) / horner(TAIL[1], r - 1.6)
    } else if r.is_finite() {
        horner(FAR_TAIL[0], r - 5.0) / horner(FAR_TAIL[1], r - 5.0)
    } else {
        r
    };
    if q < 0.0 { -x } else { x }
}

/// AS 241's rational functions, highest power first: numerator, denominator.
#[rustfmt::skip]
const MIDDLE: [[f64; 8]; 2] = [
    [2.509_080_928_730_122_7e+3, 3.343_057_558_358_813e+4, 6.726_577_092_700_87e+4, 4.592_195_393_154_987e+4,
     1.373_169_376_550_946e+4, 1.971_590_950_306_551_3e+3, 1.331_416_678_917_843_8e+2, 3.387_132_872_796_366_5],
    [5.226_495_278_852_854e+3, 2.872_908_573_572_194_3e+4, 3.930_789_580_009_271e+4, 2.121_379_430_158_659_7e+4,
     5.394_196_021_424_751e+3, 6.871_870_074_920_579e+2, 4.231_333_070_160_091e+1, 1.0],
];
#[rustfmt::skip]
const TAIL: [[f64; 8]; 2] = [
    [7.745_450_142_783_414e-4, 2.272_384_498_926_918_4e-2, 2.417_807_251_774_506e-1, 1.270_458_252_452_368_4,
     3.647_848_324_763_204_5, 5.769_497_221_460_691, 4.630_337_846_156_546, 1.423_437_110_749_683_5],
    [1.050_750_071_644_416_9e-9, 5.475_938_084_995_345e-4, 1.519_866_656_361_645_7e-2, 1.481_039_764_274_800_8e-1,
     6.897_673_349_851e-1, 1.676_384_830_183_803_8, 2.053_191_626_637_759, 1.0],
];
#[rustfmt::skip]
const FAR_TAIL: [[f64; 8]; 2] = [
    [2.010_334_399_292_288_1e-7, 2.711_555_568_743_487_6e-5, 1.242_660_947_388_078_4e-3, 2.653_218_952_657_612_4e-2,
     2.965_605_718_285_048_7e-1, 1.784_826_539_917_291_3, 5.463_784_911_164_114, 6.657_904_643_501_104],
    [2.044_263_103_389_939_8e-15, 1.421_511_758_316_446e-7, 1.846_318_317_510_054_8e-5, 7.868_691_311_456_133e-4,
     1.487_536_129_085_061_4e-2, 1.369_298_809_227_358e-1, 5.998_322_065_558_88e-1, 1.0],
];

/// The rows of a wide matrix made orthonormal, or the columns of a tall one, in order: modified Gram–Schmidt, each vector twice.
fn orthogonal(matrix: Vec<f64>, rows: usize, columns: usize) -> Vec<f64> {
    if rows < columns {
        return orthonormal_rows(matrix, columns);
    }
    transposed(&orthonormal_rows(transposed(&matrix, rows, columns), rows), columns, rows)
}

fn transposed(matrix: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

fn orthonormal_rows(mut matrix: Vec<f64>, length: usize) -> Vec<f64> {
    for at in (0..matrix.len()).step_by(length) {
        let (done, rest) = matrix.split_at_mut(at);
        let row = &mut rest[..length];
        for done in done.chunks_exact(length).chain(done.chunks_exact(length)) {
            let along = lanes::sum_pairs(done, row, |a, b| a * b);
            for (x, &d) in row.iter_mut().zip(done) {
                *x -= along * d;
            }
        }
        let norm = lanes::sum(row, |x| x * x).sqrt();
        for x in row {
            *x /= norm;
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn spec(init: &str, numbers: &[(&'static str, f64)]) -> InitSpec {
        InitSpec { init: init.to_owned(), seed: "7".to_owned(), numbers: numbers.to_vec(), mode: None, nonlinearity: None }
    }

    fn shape(dims: &[usize]) -> Shape {
        Shape::new(dims).expect("a small shape")
    }

    fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{what}: {found} is not {expected}");
        }
    }

    /// Every line of `tests/golden/random.jsonl`, which `random.py` made from this module's documentation alone.
    #[test]
    fn numbers_are_those_of_the_documented_rules() {
        let golden = include_str!("../../tests/golden/random.jsonl");
        let mut cases = 0;
        for line in golden.lines() {
            let case: Value = serde_json::from_str(line).expect("a line of JSON");
            let text = |name: &str| case[name].as_str().map(str::to_owned);
            let list = |name: &str| {
                case[name].as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect::<Vec<_>>()
            };
            let (init, seed, stream) =
                (text("init").expect("init"), text("seed").expect("seed"), text("stream").expect("stream"));
            let expected = list("values");
            if init == "permutation" {
                let order = permutation(expected.len() as u32, &seed, case["epoch"].as_u64().expect("epoch"));
                assert_eq!(order.into_iter().map(f64::from).collect::<Vec<_>>(), expected, "{line}");
            } else if init == "mask" {
                assert_eq!(dropout_mask(case["p"].as_f64().expect("p"), expected.len(), &seed, &stream), expected, "{line}");
            } else {
                let known = ["gain", "a", "b", "mean", "std", "val"];
                let numbers = known.iter().filter_map(|&name| Some((name, case.get(name)?.as_f64()?))).collect();
                let spec = InitSpec { init: init.clone(), seed, numbers, mode: text("mode"), nonlinearity: text("nonlinearity") };
                let dims: Vec<usize> = list("shape").iter().map(|&dim| dim as usize).collect();
                let found = initialise(&spec, shape(&dims), &stream).expect("a right initialiser");
                // Only exact operations make a plain uniform number; a bound or a logarithm may differ in its last digit.
                let exact = init == "uniform" && spec.numbers.is_empty();
                close(&found, &expected, if exact { 0.0 } else { 4e-15 }, line);
            }
            cases += 1;
        }
        assert!(cases >= 20, "{cases} golden lines");
    }

    #[test]
    fn streams_differ_by_seed_and_by_name() {
        let first = |seed: &str, name: &str| Stream::new(seed, name).0.next_u64();
        assert_eq!(first("7", "w"), first("7", "w"));
        assert_ne!(first("7", "w"), first("8", "w"));
        assert_ne!(first("7", "w"), first("7", "b"));
        assert_ne!(first("7", ""), first("", "7"));
    }

    const MANY: usize = 40_000;

    fn draw(spec: &InitSpec) -> Vec<f64> {
        initialise(spec, shape(&[MANY / 200, 200]), "w").expect("a right initialiser")
    }

    /// Mean and variance within five standard errors, and Kolmogorov and Smirnov's distance below its bound at 0.1 %.
    fn follows(found: &[f64], mean: f64, variance: f64, distribution: impl Fn(f64) -> f64) {
        let n = found.len() as f64;
        let found_mean = found.iter().sum::<f64>() / n;
        let found_variance = found.iter().map(|x| (x - found_mean).powi(2)).sum::<f64>() / n;
        assert!((found_mean - mean).abs() <= 5.0 * (variance / n).sqrt(), "mean {found_mean}, expected {mean}");
        assert!(
            (found_variance / variance - 1.0).abs() <= 5.0 * (2.0 / n).sqrt(),
            "variance {found_variance}, expected {variance}"
        );
        let mut sorted = found.to_vec();
        sorted.sort_by(f64::total_cmp);
        let gap =
            |(i, &x): (usize, &f64)| (distribution(x) - i as f64 / n).abs().max((distribution(x) - (i + 1) as f64 / n).abs());
        let distance = sorted.iter().enumerate().map(gap).fold(0.0, f64::max);
        assert!(distance <= 1.95 / n.sqrt(), "distance {distance}");
    }

    fn below(x: f64) -> f64 {
        0.5 * libm::erfc(-x / SQRT_2)
    }

    #[test]
    fn distributions_are_as_named() {
        follows(&draw(&spec("uniform", &[])), 0.5, 1.0 / 12.0, |x| x);
        follows(&draw(&spec("uniform", &[("a", -3.0), ("b", 1.0)])), -1.0, 16.0 / 12.0, |x| (x + 3.0) / 4.0);
        follows(&draw(&spec("normal", &[])), 0.0, 1.0, below);
        follows(&draw(&spec("normal", &[("mean", 5.0), ("std", 0.1)])), 5.0, 0.01, |x| below((x - 5.0) / 0.1));
        // Variance of a normal cut at ±2: 1 − 4φ(2)/(Φ(2) − Φ(−2)).
        let inside = below(2.0) - below(-2.0);
        let variance = 1.0 - 4.0 * (-2.0_f64).exp() / TAU.sqrt() / inside;
        let cut = draw(&spec("trunc_normal", &[]));
        assert!(cut.iter().all(|x| x.abs() <= 2.0));
        follows(&cut, 0.0, variance, |x| (below(x) - below(-2.0)) / inside);
        // fan_in 200, fan_out 200.
        let std = (2.0_f64 / 400.0).sqrt();
        follows(&draw(&spec("xavier_normal", &[])), 0.0, std * std, |x| below(x / std));
        let bound = 3.0_f64.sqrt() * std;
        follows(&draw(&spec("xavier_uniform", &[])), 0.0, std * std, |x| (x + bound) / (2.0 * bound));
        let kept = dropout_mask(0.3, MANY, "7", "drop").iter().sum::<f64>() / MANY as f64;
        assert!((kept - 0.7).abs() <= 5.0 * (0.21 / MANY as f64).sqrt(), "{kept} kept");
        assert_eq!(dropout_mask(0.0, 100, "7", "drop"), [1.0; 100]);
        assert_eq!(dropout_mask(1.0, 100, "7", "drop"), [0.0; 100]);
    }

    #[test]
    fn far_tails_keep_their_digits() {
        for (low, high) in [(8.0, 9.0), (-9.0, -8.0), (30.0, 31.0), (-31.0, -30.0)] {
            let found = draw(&spec("trunc_normal", &[("a", low), ("b", high)]));
            assert!(found.iter().all(|&x| low <= x && x <= high));
            // The density falls by e^(-|x|·d) over a distance d, so the mean lies about 1/|x| inside.
            let (edge, sign) = if low > 0.0 { (low, 1.0) } else { (high, -1.0) };
            let inside = sign * (found.iter().sum::<f64>() / MANY as f64 - edge);
            assert!((inside * edge.abs() - 1.0).abs() < 0.05, "mean lies {inside} inside {edge}");
        }
    }

    #[test]
    fn orthogonal_matrices_are() {
        for dims in [&[5, 5][..], &[3, 8], &[8, 3], &[4, 2, 3], &[1, 1], &[60, 40], &[0, 3]] {
            let q = initialise(&spec("orthogonal", &[("gain", 2.0)]), shape(dims), "w").expect("right");
            if q.is_empty() {
                continue;
            }
            let (rows, columns) = (dims[0], q.len() / dims[0]);
            let q = if rows < columns { q } else { transposed(&q, rows, columns) };
            let length = rows.max(columns);
            for (i, a) in q.chunks_exact(length).enumerate() {
                for (j, b) in q.chunks_exact(length).enumerate() {
                    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert!((dot - if i == j { 4.0 } else { 0.0 }).abs() < 1e-13, "{dims:?}: rows {i} and {j} give {dot}");
                }
            }
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        let says = |spec: &InitSpec, dims: &[usize], expected: &str| {
            let error = check(spec, shape(dims)).expect_err("must be refused");
            assert!(error.contains(expected), "{error:?}, expected {expected:?}");
            assert_eq!(initialise(spec, shape(dims), "w"), Err(error));
        };
        says(&spec("xavier", &[]), &[2, 2], "unknown initialiser \"xavier\"; expected one of zeros, ones, constant");
        says(&spec("zeros", &[("gain", 1.0)]), &[2], "\"zeros\" has no argument \"gain\"");
        says(&spec("constant", &[]), &[2], "needs its argument \"val\"");
        says(&spec("constant", &[("val", f64::NAN)]), &[2], "expected a finite number");
        says(&spec("eye", &[]), &[2, 2, 2], "2 axes, found [2, 2, 2]");
        says(&spec("uniform", &[("a", 2.0)]), &[2], "range from low to high, found 2 to 1");
        says(&spec("uniform", &[("a", -1e308), ("b", 1e308)]), &[2], "range from low to high");
        says(&spec("normal", &[("std", -1.0)]), &[2], "standard deviation of at least 0, found -1");
        says(&spec("trunc_normal", &[("std", 0.0)]), &[2], "standard deviation above 0, found 0");
        says(&spec("trunc_normal", &[("a", 3.0)]), &[2], "a below b, found 3 and 2");
        says(&spec("trunc_normal", &[("a", 50.0), ("b", 60.0)]), &[2], "no probability between 50 and 60");
        for name in ["xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"] {
            says(&spec(name, &[]), &[4], "at least 2 axes, found [4]");
            says(&spec(name, &[]), &[], "at least 2 axes, found []");
        }
        says(&spec("xavier_uniform", &[("gain", -1.0)]), &[2, 2], "range from low to high");
        says(&InitSpec { mode: Some("fan_in".to_owned()), ..spec("ones", &[]) }, &[2], "no argument \"mode\"");
        says(&InitSpec { mode: Some("fan_avg".to_owned()), ..spec("kaiming_normal", &[]) }, &[2, 2], "unknown mode \"fan_avg\"");
        let gelu = InitSpec { nonlinearity: Some("gelu".to_owned()), ..spec("kaiming_normal", &[]) };
        says(&gelu, &[2, 2], "no gain is known for nonlinearity \"gelu\"");
        for name in ["xavier_uniform", "kaiming_normal", "orthogonal", "eye"] {
            assert_eq!(initialise(&spec(name, &[]), shape(&[0, 0]), "w"), Ok(Vec::new()));
        }
    }

    #[test]
    fn an_orthogonal_matrix_is_priced_by_its_side() {
        let price = |name: &str| flops(&spec(name, &[]), shape(&[3000, 2000]));
        assert!(price("orthogonal") > 100 * price("normal"));
        assert_eq!(flops(&spec("orthogonal", &[]), shape(&[0, 2])), 0);
    }
}
