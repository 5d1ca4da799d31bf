//! What is wished of an exercise, checked and with its defaults.

/// How the network is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Template {
    /// Every neuron reads the whole level below.
    Layered,
    /// Every neuron reads one to three neurons of the level below.
    Dag,
}

/// How the network is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Neuron by neuron.
    Neurons,
    /// A `linear` layer a level.
    Layers,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difficulty {
    /// Four neurons on two levels.
    Easy,
    /// The lecture's seven on three.
    Medium,
    /// Ten on four, with a shared weight.
    Hard,
}

/// What a neuron makes of its pre-activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `a`.
    Identity,
    /// `tanh a`.
    Tanh,
    /// `1/(1 + e^−a)`.
    Sigmoid,
    /// `max(0, a)`.
    Relu,
    /// `a`, or a hundredth of it below 0.
    LeakyRelu,
    /// `ln(1 + e^a)`.
    Softplus,
}

/// What is differentiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LossKind {
    /// Cross entropy of logits, with class indices.
    CrossEntropy,
    /// `½ Σ (o − t)²`.
    SquaredError,
    /// PyTorch's mean over all elements, or their sum.
    Mse,
    /// Binary cross entropy of probabilities.
    Bce,
    /// Binary cross entropy of logits.
    BceWithLogits,
}

/// An exercise as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wish {
    pub(crate) template: Template,
    pub(crate) form: Form,
    /// The seed's text.
    pub(crate) seed: String,
    /// The only attempt to be made, where the client names it.
    pub(crate) attempt: Option<usize>,
    /// Neurons, outputs among them.
    pub(crate) nodes: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) samples: usize,
    /// Levels of neurons.
    pub(crate) depth: usize,
    /// Edges that pass over a level.
    pub(crate) skip: usize,
    /// Weights that stand at two edges.
    pub(crate) shared: usize,
    pub(crate) bias: bool,
    /// Decimals of the inputs, 0 or 1.
    pub(crate) input_decimals: usize,
    /// Of hidden neurons, one drawn for each (`dag`) or for each level.
    pub(crate) activations: Vec<Activation>,
    pub(crate) output_activation: Activation,
    pub(crate) loss: LossKind,
    pub(crate) mean: bool,
    /// At least one neuron has so many paths to the loss.
    pub(crate) min_paths: u64,
}

impl Template {
    /// Names on the wire.
    pub(crate) const WORDS: &'static [(&'static str, Self)] = &[("layered", Self::Layered), ("dag", Self::Dag)];

    pub(crate) fn name(self) -> &'static str {
        name(Self::WORDS, self)
    }
}

impl Form {
    /// Names on the wire.
    pub(crate) const WORDS: &'static [(&'static str, Self)] = &[("neurons", Self::Neurons), ("layers", Self::Layers)];
}

impl Difficulty {
    /// Names on the wire.
    pub(crate) const WORDS: &'static [(&'static str, Self)] =
        &[("easy", Self::Easy), ("medium", Self::Medium), ("hard", Self::Hard)];

    /// Neurons, levels, outputs and shared weights; edges that pass over a level in a `dag`.
    pub(crate) fn sizes(self) -> [usize; 5] {
        match self {
            Self::Easy => [4, 2, 2, 0, 0],
            Self::Medium => [7, 3, 3, 0, 1],
            Self::Hard => [10, 4, 3, 1, 2],
        }
    }
}

impl Activation {
    /// Names on the wire, which are those of the ops.
    pub(crate) const WORDS: &'static [(&'static str, Self)] = &[
        ("identity", Self::Identity),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
        ("relu", Self::Relu),
        ("leaky_relu", Self::LeakyRelu),
        ("softplus", Self::Softplus),
    ];

    pub(crate) fn name(self) -> &'static str {
        name(Self::WORDS, self)
    }
}

impl LossKind {
    /// Names on the wire.
    pub(crate) const WORDS: &'static [(&'static str, Self)] = &[
        ("cross_entropy", Self::CrossEntropy),
        ("squared_error", Self::SquaredError),
        ("mse", Self::Mse),
        ("bce", Self::Bce),
        ("bce_with_logits", Self::BceWithLogits),
    ];

    pub(crate) fn name(self) -> &'static str {
        name(Self::WORDS, self)
    }

    /// What the outputs are, unless the client says otherwise.
    pub(crate) fn output_activation(self) -> Activation {
        match self {
            Self::CrossEntropy | Self::BceWithLogits => Activation::Identity,
            Self::SquaredError | Self::Mse | Self::Bce => Activation::Sigmoid,
        }
    }
}

/// The word for a value of a list that names all of them.
fn name<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}
