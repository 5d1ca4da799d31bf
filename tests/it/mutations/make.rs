//! The exercises: made by fixed seeds, 2 to 40 nodes, graphs of neurons and layers, 1 to 8 samples, every loss and reduction.

use super::answer::Answer;
use super::engine::Student;
use super::exercise::{Activation, Exercise, Loss};
use super::random::Random;
use super::slip::Rounding;

use Activation::{Identity, Relu, Sigmoid, Softplus, Tanh};
use Loss::{Bce, BceWithLogits, CrossEntropy, CrossEntropyOfProbabilities, Mse, SquaredError};

const SUM: bool = false;
const MEAN: bool = true;

/// All exercises.
pub(super) fn exercises() -> Vec<Exercise> {
    let mut all = vec![super::planted::mazur(), super::planted::lecture()];
    // Graphs: nodes, inputs, outputs, samples, loss, mean.
    for (i, &(nodes, inputs, outputs, samples, loss, mean)) in [
        (2, 1, 1, 1, SquaredError(0.5), SUM),
        (2, 2, 1, 2, SquaredError(1.0), MEAN),
        (3, 2, 1, 3, Mse, MEAN),
        (4, 2, 2, 2, CrossEntropy, SUM),
        (5, 2, 2, 4, SquaredError(0.5), MEAN),
        (6, 3, 2, 3, CrossEntropy, MEAN),
        (7, 2, 3, 3, CrossEntropy, SUM),
        (7, 2, 1, 5, Bce, MEAN),
        (8, 3, 2, 2, Mse, SUM),
        (9, 2, 3, 6, CrossEntropy, MEAN),
        (10, 3, 2, 8, BceWithLogits, MEAN),
        (12, 3, 3, 4, SquaredError(1.0), SUM),
        (14, 2, 2, 3, Bce, SUM),
        (16, 4, 3, 2, CrossEntropy, SUM),
        (20, 3, 2, 5, SquaredError(0.5), MEAN),
        (24, 4, 4, 3, CrossEntropy, MEAN),
        (30, 4, 2, 2, Mse, MEAN),
        (40, 5, 3, 4, CrossEntropy, SUM),
    ]
    .iter()
    .enumerate()
    {
        let name = format!("graph{:02}", i + 1);
        all.push(drawn(&name, 100 + i as u64, samples, |e, random| {
            graph(e, random, [nodes, inputs, outputs], loss, mean);
        }));
    }
    // Levels of neurons, all connected: the first width is the inputs'.
    for (i, (widths, activations, samples, loss, mean)) in [
        (vec![2, 2, 2], vec![Sigmoid, Sigmoid], 1, SquaredError(0.5), SUM),
        (vec![2, 2, 2, 3], vec![Tanh, Tanh, Identity], 3, CrossEntropy, SUM),
        (vec![3, 3, 3], vec![Tanh, Sigmoid], 2, SquaredError(1.0), MEAN),
        (vec![2, 3, 3, 2], vec![Relu, Tanh, Identity], 4, CrossEntropy, MEAN),
        (vec![2, 2, 2, 2], vec![Sigmoid, Tanh, Sigmoid], 3, Bce, MEAN),
        (vec![3, 4, 2], vec![Softplus, Identity], 5, Mse, MEAN),
        (vec![2, 4, 4, 4, 1], vec![Tanh, Relu, Sigmoid, Sigmoid], 2, SquaredError(0.5), SUM),
        (vec![1, 2, 2, 2, 1], vec![Sigmoid, Sigmoid, Sigmoid, Identity], 7, BceWithLogits, SUM),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("levels{:02}", i + 1);
        all.push(drawn(&name, 200 + i as u64, samples, |e, random| levels(e, random, &widths, &activations, loss, mean)));
    }
    for (i, (widths, activations, samples, loss, mean)) in [
        (vec![2, 2, 3], vec![Relu, Identity], 1, CrossEntropy, SUM),
        (vec![3, 3, 3], vec![Tanh, Identity], 2, CrossEntropy, MEAN),
        (vec![4, 4, 4, 4], vec![Sigmoid, Tanh, Identity], 3, SquaredError(0.5), MEAN),
        (vec![3, 5, 2], vec![Relu, Sigmoid], 4, Bce, MEAN),
        (vec![4, 3, 3], vec![Softplus, Identity], 8, CrossEntropyOfProbabilities, MEAN),
        (vec![5, 5, 5, 3], vec![Sigmoid, Sigmoid, Identity], 2, CrossEntropyOfProbabilities, SUM),
        (vec![6, 4, 2], vec![Tanh, Tanh], 5, Mse, MEAN),
        (vec![3, 3, 3, 3, 3], vec![Relu, Tanh, Sigmoid, Identity], 3, CrossEntropy, SUM),
        (vec![8, 6, 4], vec![Relu, Identity], 6, BceWithLogits, MEAN),
        (vec![2, 6, 1], vec![Tanh, Identity], 8, SquaredError(1.0), MEAN),
        (vec![4, 4, 2], vec![Sigmoid, Identity], 2, Mse, SUM),
        (vec![3, 4, 4, 3], vec![Softplus, Relu, Identity], 4, CrossEntropy, MEAN),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("layers{:02}", i + 1);
        all.push(drawn(&name, 300 + i as u64, samples, |e, random| layers(e, random, i, &widths, &activations, loss, mean)));
    }
    // A residual block, and one layer used twice.
    for (i, (width, samples, loss, mean)) in
        [(3, 2, CrossEntropy, MEAN), (2, 4, SquaredError(0.5), SUM), (4, 3, CrossEntropy, SUM), (3, 1, Mse, MEAN)]
            .into_iter()
            .enumerate()
    {
        let name = format!("skips{:02}", i + 1);
        all.push(drawn(&name, 400 + i as u64, samples, |e, random| skips(e, random, i, width, loss, mean)));
    }
    all
}

