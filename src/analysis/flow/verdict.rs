//! What the measures mean, in words.
//!
//! | threshold | from |
//! |---|---|
//! | a gradient a thousand times smaller, or larger, than at the output | the lecture (1.9): `0.5^10 ≈ 0.001`; ten layers of slope ½ |
//! | a unit is saturated at 5% of its activation's largest slope, a net where half of its units are | Glorot and Bengio 2010, figures 2 and 3: tanh units near ±1 stop passing gradients |
//! | 90% of a layer's relu units dead | half are off for any one sample, and far from the input the samples of a relu net look alike (Poole et al. 2016), so that half may be off for all; `CS231n`'s 40% ("as much as 40% of your network can be dead") stand beyond that half |
//! | an update a thousandth of its weight is about right | `CS231n`, "ratio of weights:updates" |

use super::measure::Layer;
use crate::draw::number::short;

/// A factor between the gradients of two layers that is too large: the lecture's `0.5^10`.
pub(super) const FACTOR: f64 = 1e3;
/// A share of saturated units that is too large.
pub(super) const SATURATED: f64 = 0.5;
/// A share of dead units that is too large.
pub(super) const DEAD: f64 = 0.9;
/// Updates beside their weights, from here to there.
const UPDATES: (f64, f64) = (1e-5, 1e-1);

/// The one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Healthy,
    Vanishing,
    Exploding,
    Dead,
    Saturated,
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Vanishing => "vanishing",
            Self::Exploding => "exploding",
            Self::Dead => "dead",
            Self::Saturated => "saturated",
        }
    }
}

/// The verdict with what speaks for it.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    /// The largest gradient over the smallest; nothing where all are 0.
    pub(super) spread: Option<f64>,
    pub(super) evidence: Vec<String>,
    pub(super) suggestions: Vec<&'static str>,
}

/// Judge layers that stand from the output to the input.
pub(super) fn judge(layers: &[Layer], samples: usize) -> Judgement {
    let sizes = || layers.iter().map(|layer| layer.gradient_rms);
    let (largest, smallest) = (sizes().fold(0.0, f64::max), sizes().fold(f64::INFINITY, f64::min));
    let spread = (largest > 0.0).then(|| largest / smallest);
    let mut evidence = Vec::new();
    let broken = layers.iter().find(|layer| !layer.gradient_rms.is_finite());
    if let Some(layer) = broken {
        evidence.push(format!("the gradient of {} is not finite", layer.id));
    }
    let trend = trend(layers, &mut evidence);
    let dead = worst(layers, |layer| layer.dead_fraction);
    if let Some((layer, share)) = dead.filter(|(_, share)| *share > 0.0) {
        evidence.push(format!("{} of the units of {} are 0 for all {samples} samples", percent(share), layer.id));
    }
    let saturated: Vec<f64> = layers.iter().filter_map(|layer| layer.saturated_fraction).collect();
    let saturation = (!saturated.is_empty()).then(|| saturated.iter().sum::<f64>() / saturated.len() as f64);
    if let (Some(mean), Some((layer, share))) =
        (saturation, worst(layers, |layer| layer.saturated_fraction).filter(|(_, share)| *share > 0.0))
    {
        evidence.push(format!("{} of the units that can saturate do; most in {}, {}", percent(mean), layer.id, percent(share)));
    }
    updates(layers, &mut evidence);
    let verdict = if broken.is_some() {
        Verdict::Exploding
    } else if dead.is_some_and(|(_, share)| share >= DEAD) {
        Verdict::Dead
    } else if trend.is_some_and(|(_, most)| most > FACTOR) {
        Verdict::Exploding
    } else if saturation.is_some_and(|share| share >= SATURATED) {
        Verdict::Saturated
    } else if trend.is_none_or(|(least, _)| least < 1.0 / FACTOR) {
        Verdict::Vanishing
    } else {
        Verdict::Healthy
    };
    Judgement { verdict, spread, evidence, suggestions: suggestions(verdict) }
}

/// The smallest and the largest gradient of the layers, as multiples of the output's; nothing where the output has none.
fn trend(layers: &[Layer], evidence: &mut Vec<String>) -> Option<(f64, f64)> {
    let (first, last) = (layers.first()?, layers.last()?);
    let output = first.gradient_rms;
    if output == 0.0 {
        evidence.push(format!("the loss has no gradient at {}", first.id));
        return None;
    }
    let steps = first.depth.saturating_sub(last.depth);
    if steps > 0 && output.is_finite() && last.gradient_rms.is_finite() {
        let factor = last.gradient_rms / output;
        let each = factor.powf(1.0 / steps as f64);
        evidence.push(format!(
            "dE/dz goes from {} at {} to {} at {}: a factor of {} over {steps} step{} down, {} a step",
            short(output, 3),
            first.id,
            short(last.gradient_rms, 3),
            last.id,
            short(factor, 3),
            if steps == 1 { "" } else { "s" },
            short(each, 3),
        ));
    }
    let factors = layers.iter().map(|layer| layer.gradient_rms / output);
    Some(factors.fold((f64::INFINITY, 0.0), |(least, most), factor| (least.min(factor), most.max(factor))))
}

fn worst(layers: &[Layer], of: impl Fn(&Layer) -> Option<f64>) -> Option<(&Layer, f64)> {
    let known = layers.iter().filter_map(|layer| of(layer).map(|x| (layer, x)));
    known.reduce(|worst, next| if next.1 > worst.1 { next } else { worst })
}

fn updates(layers: &[Layer], evidence: &mut Vec<String>) {
    let ratios = || layers.iter().filter_map(|layer| layer.update_to_weight_ratio.map(|ratio| (layer, ratio)));
    let (Some(least), Some(most)) =
        (ratios().reduce(|a, b| if b.1 < a.1 { b } else { a }), ratios().reduce(|a, b| if b.1 > a.1 { b } else { a }))
    else {
        return;
    };
    let odd = if most.1 > UPDATES.1 || least.1 < UPDATES.0 { "; about 0.001 is right" } else { "" };
    evidence.push(format!(
        "a step changes weights by {} of their size in {} to {} in {}{odd}",
        short(least.1, 3),
        least.0.id,
        short(most.1, 3),
        most.0.id
    ));
}

fn percent(share: f64) -> String {
    format!("{}%", short(share * 100.0, 3))
}

fn suggestions(verdict: Verdict) -> Vec<&'static str> {
    match verdict {
        Verdict::Healthy => vec![],
        Verdict::Vanishing => vec![
            "initialise weights to keep the gradient's size: xavier for tanh and sigmoid, kaiming for relu",
            "add residual edges, so that the gradient has a short way down",
            "use relu, leaky_relu or gelu instead of sigmoid or tanh, or normalise between layers",
        ],
        Verdict::Exploding => vec![
            "initialise weights smaller: xavier for tanh and sigmoid, kaiming for relu",
            "normalise between layers (layer_norm, batch_norm1d), or scale residual branches down",
            "clip gradients, and lower the learning rate",
        ],
        Verdict::Dead => vec![
            "lower the biases' size and the learning rate that drove them there, and initialise biases to 0",
            "use leaky_relu, elu or gelu, whose negative half lets a gradient through",
            "scale the inputs to mean 0 and variance 1",
        ],
        Verdict::Saturated => vec![
            "initialise weights smaller (xavier), so that pre-activations stay near 0",
            "scale the inputs, or normalise before the activation",
            "use relu or gelu, which do not level off",
        ],
    }
}
