//! An exercise as the judge knows it: scalar units in topological order, gathered in the nodes that the wire names, with a batch
//! and a loss. A layer is a node of many units, a neuron a node of one.

use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Activation {
    Identity,
    Sigmoid,
    Tanh,
    Relu,
    Softplus,
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Activation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Softplus => "softplus",
        }
    }

    pub(super) fn value(self, a: f64) -> f64 {
        match self {
            Self::Identity => a,
            Self::Sigmoid => sigmoid(a),
            Self::Tanh => a.tanh(),
            Self::Relu => a.max(0.0),
            Self::Softplus => a.exp().ln_1p(),
        }
    }

    /// g'(a).
    pub(super) fn slope(self, a: f64) -> f64 {
        match self {
            Self::Identity => 1.0,
            Self::Sigmoid => sigmoid(a) * (1.0 - sigmoid(a)),
            Self::Tanh => 1.0 - a.tanh() * a.tanh(),
            Self::Relu => f64::from(a > 0.0),
            Self::Softplus => sigmoid(a),
        }
    }

    /// g' by the formula that wants the output: z(1 − z), 1 − z², [z > 0].
    pub(super) fn slope_by_output(self, z: f64) -> Option<f64> {
        match self {
            Self::Sigmoid => Some(z * (1.0 - z)),
            Self::Tanh => Some(1.0 - z * z),
            Self::Relu => Some(f64::from(z > 0.0)),
            Self::Identity | Self::Softplus => None,
        }
    }
}

/// Σ weight · source; without a weight the source itself.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) source: usize,
    /// An entry of theta.
    pub(super) weight: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Input,
    Affine {
        terms: Vec<Term>,
        bias: Option<usize>,
        activation: Activation,
    },
    /// One element of the softmax over the units of its node's only source.
    Softmax,
}

#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) node: usize,
    pub(super) kind: Kind,
}

impl Unit {
    pub(super) fn activation(&self) -> Activation {
        match self.kind {
            Kind::Affine { activation, .. } => activation,
            Kind::Input | Kind::Softmax => Activation::Identity,
        }
    }

    pub(super) fn terms(&self) -> &[Term] {
        match &self.kind {
            Kind::Affine { terms, .. } => terms,
            Kind::Input | Kind::Softmax => &[],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Op {
    Input,
    Neuron,
    Linear,
    Add,
    /// An activation as a node of its own.
    Act,
    Softmax,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) op: Op,
    pub(super) units: Range<usize>,
    pub(super) sources: Vec<usize>,
    /// The longest way from an input.
    pub(super) depth: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) entries: Range<usize>,
    pub(super) bias: bool,
    pub(super) regularized: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Loss {
    /// factor · Σ (o − t)², a mean over samples alone.
    SquaredError(f64),
    /// (o − t)², a mean over samples and elements.
    Mse,
    CrossEntropy,
    /// Of a softmax node.
    CrossEntropyOfProbabilities,
    Bce,
    BceWithLogits,
}

impl Loss {
    pub(super) fn classes(self) -> bool {
        matches!(self, Self::CrossEntropy | Self::CrossEntropyOfProbabilities)
    }

    pub(super) fn squared(self) -> bool {
        matches!(self, Self::SquaredError(_) | Self::Mse)
    }
}

/// E += factor · l2 · Σ w² over the regularized parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Penalty {
    pub(super) l2: f64,
    pub(super) factor: f64,
}

#[derive(Debug, Clone)]
pub(super) struct Exercise {
    pub(super) name: String,
    pub(super) units: Vec<Unit>,
    pub(super) nodes: Vec<Node>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) theta: Vec<f64>,
    /// \[samples\]\[input units\].
    pub(super) inputs: Vec<Vec<f64>>,
    /// \[samples\]\[outputs\]; one-hot for classes.
    pub(super) targets: Vec<Vec<f64>>,
    pub(super) loss: Loss,
    pub(super) mean: bool,
    /// The units that the loss is of.
    pub(super) outputs: Vec<usize>,
    pub(super) penalty: Option<Penalty>,
    pub(super) learning_rate: f64,
    /// Written as `layers`.
    pub(super) sequence: bool,
}

