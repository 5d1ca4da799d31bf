//! The network as single numbers: entries of nodes, and between them the local derivatives `∂z_l/∂z_k`.
//!
//! Each local derivative is a tangent of one node's own ops over dual numbers, with whatever else that node reads standing still. One
//! sweep gives the column of an entry: the derivatives by it of every entry that reads it. Entries are visited as they are reached, so
//! that the derivation of one weight costs what its own paths cost.

use super::target::Target;
use crate::analysis::places::{Grain, Local, Place, Places, has_gradient, push_flops};
use crate::analysis::{Failure, Guard};
use crate::lower::Lowered;
use crate::spec::fault::{At, Code, Faults};
use crate::tape::Tape;

/// The most local derivatives that one derivation goes through.
pub(super) const MAX_EDGES: usize = 100_000;
/// The most numbers they may be, counting each sample.
pub(super) const MAX_NUMBERS: usize = 300_000;

/// One entry of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scalar {
    pub(super) place: usize,
    pub(super) entry: usize,
}

/// A local derivative, one number a lane.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    /// Which scalar's derivative it is.
    pub(super) to: usize,
    pub(super) local: Vec<f64>,
}

/// Single numbers in topological order, and how they depend on each other and on the target.
#[derive(Debug)]
pub(super) struct Scalars {
    pub(super) list: Vec<Scalar>,
    /// For each, who reads it.
    pub(super) readers: Vec<Vec<Edge>>,
    /// For each, the derivative of E by it, as far as the loss itself reads it.
    pub(super) direct: Vec<Option<Vec<f64>>>,
    /// Those that read the target where it is a parameter, or the target itself with derivative 1.
    pub(super) uses: Vec<Edge>,
    /// The derivative of the penalties by the target.
    pub(super) penalty: Option<f64>,
    pub(super) lanes: usize,
}

/// What building them needs.
pub(super) struct Builder<'b> {
    pub(super) lowered: &'b Lowered,
    pub(super) places: &'b Places,
    pub(super) values: &'b Tape<'b, f64>,
    pub(super) grain: Grain,
    pub(super) guard: Guard<'b>,
    /// Floating-point operations that may still be spent.
    pub(super) flops: u64,
    pub(super) limit: u64,
}

/// Edges while they are gathered: from, to, local.
type Raw = Vec<(Scalar, Scalar, Vec<f64>)>;

