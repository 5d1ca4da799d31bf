//! Large jobs, cut into shards of samples that idle workers share.
//!
//! Gradients and sums over samples are sums over shards, so each shard is swept forward and back on its own; what every sample has
//! is put side by side, what all samples share is added in the order of the shards. The cut depends on the problem alone, never on
//! who is there to help, so the bytes of the answer do not either. Networks that couple samples are not cut.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::run::{Job, Run};
use super::{Guard, Stop, crew};
use crate::graph::{Graph, NodeId};
use crate::ops::Scalar;
use crate::tape::{Backprop, Sweep, Tape};
use crate::tensor::{Shape, Tensor};

/// A job below this many floating-point operations is not cut: some tens of milliseconds.
const LEAST_FLOPS: u64 = 800_000_000;
/// A shard has about this many.
const SHARD_FLOPS: u64 = 600_000_000;
/// And at least so many for each number of its gradients: to write them and add them up takes memory's time, which is the same
/// for all workers, where to compute them takes a worker's own.
const FLOPS_A_GRADIENT: u64 = 1_200;
/// Shards at the most: each has gradients of its own for a while.
const MOST_SHARDS: u64 = 8;
/// Samples of a shard at the least: matrix products of few rows are slow.
const LEAST_SAMPLES: usize = 32;

/// How a job is cut.
#[derive(Debug)]
struct Cut {
    /// Samples of every shard but the last.
    size: usize,
    samples: usize,
    /// The graph over as many samples, and over those of the last shard.
    graphs: [Graph; 2],
}

impl Cut {
    /// The cut of a job, if it is one for cutting.
    fn of(job: &Job) -> Option<Self> {
        let flops = job.plan.forward_flops().saturating_add(job.plan.backward_flops());
        if flops < LEAST_FLOPS {
            return None;
        }
        let parameters = job.selection.parameters.iter().map(|&i| job.lowered.parameters[i].shape.size() as u64);
        let least = SHARD_FLOPS.max(parameters.sum::<u64>().saturating_mul(FLOPS_A_GRADIENT));
        // An even number of equal shards keeps two or four workers busy to the end.
        let count = (flops / least).clamp(2, MOST_SHARDS) / 2 * 2;
        let samples = job.lowered.samples;
        Self::with_size(job, samples.div_ceil(count as usize).max(LEAST_SAMPLES))
    }

    fn with_size(job: &Job, size: usize) -> Option<Self> {
        let (samples, graph) = (job.lowered.samples, &job.lowered.graph);
        if size >= samples || graph.couples_samples() {
            return None;
        }
        let last = samples - (samples.div_ceil(size) - 1) * size;
        Some(Self { size, samples, graphs: [graph.resized(size)?, graph.resized(last)?] })
    }

    fn count(&self) -> usize {
        self.samples.div_ceil(self.size)
    }

    fn range(&self, shard: usize) -> Range<usize> {
        shard * self.size..self.samples.min((shard + 1) * self.size)
    }

    fn graph(&self, shard: usize) -> &Graph {
        &self.graphs[usize::from(shard + 1 == self.count())]
    }
}

/// What is kept of a shard, and of all shards together: values and cotangents by their nodes.
#[derive(Debug)]
struct Part<S> {
    values: Vec<Option<Tensor<S>>>,
    cotangents: Vec<Option<Tensor<S>>>,
}

/// Shards that are done, added up as far as their order allows.
#[derive(Debug)]
struct Done<S> {
    /// How many are added up.
    added: usize,
    sum: Option<Part<S>>,
    /// Those that came before their turn.
    early: BTreeMap<usize, Part<S>>,
    /// Whether somebody is adding.
    adding: bool,
    /// Shards that somebody began and left.
    left: Vec<usize>,
    /// Whether a helper panicked.
    broken: bool,
}

/// One job being worked on by whoever has time.
#[derive(Debug)]
struct Work<S> {
    job: Arc<Job>,
    cut: Cut,
    /// In the order of the job's leaves, each made by the first who wants it.
    leaves: Vec<OnceLock<Tensor<S>>>,
    /// The next leaf that nobody has begun to make.
    next_leaf: AtomicUsize,
    backward: bool,
    /// The next shard that nobody has begun.
    next: AtomicUsize,
    stopped: AtomicBool,
    done: Mutex<Done<S>>,
    progress: Condvar,
}

