//! A value without sample axis, repeated for every sample; not named by clients.

use super::Reindex;
use crate::tensor::{Float, Shape, ShapeError, Tensor};

/// `y[n] = x` for n below `samples`.
#[derive(Debug)]
pub struct Expand {
    /// The number of samples.
    pub samples: usize,
}

impl Reindex for Expand {
    const NAME: &'static str = "expand";

    fn shape(&self, input: Shape) -> Result<Shape, ShapeError> {
        Shape::batched(self.samples, input.dims())
    }

    fn pick<S: Float>(&self, x: &Tensor<S>, output: Shape) -> Tensor<S> {
        x.broadcast_to(output)
    }

    fn place<S: Float>(&self, y_bar: &Tensor<S>, input: Shape) -> Tensor<S> {
        y_bar.sum_to(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;
    use crate::ops::reindex::Moved;

    #[test]
    fn laws() {
        laws::hold(&Moved(Expand { samples: 3 }), &[laws::normal(&[2, 2], 1)]);
        laws::hold(&Moved(Expand { samples: 1 }), &[laws::normal(&[], 1)]);
    }
}
