//! SVG: text alone, no scripts, no fonts from elsewhere, readable on light and on dark pages.

use super::colour;
use super::diagram::{Bars, Diagram};
use super::layout::{Layout, Rect, lay_out};
use super::number::short;

const MARGIN: f64 = 24.0;
const LINE: f64 = 15.0;
const LABEL_LINE: f64 = 12.0;
/// Widths of a letter at 12 and at 10 pixels, on the generous side of common sans-serif faces.
const LETTER: f64 = 6.9;
const LABEL_LETTER: f64 = 5.8;
/// Beyond this many edges only those asked for are labelled; the others keep their tooltips.
const LABELLED: usize = 90;
/// The longest bar.
const TRACK: f64 = 320.0;
/// Rows of a bar chart; beyond them the middle is left out.
const MOST_ROWS: usize = 60;

const STYLE: &str = "svg{--page:#ffffff;--ink:#1f2328;--faint:#59636e;--mark:#0b7a4b}\
@media(prefers-color-scheme:dark){svg{--page:#0d1117;--ink:#e6edf3;--faint:#9da7b1;--mark:#3fd68f}}\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:12px;fill:var(--ink)}\
.page{fill:var(--page)}.title{font-size:15px;font-weight:600}.note{font-size:11px;fill:var(--faint)}\
.box{stroke:#6e7781;stroke-width:1}.box text,.in{fill:#1f2328}.name{font-weight:600}\
.label{font-size:10px;paint-order:stroke;stroke:var(--page);stroke-width:3px;stroke-linejoin:round}\
.edge{fill:none}.mark{stroke:var(--mark);stroke-width:3}.halo{fill:none;stroke:var(--mark);stroke-opacity:.45}";

/// A graph as SVG.
pub fn graph(diagram: &Diagram) -> String {
    let sizes: Vec<(f64, f64)> = diagram.nodes.iter().map(|node| size(&node.lines)).collect();
    // More edges between ranks need more room for their labels.
    let crowd = diagram.edges.len() as f64 / diagram.nodes.len().max(1) as f64;
    let labelled = diagram.edges.len() <= LABELLED && diagram.edges.iter().any(|edge| !edge.label.is_empty());
    let layout = lay_out(diagram, &sizes, if labelled { (0.75 + crowd / 4.0).clamp(0.75, 2.0) } else { 0.5 });
    let header = if diagram.title.is_empty() { 0.0 } else { 30.0 };
    let footer = if diagram.legend.is_some() { 44.0 } else { 0.0 };
    let wide = (diagram.title.chars().count() as f64 * 8.5).max(layout.width).max(if footer > 0.0 { 420.0 } else { 0.0 });
    let (width, height) = (wide + 2.0 * MARGIN, layout.height + header + footer + 2.0 * MARGIN);
    let mut out = open(width, height, &diagram.title);
    text(&mut out, "title", MARGIN, MARGIN + 8.0, "start", &diagram.title);
    out.push_str(&format!(
        "<g transform=\"translate({} {})\">",
        fixed(MARGIN + (wide - layout.width) / 2.0),
        fixed(MARGIN + header)
    ));
    edges(&mut out, diagram, &layout);
    for (node, rect) in diagram.nodes.iter().zip(&layout.nodes) {
        box_of(&mut out, node, rect);
    }
    labels(&mut out, diagram, &layout);
    out.push_str("</g>");
    if let Some((quantity, most)) = &diagram.legend {
        legend(&mut out, MARGIN, height - 34.0, quantity, *most);
    }
    out.push_str("</svg>\n");
    out
}

fn open(width: f64, height: f64, title: &str) -> String {
    let (w, h) = (fixed(width), fixed(height));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\"><title>{}</title>\
         <style>{STYLE}</style><rect class=\"page\" width=\"100%\" height=\"100%\"/>\n",
        escaped(title)
    )
}

fn size(lines: &[String]) -> (f64, f64) {
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    ((longest as f64 * LETTER + 18.0).max(44.0), lines.len() as f64 * LINE + 12.0)
}

fn box_of(out: &mut String, node: &super::diagram::Node, rect: &Rect) {
    let paint = node.tint.map_or_else(|| "#f7f7f7".to_owned(), colour::fill);
    let class = if node.marked { "box mark" } else { "box" };
    let round = if node.terminal { rect.height / 2.0 } else { 6.0 };
    out.push_str(&format!(
        "<g><title>{}</title><rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"{paint}\"/>",
        escaped(&node.lines.join("\n")),
        fixed(rect.x - rect.width / 2.0),
        fixed(rect.y - rect.height / 2.0),
        fixed(rect.width),
        fixed(rect.height),
        fixed(round),
    ));
    let top = rect.y - node.lines.len() as f64 * LINE / 2.0 + 11.5;
    for (i, line) in node.lines.iter().enumerate() {
        text(out, if i == 0 { "in name" } else { "in" }, rect.x, top + i as f64 * LINE, "middle", line);
    }
    out.push_str("</g>\n");
}