impl Exercise {
    pub(super) fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            units: Vec::new(),
            nodes: Vec::new(),
            parameters: Vec::new(),
            theta: Vec::new(),
            inputs: Vec::new(),
            targets: Vec::new(),
            loss: Loss::SquaredError(0.5),
            mean: false,
            outputs: Vec::new(),
            penalty: None,
            learning_rate: 0.5,
            sequence: false,
        }
    }

    pub(super) fn samples(&self) -> usize {
        self.inputs.len()
    }

    /// What a mean divides by.
    pub(super) fn denominator(&self) -> f64 {
        let elements = match self.loss {
            Loss::Mse | Loss::Bce | Loss::BceWithLogits => self.outputs.len(),
            _ => 1,
        };
        (self.samples() * elements) as f64
    }

    pub(super) fn id(&self, node: usize) -> &str {
        &self.nodes[node].id
    }

    pub(super) fn is_output(&self, node: usize) -> bool {
        self.outputs.iter().any(|&unit| self.units[unit].node == node)
    }

    pub(super) fn is_input(&self, node: usize) -> bool {
        self.nodes[node].op == Op::Input
    }

    /// The nodes that take this one.
    pub(super) fn successors(&self, node: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&next| self.nodes[next].sources.contains(&node)).collect()
    }

    fn node(&mut self, id: &str, op: Op, sources: &[usize], kinds: Vec<Kind>) -> usize {
        let (node, first) = (self.nodes.len(), self.units.len());
        let depth = sources.iter().map(|&source| self.nodes[source].depth + 1).max().unwrap_or(0);
        self.units.extend(kinds.into_iter().map(|kind| Unit { node, kind }));
        let units = first..self.units.len();
        self.nodes.push(Node { id: id.to_owned(), op, units, sources: sources.to_vec(), depth });
        node
    }

    /// The first entry of the parameter of this name, made if there is none.
    fn parameter(&mut self, name: &str, shape: &[usize], bias: bool) -> usize {
        if let Some(known) = self.parameters.iter().find(|parameter| parameter.name == name) {
            assert_eq!(known.shape, shape, "{name} is shared");
            return known.entries.start;
        }
        let (first, size) = (self.theta.len(), shape.iter().product::<usize>());
        self.theta.resize(first + size, 0.0);
        let entries = first..first + size;
        self.parameters.push(Parameter { name: name.to_owned(), shape: shape.to_vec(), entries, bias, regularized: false });
        first
    }

    pub(super) fn input(&mut self, id: &str, width: usize) -> usize {
        self.node(id, Op::Input, &[], vec![Kind::Input; width])
    }

    /// A neuron of these sources, each with the name of its weight if it is shared; its bias: none, its own (""), or a shared name.
    pub(super) fn neuron(
        &mut self,
        id: &str,
        sources: &[(usize, Option<&str>)],
        bias: Option<&str>,
        activation: Activation,
    ) -> usize {
        let mut terms = Vec::new();
        for &(source, shared) in sources {
            let canonical = format!("{}->{id}", self.id(source));
            let weight = Some(self.parameter(shared.unwrap_or(&canonical), &[], false));
            terms.push(Term { source: self.nodes[source].units.start, weight });
        }
        let canonical = format!("{id}.bias");
        let bias = bias.map(|name| self.parameter(if name.is_empty() { &canonical } else { name }, &[], true));
        let sources: Vec<usize> = sources.iter().map(|&(source, _)| source).collect();
        self.node(id, Op::Neuron, &sources, vec![Kind::Affine { terms, bias, activation }])
    }

    /// A linear layer; its weight has a name of its own where it is shared.
    pub(super) fn linear(
        &mut self,
        id: &str,
        source: usize,
        width: usize,
        bias: bool,
        activation: Activation,
        shared: Option<&str>,
    ) -> usize {
        let units = self.nodes[source].units.clone();
        let canonical = format!("{id}.weight");
        let weight = self.parameter(shared.unwrap_or(&canonical), &[width, units.len()], false);
        let bias = bias.then(|| self.parameter(&format!("{id}.bias"), &[width], true));
        let row = |j: usize| {
            let term = |(i, source)| Term { source, weight: Some(weight + j * units.len() + i) };
            let terms = units.clone().enumerate().map(term).collect();
            Kind::Affine { terms, bias: bias.map(|first| first + j), activation }
        };
        let kinds = (0..width).map(row).collect();
        self.node(id, Op::Linear, &[source], kinds)
    }

    pub(super) fn add(&mut self, id: &str, left: usize, right: usize) -> usize {
        let pairs = self.nodes[left].units.clone().zip(self.nodes[right].units.clone());
        let plain = |source| Term { source, weight: None };
        let kinds = pairs
            .map(|(l, r)| Kind::Affine { terms: vec![plain(l), plain(r)], bias: None, activation: Activation::Identity })
            .collect();
        self.node(id, Op::Add, &[left, right], kinds)
    }

    pub(super) fn act(&mut self, id: &str, source: usize, activation: Activation) -> usize {
        let plain = |source| Kind::Affine { terms: vec![Term { source, weight: None }], bias: None, activation };
        let kinds = self.nodes[source].units.clone().map(plain).collect();
        self.node(id, Op::Act, &[source], kinds)
    }

    pub(super) fn softmax(&mut self, id: &str, source: usize) -> usize {
        let width = self.nodes[source].units.len();
        self.node(id, Op::Softmax, &[source], vec![Kind::Softmax; width])
    }

    /// The loss is of these nodes.
    pub(super) fn of(&mut self, nodes: &[usize], loss: Loss, mean: bool) {
        self.outputs = nodes.iter().flat_map(|&node| self.nodes[node].units.clone()).collect();
        (self.loss, self.mean) = (loss, mean);
    }

    /// All weights are regularized, no bias is.
    pub(super) fn penalize(&mut self, l2: f64, factor: f64) {
        self.penalty = Some(Penalty { l2, factor });
        for parameter in &mut self.parameters {
            parameter.regularized = !parameter.bias;
        }
    }

    /// Give parameters of one entry their values.
    pub(super) fn set<'a>(&mut self, values: impl IntoIterator<Item = (&'a str, f64)>) {
        for (name, value) in values {
            let known = self.parameters.iter().find(|parameter| parameter.name == name).expect("a parameter");
            self.theta[known.entries.start] = value;
        }
    }
}
