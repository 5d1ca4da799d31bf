//! The flow as bars, and as a graph of layers.

use super::measure::Layer;
use super::verdict::Judgement;
use crate::analysis::places::Places;
use crate::draw::diagram::{Bar, Bars, Diagram, Edge, Node};
use crate::draw::number::short;

/// A bar a layer, from the output to the input.
pub(super) fn bars(layers: &[Layer], judgement: &Judgement) -> Bars {
    let row = |layer: &Layer| {
        let share = |name: &str, share: Option<f64>| share.map(|x| format!("{name} {}%", short(x * 100.0, 2)));
        let gain = layer.local_gain.map(|gain| format!("×{}", short(gain, 3)));
        let notes = [gain, share("saturated", layer.saturated_fraction), share("dead", layer.dead_fraction)];
        Bar {
            name: format!("{} ({})", layer.id, layer.op),
            value: layer.gradient_rms,
            note: notes.into_iter().flatten().collect::<Vec<_>>().join(" · "),
            share: layer.saturated_fraction.or(layer.dead_fraction),
        }
    };
    let spread = judgement.spread.map_or_else(String::new, |spread| format!(", spread {}", short(spread, 3)));
    Bars {
        title: format!("Gradient flow: {}{spread}", judgement.verdict.as_str()),
        notes: judgement.evidence.clone(),
        quantity: "root mean square of dE/dz, logarithmic, from the output down; ×: local gain; orange: saturated or dead units"
            .to_owned(),
        rows: layers.iter().map(row).collect(),
    }
}

/// The layers and who reads whom.
pub(super) fn chain(places: &Places, groups: &[(usize, Vec<usize>)], layers: &[Layer], judgement: &Judgement) -> Diagram {
    let count = layers.len();
    let most = layers.iter().map(|layer| layer.gradient_rms).filter(|x| x.is_finite()).fold(0.0, f64::max);
    // From the input to the output, as edges run.
    let nodes = layers.iter().rev().map(|layer| Node {
        lines: vec![layer.id.clone(), layer.op.clone(), format!("dE/dz rms {}", short(layer.gradient_rms, 3))],
        tint: (most > 0.0).then(|| layer.gradient_rms / most),
        ..Node::default()
    });
    let mut group_of = vec![None; places.list.len()];
    for (at, (_, members)) in groups.iter().enumerate() {
        members.iter().for_each(|&i| group_of[i] = Some(count - 1 - at));
    }
    let mut ends: Vec<(usize, usize)> = Vec::new();
    for (i, place) in places.list.iter().enumerate() {
        let from = place.sources.iter().filter_map(|&source| group_of[source]);
        ends.extend(from.zip(std::iter::repeat(group_of[i])).filter_map(|(from, to)| to.map(|to| (from, to))));
    }
    ends.sort_unstable();
    ends.dedup();
    Diagram {
        title: format!("Gradient flow: {}", judgement.verdict.as_str()),
        nodes: nodes.collect(),
        edges: ends.into_iter().filter(|(from, to)| from != to).map(|(from, to)| Edge { from, to, ..Edge::default() }).collect(),
        legend: None,
    }
}
