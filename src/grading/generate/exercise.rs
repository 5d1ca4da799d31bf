//! A drawn exercise: neurons by levels, their weights in tenths, the minibatch; and how it is written as a problem.

use super::wish::{Activation, Form, LossKind, Wish};
use crate::spec::write::Writer;

/// An exercise. All its numbers are tenths, so that what is printed is exactly what is computed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exercise {
    /// How many inputs; they are called x1, x2, ….
    pub(crate) inputs: usize,
    /// The neurons from the inputs up, so that each reads earlier ones.
    pub(crate) neurons: Vec<Neuron>,
    /// The weights that stand at two edges each; they are called s1, s2, ….
    pub(crate) shared: Vec<i32>,
    /// The inputs, a row a sample.
    pub(crate) batch: Vec<Vec<i32>>,
    /// The targets.
    pub(crate) targets: Targets,
}

/// A neuron.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neuron {
    /// Its number in the lecture's way, from the outputs down.
    pub(crate) number: usize,
    /// Its level, 1 above the inputs.
    pub(crate) level: usize,
    /// What it reads, and by which weights.
    pub(crate) reads: Vec<(Source, Weight)>,
    pub(crate) bias: Option<i32>,
    pub(crate) activation: Activation,
}

/// What a neuron reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// An input, from 0.
    Input(usize),
    /// A neuron, by its place in the list.
    Neuron(usize),
}

/// A weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// One of its own.
    Own(i32),
    /// One of the shared ones.
    Shared(usize),
}

/// What the loss is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Targets {
    /// A class a sample.
    Classes(Vec<usize>),
    /// A row a sample, in tenths.
    Values(Vec<Vec<i32>>),
}

/// Tenths as the double nearest to the decimal.
pub(crate) fn tenths(value: i32) -> f64 {
    f64::from(value) / 10.0
}

impl Exercise {
    /// The name of what is read.
    pub(crate) fn name(&self, source: Source) -> String {
        match source {
            Source::Input(i) => format!("x{}", i + 1),
            Source::Neuron(k) => format!("z{}", self.neurons[k].number),
        }
    }

    /// A weight in tenths.
    pub(crate) fn weight(&self, weight: Weight) -> i32 {
        match weight {
            Weight::Own(value) => value,
            Weight::Shared(entry) => self.shared[entry],
        }
    }

    /// The neurons of the last level, in order.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &Neuron> {
        let top = self.neurons.last().map_or(0, |neuron| neuron.level);
        self.neurons.iter().filter(move |neuron| neuron.level == top)
    }

    /// The places of those who read a neuron.
    pub(crate) fn readers(&self, k: usize) -> impl Iterator<Item = (usize, Weight)> {
        let reads = move |neuron: &Neuron| {
            neuron.reads.iter().find(|(source, _)| *source == Source::Neuron(k)).map(|(_, weight)| *weight)
        };
        self.neurons.iter().enumerate().filter_map(move |(l, neuron)| reads(neuron).map(|weight| (l, weight)))
    }

    /// For each neuron, the paths from it to the loss.
    pub(crate) fn paths(&self) -> Vec<u64> {
        let mut paths = vec![0_u64; self.neurons.len()];
        let top = self.neurons.last().map_or(0, |neuron| neuron.level);
        for k in (0..paths.len()).rev() {
            let through: u64 = self.readers(k).map(|(l, _)| paths[l]).fold(0, u64::saturating_add);
            paths[k] = through.saturating_add(u64::from(self.neurons[k].level == top));
        }
        paths
    }

    /// The most paths that a neuron has to the loss.
    pub(crate) fn most_paths(&self) -> u64 {
        self.paths().into_iter().max().unwrap_or(0)
    }

    /// The members of a problem: network, parameters where weights are shared, batch, loss.
    pub(crate) fn write(&self, w: &mut Writer, wish: &Wish) {
        w.key("network").object(|w| match wish.form {
            Form::Neurons => self.neurons(w),
            Form::Layers => self.layers(w, wish),
        });
        if !self.shared.is_empty() {
            w.key("parameters").object(|w| {
                self.shared.iter().enumerate().for_each(|(i, &value)| w.key(&format!("s{}", i + 1)).number(tenths(value)));
            });
        }
        w.key("batch").object(|w| {
            matrix(w.key("inputs"), &self.batch);
            match &self.targets {
                Targets::Classes(classes) => w.key("targets").sizes(classes),
                Targets::Values(rows) => matrix(w.key("targets"), rows),
            }
        });
        w.key("loss").object(|w| {
            w.key("op").string(wish.loss.name());
            match wish.form {
                Form::Neurons => {
                    let names: Vec<String> = self.outputs().map(|neuron| format!("z{}", neuron.number)).collect();
                    w.key("of").strings(names.iter().map(String::as_str));
                }
                Form::Layers => w.key("of").string(&format!("fc{}", wish.depth)),
            }
            if wish.loss == LossKind::SquaredError {
                w.key("factor").number(0.5);
            }
            w.key("reduction").string(if wish.mean { "mean" } else { "sum" });
        });
    }

    fn neurons(&self, w: &mut Writer) {
        let inputs: Vec<String> = (0..self.inputs).map(|i| self.name(Source::Input(i))).collect();
        w.key("inputs").strings(inputs.iter().map(String::as_str));
        w.key("nodes").array(|w| {
            for neuron in &self.neurons {
                w.object(|w| {
                    w.key("id").string(&format!("z{}", neuron.number));
                    w.key("op").string("neuron");
                    w.key("inputs").object(|w| {
                        for (source, weight) in &neuron.reads {
                            w.key(&self.name(*source));
                            match weight {
                                Weight::Own(value) => w.number(tenths(*value)),
                                Weight::Shared(entry) => w.string(&format!("s{}", entry + 1)),
                            }
                        }
                    });
                    if let Some(bias) = neuron.bias {
                        w.key("bias").number(tenths(bias));
                    }
                    activation(w, neuron.activation);
                });
            }
        });
    }

    /// A `linear` layer a level; every neuron reads the whole level below.
    fn layers(&self, w: &mut Writer, wish: &Wish) {
        w.key("inputs").object(|w| w.key("x").sizes(&[self.inputs]));
        w.key("layers").array(|w| {
            for level in 1..=wish.depth {
                let neurons: Vec<&Neuron> = self.neurons.iter().filter(|neuron| neuron.level == level).collect();
                let row = |neuron: &&Neuron| neuron.reads.iter().map(|(_, weight)| self.weight(*weight)).collect::<Vec<i32>>();
                w.object(|w| {
                    w.key("id").string(&format!("fc{level}"));
                    w.key("op").string("linear");
                    matrix(w.key("weight"), &neurons.iter().map(row).collect::<Vec<_>>());
                    if wish.bias {
                        w.key("bias").array(|w| neurons.iter().for_each(|neuron| w.number(tenths(neuron.bias.unwrap_or(0)))));
                    } else {
                        w.key("bias").boolean(false);
                    }
                    activation(w, neurons[0].activation);
                });
            }
        });
    }

    /// The problem by itself.
    pub(crate) fn problem(&self, wish: &Wish) -> Vec<u8> {
        let mut w = Writer::new();
        w.object(|w| self.write(w, wish));
        w.into_bytes()
    }
}

fn activation(w: &mut Writer, activation: Activation) {
    if activation != Activation::Identity {
        w.key("activation").string(activation.name());
    }
}

fn matrix(w: &mut Writer, rows: &[Vec<i32>]) {
    w.array(|w| rows.iter().for_each(|row| w.array(|w| row.iter().for_each(|&value| w.number(tenths(value))))));
}
