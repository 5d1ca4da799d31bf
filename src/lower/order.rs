//! The topological order of a network, and its cycles. Linear, and no recursion: a chain of 100,000 nodes is a normal request.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a walk over the edges found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// The nodes that can be computed, each after its sources; among several, the one that stands first in the request.
    pub(super) sorted: Vec<usize>,
    /// Cycles, each as the nodes along it: every one feeds the next, and the last the first.
    pub(super) cycles: Vec<Vec<usize>>,
}

/// Order nodes by `sources`, where `sources[i]` lists the nodes that node `i` reads (repetitions allowed).
pub(super) fn order(sources: &[Vec<usize>]) -> Order {
    let count = sources.len();
    let mut waits_for: Vec<usize> = sources.iter().map(Vec::len).collect();
    let mut readers = vec![Vec::new(); count];
    for (reader, sources) in sources.iter().enumerate() {
        for &source in sources {
            readers[source].push(reader);
        }
    }
    let mut ready: BinaryHeap<_> = (0..count).filter(|&node| waits_for[node] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(count);
    while let Some(Reverse(node)) = ready.pop() {
        sorted.push(node);
        for &reader in &readers[node] {
            waits_for[reader] -= 1;
            if waits_for[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    let cycles = if sorted.len() == count { Vec::new() } else { cycles(sources, &waits_for) };
    Order { sorted, cycles }
}

/// Every node that still waits reads one that still waits; following those leads into a cycle.
fn cycles(sources: &[Vec<usize>], waits_for: &[usize]) -> Vec<Vec<usize>> {
    let mut walk_of = vec![None; sources.len()];
    let mut cycles = Vec::new();
    for start in (0..sources.len()).filter(|&node| waits_for[node] > 0) {
        let (mut node, mut path) = (start, Vec::new());
        while walk_of[node].is_none() {
            walk_of[node] = Some(start);
            path.push(node);
            node = *sources[node].iter().find(|&&source| waits_for[source] > 0).expect("it waits for one that waits");
        }
        if walk_of[node] == Some(start) {
            let from = path.iter().position(|&on_path| on_path == node).expect("this walk passed here");
            let mut cycle = path.split_off(from);
            cycle.reverse();
            cycles.push(cycle);
        }
    }
    cycles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_written_comes_first() {
        let order = order(&[vec![2], vec![], vec![], vec![0, 1]]);
        assert_eq!(order, Order { sorted: vec![1, 2, 0, 3], cycles: vec![] });
    }

    #[test]
    fn cycles_are_named_in_the_direction_of_the_flow() {
        let order = order(&[vec![2], vec![0], vec![1], vec![3], vec![2], vec![]]);
        assert_eq!(order.sorted, [5]);
        assert_eq!(order.cycles, [vec![1, 2, 0], vec![3]]);
        for pair in order.cycles[0].windows(2) {
            assert!([vec![2], vec![0], vec![1]][pair[1]].contains(&pair[0]));
        }
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let sources: Vec<_> = (0..200_000).map(|i| if i == 0 { vec![] } else { vec![i - 1] }).collect();
        assert_eq!(order(&sources).sorted.len(), 200_000);
        let ring: Vec<_> = (0..200_000_usize).map(|i| vec![(i + 199_999) % 200_000]).collect();
        assert_eq!(order(&ring).cycles[0].len(), 200_000);
    }
}
