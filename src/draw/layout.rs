//! Where boxes and edges go, after Sugiyama: ranks by the longest path, crossings reduced by barycentres, rows spread so that
//! neighbours face each other, long edges led through ranks by way-points of their own.

use super::diagram::Diagram;

/// A box's place: its centre and its size.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        (self.x - other.x).abs() * 2.0 < self.width + other.width && (self.y - other.y).abs() * 2.0 < self.height + other.height
    }
}

/// A diagram laid out from left to right.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Rect>,
    /// For each edge the points that its curve goes through, from box to box; every second stretch crosses a rank, level.
    pub(super) edges: Vec<Vec<(f64, f64)>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Space between ranks, for edges and their labels.
const GAP: f64 = 150.0;
/// Space between boxes of a rank, and beside a way-point.
const BETWEEN: f64 = 22.0;
const BESIDE: f64 = 14.0;
/// Way-points are for edges over several ranks; beyond this many the longest edges go straight.
const MOST_WAYPOINTS: usize = 1_500;
/// Sweeps over all ranks.
const SWEEPS: usize = 16;

/// What stands in a rank: a box, or a way-point of an edge.
#[derive(Debug, Clone, Default)]
struct Item {
    node: Option<usize>,
    rank: usize,
    /// Its neighbours in the rank before and in the rank after.
    before: Vec<usize>,
    after: Vec<usize>,
    height: f64,
    y: f64,
}

/// Lay out. `sizes` are the boxes' widths and heights; `scale` stretches the space between ranks.
pub(super) fn lay_out(diagram: &Diagram, sizes: &[(f64, f64)], scale: f64) -> Layout {
    let ranks = ranks(diagram);
    let (mut items, chains) = items(diagram, &ranks, sizes);
    let depth = items.iter().map(|item| item.rank + 1).max().unwrap_or(0);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); depth];
    items.iter().enumerate().for_each(|(i, item)| rows[item.rank].push(i));
    uncross(&items, &mut rows);
    spread(&mut items, &rows);
    let top = items.iter().map(|item| item.y - item.height / 2.0).fold(f64::INFINITY, f64::min);
    items.iter_mut().for_each(|item| item.y -= top);
    let height = items.iter().map(|item| item.y + item.height / 2.0).fold(0.0, f64::max);
    let wide = |row: &Vec<usize>| row.iter().filter_map(|&i| items[i].node).map(|node| sizes[node].0).fold(40.0, f64::max);
    let widths: Vec<f64> = rows.iter().map(wide).collect();
    let mut centres = Vec::with_capacity(depth);
    let mut x = 0.0;
    for width in &widths {
        centres.push(x + width / 2.0);
        x += width + GAP * scale;
    }
    let mut nodes = vec![Rect::default(); diagram.nodes.len()];
    for item in &items {
        if let Some(node) = item.node {
            nodes[node] = Rect { x: centres[item.rank], y: item.y, width: sizes[node].0, height: sizes[node].1 };
        }
    }
    let path = |(edge, chain): (&super::diagram::Edge, &Vec<usize>)| {
        let (from, to) = (nodes[edge.from], nodes[edge.to]);
        let mut points = vec![(from.x + from.width / 2.0, from.y)];
        for &i in chain {
            let (centre, half) = (centres[items[i].rank], widths[items[i].rank] / 2.0);
            points.extend([(centre - half, items[i].y), (centre + half, items[i].y)]);
        }
        points.push((to.x - to.width / 2.0, to.y));
        points
    };
    let edges = diagram.edges.iter().zip(&chains).map(path).collect();
    Layout { nodes, edges, width: (x - GAP * scale).max(0.0), height }
}

/// The longest path to each node; what reads nothing stands just before its first reader.
fn ranks(diagram: &Diagram) -> Vec<usize> {
    let count = diagram.nodes.len();
    let mut ranks = vec![0; count];
    // Edges lead from earlier nodes to later ones, so one pass in order of their ends is enough.
    let mut edges: Vec<(usize, usize)> = diagram.edges.iter().map(|edge| (edge.to, edge.from)).collect();
    edges.sort_unstable();
    for &(to, from) in &edges {
        ranks[to] = ranks[to].max(ranks[from] + 1);
    }
    let mut reads = vec![false; count];
    edges.iter().for_each(|&(to, _)| reads[to] = true);
    let mut first = vec![usize::MAX; count];
    edges.iter().for_each(|&(to, from)| first[from] = first[from].min(ranks[to]));
    for ((rank, reads), first) in ranks.iter_mut().zip(reads).zip(first) {
        if !reads && first != usize::MAX {
            *rank = first - 1;
        }
    }
    ranks
}

