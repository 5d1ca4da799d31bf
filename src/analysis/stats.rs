//! What the gradients of single samples are like, without holding them all: norms, spread, and agreement with their mean.
//!
//! Gradients and sums commute: where samples do not meet, one backward sweep from every sample's own loss leaves at each node the
//! cotangents of all samples side by side, and a parameter's share of one sample comes from the nodes that read it. The weight of
//! a `linear` that is read once has the sample's gradient `ȳ·xᵀ`, whose norm is `‖ȳ‖·‖x‖` (Goodfellow 2015, arXiv:1510.01799):
//! it is never made. Other parameters' are made one sample at a time. Only where samples meet, or a parameter is transformed
//! before it is used, is there a sweep for each sample.

use super::function::{Point, Variable};
use super::{Guard, Stop};
use crate::graph::{NodeId, Plan};
use crate::lower::Lowered;
use crate::ops::{Cotangents, Point as At, Scalar};
use crate::spec::write::Writer;
use crate::tape::{Backprop, Tape};
use crate::tensor::{Shape, Tensor};

/// How a leaf's gradients of single samples are come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The node is `linear` and reads the leaf once, as its weight.
    Outer(usize),
    /// From the nodes that read it, sample by sample.
    Local,
    /// A sweep for each sample.
    Swept,
}

/// What is computed for which parameters, settled before anything is.
#[derive(Debug)]
pub(super) struct Work {
    variables: Vec<Variable>,
    /// Each leaf with the places of its variables.
    leaves: Vec<(NodeId, Vec<usize>, Way)>,
    losses: NodeId,
    plan: Plan,
}

/// Statistics of one parameter's gradients of single samples `g_n`, with their mean `ḡ`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stats {
    pub(super) name: String,
    /// `‖g_n‖`.
    pub(super) norms: Vec<f64>,
    /// `‖ḡ‖`.
    pub(super) mean_norm: f64,
    /// `Σ ‖g_n − ḡ‖² / N`.
    pub(super) variance: f64,
    /// `g_n·ḡ / (‖g_n‖·‖ḡ‖)`; nothing where either is 0.
    pub(super) cosine: Vec<Option<f64>>,
}

impl Work {
    /// Settle what is to be done for some parameters.
    pub(super) fn new(lowered: &Lowered, parameters: &[usize]) -> Option<Self> {
        let losses = lowered.objective.as_ref()?.losses;
        let graph = &lowered.graph;
        let variables = Variable::at(lowered, parameters, &[]);
        let mut leaves: Vec<(NodeId, Vec<usize>, Way)> = Vec::new();
        for (i, variable) in variables.iter().enumerate() {
            match leaves.iter_mut().rev().take(64).find(|(leaf, ..)| *leaf == variable.leaf) {
                Some((_, members, _)) => members.push(i),
                None => leaves.push((variable.leaf, vec![i], Way::Swept)),
            }
        }
        let ids: Vec<_> = leaves.iter().map(|(leaf, ..)| *leaf).collect();
        let sketch = Plan::new(graph, &[], &[losses], &ids);
        let readers = readers(lowered, &sketch, &ids);
        let coupled = graph.couples_samples();
        let (mut values, mut bars) = (Vec::new(), ids.clone());
        for ((leaf, _, way), readers) in leaves.iter_mut().zip(&readers) {
            *way = self::way(lowered, *leaf, readers, coupled);
            if *way != Way::Swept {
                for &reader in readers {
                    values.push(graph.id(reader));
                    values.extend(graph.nodes()[reader].inputs.iter().map(|&input| graph.id(input)));
                    bars.push(graph.id(reader));
                }
            }
        }
        let plan = Plan::new(graph, &values, &[losses], &bars);
        Some(Self { variables, leaves, losses, plan })
    }

    /// Floating-point operations.
    pub(super) fn flops(&self, samples: usize) -> u64 {
        let samples = samples as u64;
        let swept = if self.leaves.iter().any(|(.., way)| *way == Way::Swept) { samples } else { 0 };
        let sweeps = self.plan.backward_flops().saturating_mul(2 + swept);
        let numbers = self.variables.iter().map(|variable| variable.size() as u64).fold(0, u64::saturating_add);
        self.plan.forward_flops().saturating_add(sweeps).saturating_add(numbers.saturating_mul(4).saturating_mul(samples))
    }

    /// Numbers alive at once.
    pub(super) fn elements(&self) -> u64 {
        let numbers = self.variables.iter().map(|variable| variable.size() as u64).fold(0, u64::saturating_add);
        self.plan.peak_elements().saturating_add(numbers.saturating_mul(2))
    }

