//! Targets of a classification, as `cross_entropy` and `nll` read them: class indices or probabilities, classes on axis 1, class
//! weights, label smoothing. All of it becomes one coefficient `q` for each log-probability:
//! for a class index y, `q_c = w_y·(1−ε)·[c=y] + w_c·ε/C`; for given probabilities t, `q_c = w_c·(t_c·(1−ε) + ε/C)`.

use std::sync::Arc;

use super::{LossContext, TargetLeaf};
use crate::graph::NodeId;
use crate::lower::Failed;
use crate::ops::attributes::Values;
use crate::spec::fault::Code;
use crate::tensor::{Dims, Shape};

/// How targets become coefficients, whatever the targets are.
#[derive(Debug)]
pub struct Labels {
    /// The shape of what the loss reads, `[N, C, d1, …]`.
    of: Shape,
    weights: Vec<f64>,
    ignore_index: i64,
    smoothing: f64,
    /// Whether probabilities are targets too.
    soft: bool,
}

/// A number for each element of what the loss reads, and what each sample counts in the denominator of a mean.
pub(super) type Coefficients = (Vec<f64>, Vec<f64>);

/// Why targets are none.
pub(super) enum Misfit {
    /// Their shape, in words.
    Shape(String),
    /// Classes that do not exist, each with its place and in words.
    Classes(Vec<(String, String)>),
}

impl Labels {
    /// What the attributes say.
    pub(super) fn new(
        loss: &mut LossContext<'_, '_, '_, '_>,
        name: &str,
        values: &Values,
        smoothing: f64,
        soft: bool,
    ) -> Result<Self, Failed> {
        let of = loss.shape();
        let &[_, count, ..] = of.dims() else {
            let detail = format!("{name} expects [N, C], found {of}; name the nodes of all classes as a list");
            return Err(loss.context.fault_in("of", Code::ShapeMismatch, detail));
        };
        if count == 0 {
            let detail = format!("{name} needs at least one class, found {of}");
            return Err(loss.context.fault_in("of", Code::ShapeMismatch, detail));
        }
        let weights = class_weights(loss, values, count)?;
        Ok(Self { of, weights, ignore_index: values.integer("ignore_index"), smoothing, soft })
    }

    /// The leaf of the coefficients, and the denominators.
    pub(super) fn leaf(self, loss: &mut LossContext<'_, '_, '_, '_>) -> Result<(NodeId, Vec<f64>), Failed> {
        let targets = loss.targets()?;
        // Probabilities are there already; of indices the coefficients are many times as many.
        if targets.as_ref().is_none_or(|(shape, _)| shape != self.of.dims()) {
            loss.context.affords(self.of.size())?;
        }
        let (q, denominators) = match targets {
            None => (vec![0.0; self.of.size()], vec![0.0; self.samples()]),
            Some((shape, data)) => self.coefficients(&shape, data).map_err(|misfit| misfit.report(loss))?,
        };
        let leaf = loss.context.constant(self.of, q);
        loss.target_leaf = TargetLeaf::Classes(leaf, Arc::new(self));
        Ok((leaf, denominators))
    }

    /// The coefficients of these targets.
    pub(super) fn coefficients(&self, shape: &[usize], data: Vec<f64>) -> Result<Coefficients, Misfit> {
        let of = self.of.dims();
        let is_of_indices = shape.len() + 1 == of.len() && shape.first() == of.first() && shape[1..] == of[2..];
        if is_of_indices || (shape == [self.samples(), 1] && of.len() == 2 && self.count() != 1) {
            return self.of_indices(shape, &data).map_err(Misfit::Classes);
        }
        if self.soft && shape == of {
            return Ok(self.of_probabilities(data));
        }
        let mut of_indices = of.to_vec();
        of_indices.remove(1);
        let indices = format!("class indices of shape {}", Dims(&of_indices));
        let expected = if self.soft { format!("{indices}, or probabilities of shape {}", self.of) } else { indices };
        Err(Misfit::Shape(format!("expected {expected}; found {}", Dims(shape))))
    }

    fn samples(&self) -> usize {
        self.of.dims()[0]
    }

    fn count(&self) -> usize {
        self.of.dims()[1]
    }

    /// Samples and positions in order, each with the place of its class 0; class c lies [`Labels::step`] times c after it.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (samples, count, step) = (self.samples(), self.count(), self.step());
        (0..samples).flat_map(move |sample| (0..step).map(move |position| (sample, sample * count * step + position)))
    }

    /// How far apart classes lie: the number of positions.
    fn step(&self) -> usize {
        self.of.dims()[2..].iter().product()
    }

    fn of_indices(&self, shape: &[usize], data: &[f64]) -> Result<Coefficients, Vec<(String, String)>> {
        let (count, step) = (self.count(), self.step());
        let spread = self.smoothing / count as f64;
        let mut q = vec![0.0; self.of.size()];
        let mut denominators = vec![0.0; self.samples()];
        let mut unknown = Vec::new();
        for (at, (&label, (sample, first))) in data.iter().zip(self.places()).enumerate() {
            if label == self.ignore_index as f64 {
                continue;
            }
            if label.fract() != 0.0 || !(0.0..count as f64).contains(&label) {
                let place = Shape::new(shape).map_or_else(|_| at.to_string(), |shape| shape.place(at));
                let detail = format!("class {label} does not exist: there are {count} classes, 0 to {}", count - 1);
                unknown.push((place, detail));
                continue;
            }
            let weight = self.weights[label as usize];
            denominators[sample] += weight;
            if self.smoothing > 0.0 {
                for (class, weight) in self.weights.iter().enumerate() {
                    q[first + class * step] = weight * spread;
                }
            }
            q[first + label as usize * step] += weight * (1.0 - self.smoothing);
        }
        if unknown.is_empty() { Ok((q, denominators)) } else { Err(unknown) }
    }

    fn of_probabilities(&self, mut q: Vec<f64>) -> Coefficients {
        let (step, spread) = (self.step(), self.smoothing / self.count() as f64);
        for (_, first) in self.places() {
            for (class, weight) in self.weights.iter().enumerate() {
                let q = &mut q[first + class * step];
                *q = weight * (*q * (1.0 - self.smoothing) + spread);
            }
        }
        (q, vec![step as f64; self.samples()])
    }
}

impl Misfit {
    fn report(self, loss: &mut LossContext<'_, '_, '_, '_>) -> Failed {
        match self {
            Self::Shape(detail) => {
                loss.context.lowering_fault("/batch/targets", Code::ShapeMismatch, detail);
            }
            Self::Classes(unknown) => {
                for (place, detail) in unknown {
                    loss.context.lowering_fault(&format!("/batch/targets/{place}"), Code::LabelOutOfRange, detail);
                }
            }
        }
        Failed
    }
}

/// The factor of each class: PyTorch's `weight`, or ones.
fn class_weights(loss: &mut LossContext<'_, '_, '_, '_>, values: &Values, count: usize) -> Result<Vec<f64>, Failed> {
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
