//! When are two numbers the same? The tests in use, by the name of who uses them; a preset picks the verdict and nothing else.

mod bands;
mod claimable;
mod contest;
mod extremes;
mod hand;
mod pieces;

#[cfg(test)]
mod students;

pub(crate) use bands::Kink;
pub(crate) use claimable::Claimable;

/// What working an exercise out by hand costs, in plain runs of it: a few sweeps over intervals, which are rounded at every product.
pub(crate) const BY_HAND_RUNS: u64 = 300;

use crate::spec::decode::{Fields, hint};
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::tensor::Digits;

use super::metrics::{Metrics, relative};

/// A test with its bound, `a` being the number that is judged and `n` the one that it should be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    /// `|a − n| ≤ atol + rtol·|n|` for every number: NumPy's `allclose`.
    Close { rtol: f64, atol: f64 },
    /// The same with both bounds times the tensor's number of elements: JAX's `check_grads`.
    CloseBySize { tolerance: f64 },
    /// `|a − n| / max(|a|, |n|)` of every number; another bound where the network has kinks.
    ToLarger { smooth: f64, kinked: f64 },
    /// `|a − n| / max(1e-8, |a| + |n|)` of every number.
    ToSum { smooth: f64, kinked: f64 },
    /// `‖a − n‖ / (‖a‖ + ‖n‖)` of a tensor.
    NormRatio { most: f64 },
    /// `‖a − n‖ / ‖a + n‖` of a tensor.
    NormRatioOfSum { most: f64 },
    /// `‖a − n‖` of a tensor.
    Norm { most: f64 },
    /// Half a unit of the last of so many significant figures of `n`, and 2 % of it for those who round halves otherwise.
    Figures(u32),
    /// Half a unit of that decimal place, and 2 % of it.
    Places(u32),
    /// `|a − n| ≤ 1e-13·max(|a|, |n|)`, or a rounding error of the tensor's largest: `1e-14·max |n|`.
    Exact,
    /// Half a unit of the last digit that was written of `a`, and 2 % of it; no less than `1e-13·max(|a|, |n|)`.
    LastDigit,
}

/// What another order of adding may change, relative to the number.
const EXACT: f64 = 1e-13;

/// A test by its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tolerance {
    /// As the client wrote it, or `custom`.
    pub(crate) name: String,
    /// The step that its source differentiates with, where it has one.
    pub(crate) step: Option<f64>,
    rule: Rule,
}

/// The named tests but `hand(…)`: name, step, rule.
const PRESETS: &[(&str, Option<f64>, Rule)] = &[
    ("torch", Some(1e-6), Rule::Close { rtol: 1e-3, atol: 1e-5 }),
    ("cs231n", Some(1e-5), Rule::ToLarger { smooth: 1e-7, kinked: 1e-4 }),
    ("cs231n-code", Some(1e-5), Rule::ToSum { smooth: 1e-7, kinked: 1e-4 }),
    ("coursera-dl", Some(1e-7), Rule::NormRatio { most: 2e-7 }),
    ("coursera-ml", Some(1e-4), Rule::NormRatioOfSum { most: 1e-9 }),
    ("udl", Some(1e-6), Rule::Close { rtol: 1e-5, atol: 1e-8 }),
    ("jax-f32", Some(1e-4), Rule::CloseBySize { tolerance: 2e-3 }),
    ("jax-bf16", Some(1e-4), Rule::CloseBySize { tolerance: 1e-1 }),
    ("jax-f64", Some(1e-4), Rule::CloseBySize { tolerance: 1e-5 }),
    ("dlsys", Some(1e-4), Rule::Norm { most: 1e-6 }),
    ("micrograd", None, Rule::Close { rtol: 0.0, atol: 1e-6 }),
    ("prairielearn", None, Rule::Close { rtol: 1e-2, atol: 1e-8 }),
    ("exact", None, Rule::Exact),
    ("last_digit", None, Rule::LastDigit),
];

/// The names of the presets, for the OpenAPI document.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, ..)| *name)
}

/// Whether numbers pass: one by one where the test looks at each alone, and all together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// Of each number, or nothing where the test looks at the tensor alone.
    pub(crate) each: Option<Vec<bool>>,
    /// Of the tensor.
    pub(crate) all: bool,
}

