//! `adamw` (Loshchilov & Hutter, 2019): [`adam`](super::adam) whose weight decay does not enter the gradient: each step first
//! takes `θ ← θ·(1 − lr·weight_decay)`.

use super::{Entry, adam};
use crate::ops::attributes::Attribute;

pub(super) const ENTRY: Entry = Entry {
    name: "adamw",
    summary: "adam with a weight decay that does not enter the gradient",
    formula: "theta *= 1 - lr weight_decay; then adam's step without weight decay",
    attributes: &ATTRIBUTES,
    f64: |values, size| adam::new(values, size, 0.0, values.number("weight_decay")),
    f32: |values, size| adam::new(values, size, 0.0, values.number("weight_decay")),
    ..adam::ENTRY
};

const ATTRIBUTES: [Attribute; 6] = adam::attributes(1e-2);
