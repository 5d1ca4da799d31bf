//! How samples are dealt into minibatches: `DataLoader`'s way, in epochs, the last minibatch of each as small as it comes out.

use crate::lower::random;

/// The minibatches of step 0, 1, …, one after another.
#[derive(Debug)]
pub(super) struct Minibatches {
    samples: usize,
    size: usize,
    /// Shuffles each epoch; without it every epoch has the given order.
    seed: Option<String>,
    /// The samples in the order of this epoch.
    order: Vec<u32>,
    epoch: Option<u64>,
}

impl Minibatches {
    /// `samples` in minibatches of `size`, which is at least 1 and at most all.
    pub(super) fn new(samples: usize, size: usize, seed: Option<String>) -> Self {
        Self { samples, size, seed, order: Vec::new(), epoch: None }
    }

    fn per_epoch(&self) -> u64 {
        self.samples.div_ceil(self.size) as u64
    }

    /// The sizes that minibatches have: the one asked for, and that of an epoch's last, where it is another.
    pub(super) fn sizes(&self) -> impl Iterator<Item = usize> + use<> {
        let last = self.samples % self.size;
        std::iter::once(self.size).chain((last > 0).then_some(last))
    }

    /// How many of the first `steps` have each of the sizes.
    pub(super) fn steps_by_size(&self, steps: u64) -> [u64; 2] {
        let short = if self.samples.is_multiple_of(self.size) { 0 } else { steps / self.per_epoch() };
        [steps - short, short]
    }

    /// What shuffling costs in so many steps, in floating-point operations.
    pub(super) fn dealing(&self, steps: u64) -> u64 {
        if self.seed.is_some() { steps.div_ceil(self.per_epoch()).saturating_mul(20 * self.samples as u64) } else { 0 }
    }

    /// The samples of a step's minibatch. Steps are asked for in order, so that an epoch is shuffled once.
    pub(super) fn of(&mut self, step: u64) -> &[u32] {
        let (epoch, place) = (step / self.per_epoch(), (step % self.per_epoch()) as usize);
        if self.epoch != Some(epoch) {
            match &self.seed {
                Some(seed) => self.order = random::permutation(self.samples as u32, seed, epoch),
                None if self.order.is_empty() => self.order = (0..self.samples as u32).collect(),
                None => {}
            }
            self.epoch = Some(epoch);
        }
        &self.order[place * self.size..self.samples.min((place + 1) * self.size)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_deals_every_sample_once() {
        for (samples, size) in [(1, 1), (7, 3), (6, 3), (5, 5), (4, 1), (60, 7)] {
            for seed in [None, Some("7".to_owned())] {
                let mut minibatches = Minibatches::new(samples, size, seed.clone());
                let steps = 3 * minibatches.per_epoch();
                let mut counted = [0; 2];
                let mut epochs: Vec<Vec<u32>> = vec![Vec::new(); 3];
                for step in 0..steps {
                    let of = minibatches.of(step).to_vec();
                    let place = minibatches.sizes().position(|size| size == of.len()).expect("a known size");
                    counted[place] += 1;
                    epochs[(step / minibatches.per_epoch()) as usize].extend(of);
                }
                assert_eq!(counted, minibatches.steps_by_size(steps), "{samples} in {size}");
                for epoch in &mut epochs {
                    let given: Vec<u32> = (0..samples as u32).collect();
                    assert!(seed.is_some() || *epoch == given, "without a seed the order is kept");
                    epoch.sort_unstable();
                    assert_eq!(*epoch, given);
                }
            }
        }
    }
}
