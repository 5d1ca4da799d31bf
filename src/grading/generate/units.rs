//! An exercise neuron by neuron, whichever way it is written: symbols, values, gradients.

use super::exercise::{Exercise, Source, Weight, tenths};
use super::values::{Entry, Values};
use super::wish::{Activation, Form, Wish};
use crate::draw::number::short;

/// Significant figures of a key on paper.
pub(super) const FIGURES: usize = 4;

/// A neuron with its values, one a sample.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    /// What stands below its letters: `6`, or `1,2` for the second of the first layer.
    pub(super) index: String,
    pub(super) a: Vec<f64>,
    pub(super) z: Vec<f64>,
    pub(super) de_da: Vec<f64>,
    pub(super) de_dz: Vec<f64>,
}

/// All of an exercise.
pub(super) struct Units<'u> {
    pub(super) wish: &'u Wish,
    pub(super) exercise: &'u Exercise,
    pub(super) values: &'u Values,
    /// In the order of the exercise's neurons.
    pub(super) list: Vec<Unit>,
}

impl<'u> Units<'u> {
    pub(super) fn of(wish: &'u Wish, exercise: &'u Exercise, values: &'u Values) -> Self {
        let list = (0..exercise.neurons.len()).map(|k| unit(wish, exercise, values, k)).collect();
        Self { wish, exercise, values, list }
    }

    /// `z_{6}`, or `x_{1}`.
    pub(super) fn z(&self, source: Source) -> String {
        match source {
            Source::Input(i) => format!("x_{{{}}}", i + 1),
            Source::Neuron(k) => format!("z_{{{}}}", self.list[k].index),
        }
    }

    /// What is read, in one sample.
    pub(super) fn read(&self, source: Source, sample: usize) -> f64 {
        match source {
            Source::Input(i) => tenths(self.exercise.batch[sample][i]),
            Source::Neuron(k) => self.list[k].z[sample],
        }
    }

    /// The symbol of the weight at an edge.
    pub(super) fn w(&self, k: usize, source: Source, weight: Weight) -> String {
        let of = |source| match source {
            Source::Input(i) => format!("x_{}", i + 1),
            Source::Neuron(j) => self.list[j].index.clone(),
        };
        match weight {
            Weight::Shared(entry) => format!("s_{{{}}}", entry + 1),
            Weight::Own(_) => format!("w_{{{} \\to {}}}", of(source), self.list[k].index),
        }
    }

    /// The name of a parameter's gradient on the wire, of the weight at an edge or, without one, of the bias.
    pub(super) fn parameter(&self, k: usize, edge: Option<(Source, Weight)>) -> String {
        let neuron = &self.exercise.neurons[k];
        match (self.wish.form, edge) {
            (_, Some((_, Weight::Shared(entry)))) => format!("s{}", entry + 1),
            (Form::Neurons, Some((source, _))) => format!("{}->z{}", self.exercise.name(source), neuron.number),
            (Form::Neurons, None) => format!("z{}.bias", neuron.number),
            (Form::Layers, Some((source, _))) => {
                let column = neuron.reads.iter().position(|(read, _)| *read == source).unwrap_or(0);
                format!("fc{}.weight[{},{column}]", neuron.level, self.place(k))
            }
            (Form::Layers, None) => format!("fc{}.bias[{}]", neuron.level, self.place(k)),
        }
    }

    /// Which of its level a neuron is, from 0.
    pub(super) fn place(&self, k: usize) -> usize {
        place(self.exercise, k)
    }

    /// The neurons from the outputs down, those of a level in order.
    pub(super) fn downwards(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|&k| (std::cmp::Reverse(self.exercise.neurons[k].level), k));
        order
    }

    /// The slope of a neuron's activation in one sample.
    pub(super) fn slope(&self, k: usize, sample: usize) -> f64 {
        let Unit { a, z, .. } = &self.list[k];
        let (a, z) = (a[sample], z[sample]);
        match self.exercise.neurons[k].activation {
            Activation::Identity => 1.0,
            Activation::Tanh => 1.0 - z * z,
            Activation::Sigmoid => z * (1.0 - z),
            Activation::Relu => f64::from(u8::from(a > 0.0)),
            Activation::LeakyRelu => {
                if a > 0.0 {
                    1.0
                } else {
                    0.01
                }
            }
            Activation::Softplus => 1.0 - crate::tensor::Float::exp(-z),
        }
    }
}

fn place(exercise: &Exercise, k: usize) -> usize {
    let level = exercise.neurons[k].level;
    exercise.neurons[..k].iter().filter(|neuron| neuron.level == level).count()
}

fn unit(wish: &Wish, exercise: &Exercise, values: &Values, k: usize) -> Unit {
    let neuron = &exercise.neurons[k];
    let (at, column, index) = match wish.form {
        Form::Neurons => (k, 0, neuron.number.to_string()),
        Form::Layers => {
            let column = place(exercise, k);
            (neuron.level - 1, column, format!("{},{}", neuron.level, column + 1))
        }
    };
    let node = &values.nodes[at];
    let take = |entry: &Entry| -> Vec<f64> {
        let wide = entry.0.sample_size().max(1);
        entry.1.iter().skip(column).step_by(wide).copied().collect()
    };
    let (z, de_dz) = (take(&node.z), take(&node.de_dz));
    let (a, de_da) = match &node.inner {
        Some((a, de_da)) => (take(a), take(de_da)),
        None => (z.clone(), de_dz.clone()),
    };
    Unit { index, a, z, de_da, de_dz }
}

/// A number in LaTeX, with the figures of a key.
pub(super) fn latex(x: f64) -> String {
    let text = short(x, FIGURES);
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{mantissa} \\cdot 10^{{{exponent}}}"),
        None => text,
    }
}

/// The same as a factor: in parentheses where it has a sign or a power of ten.
pub(super) fn factor(x: f64) -> String {
    let plain = latex(x);
    if plain.starts_with('-') || plain.contains("10^") { format!("({plain})") } else { plain }
}

/// Tenths as they are printed: `2`, `-0.3`.
pub(super) fn decimal(value: i32) -> String {
    short(tenths(value), 6)
}
