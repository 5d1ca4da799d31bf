//! A network that is kept with its parameters, so that problems need only name it. Read, checked and decoded once; lent to every
//! problem that says `"network": {"ref": …}`, whose own `parameters` come first.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use self_cell::self_cell;

use super::run::Job;
use super::validate;
use super::{Analysis, Cost, ENGINE, Failure, Form, Guard, Prepared, Reply, Request, add_part, content_hash, within};
use crate::config::Limits;
use crate::lower::{Leaf, Lowered, Need, lower, select};
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::{self, Json};
use crate::spec::problem::{self, Kept, NetworkSpec, Options, Problem};
use crate::spec::tensor::{self, Reading, TensorSpec};
use crate::spec::write::Writer;

self_cell!(
    /// A network as read, with the text that its names point into.
    struct Network {
        owner: String,
        #[covariant]
        dependent: NetworkSpec,
    }

    impl {Debug}
);

/// A network and the values of its parameters.
#[derive(Debug)]
pub struct Stored {
    name: String,
    network: Network,
    parameters: Vec<(String, TensorSpec)>,
    /// Whether values were given at all; where they were, none is missing.
    parameters_given: bool,
    /// Parameters whose values stand in the network itself.
    inline: HashSet<String>,
    summary: Vec<u8>,
    bytes: usize,
}

/// Where [`KEEP`] leaves what it read.
pub type Slot = OnceLock<Arc<Stored>>;

/// What `PUT /v1/networks` asks: check a network and keep it. No route is read off it.
pub const KEEP: Analysis = Analysis {
    name: "networks",
    summary: "Keep a network with its parameters.",
    description: "",
    forms: &[Form::Json],
    prepare: |request, _, limits| {
        let stored = Arc::new(Stored::read(request, limits)?);
        Ok(Box::new(Ready { stored, slot: request.keep.cloned() }))
    },
};

struct Ready {
    stored: Arc<Stored>,
    slot: Option<Arc<Slot>>,
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        Cost::default()
    }

    fn run(self: Box<Self>, _: Guard<'_>) -> Result<Reply, Failure> {
        let Self { stored, slot } = *self;
        let body = stored.summary.clone();
        if let Some(slot) = slot {
            slot.get_or_init(|| stored);
        }
        Ok(Reply { content_type: "application/json", body })
    }
}

impl Stored {
    /// Its name: `sha256:` and the digest of the bytes that it came in.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is told of it: its name, inputs, outputs, parameters and size, as JSON.
    pub fn summary(&self) -> &[u8] {
        &self.summary
    }

    /// The problem that names this network, with the network and those of its parameters that the problem does not give itself.
    pub(super) fn lend<'s>(&'s self, mut problem: Problem<'s>) -> Problem<'s> {
        let mut network = self.network.borrow_dependent().clone();
        let given = problem.parameters.iter().map(|(name, _)| name.as_str());
        let given: HashSet<_> = given.chain(problem.parameters_failed.iter().map(String::as_str)).collect();
        network.forget(&given.iter().copied().filter(|&name| self.inline.contains(name)).collect());
        let lent: Vec<_> = self.parameters.iter().filter(|(name, _)| !given.contains(name.as_str())).cloned().collect();
        problem.network = Some(network);
        problem.parameters.extend(lent);
        problem.parameters_given |= self.parameters_given;
        problem
    }

    fn read(request: Request<'_>, limits: &Limits) -> Result<Self, Failure> {
        let json = json::parse(request.problem, limits).map_err(Failure::Malformed)?;
        let mut faults = Faults::new(limits.faults);
        let Kept { mut problem, network } = problem::decode_kept(json, limits, &mut faults);
        add_part(&mut problem, request.parameters, limits, &mut faults);
        let parameters_given = problem.parameters_given;
        let parameters = problem.parameters.clone();
        let lowered = lower(problem, Need::Shapes, limits, &mut faults);
        let (Some(lowered), Some(network), true) = (lowered, network, faults.is_empty()) else {
            return Err(Failure::Invalid(faults));
        };
        let summary = Summary::of(lowered, limits)?;
        Self::keep(content_hash(request), network, parameters, parameters_given, &summary, limits)
    }