/// Draw structure and numbers until nothing is at a kink, saturated or vanishing.
fn drawn(name: &str, seed: u64, samples: usize, structure: impl Fn(&mut Exercise, &mut Random)) -> Exercise {
    let mut random = Random::new(seed);
    for _ in 0..500 {
        let mut e = Exercise::empty(name);
        structure(&mut e, &mut random);
        for w in &mut e.theta {
            *w = random.decimal(0.1, 1.1);
        }
        let width = e.units.iter().filter(|unit| e.is_input(unit.node)).count();
        e.inputs = (0..samples).map(|_| (0..width).map(|_| random.decimal(0.2, 1.5)).collect()).collect();
        e.targets = (0..samples).map(|_| target(&e, &mut random)).collect();
        if fit(&e) {
            return e;
        }
    }
    panic!("{name} finds no numbers");
}

fn target(e: &Exercise, random: &mut Random) -> Vec<f64> {
    let count = e.outputs.len();
    let class = random.below(count);
    (0..count)
        .map(|d| match e.loss {
            _ if e.loss.classes() => f64::from(d == class),
            Bce | BceWithLogits => random.pick(&[0.0, 1.0]),
            _ => random.decimal(0.1, 1.0),
        })
        .collect()
}

fn fit(e: &Exercise) -> bool {
    let right = Student { exercise: e, slips: &[], rounding: Rounding::None }.answer();
    let clear = |name: &str, x: f64| {
        let size = x.abs();
        if name.ends_with("/a") { size > 0.02 && size < 4.0 } else { size < 30.0 }
    };
    let live = |(name, tensor): &(String, super::answer::Tensor)| {
        !name.starts_with("gradients/") || tensor.data.iter().any(|x| x.abs() > 2e-4)
    };
    let Answer(parts) = &right;
    parts.iter().all(|(name, tensor)| tensor.data.iter().all(|&x| clear(name, x))) && parts.iter().all(live)
}

/// The activations that outputs may have under a loss.
fn last_activation(loss: Loss, random: &mut Random) -> Activation {
    match loss {
        Bce => Sigmoid,
        BceWithLogits | CrossEntropyOfProbabilities => Identity,
        CrossEntropy => random.pick(&[Identity, Identity, Identity, Tanh]),
        SquaredError(_) | Mse => random.pick(&[Identity, Sigmoid, Tanh]),
    }
}

/// A penalty on the weights, in about every third exercise.
fn maybe_penalize(e: &mut Exercise, random: &mut Random) {
    if random.chance(35) {
        e.penalize(random.pick(&[0.1, 0.05, 0.2]), random.pick(&[0.5, 1.0]));
    }
    e.learning_rate = random.pick(&[0.5, 0.1, 0.2]);
}

