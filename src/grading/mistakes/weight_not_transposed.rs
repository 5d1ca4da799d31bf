//! `z̄ = W·ā` for `z̄ = Wᵀ·ā`, where W is square: in neurons' terms `z̄ᵢ = Σⱼ w_ij·āⱼ` for `Σⱼ w_ji·āⱼ`.

use std::collections::HashMap;

use super::{Hypothesis, Mistake, product_sites};
use crate::grading::exercise::Exercise;
use crate::grading::wiring::Slot;
use crate::graph::NodeId;
use crate::tensor::Tensor;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "weight_not_transposed",
    student: "Going back {where} you used the weight matrix as on the way forward. Backwards it is transposed: dE/dz_k = Σ_l dE/da_l · w_lk sums over the nodes that k gives input to.",
    instructor: "W is used in place of its transpose in the backward product {where}.",
    section: "1.7 Backpropagation as algorithm for layered NNs",
    fitted: false,
    hypotheses: |exercise, _| {
        let blocks = neurons(exercise);
        let sites = product_sites(exercise, |product| match product.tensors() {
            Some((_, weight)) => square(exercise.input(weight)).map(|w| (weight, w)).into_iter().collect(),
            None => blocks.get(&product.op).cloned().unwrap_or_default(),
        });
        sites.into_iter().map(|(site, change)| Hypothesis::new(site, change)).collect()
    },
};

/// The transpose of a square matrix.
fn square(w: &Tensor<f64>) -> Option<Tensor<f64>> {
    let &[rows, columns] = w.shape().dims() else { return None };
    let number = |at: usize| w.data()[at % columns * columns + at / columns];
    (rows == columns && rows > 1).then(|| Tensor::new(w.shape(), (0..rows * rows).map(number).collect()))
}

/// By the neurons of square blocks: their weights from the transpose.
fn neurons(exercise: &Exercise) -> HashMap<NodeId, Vec<(Slot, Tensor<f64>)>> {
    let wiring = &exercise.wiring;
    let mut all: HashMap<NodeId, Vec<(Slot, Tensor<f64>)>> = HashMap::new();
    for block in &wiring.blocks {
        let place: HashMap<usize, usize> = block.sources.iter().enumerate().map(|(i, &source)| (source, i)).collect();
        let row = |target: usize| {
            let product = &wiring.products[block.targets[target]];
            let mut row = vec![0.0; place.len()];
            for term in product.terms() {
                if let Some(&i) = place.get(&term.source) {
                    row[i] = product.weight(exercise, term);
                }
            }
            row
        };
        let w: Vec<Vec<f64>> = (0..block.targets.len()).map(row).collect();
        for (j, &target) in block.targets.iter().enumerate() {
            let product = &wiring.products[target];
            let inputs = product.with_weights(exercise, |term| place.get(&term.source).map(|&i| w[i][j]));
            all.entry(product.op).or_default().extend(inputs);
        }
    }
    all
}
