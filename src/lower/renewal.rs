//! A problem that was lowered, with other numbers: another minibatch of as many samples, other values for entries of `parameters`.
//! Its graph is the same, so that nothing is lowered again.
//!
//! Nothing is reported here: where the new numbers do not fit, lowering the whole problem finds out why.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Leaf, Lowered};
use crate::graph::NodeId;
use crate::losses::TargetLeaf;
use crate::spec::problem::{BatchSpec, InputsSpec};
use crate::spec::tensor::TensorSpec;
use crate::tensor::Shape;

/// Where the value of an entry of `parameters` stands.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The entry's name.
    pub name: String,
    leaf: NodeId,
    element: Option<u32>,
    shape: Shape,
}

type Numbers = Arc<Vec<f64>>;

impl Lowered {
    /// The slots of the entries of `parameters`, in this order. Nothing where some entry is no parameter of its own, or where an
    /// input holds indices: what is lowered may then depend on their values.
    pub fn slots(&self, names: &[String]) -> Option<Vec<Slot>> {
        let by_name: HashMap<_, _> = self.parameters.iter().map(|parameter| (parameter.name.as_str(), parameter)).collect();
        let slot = |name: &String| {
            let parameter = by_name.get(name.as_str())?;
            // Part of a neuron's weights: the others stay, and have to be numbers.
            let others = parameter.element.is_none() || matches!(self.leaves[self.place(parameter.leaf)].1, Leaf::Values(_));
            let (leaf, element, shape) = (parameter.leaf, parameter.element, parameter.shape);
            others.then(|| Slot { name: name.clone(), leaf, element, shape })
        };
        let plain = self.whole && self.inputs.iter().all(|input| input.real) && by_name.len() == self.parameters.len();
        names.iter().map(slot).collect::<Option<_>>().filter(|_| plain)
    }

    /// The same without the numbers that [`Lowered::renewed`] puts in.
    #[must_use]
    pub fn without_numbers(&self, slots: &[Slot]) -> Self {
        let mut bare = self.clone();
        let targets = bare.objective.as_ref().and_then(|objective| match objective.targets {
            TargetLeaf::None => None,
            TargetLeaf::Plain(leaf) | TargetLeaf::Classes(leaf, _) => Some(leaf),
        });
        let whole = slots.iter().filter(|slot| slot.element.is_none()).map(|slot| slot.leaf);
        let inputs = self.inputs.iter().map(|input| input.leaf);
        for leaf in inputs.chain(whole).chain(targets) {
            let place = self.place(leaf);
            bare.leaves[place].1 = Leaf::Unknown;
        }
        bare
    }

    /// Bytes that it takes, near enough.
    pub fn heap_bytes(&self) -> usize {
        const TEXT: usize = 32;
        let numbers = self.leaves.iter().map(|(_, leaf)| match leaf {
            Leaf::Values(data) => size_of_val(data.as_slice()),
            _ => TEXT,
        });
        // An op is a box of its own; the largest hold some lists.
        let nodes = self.graph.nodes().iter().map(|node| size_of_val(node) + 128 + size_of_val(&*node.inputs));
        let parameters = self.parameters.iter().map(|parameter| size_of_val(parameter) + parameter.name.len());
        let traced = self.nodes.iter().map(|node| size_of_val(node) + (2 + node.inputs.len()) * TEXT);
        let inputs = self.inputs.iter().map(|input| size_of_val(input) + TEXT);
        let objective = self.objective.as_ref().map_or(0, |objective| 512 + 3 * size_of_val(objective.factors.as_slice()));
        let leaves = size_of_val(self.leaves.as_slice());
        let lists = nodes.sum::<usize>() + parameters.sum::<usize>() + traced.sum::<usize>() + inputs.sum::<usize>();
        numbers.sum::<usize>() + lists + objective + leaves
    }

    /// The same over other numbers; nothing where they do not fit. `given` has the entries of the slots, in their order.
    pub fn renewed(&self, slots: &[Slot], given: &[(String, TensorSpec)], batch: BatchSpec<'_>) -> Option<Self> {
        let BatchSpec { inputs, inputs_failed: false, targets, targets_failed: false, weights } = batch else { return None };
        let columns = self.columns(inputs?)?;
        let (objective, targets) = match &self.objective {
            Some(objective) => objective.renewed(&self.graph, targets, weights).map(|(new, leaf)| (Some(new), leaf))?,
            None if targets.is_none() && weights.is_none() => (None, None),
            None => return None,
        };
        let (structure, outputs) = (Arc::clone(&self.structure), Arc::clone(&self.outputs));
        let mut renewed = Self { structure, leaves: self.leaves.clone(), outputs, objective };
        for (input, column) in self.inputs.iter().zip(columns) {
            renewed.put(input.leaf, column);
        }
        if let Some((leaf, data)) = targets {
            renewed.put(leaf, data);
        }
        if slots.len() != given.len() {
            return None;
        }
        for (slot, (name, value)) in slots.iter().zip(given) {
            let TensorSpec::Values { shape, data } = value else { return None };
            if slot.name != *name || slot.shape.dims() != shape {
                return None;
            }
            match slot.element {
                None => renewed.put(slot.leaf, Arc::clone(data)),
                Some(element) => renewed.put_element(slot.leaf, element, *data.first()?)?,
            }
        }
        Some(renewed)
    }

    /// The values of the inputs, in their order.
    fn columns(&self, given: InputsSpec<'_>) -> Option<Vec<Numbers>> {
        let fits = |leaf: NodeId, shape: &[usize]| self.graph.shape(leaf).dims() == shape;
        match (given, &*self.inputs) {
            (InputsSpec::Named(mut named), inputs) if named.len() == inputs.len() => {
                let take = |input: &super::Input| {
                    let (_, value) = named.iter_mut().find(|(name, _)| *name == input.name)?;
                    match value.take()? {
                        TensorSpec::Values { shape, data } if fits(input.leaf, &shape) => Some(data),
                        _ => None,
                    }
                };
                inputs.iter().map(take).collect()
            }
            (InputsSpec::Bare(TensorSpec::Values { shape, data }), [only]) => {
                let is_column = shape.len() == 2 && shape[1] == 1 && fits(only.leaf, &shape[..1]);
                (is_column || fits(only.leaf, &shape)).then(|| vec![data])
            }
            (InputsSpec::Bare(TensorSpec::Values { shape, data }), inputs) if shape == [self.samples, inputs.len()] => {
                let single = inputs.iter().all(|input| fits(input.leaf, &shape[..1]));
                let column = |at| Arc::new(data.iter().skip(at).step_by(inputs.len().max(1)).copied().collect());
                single.then(|| (0..inputs.len()).map(column).collect())
            }
            _ => None,
        }
    }

    /// Where a leaf stands in the list of leaves.
    pub fn place(&self, leaf: NodeId) -> usize {
        self.leaves.binary_search_by_key(&leaf, |(id, _)| *id).expect("every leaf of a lowered graph is listed")
    }

    fn put(&mut self, leaf: NodeId, data: Numbers) {
        let place = self.place(leaf);
        self.leaves[place].1 = Leaf::Values(data);
    }

    fn put_element(&mut self, leaf: NodeId, element: u32, value: f64) -> Option<()> {
        let place = self.place(leaf);
        let Leaf::Values(data) = &mut self.leaves[place].1 else { return None };
        Arc::make_mut(data)[element as usize] = value;
        Some(())
    }
}
