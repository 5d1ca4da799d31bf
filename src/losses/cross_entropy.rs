//! `cross_entropy`: `E = −Σ_c y_c·log p_c`, of logits (p = softmax) or of probabilities, with PyTorch's arguments.
//!
//! Class weights and label smoothing are folded into the coefficients `q` of the log-probabilities (`classes`).
//! A mean divides by the sum of `w_y` over what is not ignored (class indices), or by the number of samples and positions
//! (probabilities), as PyTorch does.

use super::classes::Labels;
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
    let (q, denominators) = Labels::new(loss, "cross_entropy", values, smoothing, true)?.leaf(loss)?;
    let losses = loss.context.op(CrossEntropy { of }, &[loss.of, q])?;
    Ok(PerSample { losses, denominators: Some(denominators) })
}