    /// Take the numbers out of the network's text, and keep both.
    fn keep(
        name: String,
        mut network: Json<'_>,
        mut parameters: Vec<(String, TensorSpec)>,
        parameters_given: bool,
        summary: &Summary,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        let mut faults = Faults::new(limits.faults);
        let mut inline: HashSet<&str> = summary.names().collect();
        for (name, _) in &parameters {
            inline.remove(name.as_str());
        }
        let reading = Reading { limits, allow_non_finite: false, allow_init: true };
        for (name, json) in problem::hoist(&mut network, |name| inline.contains(name)) {
            if let Some(value) = tensor::decode(json, At::ROOT.name("network"), reading, &mut faults) {
                inline.remove(name.as_str());
                parameters.push((name, value));
            }
        }
        let mut w = Writer::new();
        network.write(&mut w);
        let text = String::from_utf8(w.into_bytes()).unwrap_or_default();
        let network = Network::try_new(text, |text| {
            let json = json::parse(text.as_bytes(), limits)?;
            problem::network(json, limits, &mut faults).ok_or_else(|| std::mem::take(&mut faults))
        });
        let network = network.map_err(Failure::Invalid)?;
        if !faults.is_empty() {
            return Err(Failure::Invalid(faults));
        }
        let inline = inline.into_iter().map(str::to_owned).collect();
        let mut stored = Self { name, network, parameters, parameters_given, inline, summary: Vec::new(), bytes: 0 };
        stored.bytes = stored.weigh() + summary.estimate();
        stored.summary = summary.write(&stored);
        Ok(stored)
    }

    /// Bytes that it takes but for its summary, near enough.
    fn weigh(&self) -> usize {
        const EACH: usize = 96;
        let values = self.parameters.iter().map(|(name, value)| {
            let numbers = match value {
                TensorSpec::Values { shape, data } => size_of_val(shape.as_slice()) + size_of_val(data.as_slice()),
                TensorSpec::Init(init) => size_of_val(init) + init.init.len() + init.seed.len(),
            };
            EACH + name.len() + numbers
        });
        let inline = self.inline.iter().map(|name| EACH + name.len());
        let network = self.network.borrow_owner().len() + self.network.borrow_dependent().heap_bytes();
        1024 + network + values.sum::<usize>() + inline.sum::<usize>()
    }
}

/// What is told of a network that is kept.
struct Summary {
    job: Job,
    cost: [u64; 3],
}

impl Summary {
    /// Price it for one sample, and refuse what no problem could run.
    fn of(lowered: Lowered, limits: &Limits) -> Result<Self, Failure> {
        let mut faults = Faults::new(limits.faults);
        let selection = select(&lowered, &Options::default(), &mut faults);
        let job = Job::new(lowered, selection, true);
        let (forward, backward) = (job.plan.forward_flops(), job.plan.backward_flops());
        let bytes = job.plan.peak_elements().saturating_mul(8);
        within(Cost { flops: forward.saturating_add(backward), bytes }, limits)?;
        Ok(Self { job, cost: [forward, backward, bytes] })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.job.lowered.parameters.iter().map(|parameter| parameter.name.as_str())
    }

    /// Bytes of its text, near enough.
    fn estimate(&self) -> usize {
        256 + self.names().map(|name| 64 + name.len()).sum::<usize>()
    }

    fn write(&self, stored: &Stored) -> Vec<u8> {
        let lowered = &self.job.lowered;
        let given = |leaf| {
            let at = lowered.leaves.binary_search_by_key(&leaf, |(leaf, _)| *leaf);
            at.is_ok_and(|at| !matches!(lowered.leaves[at].1, Leaf::Unknown))
        };
        let mut w = Writer::new();
        w.object(|w| {
            w.key("ref").string(&stored.name);
            validate::inputs(w.key("inputs"), lowered);
            w.key("nodes").integer(lowered.nodes.len() as u64);
            w.key("outputs").strings(lowered.outputs.iter().map(|&i| lowered.nodes[i].id.as_str()));
            w.key("parameters").array(|w| {
                for parameter in &lowered.parameters {
                    w.object(|w| {
                        w.key("name").string(&parameter.name);
                        w.key("shape").sizes(parameter.shape.dims());
                        w.key("trained").boolean(parameter.trained);
                        w.key("given").boolean(given(parameter.leaf));
                    });
                }
            });
            w.key("parameter_count").integer(lowered.parameters.iter().map(|parameter| parameter.shape.size() as u64).sum());
            w.key("bytes").integer(stored.bytes as u64);
            validate::cost(w.key("cost"), self.cost);
            w.key("meta").object(|w| w.key("engine").string(ENGINE));
        });
        w.into_bytes()
    }
}

/// A network that is named and not known.
pub(super) fn unknown(name: &str) -> Faults {
    let mut faults = Faults::new(1);
    let at = At::ROOT.name("network");
    faults.push(at.name("ref"), Code::UnknownNetwork, format!("no network {name} is stored; put it again: PUT /v1/networks"));
    faults
}
