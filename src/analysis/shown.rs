//! Numbers of an answer: mostly a view of what the run holds, so that showing them copies nothing.

use std::borrow::Cow;

use crate::lower::Parameter;
use crate::ops::Scalar;
use crate::tape::Sweep;
use crate::tensor::{Shape, Tensor, all_finite};

/// Elements in row-major order, and their shape.
#[derive(Debug, Clone)]
pub(super) struct Shown<'a, S: Clone> {
    pub(super) shape: Shape,
    pub(super) data: Cow<'a, [S]>,
}

/// Numbers under their names.
pub(super) type Listed<'a, S> = Vec<(&'a str, Shown<'a, S>)>;

impl<'a, S: Scalar> From<&'a Tensor<S>> for Shown<'a, S> {
    fn from(tensor: &'a Tensor<S>) -> Self {
        Self { shape: tensor.shape(), data: Cow::Borrowed(tensor.data()) }
    }
}

impl<'a, S: Scalar> Shown<'a, S> {
    /// A tensor that was made for the answer.
    pub(super) fn owned(shape: Shape, data: Vec<S>) -> Self {
        debug_assert_eq!(shape.size(), data.len());
        Self { shape, data: Cow::Owned(data) }
    }

    /// A cotangent; zeros of this shape where no path leads from it to the objective.
    pub(super) fn bar(bar: Option<&'a Tensor<S>>, shape: Shape) -> Self {
        bar.map_or_else(|| Self::owned(shape, vec![S::ZERO; shape.size()]), Self::from)
    }

    /// The gradient of a parameter.
    pub(super) fn gradient(sweep: &'a Sweep<S>, parameter: &Parameter) -> Self {
        let bar = sweep.cotangent(parameter.leaf);
        match (bar, parameter.element.map(|element| element as usize)) {
            (Some(bar), Some(element)) => Self { shape: parameter.shape, data: Cow::Borrowed(&bar.data()[element..=element]) },
            (bar, _) => Self::bar(bar, parameter.shape),
        }
    }
}

impl<S: Scalar> Shown<'_, S> {
    /// Whether every number is finite.
    pub(super) fn is_finite(&self) -> bool {
        all_finite(&self.data)
    }
}