impl Builder<'_> {
    /// All that derives from the target; with `whole`, everything that feeds the loss and is no deeper down than it.
    pub(super) fn build(mut self, target: &Target, whole: bool) -> Result<Scalars, Failure> {
        let places = self.places;
        let feeds = places.feeding();
        let mut reached: Vec<Vec<bool>> = places.list.iter().map(|_| Vec::new()).collect();
        self.start(target, &mut reached);
        let (mut uses, mut edges): (Raw, Raw) = (Vec::new(), Vec::new());
        let moving = match *target {
            Target::Parameter { parameter, element, .. } => Some((self.lowered.parameters[parameter].leaf.index(), element)),
            Target::Node { .. } => None,
        };
        let (depths, lowest) = (places.depths(), self.lowest(target));
        for l in (places.inputs..places.list.len()).filter(|&l| feeds[l]) {
            self.columns(l, moving, &mut reached, &mut uses, &mut edges)?;
            if whole && depths[l] >= lowest {
                reached[l] = vec![true; self.grain.entries(self.lowered.graph.shape(places.list[l].z))];
            }
        }
        let direct = self.loss(&reached)?;
        let penalty = self.penalty(moving);
        let lanes = self.grain.lanes();
        Ok(numbered(&reached, edges, &uses, target, direct, penalty, lanes))
    }

    /// A target that is a node is reached from the start.
    fn start(&self, target: &Target, reached: &mut [Vec<bool>]) {
        if let Target::Node { place, entry } = *target {
            let mut own = vec![false; self.grain.entries(self.lowered.graph.shape(self.places.list[place].z))];
            own[entry] = true;
            reached[place] = own;
        }
    }

    /// The depth below which backprop need not go for this target.
    fn lowest(&self, target: &Target) -> usize {
        let depths = self.places.depths();
        match *target {
            Target::Node { place, .. } => depths[place],
            Target::Parameter { parameter, .. } => {
                let leaf = self.lowered.parameters[parameter].leaf.index();
                let readers = self.places.list.iter().zip(depths).filter(|(place, _)| place.leaves.binary_search(&leaf).is_ok());
                readers.map(|(_, depth)| depth).min().unwrap_or(usize::MAX)
            }
        }
    }

    /// The derivatives of one place's entries by the target and by every reached entry that it reads.
    fn columns(
        &mut self,
        l: usize,
        moving: Option<(usize, usize)>,
        reached: &mut [Vec<bool>],
        uses: &mut Raw,
        edges: &mut Raw,
    ) -> Result<(), Failure> {
        let (place, graph, grain) = (&self.places.list[l], &self.lowered.graph, self.grain);
        let shape = graph.shape(place.z);
        let reads_target = moving.filter(|(leaf, _)| place.leaves.binary_search(leaf).is_ok());
        let sources: Vec<_> = place.sources.iter().copied().filter(|&k| reached[k].contains(&true)).collect();
        if reads_target.is_none() && sources.is_empty() {
            return Ok(());
        }
        let mut own = std::mem::take(&mut reached[l]);
        own.resize(grain.entries(shape), false);
        let local = Local::new(graph, place, &self.places.list, self.values);
        let price = push_flops(graph, place);
        if let Some((leaf, element)) = reads_target {
            let from = Scalar { place: usize::MAX, entry: 0 };
            let column = self.column(&local, leaf, &[element], l, false, price)?;
            let moves = column.iter().any(|(_, numbers)| numbers.iter().any(|&x| x != 0.0));
            let counts = !moves || has_gradient(graph, place, self.values, leaf, element);
            for (entry, numbers) in column.into_iter().filter(|_| counts) {
                own[entry] = true;
                uses.push((from, Scalar { place: l, entry }, numbers));
            }
        }
        for k in sources {
            let from = graph.shape(self.places.list[k].z);
            let single = grain.entries(from) == 1 && own.len() == 1;
            for entry in (0..reached[k].len()).filter(|&entry| reached[k][entry]) {
                let moving = self.places.list[k].z.index();
                for (to, numbers) in self.column(&local, moving, &grain.elements(from, entry), l, single, price)? {
                    own[to] = true;
                    edges.push((Scalar { place: k, entry }, Scalar { place: l, entry: to }, numbers));
                }
                self.within(uses.len() + edges.len())?;
            }
        }
        reached[l] = own;
        Ok(())
    }

    /// The entries of place `l` that can depend on these elements, with their derivatives.
    fn column(
        &mut self,
        local: &Local<'_>,
        moving: usize,
        elements: &[usize],
        l: usize,
        single: bool,
        price: u64,
    ) -> Result<Vec<(usize, Vec<f64>)>, Failure> {
        (self.guard)().map_err(Failure::Stopped)?;
        self.spend(price)?;
        let shape = self.lowered.graph.shape(self.places.list[l].z);
        let tangents = local.push(moving, elements);
        let entries = self.grain.entries(shape);
        let column = (0..entries).map(|entry| (entry, self.grain.read(shape, &tangents, entry)));
        let column: Vec<_> = column.collect();
        let zero = |numbers: &[f64]| numbers.iter().all(|&x| x == 0.0);
        if single || !column.iter().any(|(_, numbers)| zero(numbers)) {
            return Ok(column);
        }
        self.spend(price.saturating_mul(2))?;
        let integer = |leaf: usize| self.lowered.inputs.iter().any(|input| !input.real && input.leaf.index() == leaf);
        let pattern = local.pattern(moving, elements, &integer);
        let possible = |entry| self.grain.elements(shape, entry).into_iter().any(|at| pattern[at]);
        Ok(column.into_iter().filter(|(entry, numbers)| !zero(numbers) || possible(*entry)).collect())
    }

    /// The derivative of E by every reached entry that the loss itself reads.
    fn loss(&mut self, reached: &[Vec<bool>]) -> Result<Vec<(Scalar, Vec<f64>)>, Failure> {
        let (places, graph, grain) = (self.places, &self.lowered.graph, self.grain);
        let objective = self.lowered.objective.as_ref().expect("a derivation has a loss");
        let local = Local::new(graph, &places.loss, &places.list, self.values);
        let price = push_flops(graph, &places.loss);
        let mut direct = Vec::new();
        for &k in &places.loss.sources {
            let shape = graph.shape(places.list[k].z);
            for entry in (0..reached[k].len()).filter(|&entry| reached[k][entry]) {
                (self.guard)().map_err(Failure::Stopped)?;
                self.spend(price)?;
                let tangents = local.push(places.list[k].z.index(), &grain.elements(shape, entry));
                let parts = tangents.iter().zip(&objective.factors).map(|(tangent, factor)| tangent * factor);
                let numbers = match (grain.coupled, grain.sample) {
                    (_, Some(sample)) => vec![tangents[sample] * objective.factors[sample]],
                    (true, None) => vec![parts.sum()],
                    (false, None) => parts.collect(),
                };
                direct.push((Scalar { place: k, entry }, numbers));
            }
        }
        Ok(direct)
    }

    /// The derivative of the penalties, which belong to no sample.
    fn penalty(&self, moving: Option<(usize, usize)>) -> Option<f64> {
        let (leaf, element) = moving.filter(|_| self.grain.sample.is_none())?;
        let mut sum = None;
        let places = Place::beside(&self.lowered.graph, self.lowered.penalties.iter().map(|penalty| penalty.node));
        for (penalty, place) in self.lowered.penalties.iter().zip(&places) {
            if place.leaves.contains(&leaf) {
                let local = Local::new(&self.lowered.graph, place, &[], self.values);
                *sum.get_or_insert(0.0) += penalty.coefficient * local.push(leaf, &[element])[0];
            }
        }
        // A neuron's weights share a leaf, and a mask may leave this one out.
        sum.filter(|&sum| sum != 0.0)
    }

    fn spend(&mut self, flops: u64) -> Result<(), Failure> {
        self.flops = self.flops.checked_sub(flops).ok_or_else(|| {
            over(format!("the derivation takes more than {} floating-point operations, which is the limit", self.limit))
        })?;
        Ok(())
    }

    fn within(&self, edges: usize) -> Result<(), Failure> {
        let lanes = self.grain.lanes();
        if edges > MAX_EDGES {
            return Err(over(format!(
                "more than {edges} local derivatives are on the way from the loss to the target, the limit is {MAX_EDGES}; derive by something nearer to the loss"
            )));
        }
        if edges.saturating_mul(lanes) > MAX_NUMBERS {
            return Err(over(format!(
                "more than {edges} local derivatives of {lanes} samples are on the way from the loss to the target, the limit is {MAX_NUMBERS} numbers; pick one sample with \"sample\""
            )));
        }
        Ok(())
    }
}

