//! Penalties on the parameters: `factor·λ·Σ w²` (L2) or `factor·λ·Σ |w|` (L1), part of the objective and reported apart.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::selection::glob;
use super::{Leaf, Lowering};
use crate::graph::NodeId;
use crate::ops::{Abs, Elementwise, Mul, Sum};
use crate::spec::fault::{At, Code};
use crate::spec::problem::{Norm, RegularizerSpec};

/// One term of the regularization: `coefficient` times the value of `node`, a single number.
#[derive(Debug, Clone, Copy)]
pub struct Penalty {
    /// The sum of squares or of absolute values over one leaf.
    pub node: NodeId,
    /// What it is multiplied by.
    pub coefficient: f64,
}

impl Lowering<'_> {
    /// Append the penalties.
    pub(super) fn penalties(&mut self, specs: &[RegularizerSpec<'_>], whole: bool) -> Vec<Penalty> {
        let mut penalties = Vec::new();
        let patterns: usize = specs.iter().map(|spec| spec.parameters.len()).sum();
        if patterns > super::selection::MAX_PATTERNS {
            let detail = format!("{patterns} patterns, the limit is {}", super::selection::MAX_PATTERNS);
            self.faults.push(At::ROOT.name("regularization"), Code::LimitExceeded, detail);
            return penalties;
        }
        for (i, spec) in specs.iter().enumerate() {
            // A neuron keeps several parameters in one leaf, not all of which need be meant.
            let mut meant: IndexMap<NodeId, BTreeSet<u32>> = IndexMap::new();
            for (j, pattern) in spec.parameters.iter().enumerate() {
                let mut any = false;
                for parameter in self.parameters.declared().iter().filter(|p| p.trained && glob(pattern, &p.name)) {
                    any = true;
                    meant.entry(parameter.leaf).or_default().extend(parameter.element);
                }
                if !any && whole {
                    let hint = self.hint(pattern, self.parameters.declared().iter().map(|p| p.name.as_str()));
                    let (top, entry) = (At::ROOT.name("regularization"), i);
                    let entry = top.index(entry);
                    let list = entry.name("parameters");
                    self.faults.push(list.index(j), Code::UnknownName, format!("no parameter matches \"{pattern}\"{hint}"));
                }
            }
            for (leaf, elements) in meant {
                penalties.extend(self.penalty(leaf, &elements, spec));
            }
        }
        penalties
    }

    fn penalty(&mut self, leaf: NodeId, elements: &BTreeSet<u32>, spec: &RegularizerSpec<'_>) -> Option<Penalty> {
        let shape = self.graph.shape(leaf);
        let mut w = leaf;
        if !elements.is_empty() && elements.len() < shape.size() {
            let mut mask = vec![0.0; shape.size()];
            for &element in elements {
                mask[element as usize] = 1.0;
            }
            let mask = self.leaf(shape, Leaf::Values(Arc::new(mask)));
            w = self.graph.op(Box::new(Elementwise(Mul)), &[w, mask]).ok()?;
        }
        let powers = match spec.norm {
            Norm::L2 => self.graph.op(Box::new(Elementwise(Mul)), &[w, w]),
            Norm::L1 => self.graph.op(Box::new(Abs), &[w]),
        };
        let node = self.graph.op(Box::new(Sum::all()), &[powers.ok()?]).ok()?;
        Some(Penalty { node, coefficient: spec.factor * spec.strength })
    }
}
