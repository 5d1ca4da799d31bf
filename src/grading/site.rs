//! Where in an exercise a mistake was made.

use super::exercise::Exercise;
use crate::spec::write::Writer;

/// A place, by names of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// Wherever it could be.
    Everywhere,
    /// At one node.
    Node(String),
    /// At several nodes: a level, the hidden ones, the outputs.
    Nodes(Vec<String>),
    /// At an edge, `z5->z3`.
    Edge(String),
    /// In one parameter.
    Parameter(String),
    /// In several parameters.
    Parameters(Vec<String>),
}

impl Site {
    /// These nodes of the exercise; one alone is that node.
    pub fn nodes(exercise: &Exercise, nodes: &[usize]) -> Self {
        let id = |&i: &usize| exercise.lowered.nodes[i].id.clone();
        match nodes {
            [only] => Self::Node(id(only)),
            nodes => Self::Nodes(nodes.iter().map(id).collect()),
        }
    }

    /// How far it reaches, widest first: a mistake made everywhere is a simpler story than one made here and there.
    pub fn rank(&self) -> usize {
        match self {
            Self::Everywhere => 0,
            Self::Nodes(_) | Self::Parameters(_) => 1,
            Self::Node(_) | Self::Parameter(_) => 2,
            Self::Edge(_) => 3,
        }
    }

    /// In words: "at z5", "on the edge z5->z3".
    pub fn words(&self) -> String {
        match self {
            Self::Everywhere => "everywhere".to_owned(),
            Self::Node(node) => format!("at {node}"),
            Self::Nodes(nodes) => format!("at {}", list(nodes)),
            Self::Edge(edge) => format!("on the edge {edge}"),
            Self::Parameter(name) => format!("in {name}"),
            Self::Parameters(names) => format!("in {}", list(names)),
        }
    }

    /// As on the wire: an object that names the place, empty for everywhere.
    pub fn write(&self, w: &mut Writer) {
        w.object(|w| match self {
            Self::Everywhere => {}
            Self::Node(node) => w.key("node").string(node),
            Self::Nodes(nodes) => w.key("nodes").strings(nodes.iter().map(String::as_str)),
            Self::Edge(edge) => w.key("edge").string(edge),
            Self::Parameter(name) => w.key("parameter").string(name),
            Self::Parameters(names) => w.key("parameters").strings(names.iter().map(String::as_str)),
        });
    }
}

/// The first few names of a list.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut text = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
