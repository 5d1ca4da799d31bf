//! `cross_entropy`: `E = −Σ_c y_c·log p_c`, of logits (p = softmax) or of probabilities, with PyTorch's arguments.
//!
//! Class weights and label smoothing are folded into the coefficients `q` of the log-probabilities:
//! for a class index y, `q_c = w_y·(1−ε)·[c=y] + w_c·ε/C`; for given probabilities t, `q_c = w_c·(t_c·(1−ε) + ε/C)`.
//! A mean divides by the sum of `w_y` over what is not ignored (class indices), or by the number of samples and positions
//! (probabilities), as PyTorch does.

use super::nll::{Classes, class_weights};
use super::{Entry, LossContext, PerSample};
use crate::lower::Failed;
use crate::ops::attributes::{Attribute, Default, Invalid, Kind, Values};
use crate::ops::{CrossEntropy, Of};

pub(super) const ENTRY: Entry = Entry {
    name: "cross_entropy",
    summary: "minus the log-probability of the true class",
    formula: "E = -sum_c y_c log p_c, p = softmax(o) from logits, p = o from probabilities",
    derivative: "dE/do_c = p_c * sum_k y_k - y_c from logits, -y_c / p_c from probabilities",
    targets: "class indices [N] (or [N, d1, ...]), or one-hot or soft labels of the shape of the node, [N, C, ...]",
    attributes: &[
        Attribute::new("from", Kind::Word(&["logits", "probabilities"]), Default::Word("logits"), "what the node gives"),
        Attribute::new("weight", Kind::Tensor, Default::Absent, "a factor for each class, shape [C]"),
        Attribute::new("ignore_index", Kind::Integer, Default::Integer(-100), "a class index that contributes nothing"),
        Attribute::new(
            "label_smoothing",
            Kind::Number,
            Default::Number(0.0),
            "part of the label spread over all classes, 0 to 1",
        ),
    ],
    build,
};

fn build(loss: &mut LossContext<'_, '_, '_, '_>, values: &Values) -> Result<PerSample, Failed> {
    let smoothing = values.number("label_smoothing");
    if !(0.0..=1.0).contains(&smoothing) {
        let invalid = Invalid::new("label_smoothing", format!("expected a number from 0 to 1, found {smoothing}"));
        return Err(loss.context.invalid(invalid));
    }
    let of = if values.word("from") == Some("probabilities") { Of::Probabilities } else { Of::Logits };
    let classes = Classes::new(loss, "cross_entropy")?;
    let weights = class_weights(loss, values, classes.count)?;
    let spread = smoothing / classes.count as f64;
    let (q, denominators) = match classes.targets(loss, values.integer("ignore_index"), true)? {
        super::nll::Targets::Indices(indices) => {
            let mut q = classes.empty(loss)?;
            let mut denominators = vec![0.0; classes.samples];
            for (place, index) in classes.places().zip(indices) {
                let Some(index) = index else { continue };
                denominators[place.sample] += weights[index];
                if smoothing > 0.0 {
                    for (class, weight) in weights.iter().enumerate() {
                        q[place.of(class)] = weight * spread;
                    }
                }
                q[place.of(index)] += weights[index] * (1.0 - smoothing);
            }
            (q, denominators)
        }
        super::nll::Targets::Probabilities(mut q) => {
            for place in classes.places() {
                for (class, weight) in weights.iter().enumerate() {
                    let q = &mut q[place.of(class)];
                    *q = weight * (*q * (1.0 - smoothing) + spread);
                }
            }
            (q, vec![classes.positions as f64; classes.samples])
        }
    };
    let q = loss.context.constant(loss.shape(), q);
    let losses = loss.context.op(CrossEntropy { of }, &[loss.of, q])?;
    Ok(PerSample { losses, denominators: Some(denominators) })
}
