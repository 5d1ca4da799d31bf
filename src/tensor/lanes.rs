//! Sums over slices in a fixed number of interleaved lanes: the compiler turns them into vector instructions, the rounding
//! error is smaller than a running sum's, and the order depends on the length alone.

use super::Float;

/// How many partial sums run side by side; a power of two.
const LANES: usize = 8;

/// `Σ f(xᵢ)`.
#[inline(always)]
pub fn sum<S: Float>(x: &[S], f: impl Fn(S) -> S) -> S {
    let mut lanes = [S::ZERO; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += f(x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += f(x);
    }
    fold(lanes)
}

/// `Σ f(xᵢ, zᵢ)` of two slices of the same length.
#[inline(always)]
pub fn sum_pairs<S: Float>(x: &[S], z: &[S], f: impl Fn(S, S) -> S) -> S {
    debug_assert_eq!(x.len(), z.len());
    let mut lanes = [S::ZERO; LANES];
    let ((x_blocks, x_rest), (z_blocks, z_rest)) = (x.as_chunks::<LANES>(), z.as_chunks::<LANES>());
    for (x, z) in x_blocks.iter().zip(z_blocks) {
        for ((lane, &x), &z) in lanes.iter_mut().zip(x).zip(z) {
            *lane += f(x, z);
        }
    }
    for ((lane, &x), &z) in lanes.iter_mut().zip(x_rest).zip(z_rest) {
        *lane += f(x, z);
    }
    fold(lanes)
}

/// The largest number, or NaN if there is one, so that it shows in the answer; 0 where there is none.
#[inline(always)]
pub fn largest<S: Float>(x: &[S]) -> S {
    let Some(&first) = x.first() else { return S::ZERO };
    let greater = |a: S, b: S| if b > a || b.is_nan() { b } else { a };
    let mut lanes = [first; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane = greater(*lane, x);
        }
    }
    lanes.iter().chain(rest).fold(first, |largest, &x| greater(largest, x))
}

/// The lanes added pairwise.
#[inline(always)]
fn fold<S: Float>(mut lanes: [S; LANES]) -> S {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            let other = lanes[i + half];
            lanes[i] += other;
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_the_largest() {
        for at in 0..19 {
            let mut x = [1.0; 19];
            x[at] = f64::NAN;
            assert!(largest(&x).is_nan(), "at {at}");
        }
    }

    #[test]
    fn every_length_sums_every_element_once() {
        for count in 0..40_u32 {
            let x: Vec<f64> = (0..count).map(f64::from).collect();
            let squares: u32 = (0..count).map(|i| i * i).sum();
            assert_eq!(largest(&x), f64::from(count.max(1) - 1));
            assert_eq!(sum(&x, |x| x + 1.0), f64::from(count * (count + 1) / 2));
            assert_eq!(sum_pairs(&x, &x, |x, z| x * z), f64::from(squares));
        }
    }
}
