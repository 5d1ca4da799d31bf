//! Every mistake of the contract at every site of an exercise where it can occur.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::answer::Answer;
use super::engine::Student;
use super::exercise::{Activation, Exercise, Op};
use super::slip::{Rounding, Slip};

/// One mistake at one site.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) mistake: &'static str,
    /// `where` of a diagnosis that names it.
    pub(super) place: Value,
    pub(super) slips: Vec<Slip>,
    pub(super) rounding: Rounding,
}

impl Case {
    pub(super) fn answer(&self, exercise: &Exercise) -> Answer {
        Student { exercise, slips: &self.slips, rounding: self.rounding }.answer()
    }
}

/// The cases of an exercise, found so far.
pub(super) struct Sites<'a> {
    pub(super) e: &'a Exercise,
    pub(super) found: Vec<Case>,
}

/// A set of units, and how a diagnosis would call it.
pub(super) struct Region {
    pub(super) place: Value,
    pub(super) units: HashSet<usize>,
}

pub(super) fn cases(exercise: &Exercise) -> Vec<Case> {
    let mut sites = Sites { e: exercise, found: Vec::new() };
    sites.of_the_objective();
    sites.of_the_penalty();
    sites.of_derivatives();
    sites.of_signs();
    sites.of_paths();
    sites.of_matrices();
    sites.of_reports();
    sites.found
}

impl Sites<'_> {
    pub(super) fn add(&mut self, mistake: &'static str, place: &Value, slip: Slip) {
        self.found.push(Case { mistake, place: place.clone(), slips: vec![slip], rounding: Rounding::None });
    }

    /// The nodes that are no inputs and no softmax.
    pub(super) fn nodes(&self) -> Vec<usize> {
        let plain = |&node: &usize| !matches!(self.e.nodes[node].op, Op::Input | Op::Softmax);
        (0..self.e.nodes.len()).filter(plain).collect()
    }

    pub(super) fn named(&self, nodes: &[usize]) -> Value {
        match nodes {
            [one] => json!({ "node": self.e.id(*one) }),
            more => json!({ "nodes": more.iter().map(|&node| self.e.id(node)).collect::<Vec<_>>() }),
        }
    }

    pub(super) fn parameter(&self, index: usize) -> Value {
        json!({ "parameter": self.e.parameters[index].name })
    }

    /// The levels: nodes of equal depth.
    pub(super) fn levels(&self) -> Vec<Vec<usize>> {
        let deepest = self.e.nodes.iter().map(|node| node.depth).max().unwrap_or(0);
        let at = |depth: usize| self.nodes().into_iter().filter(|&node| self.e.nodes[node].depth == depth).collect();
        (1..=deepest).map(at).filter(|level: &Vec<usize>| !level.is_empty()).collect()
    }

    /// Everywhere, hidden, outputs, each level, each node: of the nodes that are to be kept.
    pub(super) fn regions(&self, keep: impl Fn(usize) -> bool) -> Vec<Region> {
        let all: Vec<usize> = self.nodes().into_iter().filter(|&node| keep(node)).collect();
        let (outputs, hidden): (Vec<usize>, Vec<usize>) = all.iter().partition(|&&node| self.e.is_output(node));
        let mut regions = vec![(json!({}), all.clone())];
        let levels = self.levels().into_iter().map(|level| level.into_iter().filter(|&node| keep(node)).collect());
        let lists = [hidden, outputs].into_iter().chain(levels).chain(all.iter().map(|&node| vec![node]));
        regions.extend(lists.map(|nodes: Vec<usize>| (self.named(&nodes), nodes)));
        regions.retain(|(_, nodes)| !nodes.is_empty());
        regions.into_iter().map(|(place, nodes)| Region { place, units: self.units(&nodes) }).collect()
    }

    pub(super) fn units(&self, nodes: &[usize]) -> HashSet<usize> {
        nodes.iter().flat_map(|&node| self.e.nodes[node].units.clone()).collect()
    }

    pub(super) fn activation(&self, node: usize) -> Activation {
        self.e.units[self.e.nodes[node].units.start].activation()
    }

    pub(super) fn biases(&self) -> Vec<usize> {
        (0..self.e.parameters.len()).filter(|&index| self.e.parameters[index].bias).collect()
    }
}
