//! What a student hands in: the loss, a gradient of every parameter, and the trace of every node.

use serde_json::{Value, json};

use super::engine::{Passes, Student, Use, Values};
use super::exercise::{Op, Parameter};
use super::slip::{Samples, Slip, figures};
use super::wire::nested;

/// Numbers in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<f64>,
}

/// What may be claimed, by its name: `loss`, `gradients/<parameter>`, `trace/<node>/dE_dz`, …, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer(pub(super) Vec<(String, Tensor)>);

/// How far two answers may be apart and still be one: |x − y| ≤ absolute + relative · |y|.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    pub(super) relative: f64,
    pub(super) absolute: f64,
}

impl Tensor {
    fn equals(&self, other: &Self, tolerance: Tolerance) -> bool {
        let near = |(x, y): (&f64, &f64)| (x - y).abs() <= tolerance.absolute + tolerance.relative * y.abs();
        self.shape == other.shape && self.data.iter().zip(&other.data).all(near)
    }
}

impl Answer {
    pub(super) fn of(student: &Student<'_>, passes: Passes) -> Self {
        let e = student.exercise;
        let mut parts = vec![("loss".to_owned(), scalar(student.rounding.step(passes.loss + penalty(student))))];
        let mut by_entry: Vec<Vec<&Use>> = vec![Vec::new(); e.theta.len()];
        for one in &passes.uses {
            by_entry[one.entry].push(one);
        }
        let gradients: Vec<Tensor> = (0..e.parameters.len()).map(|index| gradient(student, index, &by_entry)).collect();
        let gradients = handed_in(student, gradients);
        parts.extend(e.parameters.iter().zip(gradients).map(|(one, tensor)| (format!("gradients/{}", one.name), tensor)));
        let negated = |node: usize| {
            let any = student.slips.iter().any(|slip| matches!(slip, Slip::NegateNodes(nodes) if nodes.contains(&node)));
            if any { -1.0 } else { 1.0 }
        };
        for (index, node) in e.nodes.iter().enumerate().filter(|(_, node)| node.op != Op::Input) {
            let tensor = |values: &Values, sign: f64| {
                let units = &values[node.units.clone()];
                let sample = |s: usize| units.iter().map(move |row| sign * row[s]);
                let data: Vec<f64> = (0..e.samples()).flat_map(sample).collect();
                let shape = if node.op == Op::Neuron { vec![e.samples()] } else { vec![e.samples(), units.len()] };
                Tensor { shape, data }
            };
            let activated = e.units[node.units.start].activation() != super::exercise::Activation::Identity;
            let has_a = activated && matches!(node.op, Op::Neuron | Op::Linear);
            let given = |wanted: fn(&Slip, usize) -> bool| student.slips.iter().any(|slip| wanted(slip, index));
            let da_given = given(|slip, node| matches!(slip, Slip::DaGiven(nodes) if nodes.contains(&node)));
            let dz_given = given(|slip, node| matches!(slip, Slip::DzGiven(nodes) if nodes.contains(&node)));
            let sign = negated(index);
            let mut part = |kind: &str, tensor: Tensor| parts.push((format!("trace/{}/{kind}", node.id), tensor));
            if has_a {
                part("a", tensor(&passes.a, 1.0));
            }
            part("z", tensor(&passes.z, 1.0));
            if has_a {
                part("dE_da", tensor(if dz_given { &passes.dz } else { &passes.da }, sign));
            }
            part("dE_dz", tensor(if da_given { &passes.da } else { &passes.dz }, sign));
        }
        for slip in student.slips {
            if let Slip::Round(count) = slip {
                parts.iter_mut().flat_map(|(_, tensor)| &mut tensor.data).for_each(|x| *x = figures(*x, *count));
            }
        }
        Self(parts)
    }

    /// What is claimed when the gradients alone are asked for.
    pub(super) fn gradients_alone(&self) -> Self {
        Self(self.0.iter().filter(|(name, _)| name.starts_with("gradients/")).cloned().collect())
    }

    pub(super) fn equals(&self, other: &Self, tolerance: Tolerance) -> bool {
        let same = |((name, x), (other, y)): (&(String, Tensor), &(String, Tensor))| name == other && x.equals(y, tolerance);
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }

    pub(super) fn is_finite(&self) -> bool {
        self.0.iter().flat_map(|(_, tensor)| &tensor.data).all(|x| x.is_finite())
    }

    /// `grade.claims`.
    pub(super) fn claims(&self) -> Value {
        let mut claims = json!({});
        for (name, tensor) in &self.0 {
            let value = nested(&tensor.data, &tensor.shape);
            // Names of parameters and nodes hold no slash.
            match name.split('/').collect::<Vec<_>>()[..] {
                [part] => claims[part] = value,
                [part, name] => claims[part][name] = value,
                [part, name, kind] => claims[part][name][kind] = value,
                _ => unreachable!("{name} has at most three parts"),
            }
        }
        claims
    }
}

fn scalar(x: f64) -> Tensor {
    Tensor { shape: Vec::new(), data: vec![x] }
}

