//! The two lanes and who is next: the pool's policy, without its threads.

use std::collections::VecDeque;

/// After this many short jobs in a row a waiting long one gets its turn, so that neither lane starves.
const SHORTS_BEFORE_A_LONG: u32 = 16;

/// The two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Small bodies and small prices.
    Short,
    /// The rest.
    Long,
}

/// Who waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A client that asked one thing: it may fill a lane, and is refused when it is full.
    Interactive,
    /// A stream of many: it may fill half a lane, and waits for room.
    Bulk,
}

/// How many may wait in each lane, and how many long ones may run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) short: usize,
    pub(super) long: usize,
    pub(super) long_at_once: usize,
}

/// Jobs waiting, first in first out in each lane.
#[derive(Debug)]
pub(super) struct Lanes<J> {
    short: VecDeque<J>,
    long: VecDeque<J>,
    bounds: Bounds,
    running_long: usize,
    shorts_in_a_row: u32,
}

impl<J> Lanes<J> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { short: VecDeque::new(), long: VecDeque::new(), bounds, running_long: 0, shorts_in_a_row: 0 }
    }

    /// Put a job at the end of its lane, or give it back if there is no room.
    pub(super) fn push(&mut self, job: J, lane: Lane, urgency: Urgency) -> Result<(), J> {
        let (queue, bound) = match lane {
            Lane::Short => (&mut self.short, self.bounds.short),
            Lane::Long => (&mut self.long, self.bounds.long),
        };
        let bound = match urgency {
            Urgency::Interactive => bound,
            Urgency::Bulk => bound.div_ceil(2),
        };
        if queue.len() < bound {
            queue.push_back(job);
            Ok(())
        } else {
            Err(job)
        }
    }

    /// The next job to work on. A long one counts as running until [`Lanes::finished`].
    pub(super) fn pick(&mut self) -> Option<(J, Lane)> {
        let long_may_run = self.running_long < self.bounds.long_at_once;
        let long_is_due = self.short.is_empty() || self.shorts_in_a_row >= SHORTS_BEFORE_A_LONG;
        if long_may_run
            && long_is_due
            && let Some(job) = self.long.pop_front()
        {
            self.running_long += 1;
            self.shorts_in_a_row = 0;
            return Some((job, Lane::Long));
        }
        let job = self.short.pop_front()?;
        self.shorts_in_a_row = self.shorts_in_a_row.saturating_add(1);
        Some((job, Lane::Short))
    }

    /// Whether [`Lanes::pick`] would find one.
    pub(super) fn has_next(&self) -> bool {
        !self.short.is_empty() || (self.running_long < self.bounds.long_at_once && !self.long.is_empty())
    }

    /// A job that was picked from `lane` is no longer being worked on.
    pub(super) fn finished(&mut self, lane: Lane) {
        if lane == Lane::Long {
            self.running_long -= 1;
        }
    }

    /// Jobs waiting, short and long, and long ones running.
    pub(super) fn depth(&self) -> (usize, usize, usize) {
        (self.short.len(), self.long.len(), self.running_long)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.short.is_empty() && self.long.is_empty()
    }

    /// Forget all that waits.
    pub(super) fn clear(&mut self) -> Vec<J> {
        self.short.drain(..).chain(self.long.drain(..)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(long_at_once: usize) -> Lanes<u32> {
        Lanes::new(Bounds { short: 40, long: 4, long_at_once })
    }

    fn fill(lanes: &mut Lanes<u32>, lane: Lane, jobs: std::ops::Range<u32>) {
        for job in jobs {
            lanes.push(job, lane, Urgency::Interactive).expect("there is room");
        }
    }

    #[test]
    fn short_jobs_go_first_and_long_ones_get_their_turn() {
        let mut lanes = lanes(1);
        fill(&mut lanes, Lane::Long, 100..102);
        fill(&mut lanes, Lane::Short, 0..20);
        let order: Vec<_> =
            std::iter::from_fn(|| lanes.pick().inspect(|&(_, lane)| lanes.finished(lane)).map(|(job, _)| job)).collect();
        let expected: Vec<_> = (0..16).chain([100]).chain(16..20).chain([101]).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn long_jobs_leave_a_worker_free() {
        let mut lanes = lanes(2);
        fill(&mut lanes, Lane::Long, 0..3);
        assert_eq!(lanes.pick(), Some((0, Lane::Long)));
        assert_eq!(lanes.pick(), Some((1, Lane::Long)));
        assert_eq!(lanes.pick(), None, "two are running");
        fill(&mut lanes, Lane::Short, 7..8);
        assert_eq!(lanes.pick(), Some((7, Lane::Short)));
        lanes.finished(Lane::Long);
        assert_eq!(lanes.pick(), Some((2, Lane::Long)));
    }

    #[test]
    fn a_full_lane_gives_the_job_back_and_bulk_may_fill_half() {
        let mut lanes = lanes(1);
        fill(&mut lanes, Lane::Long, 0..2);
        assert_eq!(lanes.push(2, Lane::Long, Urgency::Bulk), Err(2));
        fill(&mut lanes, Lane::Long, 2..4);
        assert_eq!(lanes.push(4, Lane::Long, Urgency::Interactive), Err(4));
        assert_eq!(lanes.push(5, Lane::Short, Urgency::Bulk), Ok(()), "the other lane has room");
    }
}
