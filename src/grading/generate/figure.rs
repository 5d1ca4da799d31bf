//! The network of an exercise as it is printed: weights on the edges, nothing of the solution.

use super::exercise::{Exercise, Source, Weight, tenths};
use super::wish::{Form, Wish};
use crate::draw::diagram::{Diagram, Edge, Node};
use crate::draw::number::short;
use crate::draw::svg;

/// The network as SVG.
pub(crate) fn svg(exercise: &Exercise, wish: &Wish) -> String {
    let name = |k: usize| {
        let neuron = &exercise.neurons[k];
        let place = exercise.neurons[..k].iter().filter(|other| other.level == neuron.level).count();
        match wish.form {
            Form::Neurons => format!("z{}", neuron.number),
            Form::Layers => format!("fc{}[{place}]", neuron.level),
        }
    };
    let inputs = (0..exercise.inputs).map(|i| {
        let lines = vec![exercise.name(Source::Input(i))];
        Node { lines, terminal: true, ..Node::default() }
    });
    let neurons = exercise.neurons.iter().enumerate().map(|(k, neuron)| {
        let mut lines = vec![name(k), neuron.activation.name().to_owned()];
        lines.extend(neuron.bias.map(|bias| format!("b {}", short(tenths(bias), 6))));
        Node { lines, ..Node::default() }
    });
    let loss = Node { lines: vec!["E".to_owned(), wish.loss.name().to_owned()], terminal: true, ..Node::default() };
    let at = |source| match source {
        Source::Input(i) => i,
        Source::Neuron(k) => exercise.inputs + k,
    };
    let mut edges = Vec::new();
    for (k, neuron) in exercise.neurons.iter().enumerate() {
        for (source, weight) in &neuron.reads {
            let value = short(tenths(exercise.weight(*weight)), 6);
            let label = match weight {
                Weight::Own(_) => value,
                Weight::Shared(entry) => format!("s{} = {value}", entry + 1),
            };
            edges.push(Edge { from: at(*source), to: exercise.inputs + k, label: vec![label], ..Edge::default() });
        }
    }
    let top = wish.depth;
    let outputs = (0..exercise.neurons.len()).filter(|&k| exercise.neurons[k].level == top);
    let last = exercise.inputs + exercise.neurons.len();
    edges.extend(outputs.map(|k| Edge { from: exercise.inputs + k, to: last, ..Edge::default() }));
    svg::graph(&Diagram { title: String::new(), nodes: inputs.chain(neurons).chain([loss]).collect(), edges, legend: None })
}
