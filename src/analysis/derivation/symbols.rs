//! Symbols, in plain text and in LaTeX as the lecture writes it: `z_5`, `w_{5,7}`, `z_{3}^{(\mathrm{fc1})}`.
//!
//! Plain text uses the names of the request. In LaTeX a letter with a number is a letter with an index; an edge between two nodes
//! of the network's own letter is `w` with their numbers, and with their symbols otherwise, so that no two edges look alike.

use std::collections::HashSet;

use super::scalars::Scalar;
use super::target::Target;
use crate::analysis::places::{Grain, Place, Places, entry_name, index_of};
use crate::lower::Lowered;

/// Which index of a weight comes first. The lecture writes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum IndexOrder {
    /// `w_{5,7}` leads from 7 to 5, as in a matrix that multiplies from the left.
    #[default]
    TargetFirst,
    /// `w_{7,5}` leads from 7 to 5.
    SourceFirst,
}

/// A symbol both ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) text: String,
    pub(super) latex: String,
}

/// The symbols of one network.
pub(super) struct Symbols<'s> {
    lowered: &'s Lowered,
    places: &'s Places,
    grain: Grain,
    order: IndexOrder,
    /// The letter that the network's own nodes share.
    letter: Option<char>,
    /// The parameters' names: edges that are named otherwise are shared.
    parameters: HashSet<&'s str>,
}

impl<'s> Symbols<'s> {
    pub(super) fn new(lowered: &'s Lowered, places: &'s Places, grain: Grain, order: IndexOrder) -> Self {
        let letter = lowered.nodes.first().and_then(|node| numbered(&node.id)).map(|(letter, _)| letter);
        let parameters = lowered.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        Self { lowered, places, grain, order, letter, parameters }
    }

    /// An entry of a node.
    pub(super) fn scalar(&self, scalar: Scalar) -> Symbol {
        let place = &self.places.list[scalar.place];
        let shape = self.lowered.graph.shape(place.z);
        let index = index_of(self.grain.dims(&shape), scalar.entry);
        let latex =
            if index.is_empty() { named(&place.name) } else { format!("z_{{{}}}^{{({})}}", joined(&index), named(&place.name)) };
        Symbol { text: entry_name(&place.name, &index), latex }
    }

    /// A neuron's derivative by what it reads, as the lecture writes it out: `g'(a_5) w_{5,7}`. Nothing for other nodes, nor by what
    /// stands under a shared name.
    pub(super) fn by_source(&self, neuron: Scalar, source: Scalar) -> Option<Symbol> {
        let name = format!("{}->{}", self.places.list[source.place].name, self.neuron(neuron)?.name);
        let weight = self
            .parameters
            .contains(name.as_str())
            .then(|| Symbol { latex: self.parameter(&name, &[]), text: format!("({name})") })?;
        Some(self.slope(neuron, Some(weight)))
    }

    /// As [`Symbols::by_source`], by the target: `g'(a_5) z_7` for an edge, `g'(a_5)` for a bias.
    pub(super) fn by_target(&self, neuron: Scalar, target: &Target) -> Option<Symbol> {
        let Target::Parameter { parameter, .. } = target else { return None };
        let (name, own) = (&self.lowered.parameters[*parameter].name, &self.neuron(neuron)?.name);
        match name.split_once("->") {
            Some((source, reader)) if reader == own => {
                let place = self.places.find(source)?;
                Some(self.slope(neuron, Some(self.scalar(Scalar { place, entry: 0 }))))
            }
            None if name.strip_suffix(".bias") == Some(own) => Some(self.slope(neuron, None)),
            _ => None,
        }
    }

    fn neuron(&self, scalar: Scalar) -> Option<&Place> {
        let place = &self.places.list[scalar.place];
        (place.op == "neuron" && !self.grain.coupled).then_some(place)
    }