    /// Compute.
    pub(super) fn run<S: Scalar>(&self, lowered: &Lowered, guard: Guard<'_>) -> Result<Vec<Stats>, Stop> {
        let tape = Point::<S>::new(lowered, &self.plan).forward(lowered, &self.plan, guard)?;
        let shape = lowered.graph.shape(self.losses);
        let samples = shape.size();
        let together = tape.backward([(self.losses, Tensor::full(shape, S::ONE))], &Backprop, guard)?;
        let doubles = |tensor: &Tensor<S>| tensor.data().iter().map(|x| x.to_f64()).collect::<Vec<_>>();
        let means = self.leaves.iter().map(|&(leaf, ..)| match together.cotangent(leaf) {
            Some(sum) => doubles(sum).iter().map(|x| x / samples as f64).collect::<Vec<_>>(),
            None => vec![0.0; lowered.graph.shape(leaf).size()],
        });
        let means: Vec<_> = means.collect();
        let mut sums: Vec<Sums> = self.variables.iter().map(|_| Sums::default()).collect();
        for ((leaf, members, way), mean) in self.leaves.iter().zip(&means) {
            match *way {
                Way::Swept => {}
                Way::Outer(node) => {
                    let (x, y_bar) = (tape.value(first_input(lowered, node)), together.cotangent(lowered.graph.id(node)));
                    if let Some(y_bar) = y_bar {
                        outer(&doubles(x), &doubles(y_bar), mean, samples, &mut sums[members[0]]);
                    }
                }
                Way::Local => {
                    for sample in 0..samples {
                        guard()?;
                        let bar = |node| together.cotangent(node);
                        let g = self.local(lowered, &tape, bar, *leaf, sample);
                        self.note(members, &g, mean, &mut sums);
                    }
                }
            }
        }
        if self.leaves.iter().any(|(.., way)| *way == Way::Swept) {
            for sample in 0..samples {
                let seed = (0..samples).map(|n| if n == sample { S::ONE } else { S::ZERO }).collect();
                let sweep = tape.backward([(self.losses, Tensor::new(shape, seed))], &Backprop, guard)?;
                for ((leaf, members, _), mean) in self.leaves.iter().zip(&means).filter(|((.., way), _)| *way == Way::Swept) {
                    let g = sweep.cotangent(*leaf).map_or_else(|| vec![0.0; mean.len()], doubles);
                    self.note(members, &g, mean, &mut sums);
                }
            }
        }
        let mean_of = |i: usize| {
            let at = self.leaves.iter().position(|(_, members, _)| members.contains(&i)).unwrap_or_default();
            self.part(&self.variables[i], &means[at])
        };
        Ok(sums.into_iter().enumerate().map(|(i, sums)| sums.finish(&self.variables[i].name, mean_of(i), samples)).collect())
    }

    /// A variable's own numbers of its leaf's.
    fn part<'n>(&self, variable: &Variable, numbers: &'n [f64]) -> &'n [f64] {
        match variable.element {
            Some(element) => &numbers[element as usize..=element as usize],
            None => numbers,
        }
    }

    /// Note one sample's gradient of a leaf.
    fn note(&self, members: &[usize], g: &[f64], mean: &[f64], sums: &mut [Sums]) {
        for &i in members {
            let (g, mean) = (self.part(&self.variables[i], g), self.part(&self.variables[i], mean));
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            sums[i].norms.push(dot(g, g).sqrt());
            sums[i].dots.push(dot(g, mean));
            sums[i].spread += g.iter().zip(mean).map(|(g, mean)| (g - mean) * (g - mean)).sum::<f64>();
        }
    }

    /// One sample's gradient of a leaf, from the nodes that read it.
    fn local<'s, S: Scalar>(
        &self,
        lowered: &Lowered,
        tape: &Tape<'_, S>,
        bar: impl Fn(NodeId) -> Option<&'s Tensor<S>>,
        leaf: NodeId,
        sample: usize,
    ) -> Vec<f64> {
        let graph = &lowered.graph;
        let mut g = vec![0.0; graph.shape(leaf).size()];
        for (i, node) in graph.nodes().iter().enumerate() {
            if !self.plan.active[i] || !node.inputs.contains(&leaf.index()) {
                continue;
            }
            let (Some(op), Some(y_bar)) = (&node.op, bar(graph.id(i))) else { continue };
            let x: Vec<_> = node.inputs.iter().map(|&input| cut(tape.value(graph.id(input)), sample)).collect();
            let x: Vec<_> = x.iter().collect();
            let shapes: Vec<_> = x.iter().map(|x| x.shape()).collect();
            let y = cut(tape.value(graph.id(i)), sample);
            let slots_of: Vec<usize> = (0..x.len()).collect();
            let wanted: Vec<bool> = node.inputs.iter().map(|&input| input == leaf.index()).collect();
            let mut slots: Vec<Option<Tensor<S>>> = vec![None; x.len()];
            let mut x_bar = Cotangents::new(&mut slots, &slots_of, &shapes, &wanted);
            S::op(op.as_ref()).vjp(At { shapes: &shapes, x: &x, y: &y }, &cut(y_bar, sample), &mut x_bar);
            for slot in slots.iter().flatten() {
                g.iter_mut().zip(slot.data()).for_each(|(g, x)| *g += x.to_f64());
            }
        }
        g
    }
}