/// The penalty's value, as the student has it.
fn penalty(student: &Student<'_>) -> f64 {
    let e = student.exercise;
    let Some(penalty) = e.penalty else { return 0.0 };
    let of = |(index, parameter): (usize, &Parameter)| {
        let mut by = f64::from(parameter.regularized);
        for slip in student.slips {
            match slip {
                Slip::Penalty { parameters, loss, .. } if parameters.contains(&index) => by *= loss,
                Slip::PenalizeBiases { loss: true } if parameter.bias => by = 1.0,
                _ => {}
            }
        }
        let squares: f64 = e.theta[parameter.entries.clone()].iter().map(|w| w * w).sum();
        by * penalty.factor * penalty.l2 * squares
    };
    e.parameters.iter().enumerate().map(of).sum()
}

/// The gradient of a parameter: its uses summed over the batch, and the penalty's.
fn gradient(student: &Student<'_>, index: usize, by_entry: &[Vec<&Use>]) -> Tensor {
    let e = student.exercise;
    let parameter = &e.parameters[index];
    let mut places: Vec<(usize, usize)> =
        parameter.entries.clone().flat_map(|entry| by_entry[entry].iter().map(|one| one.place)).collect();
    places.sort_unstable();
    places.dedup();
    let (mut only, mut by, mut samples) = (None, 1.0, None);
    for slip in student.slips {
        match slip {
            Slip::PartialUse { parameter, one } if *parameter == index => only = places.get(*one).copied(),
            Slip::ScaleParameters(factor) => by *= factor,
            Slip::Biases { parameters, samples: which } if parameters.contains(&index) => samples = Some(*which),
            _ => {}
        }
    }
    let counted = |entry: usize, s: usize| {
        let uses = by_entry[entry].iter().filter(|one| only.is_none_or(|only| one.place == only));
        student.rounding.sum(uses.map(|one| one.samples[s]))
    };
    let count = e.samples();
    let total = |entry: usize| {
        let sum = student.rounding.sum((0..count).map(|s| counted(entry, s)));
        let data = match samples {
            None | Some(Samples::Apart) => sum,
            Some(Samples::First) => counted(entry, 0),
            Some(Samples::Last) => counted(entry, count - 1),
            Some(Samples::Mean) => sum / count as f64,
        };
        student.rounding.step(by * data + student.rounding.step(student.penalty_gradient(entry)))
    };
    if samples == Some(Samples::Apart) {
        let shape = [&[count], &parameter.shape[..]].concat();
        let of_sample = |s: usize| parameter.entries.clone().map(move |entry| (entry, s));
        let data = (0..count).flat_map(of_sample).map(|(entry, s)| counted(entry, s)).collect();
        return Tensor { shape, data };
    }
    Tensor { shape: parameter.shape.clone(), data: parameter.entries.clone().map(total).collect() }
}

/// Rows as columns: the transpose of a matrix's data.
fn turned(tensor: &Tensor) -> Vec<f64> {
    let [rows, columns] = tensor.shape[..] else { panic!("{:?} is no matrix", tensor.shape) };
    (0..columns).flat_map(|j| (0..rows).map(move |i| (i, j))).map(|(i, j)| tensor.data[i * columns + j]).collect()
}

/// What is handed in for the gradients.
fn handed_in(student: &Student<'_>, mut gradients: Vec<Tensor>) -> Vec<Tensor> {
    let e = student.exercise;
    for slip in student.slips {
        match slip {
            Slip::NegateParameters(parameters) => {
                parameters.iter().for_each(|&index| gradients[index].data.iter_mut().for_each(|x| *x = -*x));
            }
            Slip::NegateNodes(nodes) => {
                // A shared parameter goes with the node that uses it first.
                for (index, parameter) in e.parameters.iter().enumerate() {
                    if nodes.contains(&first_user(student, parameter)) {
                        gradients[index].data.iter_mut().for_each(|x| *x = -*x);
                    }
                }
            }
            Slip::Transpose(parameters) => {
                for &index in parameters {
                    gradients[index].data = turned(&gradients[index]);
                    gradients[index].shape.reverse();
                }
            }
            Slip::ColumnMajor(parameters) => {
                parameters.iter().for_each(|&index| gradients[index].data = turned(&gradients[index]));
            }
            Slip::Permute(moves) => {
                let right = gradients.clone();
                moves.iter().for_each(|&(to, from)| gradients[to] = right[from].clone());
            }
            Slip::Updated(parameters) => {
                for &index in parameters {
                    let weights = &e.theta[e.parameters[index].entries.clone()];
                    for (g, w) in gradients[index].data.iter_mut().zip(weights) {
                        *g = w - e.learning_rate * *g;
                    }
                }
            }
            Slip::Step { parameters, by } => {
                parameters.iter().for_each(|&index| gradients[index].data.iter_mut().for_each(|x| *x *= by));
            }
            _ => {}
        }
    }
    gradients
}

/// The first node that uses a parameter.
fn first_user(student: &Student<'_>, parameter: &Parameter) -> usize {
    let uses = |unit: &&super::exercise::Unit| {
        let bias =
            matches!(unit.kind, super::exercise::Kind::Affine { bias: Some(entry), .. } if parameter.entries.contains(&entry));
        bias || unit.terms().iter().any(|term| term.weight.is_some_and(|entry| parameter.entries.contains(&entry)))
    };
    student.exercise.units.iter().find(uses).expect("every parameter is used").node
}
