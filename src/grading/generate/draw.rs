//! How an exercise is drawn: structure, then numbers, level by level, each neuron until its pre-activations are well placed.

use super::exercise::{Exercise, Neuron, Source, Targets, Weight};
use super::wish::{Activation, LossKind, Template, Wish};
use super::{GENERATOR, Streams};
use crate::lower::random::Stream;
use crate::tensor::Float;

/// Draws of one neuron's numbers, or of one row of the minibatch, before the attempt is given up.
const TRIES: usize = 200;
/// Weights are 0.2 to 1.0 where a neuron reads inputs, which are larger than neurons, and 0.2 to 1.5 elsewhere, of either sign.
const WEIGHTS_OF_INPUTS: std::ops::RangeInclusive<i32> = 2..=10;
const WEIGHTS: std::ops::RangeInclusive<i32> = 2..=15;
/// No weight is ±1, whose omission is unseen or a sign, nor 0.5, whose omission counts its path twice.
const TELLING_NOTHING: [i32; 3] = [-10, 5, 10];
/// Biases are 0.1 to 0.5 of either sign.
const BIASES: std::ops::RangeInclusive<i32> = 1..=5;
/// No pre-activation is nearer to 0, where kinks are and where an activation equals what it is of.
const LEAST_A: f64 = 0.1;