fn items(diagram: &Diagram, ranks: &[usize], sizes: &[(f64, f64)]) -> (Vec<Item>, Vec<Vec<usize>>) {
    let mut items: Vec<Item> = (0..diagram.nodes.len())
        .map(|node| Item { node: Some(node), rank: ranks[node], height: sizes[node].1, ..Item::default() })
        .collect();
    let mut by_length: Vec<usize> = (0..diagram.edges.len()).collect();
    by_length.sort_by_key(|&i| ranks[diagram.edges[i].to] - ranks[diagram.edges[i].from]);
    let mut chains = vec![Vec::new(); diagram.edges.len()];
    let mut waypoints = 0;
    for i in by_length {
        let edge = &diagram.edges[i];
        let between = ranks[edge.from] + 1..ranks[edge.to];
        if waypoints + between.len() > MOST_WAYPOINTS {
            continue;
        }
        waypoints += between.len();
        let mut last = edge.from;
        for rank in between {
            items.push(Item { rank, ..Item::default() });
            let next = items.len() - 1;
            items[last].after.push(next);
            items[next].before.push(last);
            chains[i].push(next);
            last = next;
        }
        items[last].after.push(edge.to);
        items[edge.to].before.push(last);
    }
    (items, chains)
}

/// Order each rank by the mean place of its neighbours, back and forth, and keep the best order seen.
fn uncross(items: &[Item], rows: &mut [Vec<usize>]) {
    let mut place = vec![0.0; items.len()];
    let number = |rows: &[Vec<usize>], place: &mut Vec<f64>| {
        rows.iter().flat_map(|row| row.iter().enumerate()).for_each(|(at, &i)| place[i] = at as f64);
    };
    number(rows, &mut place);
    let (mut best, mut fewest) = (rows.to_vec(), crossings(items, rows, &place));
    for sweep in 0..SWEEPS {
        let forward = sweep.is_multiple_of(2);
        let order: Vec<usize> = if forward { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for rank in order {
            let mean = |i: usize| {
                let neighbours = if forward { &items[i].before } else { &items[i].after };
                let sum: f64 = neighbours.iter().map(|&n| place[n]).sum();
                if neighbours.is_empty() { place[i] } else { sum / neighbours.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> = rows[rank].iter().map(|&i| (mean(i), i)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[rank] = keyed.into_iter().map(|(_, i)| i).collect();
            rows[rank].iter().enumerate().for_each(|(at, &i)| place[i] = at as f64);
        }
        let found = crossings(items, rows, &place);
        if found < fewest {
            (best, fewest) = (rows.to_vec(), found);
        }
    }
    rows.clone_from_slice(&best);
}

/// How often edges between neighbouring ranks cross: inversions, counted by a Fenwick tree.
fn crossings(items: &[Item], rows: &[Vec<usize>], place: &[f64]) -> u64 {
    let mut count = 0;
    for row in rows {
        let mut ends: Vec<(usize, usize)> =
            row.iter().flat_map(|&i| items[i].after.iter().map(move |&n| (place[i] as usize, place[n] as usize))).collect();
        ends.sort_unstable();
        let size = ends.iter().map(|end| end.1 + 1).max().unwrap_or(0);
        let mut tree = vec![0_u64; size + 1];
        for (seen, &(_, end)) in ends.iter().enumerate() {
            let (mut at, mut below) = (end + 1, 0);
            while at > 0 {
                below += tree[at];
                at &= at - 1;
            }
            count += seen as u64 - below;
            let mut at = end + 1;
            while at <= size {
                tree[at] += 1;
                at += at & at.wrapping_neg();
            }
        }
    }
    count
}

/// Heights: each item as near to the mean of its neighbours as the order and the space between allow.
fn spread(items: &mut [Item], rows: &[Vec<usize>]) {
    for row in rows {
        let mut y = 0.0;
        for (at, &i) in row.iter().enumerate() {
            y += if at == 0 { 0.0 } else { apart(&items[row[at - 1]], &items[i]) };
            items[i].y = y;
        }
        row.iter().for_each(|&i| items[i].y -= y / 2.0);
    }
    for sweep in 0..SWEEPS {
        let forward = sweep.is_multiple_of(2);
        let order: Vec<usize> = if forward { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for rank in order {
            let wish = |i: usize| {
                // The last sweeps look both ways.
                let (before, after) = (&items[i].before, &items[i].after);
                let both = sweep + 4 >= SWEEPS;
                let chosen = before.iter().filter(|_| forward || both).chain(after.iter().filter(|_| !forward || both));
                let ys: Vec<f64> = chosen.map(|&n| items[n].y).collect();
                if ys.is_empty() { items[i].y } else { ys.iter().sum::<f64>() / ys.len() as f64 }
            };
            let wishes: Vec<f64> = rows[rank].iter().map(|&i| wish(i)).collect();
            let ys = nearest(&wishes, &rows[rank], items);
            rows[rank].iter().zip(ys).for_each(|(&i, y)| items[i].y = y);
        }
    }
}

/// The distance that two neighbours of a rank keep.
fn apart(a: &Item, b: &Item) -> f64 {
    let space = if a.node.is_some() && b.node.is_some() { BETWEEN } else { BESIDE };
    f64::midpoint(a.height, b.height) + space
}

/// The heights nearest to the wishes, in the sense of least squares, that keep order and distance: pool adjacent violators.
fn nearest(wishes: &[f64], row: &[usize], items: &[Item]) -> Vec<f64> {
    let mut offsets = vec![0.0; row.len()];
    for at in 1..row.len() {
        offsets[at] = offsets[at - 1] + apart(&items[row[at - 1]], &items[row[at]]);
    }
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (wish, offset) in wishes.iter().zip(&offsets) {
        let mut pool = (wish - offset, 1);
        while let Some(&(mean, size)) = pools.last() {
            if mean <= pool.0 {
                break;
            }
            pools.pop();
            let total = size + pool.1;
            pool = ((mean * size as f64 + pool.0 * pool.1 as f64) / total as f64, total);
        }
        pools.push(pool);
    }
    let means = pools.into_iter().flat_map(|(mean, size)| std::iter::repeat_n(mean, size));
    means.zip(offsets).map(|(mean, offset)| mean + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::super::diagram::{Edge, Node};
    use super::*;

    fn wired(nodes: usize, edges: &[(usize, usize)]) -> Diagram {
        Diagram {
            nodes: vec![Node::default(); nodes],
            edges: edges.iter().map(|&(from, to)| Edge { from, to, ..Edge::default() }).collect(),
            ..Diagram::default()
        }
    }

    #[test]
    fn boxes_never_overlap_and_edges_run_rightwards() {
        let mut state = 7_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for nodes in [1, 2, 7, 30, 60] {
            let mut edges: Vec<(usize, usize)> = (1..nodes).flat_map(|to| [(random(to), to), (random(to), to)]).collect();
            edges.sort_unstable();
            edges.dedup();
            let layout = lay_out(&wired(nodes, &edges), &vec![(90.0, 50.0); nodes], 1.0);
            for (i, a) in layout.nodes.iter().enumerate() {
                assert!(a.y >= 25.0 - 1e-9 && a.y <= layout.height - 25.0 + 1e-9, "{a:?} of {}", layout.height);
                assert!(layout.nodes[..i].iter().all(|b| !a.overlaps(b)), "{nodes}: {a:?}");
            }
            for points in &layout.edges {
                assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{points:?}");
            }
        }
    }

    #[test]
    fn crossings_that_need_not_be_are_undone() {
        // Two pairs, written crosswise.
        let layout = lay_out(&wired(4, &[(0, 3), (1, 2)]), &[(90.0, 50.0); 4], 1.0);
        let above = |a: usize, b: usize| layout.nodes[a].y < layout.nodes[b].y;
        assert_eq!(above(0, 1), above(3, 2));
        assert_eq!(layout.nodes[0].y, layout.nodes[3].y);
    }
}