fn edges(out: &mut String, diagram: &Diagram, layout: &Layout) {
    // Those asked for last, over the others.
    let mut order: Vec<usize> = (0..diagram.edges.len()).collect();
    order.sort_by_key(|&i| diagram.edges[i].marked);
    for i in order {
        let edge = &diagram.edges[i];
        let curve = curve(&layout.edges[i]);
        let width = colour::width(edge.tint);
        if edge.marked {
            out.push_str(&format!("<path class=\"halo\" d=\"{curve}\" stroke-width=\"{}\"/>", fixed(width + 7.0)));
        }
        let stroke = edge.tint.map_or_else(|| "#8c959f".to_owned(), colour::stroke);
        out.push_str(&format!(
            "<path class=\"edge\" d=\"{curve}\" stroke=\"{stroke}\" stroke-width=\"{}\"><title>{}</title></path>\n",
            fixed(width),
            escaped(&title(diagram, i))
        ));
    }
}

fn title(diagram: &Diagram, i: usize) -> String {
    let edge = &diagram.edges[i];
    let name = |node: usize| diagram.nodes[node].lines.first().map_or("", String::as_str);
    let label = if edge.label.is_empty() { String::new() } else { format!(": {}", edge.label.join(", ")) };
    format!("{} -> {}{label}", name(edge.from), name(edge.to))
}

/// Smooth between ranks, level through them.
fn curve(points: &[(f64, f64)]) -> String {
    let (x, y) = points[0];
    let mut path = format!("M{} {}", fixed(x), fixed(y));
    for (i, pair) in points.windows(2).enumerate() {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if i % 2 == 1 {
            path.push_str(&format!("L{} {}", fixed(x1), fixed(y1)));
        } else {
            let middle = f64::midpoint(x0, x1);
            let [middle, y0, x1, y1] = [middle, y0, x1, y1].map(fixed);
            path.push_str(&format!("C{middle} {y0} {middle} {y1} {x1} {y1}"));
        }
    }
    path
}

/// The point at `t` of the curve's stretch that starts at `points[at]`.
fn along(points: &[(f64, f64)], at: usize, t: f64) -> (f64, f64) {
    let ((x0, y0), (x1, y1)) = (points[at], points[at + 1]);
    let u = 1.0 - t;
    let middle = f64::midpoint(x0, x1);
    let weights = [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t];
    (
        weights[0] * x0 + (weights[1] + weights[2]) * middle + weights[3] * x1,
        (weights[0] + weights[1]) * y0 + (weights[2] + weights[3]) * y1,
    )
}

/// Labels where there is room along their edge; one without room stays in its tooltip.
fn labels(out: &mut String, diagram: &Diagram, layout: &Layout) {
    let mut taken: Vec<Rect> = layout.nodes.clone();
    let crowded = diagram.edges.len() > LABELLED;
    let mut order: Vec<usize> = (0..diagram.edges.len()).filter(|&i| !diagram.edges[i].label.is_empty()).collect();
    order.sort_by_key(|&i| !diagram.edges[i].marked);
    for i in order.into_iter().filter(|&i| !crowded || diagram.edges[i].marked) {
        let (edge, points) = (&diagram.edges[i], &layout.edges[i]);
        let longest = edge.label.iter().map(|line| line.chars().count()).max().unwrap_or(0) as f64;
        let (width, height) = (longest * LABEL_LETTER + 4.0, edge.label.len() as f64 * LABEL_LINE + 2.0);
        let stretches = (0..points.len() - 1).step_by(2);
        let candidates = stretches.flat_map(|at| [0.5, 0.38, 0.62, 0.28, 0.72, 0.2, 0.8].map(|t| along(points, at, t)));
        let rect = |(x, y)| Rect { x, y, width, height };
        let Some(free) = candidates.map(rect).find(|rect| taken.iter().all(|other| !rect.overlaps(other))) else { continue };
        taken.push(free);
        for (line, words) in edge.label.iter().enumerate() {
            let y = free.y - height / 2.0 + 10.0 + line as f64 * LABEL_LINE;
            text(out, "label", free.x, y, "middle", words);
        }
    }
    out.push('\n');
}

fn legend(out: &mut String, x: f64, y: f64, quantity: &str, most: f64) {
    const STEPS: usize = 21;
    for i in 0..STEPS {
        let tint = i as f64 / (STEPS - 1) as f64 * 2.0 - 1.0;
        out.push_str(&format!(
            "<rect x=\"{}\" y=\"{}\" width=\"10\" height=\"12\" fill=\"{}\"/>",
            fixed(x + 60.0 + i as f64 * 10.0),
            fixed(y),
            colour::fill(tint)
        ));
    }
    text(out, "note", x + 54.0, y + 10.0, "end", &short(-most, 3));
    text(out, "note", x + 276.0, y + 10.0, "start", &short(most, 3));
    text(out, "note", x + 60.0, y + 27.0, "start", quantity);
    out.push('\n');
}

