//! The worker pool: N threads that compute, so that the async runtime never does.
//!
//! Jobs wait in two bounded lanes. A job enters by the size of its body; once it is read and priced, one that costs more than
//! a short job may is moved to the long lane. Of N ≥ 2 workers at most N−1 run long jobs, so a short job never waits behind
//! long ones. A full lane refuses ([`Refusal::Full`]); nothing here waits for room but [`Pool::submit_patiently`]. Workers
//! yield to the threads that serve connections (`courtesy`): what those do is short, and clients wait for it.
//!
//! A tiny job never enters: [`Pool::begin`] answers it where it stands, since handing it to another thread and waiting for its
//! answer would cost several times what it costs itself. Bounds on its body and its price keep that to some tens of microseconds.
//!
//! A large job offers its pieces ([`crate::analysis::crew`]), and workers that would be idle help, until a job of their own may begin.
//!
//! A job ends with exactly one [`Answer`], unless nobody waits for it any more: then it is skipped, or stopped between two
//! nodes. A panic ends its job, never its worker.

mod budget;
mod courtesy;
mod fence;
mod hands;
mod job;
mod lanes;

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

pub use self::budget::{Budget, Hold};
pub use self::job::{Answer, Job, Listener, Parts, Refusal, Ticket, Times, Trouble};
pub use self::lanes::Lane;

use self::fence::fenced;
use self::lanes::{Bounds, Lanes, Urgency};
use crate::analysis::crew::Task;
use crate::analysis::{Failure, Form, Guard, Prepared, Question, Reply, Request, Stop, room};
use crate::config::{Admission, Limits};

/// How a request is read, lowered, planned and priced: [`crate::analysis::prepare`], or a test's stand-in.
pub type Prepare = dyn Fn(Question, Request<'_>, Form, &Limits) -> Result<Box<dyn Prepared>, Failure> + Send + Sync;

/// A tiny job's numbers, and their text, take no more bytes than this.
const TINY_MEMORY: u64 = 1 << 20;

/// A tiny job looks at the clock once in so many nodes.
const TINY_LOOKS: u32 = 64;

/// How a job began.
#[derive(Debug)]
pub enum Begun {
    /// It was tiny, and is done.
    Answered(Answer),
    /// It waits for a worker.
    Waiting(Ticket),
}

/// The threads and their lanes. Dropping it stops all.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
}

/// What the pool is doing, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Jobs waiting in the short lane.
    pub short_queue: usize,
    /// Jobs waiting in the long lane.
    pub long_queue: usize,
    /// Workers that are idle.
    pub idle: usize,
    /// Long jobs running.
    pub running_long: usize,
    /// Jobs skipped or stopped because their client had gone.
    pub abandoned: u64,
    /// Jobs that panicked.
    pub panicked: u64,
}

impl Pool {
    /// Start `workers` threads.
    pub fn start(workers: usize, admission: &Admission, limits: Limits, prepare: Arc<Prepare>) -> Self {
        let workers = workers.max(1);
        let bounds = Bounds { short: admission.short_queue, long: admission.long_queue, long_at_once: (workers - 1).max(1) };
        let shared = Arc::new(Shared {
            state: Mutex::new(State { lanes: Lanes::new(bounds), offers: Vec::new(), idle: 0, alive: workers, closed: false }),
            work: Condvar::new(),
            ended: Condvar::new(),
            short_room: Notify::new(),
            long_room: Notify::new(),
            halt: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            abandoned: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            short_bytes: admission.short_bytes,
            short_flops: admission.short_flops,
            tiny_bytes: admission.tiny_bytes,
            tiny_flops: admission.tiny_flops,
            limits,
            prepare,
        });
        for index in 0..workers {
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new().name(format!("dedz-worker-{index}"));
            let work = move || {
                courtesy::yield_to_others();
                shared.enlist();
                shared.work();
            };
            thread.spawn(work).expect("the system can start a thread");
        }
        Self { shared }
    }