impl Streams<'_> {
    /// One attempt; nothing where a neuron finds no place.
    pub(super) fn draw(&self) -> Option<Exercise> {
        let mut exercise = self.structure()?;
        self.minibatch(&mut exercise)?;
        let mut shared: Vec<Option<i32>> = vec![None; exercise.shared.len()];
        let mut z: Vec<Vec<f64>> = Vec::with_capacity(exercise.neurons.len());
        for k in 0..exercise.neurons.len() {
            z.push(self.numbers(&mut exercise, k, &mut shared, &z)?);
        }
        exercise.shared = shared.into_iter().map(Option::unwrap_or_default).collect();
        self.targets(&mut exercise);
        Some(exercise)
    }

    /// Neurons by levels, their edges and activations.
    fn structure(&self) -> Option<Exercise> {
        let wish = self.wish;
        let mut stream = self.stream("structure");
        let sizes = sizes(wish, &mut stream);
        let mut neurons = Vec::with_capacity(wish.nodes);
        // Numbered as in the lecture, from the outputs down.
        let mut number: usize = wish.nodes;
        for (level, &size) in sizes.iter().enumerate() {
            let first = number + 1 - size;
            let of_level = activation(wish, level + 1 == wish.depth, &mut stream);
            for k in 0..size {
                let activation = match wish.template {
                    Template::Dag if k > 0 => activation(wish, level + 1 == wish.depth, &mut stream),
                    _ => of_level,
                };
                neurons.push(Neuron { number: first + k, level: level + 1, reads: Vec::new(), bias: None, activation });
            }
            number -= size;
        }
        let mut exercise = Exercise {
            inputs: wish.inputs,
            neurons,
            shared: vec![0; wish.shared],
            batch: Vec::new(),
            targets: Targets::Classes(Vec::new()),
        };
        for level in 1..=wish.depth {
            wire(&mut exercise, wish.template, level, &mut stream);
        }
        skip(&mut exercise, wish.skip, &mut stream)?;
        exercise.neurons.iter_mut().for_each(|neuron| neuron.reads.sort_by_key(|(source, _)| *source));
        share(&mut exercise, wish.shared, &mut stream)?;
        (exercise.most_paths() >= wish.min_paths).then_some(exercise)
    }

    /// Inputs: no row twice.
    fn minibatch(&self, exercise: &mut Exercise) -> Option<()> {
        let mut stream = self.stream("inputs");
        for _ in 0..self.wish.samples {
            let mut row = || -> Vec<i32> {
                let value =
                    |_| if self.wish.input_decimals == 0 { 10 * WHOLE[stream.below(5)] } else { signed(2..=20, &mut stream) };
                (0..self.wish.inputs).map(value).collect()
            };
            let batch = &exercise.batch;
            let found = (0..TRIES).find_map(|_| Some(row()).filter(|row| !batch.contains(row)))?;
            exercise.batch.push(found);
        }
        Some(())
    }

    /// One neuron's weights and bias, and its outputs.
    fn numbers(&self, exercise: &mut Exercise, k: usize, shared: &mut [Option<i32>], z: &[Vec<f64>]) -> Option<Vec<f64>> {
        let neuron = &exercise.neurons[k];
        let mut stream = self.stream(&format!("numbers/z{}", neuron.number));
        let values = |source: Source| -> Vec<f64> {
            match source {
                Source::Input(i) => exercise.batch.iter().map(|row| f64::from(row[i]) / 10.0).collect(),
                Source::Neuron(j) => z[j].clone(),
            }
        };
        let sources: Vec<Vec<f64>> = neuron.reads.iter().map(|(source, _)| values(*source)).collect();
        let from_inputs = neuron.reads.iter().any(|(source, _)| matches!(source, Source::Input(_)));
        let range = if from_inputs { WEIGHTS_OF_INPUTS } else { WEIGHTS };
        for _ in 0..TRIES {
            let mut weights: Vec<i32> = Vec::with_capacity(sources.len());
            for (_, weight) in &neuron.reads {
                let fixed = if let Weight::Shared(entry) = weight { shared[*entry] } else { None };
                // No weight twice, so that they cannot change places unseen.
                let drawn = fixed.or_else(|| {
                    let fits = |w: &i32| !weights.contains(w) && !TELLING_NOTHING.contains(w);
                    (0..TRIES).find_map(|_| Some(signed(range.clone(), &mut stream)).filter(fits))
                });
                weights.push(drawn?);
            }
            let bias = self.wish.bias.then(|| signed(BIASES, &mut stream));
            let outputs: Option<Vec<f64>> = (0..exercise.batch.len())
                .map(|n| {
                    let products = weights.iter().zip(&sources).map(|(w, z)| f64::from(*w) / 10.0 * z[n]);
                    let a = products.sum::<f64>() + f64::from(bias.unwrap_or(0)) / 10.0;
                    well_placed(neuron.activation, a).then(|| neuron.activation.of(a))
                })
                .collect();
            let Some(outputs) = outputs else { continue };
            let neuron = &mut exercise.neurons[k];
            for ((_, weight), value) in neuron.reads.iter_mut().zip(weights) {
                match weight {
                    Weight::Own(own) => *own = value,
                    Weight::Shared(entry) => shared[*entry] = Some(value),
                }
            }
            neuron.bias = bias;
            return Some(outputs);
        }
        None
    }

    fn targets(&self, exercise: &mut Exercise) {
        let wish = self.wish;
        let mut stream = self.stream("targets");
        exercise.targets = match wish.loss {
            LossKind::CrossEntropy => {
                // Every class once before any comes again.
                let mut classes: Vec<usize> = (0..wish.outputs).collect();
                shuffle(&mut classes, &mut stream);
                Targets::Classes((0..wish.samples).map(|n| classes[n % wish.outputs]).collect())
            }
            LossKind::Bce | LossKind::BceWithLogits => {
                let mut row = || (0..wish.outputs).map(|_| 10 * stream.below(2) as i32).collect();
                Targets::Values((0..wish.samples).map(|_| row()).collect())
            }
            LossKind::SquaredError | LossKind::Mse => {
                let mut value = || match wish.output_activation {
                    Activation::Sigmoid => 1 + stream.below(9) as i32,
                    Activation::Tanh => signed(1..=9, &mut stream),
                    Activation::Relu | Activation::Softplus => 1 + stream.below(20) as i32,
                    Activation::Identity | Activation::LeakyRelu => signed(1..=20, &mut stream),
                };
                let mut row = || (0..wish.outputs).map(|_| value()).collect();
                Targets::Values((0..wish.samples).map(|_| row()).collect())
            }
        };
    }

    fn stream(&self, name: &str) -> Stream {
        Stream::of(GENERATOR, &self.wish.seed, &format!("{}/{name}", self.attempt))
    }
}

/// Whole inputs.
const WHOLE: [i32; 5] = [-2, -1, 1, 2, 3];

/// Tenths of a size in the range, of either sign.
fn signed(sizes: std::ops::RangeInclusive<i32>, stream: &mut Stream) -> i32 {
    let size = sizes.start() + stream.below((sizes.end() - sizes.start() + 1) as usize) as i32;
    if stream.below(2) == 0 { size } else { -size }
}

fn shuffle<T>(list: &mut [T], stream: &mut Stream) {
    for i in (1..list.len()).rev() {
        list.swap(i, stream.below(i + 1));
    }
}

