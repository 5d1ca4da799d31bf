//! A graph as it is to be drawn: boxes with lines of text, and edges with labels. How it looks is the writers' business.

/// A graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diagram {
    /// One line above it.
    pub title: String,
    /// The boxes.
    pub nodes: Vec<Node>,
    /// The edges, from what is read to its reader.
    pub edges: Vec<Edge>,
    /// What colours mean: a quantity, and the value of the strongest colour.
    pub legend: Option<(String, f64)>,
}

/// A box.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    /// Its lines, the name first.
    pub lines: Vec<String>,
    /// Its colour, -1 to 1: sign and size of a quantity; nothing for none.
    pub tint: Option<f64>,
    /// Whether it is an input or the loss, drawn lighter.
    pub terminal: bool,
    /// Whether it is asked for.
    pub marked: bool,
}

/// An edge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edge {
    /// The box that is read.
    pub from: usize,
    /// The box that reads.
    pub to: usize,
    /// The lines of its label.
    pub label: Vec<String>,
    /// As [`Node::tint`].
    pub tint: Option<f64>,
    /// Whether it is asked for.
    pub marked: bool,
}

/// A bar chart: one row a layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bars {
    /// One line above it.
    pub title: String,
    /// Further lines below the title.
    pub notes: Vec<String>,
    /// What the bars measure.
    pub quantity: String,
    /// The rows.
    pub rows: Vec<Bar>,
}

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bar {
    /// What stands before it.
    pub name: String,
    /// Its value, drawn on a logarithmic scale.
    pub value: f64,
    /// What stands behind it.
    pub note: String,
    /// A share from 0 to 1 drawn as a darker part of the bar: saturated or dead units.
    pub share: Option<f64>,
}