fn text(out: &mut String, class: &str, x: f64, y: f64, anchor: &str, words: &str) {
    if !words.is_empty() {
        let (x, y) = (fixed(x), fixed(y));
        out.push_str(&format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>", escaped(words)));
    }
}

/// A coordinate to a tenth of a pixel.
fn fixed(x: f64) -> String {
    short((x * 10.0).round() / 10.0, 9)
}

/// Text that is no markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            // Control characters may not stand in XML, not even as references.
            c if c.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Bars as SVG.
pub fn bars(bars: &Bars) -> String {
    let (rows, hidden) = shown(bars);
    let names = rows.iter().flatten().map(|row| row.name.chars().count()).max().unwrap_or(0) as f64 * LETTER + 10.0;
    let notes = rows.iter().flatten().map(|row| row.note.chars().count()).max().unwrap_or(0) as f64 * LETTER + 80.0;
    let longest = bars.notes.iter().map(|note| note.chars().count()).max().unwrap_or(0) as f64 * 6.2;
    let width = (names + TRACK + notes)
        .max(names + bars.quantity.chars().count() as f64 * 6.2)
        .max(longest)
        .max(bars.title.chars().count() as f64 * 8.5)
        + 2.0 * MARGIN;
    let top = MARGIN + 30.0 + bars.notes.len() as f64 * 16.0 + 18.0;
    let height = top + rows.len() as f64 * 20.0 + MARGIN;
    let mut out = open(width, height, &bars.title);
    text(&mut out, "title", MARGIN, MARGIN + 8.0, "start", &bars.title);
    for (i, note) in bars.notes.iter().enumerate() {
        text(&mut out, "note", MARGIN, MARGIN + 28.0 + i as f64 * 16.0, "start", note);
    }
    let x = MARGIN + names;
    text(&mut out, "note", x, top - 6.0, "start", &bars.quantity);
    let sizes = || bars.rows.iter().map(|row| row.value).filter(|value| *value > 0.0 && value.is_finite()).map(f64::log10);
    let (low, high) = (sizes().fold(f64::INFINITY, f64::min).floor() - 0.5, sizes().fold(f64::NEG_INFINITY, f64::max).ceil());
    let length = |value: f64| {
        if value == 0.0 {
            0.0
        } else if value > 0.0 && value.is_finite() {
            ((value.log10() - low) / (high - low)).clamp(0.0, 1.0) * TRACK
        } else {
            TRACK
        }
    };
    for (i, row) in rows.iter().enumerate() {
        let y = top + i as f64 * 20.0;
        let Some(row) = row else {
            text(&mut out, "note", x, y + 13.0, "start", &format!("… {hidden} more layers …"));
            continue;
        };
        let long = length(row.value);
        text(&mut out, "", x - 8.0, y + 13.0, "end", &row.name);
        out.push_str(&format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\" fill=\"#74ade1\"/>",
            fixed(x),
            fixed(y + 2.0),
            fixed(long)
        ));
        if let Some(share) = row.share {
            out.push_str(&format!(
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"5\" fill=\"#d66014\"/>",
                fixed(x),
                fixed(y + 11.0),
                fixed(long * share)
            ));
        }
        text(&mut out, "", x + long + 6.0, y + 13.0, "start", &[short(row.value, 3), row.note.clone()].join(" · "));
        out.push('\n');
    }
    out.push_str("</svg>\n");
    out
}

/// The rows, with one gap where they are too many, and how many it hides.
fn shown(bars: &Bars) -> (Vec<Option<&super::diagram::Bar>>, usize) {
    let rows: Vec<_> = bars.rows.iter().map(Some).collect();
    if rows.len() <= MOST_ROWS {
        return (rows, 0);
    }
    let half = MOST_ROWS / 2;
    let mut some = rows[..half].to_vec();
    some.push(None);
    some.extend_from_slice(&rows[rows.len() - half..]);
    (some, rows.len() - 2 * half)
}

#[cfg(test)]
mod tests {
    use super::super::diagram::{Bar, Edge, Node};
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let node = |name: &str| Node { lines: vec![name.to_owned()], ..Node::default() };
        let diagram = Diagram {
            title: "a < b & \"c\"\u{1}".to_owned(),
            nodes: vec![node("<script>alert(1)</script>"), node("]]>")],
            edges: vec![Edge { from: 0, to: 1, label: vec!["</text>".to_owned()], ..Edge::default() }],
            legend: Some(("<dE/dz>".to_owned(), 1.0)),
        };
        let svg = graph(&diagram);
        assert!(!svg.contains("<script") && !svg.contains('\u{1}') && svg.contains("&lt;script&gt;"), "{svg}");
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn bars_take_any_number() {
        let values = [1.0, 0.0, f64::INFINITY, f64::NAN, 1e-300, 1e300];
        let rows = values.map(|value| Bar { value, share: Some(0.5), ..Bar::default() });
        for rows in [rows.to_vec(), vec![], rows[1..2].to_vec(), vec![rows[0].clone(); 100]] {
            let svg = bars(&Bars { rows, ..Bars::default() });
            assert!(!svg.contains("=\"NaN") && !svg.contains("=\"∞") && !svg.contains("=\"-"), "{svg}");
        }
    }
}
