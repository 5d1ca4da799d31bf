//! The neighbour layer's z in dW, or its W in the backward product, where the shapes allow.

use std::collections::HashMap;

use super::{Hypothesis, Mistake, levels_of_neurons, product_sites};
use crate::grading::exercise::Exercise;
use crate::grading::wiring::{Block, Product, Slot, Term};
use crate::graph::NodeId;
use crate::tensor::Tensor;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "layer_off_by_one",
    student: "An index of the layer is off by one {where}: dW of a layer is its dE/da times the z that the layer reads, and what it passes down goes through its own W.",
    instructor: "The neighbour layer's z (in dW) or W (in the backward product) is used {where}.",
    section: "1.7 Backpropagation as algorithm for layered NNs: the index l",
    fitted: false,
    hypotheses: |exercise, _| {
        let mut all = Vec::new();
        for (side, before) in [("before", true), ("after", false)] {
            let (z, w) = (sources(exercise, before), weights(exercise, before));
            let (of_blocks, weights_of_blocks) = blocks(exercise, before);
            for (what, inputs) in [("z", z), ("z", of_blocks), ("W", w), ("W", weights_of_blocks)] {
                let sites = product_sites(exercise, |product| inputs.get(&product.op).cloned().unwrap_or_default());
                let detail = format!("{what} of the layer {side}");
                all.extend(sites.into_iter().map(|(site, change)| Hypothesis::particular(site, detail.clone(), change)));
            }
        }
        all
    },
};

/// By ops of products: other values of some inputs.
type Instead = HashMap<NodeId, Vec<(Slot, Tensor<f64>)>>;

/// The layers that a matrix makes, from the inputs to the loss.
fn layers(exercise: &Exercise) -> Vec<(&Product, Slot, Slot)> {
    let layers = exercise.wiring.products.iter();
    layers.filter_map(|product| product.tensors().map(|(source, weight)| (product, source, weight))).collect()
}

fn sources(exercise: &Exercise, before: bool) -> Instead {
    let mut all = Instead::new();
    let layers = layers(exercise);
    for (i, &(product, source, _)) in layers.iter().enumerate() {
        let own = exercise.input(source);
        let other = if before {
            i.checked_sub(1).map(|i| exercise.input(layers[i].1))
        } else {
            // The layer's own output is what the next one reads; the last one's is nobody's.
            let next = layers.get(i + 1).map(|next| exercise.input(next.1));
            next.or_else(|| Some(exercise.value(exercise.lowered.nodes[product.node].z)))
        };
        if let Some(other) = other.filter(|other| other.shape() == own.shape() && *other != own) {
            all.insert(product.op, vec![(source, other.clone())]);
        }
    }
    let depths = exercise.places.depths();
    let mut levels: Vec<Vec<usize>> = Vec::new();
    for (place, &depth) in depths.iter().enumerate() {
        levels.resize(levels.len().max(depth + 1), Vec::new());
        levels[depth].push(place);
    }
    let mut at = vec![0; depths.len()];
    levels.iter().flat_map(|level| level.iter().enumerate()).for_each(|(i, &place)| at[place] = i);
    for product in &exercise.wiring.products {
        let neighbour = |source: usize| {
            let depth = depths[source];
            let other = if before { depth.checked_sub(1)? } else { depth + 1 };
            let other = levels.get(other).filter(|other| other.len() == levels[depth].len())?;
            Some(exercise.value(exercise.places.list[other[at[source]]].z))
        };
        let instead = product.terms().iter().filter_map(|term| {
            let slot = Slot { op: product.op, input: term.input };
            neighbour(term.source).filter(|z| z.shape() == exercise.input(slot).shape()).map(|z| (slot, z.clone()))
        });
        let instead: Vec<_> = instead.collect();
        if !instead.is_empty() {
            all.insert(product.op, instead);
        }
    }
    all
}

/// The neighbours of levels that read the same sources: their z, one for one where there are as many, and their weights.
fn blocks(exercise: &Exercise, before: bool) -> (Instead, Instead) {
    let (places, inputs) = (&exercise.places, exercise.places.inputs);
    let levels = levels_of_neurons(exercise);
    let targets = |products: &[&Product]| products.iter().map(|product| inputs + product.node).collect::<Vec<_>>();
    let (mut z, mut w) = (Instead::new(), Instead::new());
    for (sources, products) in &levels {
        let below = levels.iter().find(|(_, products)| targets(products) == *sources);
        let above = levels.iter().find(|(sources, _)| *sources == targets(products));
        let own = targets(products);
        let other = if before { below.map(|(sources, _)| sources) } else { Some(&own) };
        let neighbour = if before { below } else { above };
        for (j, product) in products.iter().enumerate() {
            if let Some(other) = other.filter(|other| other.len() == sources.len()) {
                let instead = product.terms().iter().zip(other).map(|(term, &place)| {
                    (Slot { op: product.op, input: term.input }, exercise.value(places.list[place].z).clone())
                });
                z.insert(product.op, instead.filter(|(slot, z)| z.shape() == exercise.input(*slot).shape()).collect());
            }
            let theirs = neighbour.filter(|(theirs, others)| theirs.len() == sources.len() && others.len() == products.len());
            if let Some((_, others)) = theirs {
                let weight = |term: &Term| {
                    let at = product.terms().iter().position(|own| own.input == term.input)?;
                    others[j].terms().get(at).map(|theirs| others[j].weight(exercise, theirs))
                };
                w.insert(product.op, product.with_weights(exercise, weight));
            }
        }
    }
    (z, w)
}

fn weights(exercise: &Exercise, before: bool) -> Instead {
    let mut all = Instead::new();
    let layers = layers(exercise);
    for (i, &(product, _, weight)) in layers.iter().enumerate() {
        let other = if before { i.checked_sub(1) } else { Some(i + 1) };
        let other = other.and_then(|i| layers.get(i)).map(|(_, _, weight)| exercise.input(*weight));
        let own = exercise.input(weight);
        if let Some(other) = other.filter(|other| other.shape() == own.shape()) {
            all.insert(product.op, vec![(weight, other.clone())]);
        }
    }
    let (wiring, inputs) = (&exercise.wiring, exercise.places.inputs);
    let targets = |block: &Block| {
        let mut places: Vec<usize> = block.targets.iter().map(|&target| inputs + wiring.products[target].node).collect();
        places.sort_unstable();
        places
    };
    let sources = |block: &Block| {
        let mut places = block.sources.clone();
        places.sort_unstable();
        places
    };
    let by_end: HashMap<Vec<usize>, &Block> =
        wiring.blocks.iter().map(|block| (if before { targets(block) } else { sources(block) }, block)).collect();
    for block in &wiring.blocks {
        let Some(other) = by_end.get(&if before { sources(block) } else { targets(block) }) else { continue };
        for (&target, &theirs) in block.targets.iter().zip(&other.targets) {
            let (product, theirs) = (&wiring.products[target], &wiring.products[theirs]);
            let w = |source: usize| {
                let source = other.sources[block.sources.iter().position(|&own| own == source)?];
                let term = theirs.terms().iter().find(|term| term.source == source)?;
                Some(theirs.weight(exercise, term))
            };
            all.entry(product.op).or_default().extend(product.with_weights(exercise, |term| w(term.source)));
        }
    }
    all
}