/// Neurons with edges that skip, fan out, and share weights and biases.
fn graph(e: &mut Exercise, random: &mut Random, [count, inputs, outputs]: [usize; 3], loss: Loss, mean: bool) {
    let mut nodes: Vec<usize> = (0..inputs).map(|i| e.input(&format!("x{}", i + 1), 1)).collect();
    let share = random.chance(40);
    let hidden = count - outputs;
    let mut idle: Vec<usize> = Vec::new();
    for i in 0..count {
        let is_output = i >= hidden;
        // Outputs see hidden nodes alone, hidden nodes what is near.
        let pool: Vec<usize> = if is_output && hidden > 0 { nodes[inputs..inputs + hidden].to_vec() } else { nodes.clone() };
        let near = &pool[pool.len().saturating_sub(6)..];
        let mut sources = Vec::new();
        for _ in 0..=random.below(3) {
            sources.push(random.pick(near));
        }
        if i + 1 == hidden || i + 1 == count || idle.len() > 3 {
            // Nobody is left without a successor.
            sources.extend(idle.iter().copied().filter(|node| pool.contains(node)).take(4));
        }
        sources.sort_unstable();
        sources.dedup();
        idle.retain(|node| !sources.contains(node));
        let named: Vec<(usize, Option<&str>)> =
            sources.iter().map(|&source| (source, (share && random.chance(20)).then_some("w"))).collect();
        let bias = if share && random.chance(30) { Some("b") } else { random.chance(80).then_some("") };
        let activation =
            if is_output { last_activation(loss, random) } else { random.pick(&[Sigmoid, Tanh, Tanh, Relu, Softplus, Identity]) };
        let node = e.neuron(&format!("z{}", i + 1), &named, bias, activation);
        if !is_output {
            idle.push(node);
        }
        nodes.push(node);
    }
    e.of(&nodes[inputs + hidden..], loss, mean);
    maybe_penalize(e, random);
}

fn levels(e: &mut Exercise, random: &mut Random, widths: &[usize], activations: &[Activation], loss: Loss, mean: bool) {
    let shared_bias = random.chance(40);
    let mut level: Vec<usize> = (0..widths[0]).map(|i| e.input(&format!("x{}", i + 1), 1)).collect();
    for (depth, (&width, &activation)) in widths[1..].iter().zip(activations).enumerate() {
        let sources: Vec<(usize, Option<&str>)> = level.iter().map(|&source| (source, None)).collect();
        let shared = format!("b{}", depth + 1);
        let bias = Some(if shared_bias { shared.as_str() } else { "" });
        level = (0..width).map(|i| e.neuron(&format!("n{}_{}", depth + 1, i + 1), &sources, bias, activation)).collect();
    }
    e.of(&level, loss, mean);
    maybe_penalize(e, random);
}

fn layers(
    e: &mut Exercise,
    random: &mut Random,
    variant: usize,
    widths: &[usize],
    activations: &[Activation],
    loss: Loss,
    mean: bool,
) {
    let mut node = e.input("x", widths[0]);
    for (i, (&width, &activation)) in widths[1..].iter().zip(activations).enumerate() {
        let apart = variant % 4 == 1 && activation != Identity;
        let id = format!("fc{}", i + 1);
        node = e.linear(&id, node, width, variant != 6 || i > 0, if apart { Identity } else { activation }, None);
        if apart {
            node = e.act(&format!("act{}", i + 1), node, activation);
        }
    }
    if loss == CrossEntropyOfProbabilities {
        node = e.softmax("p", node);
    }
    e.of(&[node], loss, mean);
    e.sequence = true;
    maybe_penalize(e, random);
}

fn skips(e: &mut Exercise, random: &mut Random, variant: usize, width: usize, loss: Loss, mean: bool) {
    let x = e.input("x", width);
    let shared = (variant % 2 == 1).then_some("W");
    let first = e.linear("fc1", x, width, true, Tanh, shared);
    let second = e.linear("fc2", first, width, true, random.pick(&[Sigmoid, Relu, Tanh]), shared);
    let sum = e.add("sum", first, second);
    let last = if variant == 2 {
        let third = e.linear("fc3", sum, width, true, Tanh, None);
        e.add("sum2", sum, third)
    } else {
        sum
    };
    let out = e.linear("out", last, if loss.classes() { 3 } else { 2 }, true, Identity, None);
    e.of(&[out], loss, mean);
    maybe_penalize(e, random);
}