/// Both sweeps of a job, cut where it is large. Without `backward` the second is left out.
pub(super) fn sweep<'j, S: Scalar>(
    job: &'j Arc<Job>,
    backward: bool,
    guard: Guard<'_>,
) -> Result<(Run<'j, S>, Option<Sweep<S>>), Stop> {
    if let Some(cut) = Cut::of(job) {
        return share(job, cut, backward, guard);
    }
    let run = job.forward(guard)?;
    let sweep = if backward { Some(run.backward(guard)?) } else { None };
    Ok((run, sweep))
}

fn share<'j, S: Scalar>(
    job: &'j Arc<Job>,
    cut: Cut,
    backward: bool,
    guard: Guard<'_>,
) -> Result<(Run<'j, S>, Option<Sweep<S>>), Stop> {
    let done = Done { added: 0, sum: None, early: BTreeMap::new(), adding: false, left: Vec::new(), broken: false };
    let work = Arc::new(Work {
        job: Arc::clone(job),
        cut,
        leaves: job.lowered.leaves.iter().map(|_| OnceLock::new()).collect(),
        next_leaf: AtomicUsize::new(0),
        backward,
        next: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
        done: Mutex::new(done),
        progress: Condvar::new(),
    });
    let theirs = Arc::clone(&work);
    let offered = crew::offer(Arc::new(move |go_on: &dyn Fn() -> bool| theirs.help(go_on)));
    // However this ends, helpers stop.
    let stop = StopOnDrop(&work.stopped);
    work.finish(guard)?;
    drop((offered, stop));
    let Part { values, cotangents } = work.lock().sum.take().expect("a cut has shards");
    let run = Run::new(job, Tape::assembled(&job.lowered.graph, &job.plan, values));
    Ok((run, backward.then(|| Sweep::assembled(cotangents))))
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<S: Scalar> Work<S> {
    fn lock(&self) -> MutexGuard<'_, Done<S>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shard that is still to be done.
    fn claim(&self) -> Option<usize> {
        if let Some(shard) = self.lock().left.pop() {
            return Some(shard);
        }
        let shard = self.next.fetch_add(1, Ordering::Relaxed);
        (shard < self.cut.count()).then_some(shard)
    }

    /// Work until all is added up.
    fn finish(&self, guard: Guard<'_>) -> Result<(), Stop> {
        /// How soon a stop is noticed while others work.
        const GLANCE: Duration = Duration::from_millis(1);
        self.make_leaves(guard)?;
        loop {
            while let Some(shard) = self.claim() {
                let part = self.shard(shard, guard)?;
                self.add(shard, part);
            }
            let done = self.lock();
            assert!(!done.broken, "a helper panicked");
            if done.added == self.cut.count() {
                return Ok(());
            }
            guard()?;
            if done.left.is_empty() {
                drop(self.progress.wait_timeout(done, GLANCE));
            }
        }
    }

    /// Work as a helper: until nothing is left, the job is stopped, or `go_on` says no.
    fn help(&self, go_on: &dyn Fn() -> bool) {
        let wanted = || if go_on() && !self.stopped.load(Ordering::Relaxed) { Ok(()) } else { Err(()) };
        if self.make_leaves(wanted).is_err() {
            return;
        }
        while wanted().is_ok()
            && let Some(shard) = self.claim()
        {
            let mut leave = Leave { work: self, shard: Some(shard), broken: true };
            match self.shard(shard, wanted) {
                Ok(part) => {
                    leave.shard = None;
                    self.add(shard, part);
                    leave.broken = false;
                }
                Err(()) => leave.broken = false,
            }
        }
    }

    /// Both sweeps over one shard.
    fn shard<E>(&self, shard: usize, go_on: impl Fn() -> Result<(), E>) -> Result<Part<S>, E> {
        let (job, graph, range) = (&self.job, self.cut.graph(shard), self.cut.range(shard));
        let tape = Tape::forward(graph, &job.plan, |id| self.leaf(id, &range), &go_on)?;
        let cotangents = if self.backward {
            let losses = job.lowered.loss_seed(range);
            // Penalties are of the parameters alone, and count once.
            let penalties = (shard == 0).then(|| job.lowered.penalty_seeds()).into_iter().flatten();
            tape.backward(losses.into_iter().chain(penalties), &Backprop, &go_on)?.into_cotangents()
        } else {
            Vec::new()
        };
        let mut values = tape.into_values();
        for (i, value) in values.iter_mut().enumerate() {
            // What all samples share is the same in every shard.
            let keep = if graph.nodes()[i].shape.is_batched() { job.plan.was_asked(i) } else { shard == 0 };
            if !keep {
                *value = None;
            }
        }
        Ok(Part { values, cotangents })
    }

    /// Make the leaves that nobody has begun: drawing the numbers of initialisers takes a while.
    fn make_leaves<E>(&self, go_on: impl Fn() -> Result<(), E>) -> Result<(), E> {
        while let Some((id, _)) = self.job.lowered.leaves.get(self.next_leaf.fetch_add(1, Ordering::Relaxed)) {
            go_on()?;
            if self.job.plan.needs(*id) {
                self.whole_leaf(*id);
            }
        }
        Ok(())
    }

    fn whole_leaf(&self, id: NodeId) -> &Tensor<S> {
        self.leaves[self.job.place(id)].get_or_init(|| self.job.leaf(id))
    }

    fn leaf(&self, id: NodeId, range: &Range<usize>) -> Tensor<S> {
        let whole = self.whole_leaf(id);
        if whole.shape().is_batched() { whole.samples(range.clone()) } else { whole.clone() }
    }

    /// Add up what has had its turn.
    fn add(&self, shard: usize, part: Part<S>) {
        let mut done = self.lock();
        done.early.insert(shard, part);
        if std::mem::replace(&mut done.adding, true) {
            return;
        }
        loop {
            let at = done.added;
            let Some(part) = done.early.remove(&at) else { break };
            let mut sum = done.sum.take();
            drop(done);
            match &mut sum {
                Some(sum) => sum.join(part, &self.job.lowered.graph, self.cut.range(at).start),
                None => sum = Some(part.widened(&self.job.lowered.graph)),
            }
            done = self.lock();
            done.sum = sum;
            done.added = at + 1;
        }
        done.adding = false;
        drop(done);
        self.progress.notify_all();
    }
}

/// What a helper leaves behind when it goes before its shard is done.
struct Leave<'w, S: Scalar> {
    work: &'w Work<S>,
    shard: Option<usize>,
    broken: bool,
}