impl Tolerance {
    /// A preset by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let known = PRESETS.iter().find(|(known, ..)| *known == name);
        let (step, rule) = match known {
            Some((_, step, rule)) => (*step, *rule),
            None => (None, by_hand(name)?),
        };
        Some(Self { name: name.to_owned(), step, rule })
    }

    /// A preset's name, or `{"rtol": …, "atol": …}`.
    pub(crate) fn read(json: Json<'_>, at: At<'_>, faults: &mut Faults) -> Option<Self> {
        match json {
            Json::String(name) => {
                let found = Self::named(&name);
                if found.is_none() {
                    let hint = hint(&name, names().chain(["hand(sf=4)", "hand(dp=4)"]));
                    let detail = format!(
                        "no preset is named \"{name}\"{hint}; expected {}, hand(sf=1..15) or hand(dp=0..15), or {{\"rtol\": …, \"atol\": …}}",
                        names().collect::<Vec<_>>().join(", ")
                    );
                    faults.push(at, Code::InvalidValue, detail);
                }
                found
            }
            json => {
                let mut fields = Fields::of(json, at, faults)?;
                let mut bound = |name: &'static str| {
                    let value = fields.number(name, faults).unwrap_or(0.0);
                    if value < 0.0 {
                        faults.push(at.name(name), Code::InvalidValue, format!("expected at least 0, found {value}"));
                    }
                    value
                };
                let (rtol, atol) = (bound("rtol"), bound("atol"));
                fields.finish(faults);
                Some(Self { name: "custom".to_owned(), step: None, rule: Rule::Close { rtol, atol } })
            }
        }
    }

    /// To how many digits each step is written, where it is a test of work by hand.
    pub(crate) fn digits(&self) -> Option<Digits> {
        match self.rule {
            Rule::Figures(count) => Some(Digits::Figures(u8::try_from(count).expect("read as 15 at the most"))),
            Rule::Places(count) => Some(Digits::Places(u8::try_from(count).expect("read as 15 at the most"))),
            _ => None,
        }
    }

    /// Whether it looks at the digits in which a claim is written.
    pub(crate) fn looks_at_digits(&self) -> bool {
        self.rule == Rule::LastDigit
    }

    /// As [`Tolerance::judge`], knowing of each number that is judged the unit of the last digit that was written.
    pub(crate) fn judge_written(
        &self,
        pairs: &[(f64, f64)],
        unit: impl Fn(usize) -> f64,
        size: usize,
        scale: f64,
        kinked: bool,
    ) -> Judgement {
        if self.rule != Rule::LastDigit {
            return self.judge(pairs, size, scale, kinked);
        }
        let near = |(i, &(a, n)): (usize, &(f64, f64))| {
            (a - n).abs() <= 0.51 * unit(i) || (a - n).abs() <= EXACT * f64::max(a.abs(), n.abs())
        };
        let each: Vec<bool> = pairs.iter().enumerate().map(near).collect();
        let all = each.iter().all(|&passes| passes);
        Judgement { each: Some(each), all }
    }

    /// Judge pairs of a given number and the true one, all of one tensor of `size` numbers whose largest magnitude is `scale`.
    pub(crate) fn judge(&self, pairs: &[(f64, f64)], size: usize, scale: f64, kinked: bool) -> Judgement {
        let metrics = Metrics::of(pairs.iter().copied());
        let whole = |all| Judgement { each: None, all };
        let test = match self.rule {
            Rule::NormRatio { most } => return whole(metrics.norm_ratio <= most),
            Rule::NormRatioOfSum { most } => return whole(metrics.norm_ratio_of_sum < most),
            Rule::Norm { most } => return whole(metrics.norm < most),
            rule => move |&(a, n): &(f64, f64)| rule.passes(a, n, size, scale, kinked),
        };
        let each: Vec<bool> = pairs.iter().map(test).collect();
        let all = each.iter().all(|&passes| passes);
        Judgement { each: Some(each), all }
    }
}

impl Rule {
    /// Whether one number passes; of a test that looks at whole tensors, that is nothing to ask.
    fn passes(self, a: f64, n: f64, size: usize, scale: f64, kinked: bool) -> bool {
        let difference = (a - n).abs();
        match self {
            Self::Close { rtol, atol } => difference <= atol + rtol * n.abs(),
            Self::CloseBySize { tolerance } => difference <= tolerance * size as f64 * (1.0 + n.abs()),
            Self::ToLarger { smooth, kinked: other } => relative(a, n) <= if kinked { other } else { smooth },
            Self::ToSum { smooth, kinked: other } => {
                difference / (a.abs() + n.abs()).max(1e-8) <= if kinked { other } else { smooth }
            }
            Self::Figures(count) => {
                let exponent = if n == 0.0 { 0.0 } else { n.abs().log10().floor() + 1.0 };
                difference <= 0.51 * 10_f64.powf(exponent - f64::from(count))
            }
            Self::Places(count) => difference <= 0.51 * 10_f64.powi(-(count as i32)),
            Self::Exact => difference <= EXACT * a.abs().max(n.abs()) || difference <= 1e-14 * scale,
            Self::LastDigit => difference <= EXACT * a.abs().max(n.abs()),
            Self::NormRatio { .. } | Self::NormRatioOfSum { .. } | Self::Norm { .. } => difference == 0.0,
        }
    }
}