    /// The activation's slope at the pre-activation, times what follows.
    fn slope(&self, neuron: Scalar, times: Option<Symbol>) -> Symbol {
        let id = &self.places.list[neuron.place].name;
        let node = &self.lowered.nodes[neuron.place - self.places.inputs];
        let activation = node.a.and(self.lowered.graph.nodes()[node.z.index()].op.as_ref()).map(|op| op.name());
        let slope = activation.map(|activation| {
            let a = format!("a_{}", braced(&self.own_number(id).unwrap_or_else(|| named(id))));
            let g = match activation {
                "tanh" => "\\tanh".to_owned(),
                "sigmoid" => "\\sigma".to_owned(),
                other => format!("\\mathrm{{{}}}", escaped(other)),
            };
            Symbol { text: format!("{activation}'(a of {id})"), latex: format!("{g}'({a})") }
        });
        match (slope, times) {
            (Some(slope), Some(times)) => {
                Symbol { text: format!("{} · {}", slope.text, times.text), latex: format!("{} {}", slope.latex, times.latex) }
            }
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Symbol { text: "1".to_owned(), latex: "1".to_owned() },
        }
    }

    /// The target.
    pub(super) fn target(&self, target: &Target) -> Symbol {
        match target {
            Target::Node { place, entry } => self.scalar(Scalar { place: *place, entry: *entry }),
            Target::Parameter { parameter, index, .. } => {
                let name = &self.lowered.parameters[*parameter].name;
                Symbol { text: entry_name(name, index), latex: self.parameter(name, index) }
            }
        }
    }

    fn parameter(&self, name: &str, index: &[usize]) -> String {
        if let Some((source, target)) = name.split_once("->") {
            return self.edge(source, target);
        }
        let owner = name.rsplit_once('.').filter(|(owner, _)| self.places.find(owner).is_some());
        let Some((owner, role)) = owner else {
            return if index.is_empty() { named(name) } else { format!("{{{}}}_{{{}}}", named(name), joined(index)) };
        };
        let letter = match role {
            "weight" => "w".to_owned(),
            "bias" => "b".to_owned(),
            role => named(role),
        };
        if index.is_empty() {
            return format!("{letter}_{}", braced(&self.own_number(owner).unwrap_or_else(|| named(owner))));
        }
        let mut index = index.to_vec();
        if let ([first, second], IndexOrder::SourceFirst) = (&mut index[..], self.order) {
            std::mem::swap(first, second);
        }
        format!("{letter}_{{{}}}^{{({})}}", joined(&index), named(owner))
    }

    fn edge(&self, source: &str, target: &str) -> String {
        let (source, target) = match (self.own_number(source), self.own_number(target)) {
            (Some(source), Some(target)) => (source, target),
            _ => (named(source), named(target)),
        };
        match self.order {
            IndexOrder::TargetFirst => format!("w_{{{target},{source}}}"),
            IndexOrder::SourceFirst => format!("w_{{{source},{target}}}"),
        }
    }

    /// The number of a node that has the network's own letter.
    fn own_number(&self, id: &str) -> Option<String> {
        numbered(id).filter(|(letter, _)| Some(*letter) == self.letter).map(|(_, number)| number.to_owned())
    }
}

/// `z5` and `z_5` as a letter and a number.
fn numbered(id: &str) -> Option<(char, &str)> {
    let letter = id.chars().next().filter(char::is_ascii_alphabetic)?;
    let number = id[1..].strip_prefix('_').unwrap_or(&id[1..]);
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some((letter, number))
}

/// A name in LaTeX.
fn named(name: &str) -> String {
    match numbered(name) {
        Some((letter, number)) => format!("{letter}_{}", braced(number)),
        None if name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_alphabetic()) => name.to_owned(),
        None => format!("\\mathrm{{{}}}", escaped(name)),
    }
}

/// An index in braces, where it needs them.
fn braced(index: &str) -> String {
    if index.len() == 1 { index.to_owned() } else { format!("{{{index}}}") }
}

fn joined(index: &[usize]) -> String {
    index.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Text that LaTeX shows as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '_' | '%' | '&' | '#' | '$' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out.push_str("\\backslash "),
            '^' => out.push_str("\\hat{\\ }"),
            '~' => out.push_str("\\sim "),
            ' ' => out.push_str("\\ "),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_look_like_the_lectures() {
        for (name, latex) in [
            ("z5", "z_5"),
            ("z12", "z_{12}"),
            ("h_3", "h_3"),
            ("f", "f"),
            ("fc1", "\\mathrm{fc1}"),
            ("in_a.b", "\\mathrm{in\\_a.b}"),
            ("a\\b{", "\\mathrm{a\\backslash b\\{}"),
        ] {
            assert_eq!(named(name), latex, "{name}");
        }
    }
}