    /// The lane that a body of this size enters.
    pub fn lane_of(&self, bytes: usize) -> Lane {
        if bytes <= self.shared.short_bytes { Lane::Short } else { Lane::Long }
    }

    /// Answer a tiny job in place; admit any other, or refuse it at once.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn begin(&self, job: Job) -> Result<Begun, Refusal> {
        let shared = &self.shared;
        if job.parts.bytes() > shared.tiny_bytes {
            return self.submit(job).map(Begun::Waiting);
        }
        // Without the lock, which a worker may hold that has just been put to sleep.
        if shared.closed.load(Ordering::Relaxed) {
            return Err(Refusal::Closed);
        }
        let Job { question, form, parts, deadline, hold, listener } = job;
        let started = Instant::now();
        let looks = Cell::new(0_u32);
        // A tiny job has many nodes in the time that a look at the clock takes.
        let guard = || match looks.replace(looks.get().wrapping_add(1)) % TINY_LOOKS {
            0 => shared.go_on(deadline, false),
            _ => Ok(()),
        };
        let prepared = shared.prepare(Stage::Raw(question, form, parts), &guard);
        let priced = Instant::now();
        let mut times = Times { prepare: priced - started, ..Times::default() };
        let outcome = match prepared {
            Ok((prepared, _)) if prepared.cost().flops > shared.tiny_flops || prepared.cost().bytes > TINY_MEMORY => {
                let lane = if prepared.cost().flops > shared.short_flops { Lane::Long } else { Lane::Short };
                let (reply, ticket) = oneshot::channel();
                let job = Waiting { stage: Stage::Priced(prepared), since: priced, deadline, times, reply, hold, listener };
                shared.admit(job, lane, Urgency::Interactive).map_err(|(refusal, _)| refusal)?;
                return Ok(Begun::Waiting(ticket));
            }
            Ok((prepared, room)) => shared.run(prepared, room, &guard, listener),
            Err(trouble) => Err(trouble),
        };
        times.run = priced.elapsed();
        Ok(Begun::Answered(Answer { outcome, times }))
    }

    /// Admit a job, or refuse it at once.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn submit(&self, job: Job) -> Result<Ticket, Refusal> {
        let lane = self.lane_of(job.parts.bytes());
        let (waiting, ticket) = Waiting::new(job);
        self.shared.admit(waiting, lane, Urgency::Interactive).map_err(|(refusal, _)| refusal)?;
        Ok(ticket)
    }

    /// Admit a job as soon as there is room. Its deadline is `patience` after that.
    ///
    /// # Errors
    /// [`Refusal::Closed`] alone.
    pub async fn submit_patiently(&self, job: Job, lane: Lane, patience: Duration) -> Result<Ticket, Refusal> {
        let (waiting, ticket) = Waiting::new(job);
        self.admit_patiently(waiting, lane, patience).await.map(|()| ticket)
    }

    /// As [`Pool::submit_patiently`], for short work that is prepared already.
    ///
    /// # Errors
    /// [`Refusal::Closed`] alone.
    pub async fn submit_prepared(&self, prepared: Box<dyn Prepared>, hold: Hold, patience: Duration) -> Result<Ticket, Refusal> {
        let (reply, ticket) = oneshot::channel();
        let now = Instant::now();
        let stage = Stage::Priced(prepared);
        let waiting = Waiting { stage, since: now, deadline: now, times: Times::default(), reply, hold, listener: None };
        self.admit_patiently(waiting, Lane::Short, patience).await.map(|()| ticket)
    }

    async fn admit_patiently(&self, mut waiting: Waiting, lane: Lane, patience: Duration) -> Result<(), Refusal> {
        loop {
            let mut room = std::pin::pin!(self.shared.room(lane).notified());
            // Registered before the lane is looked at, so that no room made in between is missed.
            room.as_mut().enable();
            waiting.since = Instant::now();
            waiting.deadline = waiting.since + patience;
            match self.shared.admit(waiting, lane, Urgency::Bulk) {
                Ok(()) => return Ok(()),
                Err((Refusal::Full, returned)) => waiting = *returned,
                Err((Refusal::Closed, _)) => return Err(Refusal::Closed),
            }
            room.await;
        }
    }

    /// Admit nothing from now on; what was admitted is finished, then the workers end.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.closed.store(true, Ordering::Relaxed);
        self.shared.work.notify_all();
        self.shared.short_room.notify_waiters();
        self.shared.long_room.notify_waiters();
    }

    /// Close, and wait until all that was admitted is done, but at most `grace`: then the rest is dropped or stopped between
    /// two nodes. True if there was no such rest. Blocks.
    pub fn drain(&self, grace: Duration) -> bool {
        self.close();
        let state = self.shared.lock();
        let waited = self.shared.ended.wait_timeout_while(state, grace, |state| state.alive > 0);
        let done = !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        if !done {
            self.shared.stop();
        }
        done
    }

    /// What it is doing now.
    pub fn load(&self) -> Load {
        let state = self.shared.lock();
        let (short_queue, long_queue, running_long) = state.lanes.depth();
        Load {
            short_queue,
            long_queue,
            running_long,
            idle: state.idle,
            abandoned: self.shared.abandoned.load(Ordering::Relaxed),
            panicked: self.shared.panicked.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// A job in a lane.
struct Waiting {
    stage: Stage,
    since: Instant,
    deadline: Instant,
    times: Times,
    reply: oneshot::Sender<Answer>,
    hold: Hold,
    listener: Option<Listener>,
}

/// How far a job has come.
enum Stage {
    Raw(Question, Form, Parts),
    Priced(Box<dyn Prepared>),
}

impl Waiting {
    fn new(job: Job) -> (Self, Ticket) {
        let (reply, ticket) = oneshot::channel();
        let Job { question, form, parts, deadline, hold, listener } = job;
        let stage = Stage::Raw(question, form, parts);
        (Self { stage, since: Instant::now(), deadline, times: Times::default(), reply, hold, listener }, ticket)
    }
}

struct State {
    lanes: Lanes<Waiting>,
    /// Jobs being worked on in which idle workers may help.
    offers: Vec<Task>,
    idle: usize,
    alive: usize,
    closed: bool,
}

/// What a worker does next.
enum Next {
    /// A job, from this lane.
    Job(Box<Waiting>, Lane),
    /// Help in a job that another worker has.
    Help(Task),
}

struct Shared {
    state: Mutex<State>,
    /// There is work, or no more will come.
    work: Condvar,
    /// A worker ended.
    ended: Condvar,
    short_room: Notify,
    long_room: Notify,
    /// Stop between two nodes.
    halt: AtomicBool,
    /// As [`State::closed`], to be read without the lock.
    closed: AtomicBool,
    abandoned: AtomicU64,
    panicked: AtomicU64,
    short_bytes: usize,
    short_flops: u64,
    tiny_bytes: usize,
    tiny_flops: u64,
    limits: Limits,
    prepare: Arc<Prepare>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// No code that may panic runs under this lock, so a poisoned one holds nothing broken.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Short => &self.short_room,
            Lane::Long => &self.long_room,
        }
    }

    fn admit(&self, job: Waiting, lane: Lane, urgency: Urgency) -> Result<(), (Refusal, Box<Waiting>)> {
        let mut state = self.lock();
        if state.closed {
            return Err((Refusal::Closed, Box::new(job)));
        }
        state.lanes.push(job, lane, urgency).map_err(|job| (Refusal::Full, Box::new(job)))?;
        let sleeper = state.idle > 0;
        drop(state);
        if sleeper {
            self.work.notify_one();
        }
        Ok(())
    }

    /// What a worker does all its life.
    fn work(&self) {
        let mut finished = None;
        while let Some(next) = self.next(finished.take()) {
            match next {
                Next::Job(job, lane) => {
                    self.room(lane).notify_one();
                    self.advance(*job, lane);
                    finished = Some(lane);
                }
                Next::Help(task) => self.help(&task),
            }
        }
    }

    /// Wait for what to do next; none when closed and nothing is left.
    fn next(&self, finished: Option<Lane>) -> Option<Next> {
        let mut state = self.lock();
        if let Some(lane) = finished {
            state.lanes.finished(lane);
        }
        loop {
            if let Some(job) = state.lanes.pick() {
                // Someone may sleep beside a long job that only now may run.
                if state.idle > 0 && !state.lanes.is_empty() {
                    self.work.notify_one();
                }
                return Some(Next::Job(Box::new(job.0), job.1));
            }
            if let Some(task) = state.offers.first().filter(|_| !self.halt.load(Ordering::Relaxed)) {
                return Some(Next::Help(Arc::clone(task)));
            }
            if state.closed && state.lanes.is_empty() {
                state.alive -= 1;
                self.ended.notify_all();
                return None;
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Work on a job until it is done, or moved to the long lane.
    fn advance(&self, mut job: Waiting, lane: Lane) {
        let started = Instant::now();
        job.times.queue += started - job.since;
        let Waiting { stage, deadline, mut times, reply, hold, listener, .. } = job;
        let guard = || self.go_on(deadline, reply.is_closed());
        let prepared = self.prepare(stage, &guard);
        let priced = Instant::now();
        times.prepare += priced - started;
        let outcome = match prepared {
            Ok((prepared, _)) if lane == Lane::Short && prepared.cost().flops > self.short_flops => {
                let job = Waiting { stage: Stage::Priced(prepared), since: priced, deadline, times, reply, hold, listener };
                return self.demote(job);
            }
            Ok((prepared, room)) => self.run(prepared, room, &guard, listener),
            Err(trouble) => Err(trouble),
        };
        times.run = priced.elapsed();
        drop(hold);
        self.answer(reply, Answer { outcome, times });
    }

    /// Whether a job is still of use.
    fn go_on(&self, deadline: Instant, unheard: bool) -> Result<(), Stop> {
        if unheard || self.halt.load(Ordering::Relaxed) {
            Err(Stop::Cancelled)
        } else if Instant::now() >= deadline {
            Err(Stop::Deadline)
        } else {
            Ok(())
        }
    }

    /// Read, lower, plan and price, if that was not done before. What was read leaves its memory.
    fn prepare(&self, stage: Stage, guard: Guard<'_>) -> Result<(Box<dyn Prepared>, Vec<u8>), Trouble> {
        self.fenced(|| {
            guard().map_err(Failure::Stopped)?;
            match stage {
                Stage::Priced(prepared) => Ok((prepared, Vec::new())),
                Stage::Raw(question, form, parts) => {
                    let prepared = (self.prepare)(question, parts.as_request(), form, &self.limits)?;
                    Ok((prepared, parts.into_room()))
                }
            }
        })
    }

    fn run(
        &self,
        prepared: Box<dyn Prepared>,
        room: Vec<u8>,
        guard: Guard<'_>,
        listener: Option<Listener>,
    ) -> Result<Reply, Trouble> {
        let _lent = room::lend(room);
        self.fenced(|| match listener {
            None => prepared.run(guard),
            // One that has gone is noticed by the guard: it dropped its ticket too.
            Some(listener) => prepared.run_telling(guard, &mut |event| drop(listener.send(event))),
        })
    }

    fn fenced<T>(&self, f: impl FnOnce() -> Result<T, Failure>) -> Result<T, Trouble> {
        match fenced(f) {
            Ok(result) => result.map_err(Trouble::Failed),
            Err(panic) => {
                self.panicked.fetch_add(1, Ordering::Relaxed);
                Err(Trouble::Panicked(panic))
            }
        }
    }

    /// Move a priced job to the long lane. It was admitted once, so a closed pool takes it too.
    fn demote(&self, job: Waiting) {
        let moved = self.lock().lanes.push(job, Lane::Long, Urgency::Interactive);
        match moved {
            Ok(()) => self.work.notify_one(),
            Err(job) => self.answer(job.reply, Answer { outcome: Err(Trouble::Overloaded), times: job.times }),
        }
    }

    fn answer(&self, reply: oneshot::Sender<Answer>, answer: Answer) {
        if let Err(unheard) = reply.send(answer) {
            self.abandoned.fetch_add(1, Ordering::Relaxed);
            if let Err(Trouble::Panicked(panic)) = unheard.outcome {
                tracing::error!(panic, "a job panicked after its client had gone");
            }
        }
    }

    /// Drop what waits, stop what runs.
    fn stop(&self) {
        self.halt.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        state.closed = true;
        self.closed.store(true, Ordering::Relaxed);
        let dropped = state.lanes.clear();
        drop(state);
        drop(dropped);
        self.work.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Cost, Event, Tell};
    use std::future::Future;
    use std::pin::pin;
    use std::sync::mpsc as channel;
    use std::task::Poll;

    const AGES: Duration = Duration::from_secs(3600);

    type Run = Box<dyn FnOnce(Guard<'_>) -> Result<Reply, Failure> + Send>;
    type Action = Box<dyn FnOnce() -> Result<Box<dyn Prepared>, Failure> + Send>;

    struct Scripted {
        flops: u64,
        run: Run,
    }

    /// A job that tells three things and answers.
    struct Talkative;

    impl Prepared for Talkative {
        fn cost(&self) -> Cost {
            Cost { flops: SHORT, bytes: 0 }
        }

        fn run(self: Box<Self>, _: Guard<'_>) -> Result<Reply, Failure> {
            reply("silent")
        }

        fn run_telling(self: Box<Self>, _: Guard<'_>, tell: Tell<'_>) -> Result<Reply, Failure> {
            (0..3_u8).for_each(|n| tell(Event { name: "step", data: vec![n] }));
            reply("told")
        }
    }

    impl Prepared for Scripted {
        fn cost(&self) -> Cost {
            Cost { flops: self.flops, bytes: 0 }
        }

        fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
            (self.run)(guard)
        }
    }

    /// A pool whose jobs do what the test says.
    struct Stage {
        pool: Pool,
        actions: Arc<Mutex<Vec<Option<Action>>>>,
        budget: Budget,
    }

    const SHORT: u64 = 1;
    const LONG: u64 = 1_000;

    fn stage(workers: usize, short_queue: usize, long_queue: usize) -> Stage {
        let admission = Admission { short_queue, long_queue, short_flops: 10, short_bytes: 1 << 10, ..Admission::default() };
        let actions: Arc<Mutex<Vec<Option<Action>>>> = Arc::default();
        let scripts = Arc::clone(&actions);
        let prepare = move |_: Question, request: Request<'_>, _: Form, _: &Limits| {
            let index: usize = std::str::from_utf8(request.problem).unwrap().trim().parse().unwrap();
            let action = scripts.lock().unwrap()[index].take().unwrap();
            action()
        };
        Stage {
            pool: Pool::start(workers, &admission, Limits::default(), Arc::new(prepare)),
            actions,
            budget: Budget::new(1 << 20),
        }
    }

    impl Stage {
        fn job(&self, action: Action) -> Job {
            let mut actions = self.actions.lock().unwrap();
            actions.push(Some(action));
            let parts = Parts { problem: (actions.len() - 1).to_string().into(), ..Parts::default() };
            let deadline = Instant::now() + AGES;
            Job {
                question: &crate::analysis::FORWARD,
                form: Form::Json,
                parts,
                deadline,
                hold: self.budget.hold(),
                listener: None,
            }
        }

        /// A job that costs `flops` and does `run`.
        fn costing(&self, flops: u64, run: impl FnOnce(Guard<'_>) -> Result<Reply, Failure> + Send + 'static) -> Job {
            self.job(Box::new(move || Ok(Box::new(Scripted { flops, run: Box::new(run) }))))
        }

        fn answering(&self, flops: u64, text: &'static str) -> Job {
            self.costing(flops, move |_| reply(text))
        }

        /// A job that says when it has begun and ends when told to.
        fn blocking(&self, flops: u64) -> (Job, channel::Receiver<()>, channel::Sender<()>) {
            let (begun, has_begun) = channel::channel();
            let (release, released) = channel::channel::<()>();
            let job = self.costing(flops, move |_| {
                begun.send(()).unwrap();
                let _ = released.recv();
                reply("released")
            });
            (job, has_begun, release)
        }

        /// A job that goes on until it is stopped, and says why.
        fn endless(&self, flops: u64) -> (Job, channel::Receiver<()>, channel::Receiver<Stop>) {
            let (begun, has_begun) = channel::channel();
            let (stopped, why) = channel::channel();
            let job = self.costing(flops, move |guard| {
                begun.send(()).unwrap();
                loop {
                    if let Err(stop) = guard() {
                        let _ = stopped.send(stop);
                        return Err(Failure::Stopped(stop));
                    }
                    thread::yield_now();
                }
            });
            (job, has_begun, why)
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is what a job returns")]
    fn reply(text: &str) -> Result<Reply, Failure> {
        Ok(Reply { content_type: "text/plain", body: text.into() })
    }

    fn text(ticket: Ticket) -> String {
        String::from_utf8(ticket.blocking_recv().unwrap().outcome.unwrap().body).unwrap()
    }

    fn begun(stage: &Stage, job: Job) -> Ticket {
        match stage.pool.begin(job).unwrap() {
            Begun::Answered(answer) => panic!("not tiny, yet answered in place: {answer:?}"),
            Begun::Waiting(ticket) => ticket,
        }
    }

    #[test]
    fn tiny_jobs_are_answered_in_place_and_others_are_not() {
        let stage = stage(1, 1, 1);
        let here = thread::current().id();
        let job = stage.costing(SHORT, move |_| {
            assert_eq!(thread::current().id(), here);
            reply("tiny")
        });
        let Begun::Answered(answer) = stage.pool.begin(job).unwrap() else { panic!("a tiny job waits for nobody") };
        assert_eq!(answer.outcome.unwrap().body, b"tiny");
        assert_eq!(text(begun(&stage, stage.answering(Admission::default().tiny_flops + 1, "large"))), "large");

        let Begun::Answered(answer) = stage.pool.begin(stage.costing(SHORT, |_| panic!("the {}", "message"))).unwrap() else {
            panic!("a tiny job waits for nobody")
        };
        assert!(matches!(answer.outcome, Err(Trouble::Panicked(_))));
        assert_eq!(stage.pool.load().panicked, 1);

        let mut late = stage.answering(SHORT, "late");
        late.deadline = Instant::now();
        let Begun::Answered(answer) = stage.pool.begin(late).unwrap() else { panic!("a tiny job waits for nobody") };
        assert!(matches!(answer.outcome, Err(Trouble::Failed(Failure::Stopped(Stop::Deadline)))));

        stage.pool.close();
        assert_eq!(stage.pool.begin(stage.answering(SHORT, "closed")).unwrap_err(), Refusal::Closed);
    }

    fn trouble(ticket: Ticket) -> Trouble {
        ticket.blocking_recv().unwrap().outcome.unwrap_err()
    }

    #[test]
    fn short_jobs_do_not_wait_behind_long_ones() {
        let stage = stage(2, 8, 8);
        let (first, has_begun, release) = stage.blocking(LONG);
        let first = stage.pool.submit(first).unwrap();
        has_begun.recv().unwrap();
        let second = stage.pool.submit(stage.answering(LONG, "second long")).unwrap();
        for _ in 0..5 {
            assert_eq!(text(stage.pool.submit(stage.answering(SHORT, "short")).unwrap()), "short");
        }
        let load = stage.pool.load();
        assert_eq!((load.running_long, load.long_queue), (1, 1), "one of two workers is left to short jobs");
        release.send(()).unwrap();
        assert_eq!(text(first), "released");
        assert_eq!(text(second), "second long");
    }

    #[test]
    fn a_full_lane_refuses_and_the_other_does_not() {
        let stage = stage(1, 2, 1);
        let (blocker, has_begun, release) = stage.blocking(SHORT);
        let blocker = stage.pool.submit(blocker).unwrap();
        has_begun.recv().unwrap();
        let waiting: Vec<_> = (0..2).map(|_| stage.pool.submit(stage.answering(SHORT, "waited")).unwrap()).collect();
        assert_eq!(stage.pool.submit(stage.answering(SHORT, "")).unwrap_err(), Refusal::Full);
        let mut large = stage.answering(SHORT, "large");
        large.parts.parameters = Some(vec![0; 2 << 10].into());
        let large = stage.pool.submit(large).unwrap();
        release.send(()).unwrap();
        assert_eq!(text(blocker), "released");
        for ticket in waiting {
            assert_eq!(text(ticket), "waited");
        }
        assert_eq!(text(large), "large");
    }

    #[test]
    fn what_proves_expensive_moves_to_the_long_lane_or_is_refused() {
        let stage = stage(1, 4, 1);
        let (blocker, has_begun, release) = stage.blocking(SHORT);
        let blocker = stage.pool.submit(blocker).unwrap();
        has_begun.recv().unwrap();
        let moved = stage.pool.submit(stage.answering(LONG, "moved")).unwrap();
        let refused = stage.pool.submit(stage.answering(LONG, "")).unwrap();
        release.send(()).unwrap();
        assert!(matches!(trouble(refused), Trouble::Overloaded));
        assert_eq!(text(moved), "moved");
        assert_eq!(text(blocker), "released");
    }

    #[test]
    fn a_listener_hears_everything_before_the_answer_and_then_the_end() {
        let stage = stage(1, 4, 4);
        let talkative = || stage.job(Box::new(|| Ok(Box::new(Talkative))));
        for in_place in [true, false] {
            let (listener, mut heard) = tokio::sync::mpsc::unbounded_channel();
            let job = Job { listener: Some(listener), ..talkative() };
            let answered = if in_place {
                let Begun::Answered(answer) = stage.pool.begin(job).unwrap() else { panic!("a tiny job") };
                String::from_utf8(answer.outcome.unwrap().body).unwrap()
            } else {
                text(stage.pool.submit(job).unwrap())
            };
            assert_eq!(answered, "told");
            let events: Vec<_> = std::iter::from_fn(|| heard.blocking_recv()).map(|event| event.data).collect();
            assert_eq!(events, [[0], [1], [2]]);
        }
        assert_eq!(text(stage.pool.submit(talkative()).unwrap()), "silent");
    }

    #[test]
    fn deadlines_are_kept_before_the_start_and_between_nodes() {
        let stage = stage(1, 4, 4);
        let mut late = stage.job(Box::new(|| unreachable!("it is too late to begin")));
        late.deadline = Instant::now();
        assert!(matches!(trouble(stage.pool.submit(late).unwrap()), Trouble::Failed(Failure::Stopped(Stop::Deadline))));

        let (mut endless, _begun, why) = stage.endless(SHORT);
        endless.deadline = Instant::now() + Duration::from_millis(5);
        let ticket = stage.pool.submit(endless).unwrap();
        assert!(matches!(trouble(ticket), Trouble::Failed(Failure::Stopped(Stop::Deadline))));
        drop(why);
    }

    #[test]
    fn nobody_works_for_clients_that_went_away() {
        let stage = stage(1, 4, 4);
        let (running, has_begun, why) = stage.endless(SHORT);
        let running = stage.pool.submit(running).unwrap();
        has_begun.recv().unwrap();
        let skipped = stage.pool.submit(stage.job(Box::new(|| unreachable!("nobody waits for it")))).unwrap();
        let last = stage.pool.submit(stage.answering(SHORT, "last")).unwrap();
        drop(skipped);
        drop(running);
        assert_eq!(why.recv().unwrap(), Stop::Cancelled);
        assert_eq!(text(last), "last");
        let load = stage.pool.load();
        assert_eq!((load.abandoned, load.panicked), (2, 0));
    }

    #[test]
    fn a_panic_ends_the_job_and_not_the_worker() {
        let stage = stage(1, 4, 4);
        let in_run = stage.pool.submit(stage.costing(SHORT, |_| panic!("on purpose"))).unwrap();
        let Trouble::Panicked(told) = trouble(in_run) else { panic!("it panicked") };
        assert!(told.starts_with("on purpose at src/pool.rs:"), "{told}");
        let in_prepare = stage.pool.submit(stage.job(Box::new(|| panic!("on purpose")))).unwrap();
        assert!(matches!(trouble(in_prepare), Trouble::Panicked(_)));
        assert_eq!(text(stage.pool.submit(stage.answering(SHORT, "alive")).unwrap()), "alive");
        assert_eq!(stage.pool.load().panicked, 2);
    }

    #[test]
    fn draining_finishes_what_was_accepted() {
        let stage = stage(1, 4, 4);
        let (blocker, has_begun, release) = stage.blocking(SHORT);
        let blocker = stage.pool.submit(blocker).unwrap();
        has_begun.recv().unwrap();
        let short = stage.pool.submit(stage.answering(SHORT, "accepted")).unwrap();
        let long = stage.pool.submit(stage.answering(LONG, "accepted")).unwrap();
        stage.pool.close();
        assert_eq!(stage.pool.submit(stage.answering(SHORT, "")).unwrap_err(), Refusal::Closed);
        release.send(()).unwrap();
        assert!(stage.pool.drain(AGES));
        assert_eq!([text(blocker), text(short), text(long)], ["released", "accepted", "accepted"]);
    }

    #[test]
    fn draining_stops_what_outlives_its_grace() {
        let stage = stage(1, 4, 4);
        let (endless, has_begun, why) = stage.endless(SHORT);
        let _running = stage.pool.submit(endless).unwrap();
        has_begun.recv().unwrap();
        let dropped = stage.pool.submit(stage.job(Box::new(|| unreachable!("it was dropped")))).unwrap();
        assert!(!stage.pool.drain(Duration::from_millis(1)));
        assert_eq!(why.recv().unwrap(), Stop::Cancelled);
        assert!(dropped.blocking_recv().is_err(), "no answer will come");
    }

    #[test]
    fn patient_jobs_wait_for_room_and_leave_half_a_lane() {
        let stage = stage(1, 2, 1);
        let (blocker, has_begun, release) = stage.blocking(SHORT);
        let blocker = stage.pool.submit(blocker).unwrap();
        has_begun.recv().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let patient = |text| stage.pool.submit_patiently(stage.answering(SHORT, text), Lane::Short, AGES);
        let (first, second) = runtime.block_on(async {
            let first = patient("first").await.unwrap();
            let mut second = pin!(patient("second"));
            let polled = std::future::poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx))).await;
            assert!(polled.is_pending(), "half a lane is one place");
            let interactive = stage.pool.submit(stage.answering(SHORT, "interactive")).unwrap();
            release.send(()).unwrap();
            let second = second.await.unwrap();
            assert_eq!(interactive.await.unwrap().outcome.unwrap().body, b"interactive");
            (first, second)
        });
        assert_eq!([text(blocker), text(first), text(second)], ["released", "first", "second"]);
        stage.pool.close();
        let refused = runtime.block_on(patient("late"));
        assert_eq!(refused.unwrap_err(), Refusal::Closed);
    }

    #[test]
    fn a_hold_on_the_budget_ends_with_the_job() {
        let stage = stage(1, 4, 4);
        let (mut job, has_begun, release) = stage.blocking(SHORT);
        assert!(job.hold.grow(100));
        let ticket = stage.pool.submit(job).unwrap();
        has_begun.recv().unwrap();
        assert_eq!(stage.budget.held(), 100);
        release.send(()).unwrap();
        assert_eq!(text(ticket), "released");
        assert_eq!(stage.budget.held(), 0);
    }
}