/// `hand(sf=4)`, `hand(dp=2)`: what is worked out on paper.
fn by_hand(name: &str) -> Option<Rule> {
    let (kind, count) = name.strip_prefix("hand(")?.strip_suffix(')')?.split_once('=')?;
    let count: u32 = count.trim().parse().ok().filter(|count| *count <= 15)?;
    match kind.trim() {
        "sf" if count >= 1 => Some(Rule::Figures(count)),
        "dp" => Some(Rule::Places(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(preset: &str, a: f64, n: f64, kinked: bool, passes: bool) {
        let tolerance = Tolerance::named(preset).expect("a preset");
        assert_eq!(tolerance.judge(&[(a, n)], 1, n.abs(), kinked).all, passes, "{preset} {a} {n}");
    }

    /// Either side of each source's own bound.
    #[test]
    fn presets_bound_where_their_sources_do() {
        check("torch", 1.001, 1.0, false, true);
        check("torch", 1.0011, 1.0, false, false);
        check("torch", 9e-6, 0.0, false, true);
        check("cs231n", 1.0 + 0.9e-7, 1.0, false, true);
        check("cs231n", 1.0 + 1e-5, 1.0, false, false);
        check("cs231n", 1.0 + 1e-5, 1.0, true, true);
        check("cs231n", 0.0, 0.0, false, true);
        check("cs231n-code", 1.0 + 1.9e-7, 1.0, false, true);
        check("cs231n-code", 1.0 + 2.1e-7, 1.0, false, false);
        check("coursera-dl", 1.0 + 3.9e-7, 1.0, false, true);
        check("coursera-dl", 1.0 + 4.1e-7, 1.0, false, false);
        check("coursera-ml", 1.0 + 1.9e-9, 1.0, false, true);
        check("coursera-ml", 1.0 + 2.1e-9, 1.0, false, false);
        check("dlsys", 1e3 + 0.9e-6, 1e3, false, true);
        check("dlsys", 2e-6, 0.0, false, false);
        check("jax-f32", 1.0039, 1.0, false, true);
        check("jax-f32", 1.0041, 1.0, false, false);
        check("prairielearn", 1.01, 1.0, false, true);
        check("prairielearn", 1.0101, 1.0, false, false);
        check("exact", 1.0 + 9e-14, 1.0, false, true);
        check("exact", 1.0 + 2e-13, 1.0, false, false);
    }

    #[test]
    fn hands_round() {
        check("hand(sf=4)", 0.2984, 0.298_371_108_76, false, true);
        check("hand(sf=4)", 0.2985, 0.298_371_108_76, false, false);
        check("hand(sf=2)", 0.00044, 0.000_438_568, false, true);
        check("hand(sf=3)", 0.00044, 0.000_438_568, false, false);
        check("hand(dp=3)", 0.0, 0.000_438_568, false, true);
        check("hand(sf=3)", 1234.9, 1230.0, false, true);
        for wrong in ["hand", "hand(sf=0)", "hand(sf=99)", "hand(df=3)", "hand(sf=-1)", "Torch", ""] {
            assert!(Tolerance::named(wrong).is_none(), "{wrong}");
        }
    }

    /// One wrong bias among many right weights: a norm's ratio does not see what numbers one by one do.
    #[test]
    fn a_ratio_of_norms_hides_what_single_numbers_show() {
        let mut pairs = vec![(1.0, 1.0); 10_000];
        pairs.push((2e-6, 1e-6));
        let judged = |preset: &str| Tolerance::named(preset).expect("a preset").judge(&pairs, pairs.len(), 1.0, false);
        assert!(judged("coursera-dl").all);
        let each = judged("cs231n").each.expect("numbers one by one");
        assert_eq!(each.iter().filter(|passes| !**passes).count(), 1);
    }
}
