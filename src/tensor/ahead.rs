//! Memory that will be read soon, asked for early: in a network of many thousand neurons, what a node reads lies anywhere, and waiting
//! for it takes several times as long as computing with it.

use std::ptr;
use std::sync::Arc;

use super::{Data, Tensor};

/// Of each tensor at most so many bytes; of a longer one the processor sees by itself what comes next.
const MOST: usize = 512;
/// Bytes that memory hands over at once.
const LINE: usize = 64;

/// Ask for the place of a tensor in a list.
#[inline]
pub fn place<S>(slot: &Option<Tensor<S>>) {
    line(ptr::from_ref(slot));
}

/// Ask for where its numbers are; its place has arrived.
#[inline]
pub fn whereabouts<S>(slot: &Option<Tensor<S>>) {
    if let Some(tensor) = slot {
        match &tensor.data {
            // Known from its place.
            Data::Few(_) | Data::Some(_) => {}
            Data::Other(data) => line(Arc::as_ptr(data)),
        }
    }
}

/// Ask for its numbers; where they are has arrived.
#[inline]
pub fn numbers<S>(slot: &Option<Tensor<S>>) {
    if let Some(tensor) = slot {
        let numbers = tensor.data.as_slice();
        let first = numbers.as_ptr().cast::<u8>();
        for at in (0..size_of_val(numbers).min(MOST)).step_by(LINE) {
            line(first.wrapping_add(at));
        }
    }
}

#[inline]
fn line<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[expect(unsafe_code, reason = "the processor is asked for memory, which no safe code can say")]
        // SAFETY: every x86-64 has the instruction; it reads nothing that the program sees, and asking for a wrong place is no fault.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(at.cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