impl<S: Scalar> Drop for Leave<'_, S> {
    fn drop(&mut self) {
        if self.shard.is_some() || self.broken {
            let mut done = self.work.lock();
            done.left.extend(self.shard);
            done.broken |= self.broken;
            drop(done);
            self.work.progress.notify_all();
        }
    }
}

impl<S: Scalar> Part<S> {
    /// The first shard with room for the others.
    fn widened(self, whole: &Graph) -> Self {
        let widen = |list: Vec<Option<Tensor<S>>>| {
            let widened =
                list.into_iter().zip(whole.nodes()).map(|(tensor, node)| tensor.map(|tensor| grown(tensor, node.shape)));
            widened.collect()
        };
        Self { values: widen(self.values), cotangents: widen(self.cotangents) }
    }

    /// Take in the next shard, whose first sample is `at`.
    fn join(&mut self, next: Self, whole: &Graph, at: usize) {
        let join = |sums: &mut Vec<Option<Tensor<S>>>, parts: Vec<Option<Tensor<S>>>, added: bool| {
            for ((sum, part), node) in sums.iter_mut().zip(parts).zip(whole.nodes()) {
                match (sum, part) {
                    (Some(sum), Some(part)) if node.shape.is_batched() => {
                        let start = at * node.shape.sample_size();
                        sum.data_mut()[start..start + part.data().len()].copy_from_slice(part.data());
                    }
                    (Some(sum), Some(part)) if added => sum.add_in_place(&part),
                    (empty, Some(part)) if empty.is_none() && !node.shape.is_batched() => *empty = Some(part),
                    _ => {}
                }
            }
        };
        join(&mut self.values, next.values, false);
        join(&mut self.cotangents, next.cotangents, true);
    }
}

/// A tensor of the first samples in a tensor of all; itself where it has no samples.
fn grown<S: Scalar>(tensor: Tensor<S>, shape: Shape) -> Tensor<S> {
    if tensor.shape() == shape {
        return tensor;
    }
    let mut data = tensor.into_data();
    data.resize(shape.size(), S::ZERO);
    Tensor::new(shape, data)
}
