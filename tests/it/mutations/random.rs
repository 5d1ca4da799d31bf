//! Numbers for the exercises: `SplitMix64`.

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// One of 0 … n−1.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A number of two decimals with a magnitude in [least, most], of either sign.
    pub(super) fn decimal(&mut self, least: f64, most: f64) -> f64 {
        let (low, high) = ((least * 100.0).round() as usize, (most * 100.0).round() as usize);
        let magnitude = (low + self.below(high - low + 1)) as f64 / 100.0;
        if self.chance(50) { -magnitude } else { magnitude }
    }
}