/// The active nodes that read each leaf.
fn readers(lowered: &Lowered, plan: &Plan, leaves: &[NodeId]) -> Vec<Vec<usize>> {
    let nodes = lowered.graph.nodes();
    let mut of: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate().filter(|&(i, _)| plan.active[i]) {
        for &input in &node.inputs {
            if nodes[input].op.is_none() && of[input].last() != Some(&i) {
                of[input].push(i);
            }
        }
    }
    leaves.iter().map(|leaf| std::mem::take(&mut of[leaf.index()])).collect()
}

fn first_input(lowered: &Lowered, node: usize) -> NodeId {
    lowered.graph.id(lowered.graph.nodes()[node].inputs[0])
}

fn way(lowered: &Lowered, leaf: NodeId, readers: &[usize], coupled: bool) -> Way {
    let nodes = lowered.graph.nodes();
    if coupled || readers.iter().any(|&reader| !nodes[reader].shape.is_batched()) {
        return Way::Swept;
    }
    match readers {
        [only] => {
            let node = &nodes[*only];
            let linear = node.op.as_deref().is_some_and(|op| op.name() == "linear");
            let rows = node.inputs.first().map(|&x| nodes[x].shape);
            let plain = rows.is_some_and(|x| x.is_batched() && x.rank() == 2);
            let as_weight = node.inputs.iter().position(|&input| input == leaf.index()) == Some(1);
            let once = node.inputs.iter().filter(|&&input| input == leaf.index()).count() == 1;
            if linear && plain && as_weight && once { Way::Outer(*only) } else { Way::Local }
        }
        _ => Way::Local,
    }
}

/// One sample of a tensor that has a sample axis.
fn cut<S: Scalar>(tensor: &Tensor<S>, sample: usize) -> Tensor<S> {
    let shape = tensor.shape();
    if !shape.is_batched() {
        return tensor.clone();
    }
    let size = shape.sample_size();
    let one = Shape::batched(1, shape.sample_dims()).expect("smaller than the whole");
    Tensor::new(one, tensor.data()[sample * size..(sample + 1) * size].to_vec())
}

/// `g_n = ȳ_n·x_nᵀ`: `‖g_n‖ = ‖ȳ_n‖·‖x_n‖` and `g_n·Ḡ = ȳ_nᵀ·Ḡ·x_n`.
fn outer(x: &[f64], y_bar: &[f64], mean: &[f64], samples: usize, sums: &mut Sums) {
    let (features, out) = (x.len() / samples.max(1), y_bar.len() / samples.max(1));
    let square = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
    let mean_square = square(mean);
    for sample in 0..samples {
        let (x, y_bar) = (&x[sample * features..][..features], &y_bar[sample * out..][..out]);
        let norm = square(x).sqrt() * square(y_bar).sqrt();
        let image = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        let dot: f64 = mean.chunks(features.max(1)).zip(y_bar).map(|(row, y_bar)| y_bar * image(row)).sum();
        sums.norms.push(norm);
        sums.dots.push(dot);
        sums.spread += norm * norm - 2.0 * dot + mean_square;
    }
}

/// What is added up of one parameter.
#[derive(Debug, Default)]
struct Sums {
    norms: Vec<f64>,
    dots: Vec<f64>,
    spread: f64,
}

impl Sums {
    fn finish(mut self, name: &str, mean: &[f64], samples: usize) -> Stats {
        // No path leads from it to the loss.
        self.norms.resize(samples, 0.0);
        self.dots.resize(samples, 0.0);
        let mean_norm = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
        let cosine = self.norms.iter().zip(&self.dots).map(|(norm, dot)| {
            let sizes = norm * mean_norm;
            (sizes > 0.0).then(|| (dot / sizes).clamp(-1.0, 1.0))
        });
        let cosine = cosine.collect();
        // Rounding may leave a little below nothing.
        let variance = if samples == 0 { 0.0 } else { (self.spread / samples as f64).max(0.0) };
        Stats { name: name.to_owned(), norms: self.norms, mean_norm, variance, cosine }
    }
}

/// Write them by name.
pub(super) fn write(w: &mut Writer, stats: &[Stats]) {
    w.object(|w| {
        for one in stats {
            w.key(&one.name).object(|w| {
                w.key("norms").array(|w| one.norms.iter().for_each(|&norm| w.number(norm)));
                w.key("mean_norm").number(one.mean_norm);
                w.key("variance").number(one.variance);
                w.key("cosine").array(|w| {
                    one.cosine.iter().for_each(|cosine| match cosine {
                        Some(cosine) => w.number(*cosine),
                        None => w.null(),
                    });
                });
            });
        }
    });
}
