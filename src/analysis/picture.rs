//! A network as a diagram: z and dE/dz in its boxes, weights and their gradients on its edges.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::places::{Places, keep_all_and_derive, sweep};
use super::run::Job;
use super::{Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, within};
use crate::config::Limits;
use crate::draw::diagram::{Diagram, Edge, Node};
use crate::draw::number::short;
use crate::draw::{dot, svg};
use crate::graph::{NodeId, Plan};
use crate::lower::{Lowered, Need, Selection};
use crate::tape::{Sweep, Tape};
use crate::tensor::{Dims, Tensor};

/// More boxes than this are drawn as layers.
const MOST_BOXES: usize = 60;
/// Up to this many samples each value is written out; of more, their root mean square.
const SHOWN_SAMPLES: usize = 3;
const DIGITS: usize = 3;

/// Whether a form is a picture.
pub(super) fn is_picture(form: Form) -> bool {
    matches!(form, Form::Svg | Form::Dot)
}

/// A diagram in a form.
pub(super) fn reply(diagram: &Diagram, form: Form) -> Reply {
    let text = if form == Form::Dot { dot::graph(diagram) } else { svg::graph(diagram) };
    Reply { content_type: form.media_type(), body: text.into_bytes() }
}

/// What is asked for, to be drawn in full colour.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) places: BTreeSet<usize>,
    /// From a place to one that reads it; the loss is the place after the last.
    pub(super) edges: BTreeSet<(usize, usize)>,
}

/// A finished run.
pub(super) struct Picture<'p> {
    pub(super) lowered: &'p Lowered,
    pub(super) places: &'p Places,
    pub(super) values: &'p Tape<'p, f64>,
    pub(super) sweep: &'p Sweep<f64>,
    pub(super) marks: &'p Marks,
    pub(super) title: String,
}

/// Numbers of one place, or of several.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    squares: f64,
    sum: f64,
    count: usize,
}

impl Size {
    fn add(&mut self, numbers: &[f64]) {
        self.squares += numbers.iter().map(|x| x * x).sum::<f64>();
        self.sum += numbers.iter().sum::<f64>();
        self.count += numbers.len();
    }

    fn rms(self) -> f64 {
        (self.squares / self.count.max(1) as f64).sqrt()
    }
}

/// As parts of the largest, -1 to 1.
fn tints(sizes: &[Option<f64>]) -> (Vec<Option<f64>>, f64) {
    let most = sizes.iter().flatten().filter(|x| x.is_finite()).fold(0.0_f64, |most, x| most.max(x.abs()));
    let tint = |x: f64| {
        if x.is_finite() && most > 0.0 {
            x / most
        } else {
            x.signum().clamp(-1.0, 1.0) * f64::from(u8::from(!x.is_nan() && most > 0.0))
        }
    };
    (sizes.iter().map(|size| size.map(tint)).collect(), most)
}

