//! Values side by side along a new axis: `y[.., k, ..] = x_k`,  `dy/dx_k = 1` at k.

use super::concat::Joined;
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Entry};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "stack",
    summary: "values of one shape side by side along a new axis",
    formula: "y[..., k, ...] = x_k",
    derivative: "dy/dx_k = 1 at k, 0 elsewhere",
    arity: Arity::AtLeast(1),
    attributes: &[Attribute::new(
        "dim",
        Kind::Integer,
        Default::Integer(1),
        "the new axis; PyTorch's default of 0 would come before samples",
    )],
    elementwise: false,
    build: |values| Ok(Box::new(Joined { dim: values.integer("dim"), new_axis: true })),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        let stack = |dim| Joined { dim, new_axis: true };
        let (a, b) = (laws::batch(2, &[3], 1), laws::batch(2, &[3], 2));
        laws::hold(&stack(1), &[laws::batch(3, &[], 1), laws::batch(3, &[], 2), laws::batch(3, &[], 3)]);
        laws::hold(&stack(-1), &[a.clone(), b.clone()]);
        laws::hold(&stack(0), &[laws::normal(&[2], 1), laws::normal(&[2], 2)]);
        laws::rejects(&stack(0), &[a.clone(), b], "before the sample axis");
        laws::rejects(&stack(1), &[a, laws::batch(2, &[4], 1)], "other axes differ");
    }
}
