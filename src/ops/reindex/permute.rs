//! Axes in another order.

use ndarray::IxDyn;

use super::{Moved, Reindex};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Entry};
use crate::tensor::{Float, Shape, ShapeError, Tensor, resolve};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "permute",
    summary: "axes in another order; the sample axis stays first",
    formula: "y[i_dims[0], i_dims[1], ...] = x[i_0, i_1, ...]",
    derivative: "dy/dx = 1",
    arity: Arity::Exactly(1),
    attributes: &[Attribute::new("dims", Kind::Integers, Default::Required, "every axis once, in its new order; 0 first")],
    elementwise: false,
    build: |values| Ok(Box::new(Moved(Permute { dims: values.integers("dims").unwrap_or_default().to_vec() }))),
};

/// Axis k of the output is axis `dims[k]` of the input.
#[derive(Debug)]
pub(crate) struct Permute {
    pub(crate) dims: Vec<i64>,
}

impl Permute {
    fn order(&self, input: Shape) -> Result<Vec<usize>, ShapeError> {
        let mut seen = vec![false; input.rank()];
        let wrong = || ShapeError(format!("permute needs every axis of {input} once, found {:?}", self.dims));
        if self.dims.len() != input.rank() {
            return Err(wrong());
        }
        let mut order = Vec::with_capacity(self.dims.len());
        for &dim in &self.dims {
            let axis = resolve(dim, input.rank()).ok_or_else(wrong)?;
            if std::mem::replace(&mut seen[axis], true) {
                return Err(wrong());
            }
            order.push(axis);
        }
        if input.is_batched() && order[0] != 0 {
            return Err(ShapeError(format!("permute of {input} by {:?} would move the sample axis; it stays first", self.dims)));
        }
        Ok(order)
    }
}

impl Reindex for Permute {
    const NAME: &'static str = "permute";

    fn shape(&self, input: Shape) -> Result<Shape, ShapeError> {
        input.with_dims(&self.order(input)?.iter().map(|&axis| input.dims()[axis]).collect::<Vec<_>>())
    }

    fn pick<S: Float>(&self, x: &Tensor<S>, output: Shape) -> Tensor<S> {
        let order = self.order(x.shape()).expect("checked by the shape rule");
        Tensor::from_view(output, &x.view().permuted_axes(IxDyn(&order)))
    }

    fn place<S: Float>(&self, y_bar: &Tensor<S>, input: Shape) -> Tensor<S> {
        let mut back = vec![0; input.rank()];
        for (to, from) in self.order(input).expect("checked by the shape rule").into_iter().enumerate() {
            back[from] = to;
        }
        Tensor::from_view(input, &y_bar.view().permuted_axes(IxDyn(&back)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        let by = |dims: &[i64]| Moved(Permute { dims: dims.to_vec() });
        laws::hold(&by(&[0, 3, 1, 2]), &[laws::batch(2, &[3, 4, 2], 1)]);
        laws::hold(&by(&[1, 0]), &[laws::normal(&[3, 4], 1)]);
        laws::rejects(&by(&[1, 0]), &[laws::batch(3, &[4], 1)], "sample axis");
        laws::rejects(&by(&[0, 0]), &[laws::normal(&[3, 4], 1)], "every axis");
        laws::rejects(&by(&[0]), &[laws::normal(&[3, 4], 1)], "every axis");
    }
}