impl Picture<'_> {
    /// The diagram.
    pub(super) fn diagram(&self) -> Diagram {
        let groups = self.groups();
        let mut group_of = vec![0; self.places.list.len() + 1];
        groups.iter().enumerate().for_each(|(g, members)| members.iter().for_each(|&i| group_of[i] = g));
        group_of[self.places.list.len()] = groups.len();
        let sizes: Vec<Option<f64>> = groups.iter().map(|members| self.size(members)).collect();
        let (node_tints, most) = tints(&sizes);
        let mut nodes: Vec<Node> = groups
            .iter()
            .zip(node_tints)
            .map(|(members, tint)| Node {
                lines: self.lines(members),
                tint,
                terminal: members.iter().all(|&i| i < self.places.inputs),
                marked: members.iter().any(|i| self.marks.places.contains(i)),
            })
            .collect();
        nodes.push(self.loss());
        let edges = self.edges(&group_of, groups.len() == self.places.list.len());
        let legend =
            Some(("dE/dz in boxes: sign, and root mean square over samples and entries; dE/dw on edges".to_owned(), most))
                .filter(|_| most > 0.0);
        Diagram { title: self.title.clone(), nodes, edges, legend }
    }

    /// The places that share a box, in topological order: each alone, or by layers, or by ranges of depth.
    fn groups(&self) -> Vec<Vec<usize>> {
        let list = &self.places.list;
        if list.len() < MOST_BOXES {
            return (0..list.len()).map(|i| vec![i]).collect();
        }
        let depths = self.places.depths();
        let mut layers: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
        for (i, place) in list.iter().enumerate() {
            layers.entry((depths[i], &place.op)).or_default().push(i);
        }
        if layers.len() < MOST_BOXES {
            return layers.into_values().collect();
        }
        let deepest = depths.iter().max().copied().unwrap_or(0);
        let mut ranges: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, depth) in depths.iter().enumerate() {
            // The inputs stay by themselves.
            let range = if *depth == 0 { 0 } else { 1 + (depth - 1) * (MOST_BOXES - 2) / deepest };
            ranges.entry(range).or_default().push(i);
        }
        ranges.into_values().collect()
    }

    fn bar(&self, id: NodeId) -> &[f64] {
        self.sweep.cotangent(id).map_or(&[], Tensor::data)
    }

    /// The size of a group's dE/dz, with the sign of its sum where it is of single numbers.
    fn size(&self, members: &[usize]) -> Option<f64> {
        let mut size = Size::default();
        let mut single = true;
        for &i in members.iter().filter(|&&i| i >= self.places.inputs) {
            let z = self.places.list[i].z;
            single &= self.lowered.graph.shape(z).sample_size() == 1;
            match self.bar(z) {
                [] => size.count += self.lowered.graph.shape(z).size(),
                numbers => size.add(numbers),
            }
        }
        (size.count > 0).then(|| if single && size.sum < 0.0 { -size.rms() } else { size.rms() })
    }

    fn lines(&self, members: &[usize]) -> Vec<String> {
        let [one] = members else { return self.many(members) };
        let place = &self.places.list[*one];
        let shape = self.lowered.graph.shape(place.z);
        let single = shape.sample_size() == 1 && shape.sample_dims().is_empty();
        let numbers = |name: &str, numbers: &[f64]| {
            if numbers.is_empty() {
                format!("{name} = 0")
            } else if single && numbers.len() <= SHOWN_SAMPLES {
                let numbers: Vec<_> = numbers.iter().map(|&x| short(x, DIGITS)).collect();
                format!("{name} = {}", numbers.join(", "))
            } else {
                let mut size = Size::default();
                size.add(numbers);
                format!("{name} rms {}", short(size.rms(), DIGITS))
            }
        };
        let value = self.values.value(place.z).data();
        if *one < self.places.inputs {
            let extent = if single { place.name.clone() } else { format!("{} {}", place.name, Dims(shape.sample_dims())) };
            return if single {
                vec![extent, numbers("x", value).replacen("x ", "", 1).replacen("= ", "", 1)]
            } else {
                vec![extent]
            };
        }
        let mut lines = vec![place.name.clone()];
        if place.op != "neuron" {
            lines.push(if single { place.op.clone() } else { format!("{} {}", place.op, Dims(shape.sample_dims())) });
        }
        lines.push(numbers("z", value));
        lines.push(numbers("dE/dz", self.bar(place.z)));
        for parameter in self.lowered.parameters.iter().filter(|parameter| parameter.trained) {
            let role = parameter.name.strip_prefix(&place.name).and_then(|rest| rest.strip_prefix('.'));
            let Some(role) = role.filter(|_| place.leaves.binary_search(&parameter.leaf.index()).is_ok()) else { continue };
            let bar = self.bar(parameter.leaf);
            match (parameter.element, bar) {
                (Some(element), [_, ..]) => lines.push(format!("dE/d{role} = {}", short(bar[element as usize], DIGITS))),
                (_, []) => {}
                (None, bar) => {
                    let mut size = Size::default();
                    size.add(bar);
                    lines.push(format!("dE/d{role} rms {}", short(size.rms(), DIGITS)));
                }
            }
        }
        lines
    }

    /// Several places in one box.
    fn many(&self, members: &[usize]) -> Vec<String> {
        let list = &self.places.list;
        let name = |i: Option<&usize>| i.map_or("", |&i| list[i].name.as_str());
        let mut lines = vec![format!("{} … {}", name(members.first()), name(members.last()))];
        let op = &list[members[0]].op;
        let op = if members.iter().all(|&i| list[i].op == *op) { op } else { "node" };
        lines.push(format!("{} {op}s", members.len()));
        if let Some(size) = self.size(members) {
            lines.push(format!("dE/dz rms {}", short(size.abs(), DIGITS)));
        }
        lines
    }

    fn loss(&self) -> Node {
        let objective = self.lowered.objective.as_ref().expect("a picture has a loss");
        let losses = self.values.value(objective.losses).data();
        let loss: f64 = losses.iter().zip(&objective.factors).map(|(loss, factor)| loss * factor).sum();
        let penalty: f64 = self.lowered.penalties.iter().map(|p| p.coefficient * self.values.value(p.node).data()[0]).sum();
        Node {
            lines: vec![format!("E = {}", short(loss + penalty, 4)), objective.echo.op.to_owned()],
            terminal: true,
            ..Node::default()
        }
    }

    fn edges(&self, group_of: &[usize], single: bool) -> Vec<Edge> {
        let list = &self.places.list;
        let weights: HashMap<&str, _> = self.lowered.parameters.iter().map(|p| (p.name.as_str(), p)).collect();
        let mut edges: Vec<Edge> = Vec::new();
        let mut gradients = Vec::new();
        let mut known: HashMap<(usize, usize), usize> = HashMap::new();
        let all = list.iter().enumerate().chain([(list.len(), &self.places.loss)]);
        for (to, source) in all.flat_map(|(to, place)| place.sources.iter().map(move |&source| (to, source))) {
            let ends = (group_of[source], group_of[to]);
            if ends.0 == ends.1 {
                continue;
            }
            let at = *known.entry(ends).or_insert_with(|| {
                edges.push(Edge { from: ends.0, to: ends.1, ..Edge::default() });
                gradients.push(None);
                edges.len() - 1
            });
            edges[at].marked |= self.marks.edges.contains(&(source, to));
            let weight = list.get(to).filter(|place| single && place.op == "neuron");
            let Some(parameter) = weight.and_then(|place| weights.get(format!("{}->{}", list[source].name, place.name).as_str()))
            else {
                continue;
            };
            let element = parameter.element.unwrap_or(0) as usize;
            let bar = self.bar(parameter.leaf).get(element).copied().unwrap_or(0.0);
            gradients[at] = Some(bar);
            edges[at].label = vec![
                format!("w {}", short(self.values.value(parameter.leaf).data()[element], DIGITS)),
                format!("dE/dw {}", short(bar, DIGITS)),
            ];
        }
        edges.iter_mut().zip(tints(&gradients).0).for_each(|(edge, tint)| edge.tint = tint);
        edges
    }
}

