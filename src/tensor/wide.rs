//! Loops compiled for the processor that runs them.
//!
//! The binary is built for every x86-64; a loop wrapped by [`wide`] is compiled once more for AVX2 and once for AVX-512, and the
//! processor alone decides which one runs. No loop asks for fused arithmetic or another order of sums, so all three give the same bits.

use super::Float;

/// Run a loop with the widest vectors that the processor has. The closure must be `#[inline(always)]`, and what it calls small or
/// inlined too: only what ends up inside is compiled anew.
#[inline(always)]
pub fn wide<S: Float, R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if S::VECTORS {
        return x86::dispatch(work);
    }
    work()
}

/// Whether the widest vectors are those of AVX-512, which multiply and count the zeros of 64-bit integers.
pub(super) fn widest() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::avx512();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[inline(always)]
    pub(super) fn avx512() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "code for a processor's features may only be entered where it has them")]
    pub(super) fn dispatch<R>(work: impl FnOnce() -> R) -> R {
        if avx512() {
            // SAFETY: the processor has the features that the function is compiled for.
            unsafe { with_avx512(work) }
        } else if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            unsafe { with_avx2(work) }
        } else {
            work()
        }
    }

    #[target_feature(enable = "avx2")]
    fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
    fn with_avx512<R>(work: impl FnOnce() -> R) -> R {
        work()
    }
}