/// Over a limit, with the figure in words.
pub(super) fn over(detail: String) -> Failure {
    let mut faults = Faults::new(1);
    let at = At::ROOT;
    faults.push(at.name("derivation"), Code::LimitExceeded, detail);
    Failure::OverLimit(faults)
}

/// Give every reached entry a number, in topological order, and put the edges where they start.
fn numbered(
    reached: &[Vec<bool>],
    edges: Raw,
    uses: &[(Scalar, Scalar, Vec<f64>)],
    target: &Target,
    direct: Vec<(Scalar, Vec<f64>)>,
    penalty: Option<f64>,
    lanes: usize,
) -> Scalars {
    let all = reached.iter().enumerate().flat_map(|(place, own)| {
        own.iter().enumerate().filter(|(_, reached)| **reached).map(move |(entry, _)| Scalar { place, entry })
    });
    let list: Vec<_> = all.collect();
    let number = |scalar: Scalar| list.binary_search(&scalar).expect("every end of an edge is reached");
    let mut readers: Vec<Vec<Edge>> = vec![Vec::new(); list.len()];
    for (from, to, local) in edges {
        readers[number(from)].push(Edge { to: number(to), local });
    }
    let mut reads: Vec<Option<Vec<f64>>> = vec![None; list.len()];
    for (scalar, local) in direct {
        reads[number(scalar)] = Some(local);
    }
    let uses = match *target {
        Target::Parameter { .. } => uses.iter().map(|(_, to, local)| Edge { to: number(*to), local: local.clone() }).collect(),
        Target::Node { place, entry } => vec![Edge { to: number(Scalar { place, entry }), local: vec![1.0; lanes] }],
    };
    Scalars { list, readers, direct: reads, uses, penalty, lanes }
}