/// The picture of a problem's gradients.
struct Ready {
    job: Job,
    plan: Plan,
    places: Places,
    form: Form,
    cost: Cost,
}

/// Read, lower and price a picture of the whole network.
pub(super) fn prepare(request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let (posed, ()) = pose(request, None, Need::Loss, limits, |_, _, _| Some(()))?;
    let Posed { lowered, .. } = posed;
    let places = Places::of(&lowered);
    let plan = keep_all_and_derive(&lowered, &places);
    let flops = plan.forward_flops().saturating_add(plan.backward_flops());
    let cost = Cost { flops, bytes: plan.peak_elements().saturating_mul(8) };
    within(cost, limits)?;
    let job = Job::new(lowered, Selection::default(), false);
    Ok(Box::new(Ready { job, plan, places, form, cost }))
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let lowered = &self.job.lowered;
        let values = super::places::values(&self.job, &self.plan, guard).map_err(Failure::Stopped)?;
        let sweep = sweep(lowered, &values, guard).map_err(Failure::Stopped)?;
        let samples = lowered.samples;
        let title = format!("Gradients over {samples} sample{}", if samples == 1 { "" } else { "s" });
        let picture = Picture { lowered, places: &self.places, values: &values, sweep: &sweep, marks: &Marks::default(), title };
        Ok(reply(&picture.diagram(), self.form))
    }
}
