//! The two sweeps. They know no op: forward asks each for its value, backward asks each for its vjp.

use crate::graph::{Graph, Node, NodeId, Plan};
use crate::ops::{AnyOp, Cotangents, Point, Scalar};
use crate::tensor::{Shape, Tensor, ahead};

/// How a node's cotangent becomes its inputs' cotangents. Backprop asks the op; a grader may answer wrongly on purpose, at one
/// node, to see what a mistake would give.
pub trait Rules<S: Scalar> {
    /// Give each wanted input of `node` its cotangent.
    fn vjp(&self, node: NodeId, op: &dyn AnyOp, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>);
}

/// Backprop: every op by its own rule.
#[derive(Debug, Clone, Copy)]
pub struct Backprop;

impl<S: Scalar> Rules<S> for Backprop {
    fn vjp(&self, _: NodeId, op: &dyn AnyOp, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        S::op(op).vjp(at, y_bar, x_bar);
    }
}

/// The values of a forward sweep.
#[derive(Debug)]
pub struct Tape<'g, S> {
    graph: &'g Graph,
    plan: &'g Plan,
    values: Vec<Option<Tensor<S>>>,
}

/// The cotangents of a backward sweep that the plan asked to keep.
#[derive(Debug)]
pub struct Sweep<S> {
    cotangents: Vec<Option<Tensor<S>>>,
}