/// The neurons of each level, from the inputs up.
fn sizes(wish: &Wish, stream: &mut Stream) -> Vec<usize> {
    let hidden = wish.depth - 1;
    let mut sizes = vec![1; hidden];
    for spare in 0..wish.nodes - wish.outputs - hidden {
        let level = match wish.template {
            Template::Layered => spare % hidden,
            Template::Dag => stream.below(hidden),
        };
        sizes[level] += 1;
    }
    sizes.push(wish.outputs);
    sizes
}

fn activation(wish: &Wish, output: bool, stream: &mut Stream) -> Activation {
    if output { wish.output_activation } else { wish.activations[stream.below(wish.activations.len())] }
}

/// The sources and the neurons of a level.
fn level(exercise: &Exercise, level: usize) -> Vec<Source> {
    if level == 0 {
        return (0..exercise.inputs).map(Source::Input).collect();
    }
    let members = exercise.neurons.iter().enumerate().filter(|(_, neuron)| neuron.level == level);
    members.map(|(k, _)| Source::Neuron(k)).collect()
}

/// Let the neurons of a level read the level below; nobody below stays unread.
fn wire(exercise: &mut Exercise, template: Template, at: usize, stream: &mut Stream) {
    let below = level(exercise, at - 1);
    let own: Vec<usize> = (0..exercise.neurons.len()).filter(|&k| exercise.neurons[k].level == at).collect();
    for &k in &own {
        let mut sources = below.clone();
        if template == Template::Dag {
            let most = below.len().min(3);
            let least = most.min(2);
            let count = least + stream.below(most - least + 1);
            shuffle(&mut sources, stream);
            sources.truncate(count);
        }
        exercise.neurons[k].reads = sources.into_iter().map(|source| (source, Weight::Own(0))).collect();
    }
    for source in below {
        if !own.iter().any(|&k| exercise.neurons[k].reads.iter().any(|(read, _)| *read == source)) {
            let reader = own[stream.below(own.len())];
            exercise.neurons[reader].reads.push((source, Weight::Own(0)));
        }
    }
}

/// Add edges that pass over at least one level.
fn skip(exercise: &mut Exercise, count: usize, stream: &mut Stream) -> Option<()> {
    let mut candidates: Vec<(Source, usize)> = Vec::new();
    for (k, neuron) in exercise.neurons.iter().enumerate() {
        let below = (0..neuron.level.saturating_sub(1)).flat_map(|at| level(exercise, at));
        candidates.extend(below.map(|source| (source, k)));
    }
    for _ in 0..count {
        if candidates.is_empty() {
            return None;
        }
        let (source, reader) = candidates.swap_remove(stream.below(candidates.len()));
        exercise.neurons[reader].reads.push((source, Weight::Own(0)));
    }
    Some(())
}

/// Let pairs of edges of different neurons have one weight.
fn share(exercise: &mut Exercise, count: usize, stream: &mut Stream) -> Option<()> {
    let mut free: Vec<(usize, usize)> =
        exercise.neurons.iter().enumerate().flat_map(|(k, neuron)| (0..neuron.reads.len()).map(move |at| (k, at))).collect();
    for entry in 0..count {
        let first = (!free.is_empty()).then(|| free.swap_remove(stream.below(free.len())))?;
        let others: Vec<usize> = (0..free.len()).filter(|&i| free[i].0 != first.0).collect();
        let second = (!others.is_empty()).then(|| free.swap_remove(others[stream.below(others.len())]))?;
        for (k, at) in [first, second] {
            exercise.neurons[k].reads[at].1 = Weight::Shared(entry);
        }
    }
    Some(())
}

/// Neither near a kink or 0 nor where the activation is flat.
fn well_placed(activation: Activation, a: f64) -> bool {
    let most = match activation {
        Activation::Tanh => 2.0,
        Activation::Sigmoid => 2.9,
        Activation::Identity | Activation::Relu | Activation::LeakyRelu | Activation::Softplus => 2.9,
    };
    a.abs() >= LEAST_A && a.abs() <= most
}

impl Activation {
    /// Its value, by functions that have the same bits on every processor.
    fn of(self, a: f64) -> f64 {
        match self {
            Self::Identity => a,
            Self::Tanh => Float::tanh(a),
            Self::Sigmoid => 1.0 / (1.0 + Float::exp(-a)),
            Self::Relu => a.max(0.0),
            Self::LeakyRelu => {
                if a < 0.0 {
                    0.01 * a
                } else {
                    a
                }
            }
            Self::Softplus => Float::ln_1p(Float::exp(a)),
        }
    }
}
