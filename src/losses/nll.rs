//! `nll`: minus the entry of the true class, of log-probabilities; and what it shares with `cross_entropy`: classes on axis 1,
//! class indices, class weights.

use super::{Entry, LossContext, PerSample};
use crate::lower::Failed;
use crate::ops::attributes::{Attribute, Default, Kind, Values};
use crate::ops::{CrossEntropy, Of};
use crate::spec::fault::Code;
use crate::tensor::{Dims, Shape};

pub(super) const ENTRY: Entry = Entry {
    name: "nll",
    summary: "negative log-likelihood, the node being log-probabilities",
    formula: "E = -weight_y * o_y, y the class",
    derivative: "dE/do_y = -weight_y, 0 for other classes",
    targets: "class indices [N] (or [N, d1, ...])",
    attributes: &[
        Attribute::new("weight", Kind::Tensor, Default::Absent, "a factor for each class, shape [C]"),
        Attribute::new("ignore_index", Kind::Integer, Default::Integer(-100), "a class index that contributes nothing"),
    ],
    build,
};

fn build(loss: &mut LossContext<'_, '_, '_, '_>, values: &Values) -> Result<PerSample, Failed> {
    let classes = Classes::new(loss, "nll")?;
    let weights = class_weights(loss, values, classes.count)?;
    let mut q = classes.empty(loss)?;
    let mut denominators = vec![0.0; classes.samples];
    if let Targets::Indices(indices) = classes.targets(loss, values.integer("ignore_index"), false)? {
        for (place, index) in classes.places().zip(indices) {
            if let Some(index) = index {
                q[place.of(index)] = weights[index];
                denominators[place.sample] += weights[index];
            }
        }
    }
    let q = loss.context.constant(loss.shape(), q);
    let losses = loss.context.op(CrossEntropy { of: Of::LogProbabilities }, &[loss.of, q])?;
    Ok(PerSample { losses, denominators: Some(denominators) })
}

/// The layout of `[N, C, d1, …]`: C classes for each sample and position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Classes {
    pub(super) samples: usize,
    pub(super) count: usize,
    pub(super) positions: usize,
}

/// The targets of a classification.
pub(super) enum Targets {
    /// A class for each sample and position; `None` where it is ignored.
    Indices(Vec<Option<usize>>),
    /// A probability for each element.
    Probabilities(Vec<f64>),
}

/// One sample and position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) sample: usize,
    first: usize,
    step: usize,
}

impl Place {
    /// The element of a class.
    pub(super) fn of(self, class: usize) -> usize {
        self.first + class * self.step
    }
}

impl Classes {
    pub(super) fn new(loss: &mut LossContext<'_, '_, '_, '_>, name: &str) -> Result<Self, Failed> {
        let shape = loss.shape();
        let &[samples, count, ref positions @ ..] = shape.dims() else {
            let detail = format!("{name} expects [N, C], found {shape}; name the nodes of all classes as a list");
            return Err(loss.context.fault_in("of", Code::ShapeMismatch, detail));
        };
        if count == 0 {
            return Err(loss.context.fault_in(
                "of",
                Code::ShapeMismatch,
                format!("{name} needs at least one class, found {shape}"),
            ));
        }
        Ok(Self { samples, count, positions: positions.iter().product() })
    }

    /// A zero for each element, if that much memory may be had.
    pub(super) fn empty(&self, loss: &mut LossContext<'_, '_, '_, '_>) -> Result<Vec<f64>, Failed> {
        let size = loss.shape().size();
        loss.context.affords(size)?;
        Ok(vec![0.0; size])
    }

    pub(super) fn places(self) -> impl Iterator<Item = Place> {
        let Self { samples, count, positions } = self;
        (0..samples).flat_map(move |sample| {
            (0..positions).map(move |position| Place { sample, first: sample * count * positions + position, step: positions })
        })
    }

    pub(super) fn targets(
        &self,
        loss: &mut LossContext<'_, '_, '_, '_>,
        ignore_index: i64,
        soft: bool,
    ) -> Result<Targets, Failed> {
        let of = loss.shape();
        let mut of_indices = of.dims().to_vec();
        of_indices.remove(1);
        let Some((shape, data)) = loss.targets()? else {
            return Ok(Targets::Indices(vec![None; self.samples * self.positions]));
        };
        if shape == of_indices || (shape == [self.samples, 1] && of.rank() == 2 && self.count != 1) {
            return self.indices(loss, &shape, &data, ignore_index).map(Targets::Indices);
        }
        if soft && shape == of.dims() {
            return Ok(Targets::Probabilities(data));
        }
        let indices = format!("class indices of shape {}", Dims(&of_indices));
        let expected = if soft { format!("{indices}, or probabilities of shape {of}") } else { indices };
        let detail = format!("expected {expected}; found {}", Dims(&shape));
        Err(loss.context.lowering_fault("/batch/targets", Code::ShapeMismatch, detail))
    }

    fn indices(
        &self,
        loss: &mut LossContext<'_, '_, '_, '_>,
        shape: &[usize],
        data: &[f64],
        ignore_index: i64,
    ) -> Result<Vec<Option<usize>>, Failed> {
        let mut indices = Vec::with_capacity(data.len());
        let mut ok = true;
        for (at, &label) in data.iter().enumerate() {
            if label == ignore_index as f64 {
                indices.push(None);
            } else if label.fract() == 0.0 && (0.0..self.count as f64).contains(&label) {
                indices.push(Some(label as usize));
            } else {
                let place = Shape::new(shape).map_or_else(|_| at.to_string(), |shape| shape.place(at));
                let pointer = format!("/batch/targets/{place}");
                let detail = format!("class {label} does not exist: there are {} classes, 0 to {}", self.count, self.count - 1);
                loss.context.lowering_fault(&pointer, Code::LabelOutOfRange, detail);
                ok = false;
            }
        }
        if ok { Ok(indices) } else { Err(Failed) }
    }
}

/// The factor of each class: PyTorch's `weight`, or ones.
pub(super) fn class_weights(loss: &mut LossContext<'_, '_, '_, '_>, values: &Values, count: usize) -> Result<Vec<f64>, Failed> {
    match values.tensor("weight") {
        None => {
            loss.context.affords(count)?;
            Ok(vec![1.0; count])
        }
        Some((shape, data)) if shape == [count] => Ok(data.to_vec()),
        Some((shape, _)) => {
            let detail = format!("expected a weight for each of {count} classes, shape [{count}]; found {}", Dims(shape));
            Err(loss.context.fault_in("weight", Code::ShapeMismatch, detail))
        }
    }
}