/// `f` of the inputs' values; most nodes have few, for which nothing is allocated.
fn with_inputs<'v, S: 'v, R>(
    inputs: &[usize],
    value: impl Fn(usize) -> &'v Tensor<S>,
    f: impl FnOnce(&[&'v Tensor<S>]) -> R,
) -> R {
    match *inputs {
        [a] => f(&[value(a)]),
        [a, b] => f(&[value(a), value(b)]),
        [a, b, c] => f(&[value(a), value(b), value(c)]),
        [a, b, c, d] => f(&[value(a), value(b), value(c), value(d)]),
        _ => f(&inputs.iter().map(|&input| value(input)).collect::<Vec<_>>()),
    }
}

/// In a graph of at least so many nodes their values do not stay near.
const LARGE: usize = 4096;

/// Ask early for what lies in `lists` of the inputs of the nodes that come next, in three steps, each of which finds the one before
/// done: what is asked for takes a while to come.
fn ask_ahead<S>(nodes: &[Node], lists: &[&[Option<Tensor<S>>]], next: impl Fn(usize) -> Option<usize>) {
    let of = |steps: usize, ask: fn(&Option<Tensor<S>>)| {
        let Some(node) = next(steps) else { return };
        for &input in &nodes[node].inputs {
            lists.iter().for_each(|list| ask(&list[input]));
        }
    };
    of(6, ahead::place);
    of(4, ahead::whereabouts);
    of(2, ahead::numbers);
}

impl<'g, S: Scalar> Tape<'g, S> {
    /// Compute what the plan needs. `leaf` gives the value of each leaf; `go_on` is asked between nodes.
    ///
    /// # Errors
    /// Whatever `go_on` says.
    pub fn forward<E>(
        graph: &'g Graph,
        plan: &'g Plan,
        mut leaf: impl FnMut(NodeId) -> Tensor<S>,
        mut go_on: impl FnMut() -> Result<(), E>,
    ) -> Result<Self, E> {
        let nodes = graph.nodes();
        let mut values: Vec<Option<Tensor<S>>> = vec![None; nodes.len()];
        for (i, node) in nodes.iter().enumerate().filter(|&(i, _)| plan.needed[i]) {
            let value = if let Some(op) = &node.op {
                go_on()?;
                if nodes.len() >= LARGE {
                    ask_ahead(nodes, &[&values], |steps| Some(i + steps).filter(|&next| next < nodes.len()));
                }
                let value = |i: usize| values[i].as_ref().expect("inputs come first and live on");
                with_inputs(&node.inputs, value, |x| S::op(op.as_ref()).forward(x))
            } else {
                leaf(graph.id(i))
            };
            debug_assert_eq!(value.shape(), node.shape, "{:?} of a node", node.op);
            values[i] = Some(value);
            for &input in &node.inputs {
                if plan.released[input] == Some(i as u32) {
                    values[input] = None;
                }
            }
        }
        Ok(Self { graph, plan, values })
    }

    /// A tape of values that were computed elsewhere; those that nobody reads any more may be absent.
    pub fn assembled(graph: &'g Graph, plan: &'g Plan, values: Vec<Option<Tensor<S>>>) -> Self {
        debug_assert_eq!(values.len(), graph.nodes().len());
        Self { graph, plan, values }
    }

    /// The values that are still there, by their nodes' places.
    pub fn into_values(self) -> Vec<Option<Tensor<S>>> {
        self.values
    }

    /// A value that the plan was asked to keep.
    pub fn value(&self, id: NodeId) -> &Tensor<S> {
        self.values[id.index()].as_ref().expect("the plan keeps what was asked for")
    }

    /// Sweep back from `seeds`, the derivatives of the objective by some nodes that the plan counts as its own.
    ///
    /// # Errors
    /// Whatever `go_on` says.
    pub fn backward<E>(
        &self,
        seeds: impl IntoIterator<Item = (NodeId, Tensor<S>)>,
        rules: &impl Rules<S>,
        mut go_on: impl FnMut() -> Result<(), E>,
    ) -> Result<Sweep<S>, E> {
        let nodes = self.graph.nodes();
        let mut slots: Vec<Option<Tensor<S>>> = vec![None; nodes.len()];
        for (id, seed) in seeds {
            let i = id.index();
            Cotangents::new(&mut slots, &[i], &[nodes[i].shape], &self.plan.active).give(0, seed);
        }
        let missing = Tensor::new(Shape::new(&[0]).expect("a small shape"), Vec::new());
        let mut shapes = Vec::new();
        for (i, node) in nodes.iter().enumerate().rev() {
            let Some(op) = &node.op else { continue };
            let Some(y_bar) = slots[i].take() else { continue };
            go_on()?;
            if nodes.len() >= LARGE {
                ask_ahead(nodes, &[&self.values, &slots], |steps| i.checked_sub(steps));
            }
            if node.inputs.iter().any(|&input| self.plan.active[input]) {
                shapes.clear();
                shapes.extend(node.inputs.iter().map(|&input| nodes[input].shape));
                let value = |i: usize| self.values[i].as_ref().unwrap_or(&missing);
                let mut x_bar = Cotangents::new(&mut slots, &node.inputs, &shapes, &self.plan.active);
                with_inputs(&node.inputs, value, |x| {
                    let at = Point { shapes: &shapes, x, y: value(i) };
                    rules.vjp(self.graph.id(i), op.as_ref(), at, &y_bar, &mut x_bar);
                });
            }
            if self.plan.kept_bar[i] {
                slots[i] = Some(y_bar);
            }
        }
        Ok(Sweep { cotangents: slots })
    }
}

impl<S: Scalar> Sweep<S> {
    /// A sweep of cotangents that were computed elsewhere.
    pub fn assembled(cotangents: Vec<Option<Tensor<S>>>) -> Self {
        Self { cotangents }
    }

    /// The cotangents, by their nodes' places.
    pub fn into_cotangents(self) -> Vec<Option<Tensor<S>>> {
        self.cotangents
    }

    /// The cotangent of a node that the plan was asked for; nothing where no path leads from it to the objective, whose
    /// derivative is then 0.
    pub fn cotangent(&self, id: NodeId) -> Option<&Tensor<S>> {
        self.cotangents[id.index()].as_ref()
    }

    /// As [`Sweep::cotangent`], moved out.
    pub fn take(&mut self, id: NodeId) -> Option<Tensor<S>> {
        self.cotangents[id.index()].take()
    }
}
