//! A table of words, looked up for many indices at once.
//!
//! Where the processor has AVX-512 the table lies in eight registers, of which each permutation reads two: memory is gathered one
//! element after the other, which takes longer than the arithmetic around it.

/// `found[i] = table[indices[i] & 63]`; there are whole blocks of eight indices.
#[inline]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "code for a processor's features may only be entered where it has them")
)]
pub(super) fn look_up(table: &[u64; 64], indices: &[u64], found: &mut [u64]) {
    debug_assert!(indices.len().is_multiple_of(8) && indices.len() <= found.len());
    #[cfg(target_arch = "x86_64")]
    if super::super::wide::widest() {
        // SAFETY: the processor has AVX-512.
        return unsafe { x86::look_up(table, indices, found) };
    }
    for (index, found) in indices.iter().zip(found) {
        *found = table[(index & 63) as usize];
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512i, _mm512_loadu_si512, _mm512_mask_blend_epi64, _mm512_permutex2var_epi64, _mm512_set1_epi64, _mm512_storeu_si512,
        _mm512_test_epi64_mask,
    };

    #[target_feature(enable = "avx512f")]
    #[expect(unsafe_code, reason = "vectors are written through pointers")]
    pub(super) fn look_up(table: &[u64; 64], indices: &[u64], found: &mut [u64]) {
        let [a, b, c, d, e, f, g, h] = std::array::from_fn(|i| load(&table.as_chunks().0[i]));
        let (sixteen, thirty_two) = (_mm512_set1_epi64(16), _mm512_set1_epi64(32));
        for (indices, found) in indices.as_chunks().0.iter().zip(found.as_chunks_mut::<8>().0) {
            // A permutation looks at the lowest four bits.
            let i = load(indices);
            let (odd, upper) = (_mm512_test_epi64_mask(i, sixteen), _mm512_test_epi64_mask(i, thirty_two));
            let of = |first, second, third, fourth| {
                let (even, other) = (_mm512_permutex2var_epi64(first, i, second), _mm512_permutex2var_epi64(third, i, fourth));
                _mm512_mask_blend_epi64(odd, even, other)
            };
            let words = _mm512_mask_blend_epi64(upper, of(a, b, c, d), of(e, f, g, h));
            // SAFETY: there is room for eight words.
            unsafe { _mm512_storeu_si512(found.as_mut_ptr().cast(), words) };
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    #[expect(unsafe_code, reason = "vectors are read through pointers")]
    fn load(words: &[u64; 8]) -> __m512i {
        // SAFETY: there are eight words.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_finds_its_word() {
        let table = std::array::from_fn(|i| (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let indices: Vec<u64> = (0..256).map(|i| i * 37).chain([u64::MAX; 8]).collect();
        let mut found = vec![0; indices.len()];
        look_up(&table, &indices, &mut found);
        let expect: Vec<u64> = indices.iter().map(|i| table[(i & 63) as usize]).collect();
        assert_eq!(found, expect);
    }
}
