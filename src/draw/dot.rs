//! Graphviz's language: the same graph for those who lay it out themselves.

use super::colour;
use super::diagram::Diagram;
use super::number::short;

/// A graph in Graphviz's language.
pub fn graph(diagram: &Diagram) -> String {
    let mut out = format!(
        "digraph network {{\n  rankdir=LR;\n  label={};\n  labelloc=t;\n  node [shape=box, style=\"rounded,filled\", fillcolor=\"#f7f7f7\", fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n",
        quoted(std::slice::from_ref(&diagram.title))
    );
    for (i, node) in diagram.nodes.iter().enumerate() {
        let mut attributes = format!("label={}", quoted(&node.lines));
        if let Some(tint) = node.tint {
            attributes.push_str(&format!(", fillcolor=\"{}\"", colour::fill(tint)));
        }
        if node.terminal {
            attributes.push_str(", shape=ellipse");
        }
        if node.marked {
            attributes.push_str(", color=\"#0b7a4b\", penwidth=3");
        }
        out.push_str(&format!("  n{i} [{attributes}];\n"));
    }
    for edge in &diagram.edges {
        let mut attributes = format!("penwidth={}", short(colour::width(edge.tint) + if edge.marked { 2.0 } else { 0.0 }, 3));
        if !edge.label.is_empty() {
            attributes.push_str(&format!(", label={}", quoted(&edge.label)));
        }
        if edge.marked {
            attributes.push_str(", color=\"#0b7a4b\"");
        } else if let Some(tint) = edge.tint {
            attributes.push_str(&format!(", color=\"{}\"", colour::stroke(tint)));
        }
        out.push_str(&format!("  n{} -> n{} [{attributes}];\n", edge.from, edge.to));
    }
    out.push_str("}\n");
    out
}

/// Lines as one quoted string.
fn quoted(lines: &[String]) -> String {
    let escape = |line: &String| {
        let clean: String = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        clean.replace('\\', "\\\\").replace('"', "\\\"")
    };
    format!("\"{}\"", lines.iter().map(escape).collect::<Vec<_>>().join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::super::diagram::Node;
    use super::*;

    #[test]
    fn quotes_end_where_they_should() {
        let node = Node { lines: vec!["a\"];\\".to_owned(), "b\n".to_owned()], marked: true, ..Node::default() };
        let dot = graph(&Diagram { nodes: vec![node], ..Diagram::default() });
        assert!(dot.contains("n0 [label=\"a\\\"];\\\\\\nb\u{fffd}\", color"), "{dot}");
    }
}
