//! Numbers as little-endian bytes.

use std::borrow::Cow;

/// A number type that has such bytes.
pub trait LittleEndian: Copy {
    /// The bytes of all of them, one after the other; not copied where memory holds them so.
    fn bytes(data: &[Self]) -> Cow<'_, [u8]>;
}

macro_rules! impl_little_endian {
    ($t:ty) => {
        impl LittleEndian for $t {
            #[cfg(target_endian = "little")]
            #[expect(unsafe_code, reason = "two copies of every tensor in a reply less")]
            fn bytes(data: &[Self]) -> Cow<'_, [u8]> {
                // SAFETY: these are the bytes of the slice itself, borrowed as long as it is. A float has no padding, so that each of
                // them is initialised, and bytes may stand anywhere.
                Cow::Borrowed(unsafe { std::slice::from_raw_parts(data.as_ptr().cast::<u8>(), size_of_val(data)) })
            }

            #[cfg(not(target_endian = "little"))]
            fn bytes(data: &[Self]) -> Cow<'_, [u8]> {
                Cow::Owned(data.iter().flat_map(|x| x.to_le_bytes()).collect())
            }
        }
    };
}

impl_little_endian!(f32);
impl_little_endian!(f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_every_number() {
        let numbers = [0.0, -0.0, 1.5, f64::MIN_POSITIVE, f64::MAX, f64::NAN, f64::NEG_INFINITY];
        for count in 0..=numbers.len() {
            let doubles = &numbers[..count];
            assert_eq!(*f64::bytes(doubles), *doubles.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
            let singles: Vec<f32> = doubles.iter().map(|&x| x as f32).collect();
            assert_eq!(*f32::bytes(&singles), *singles.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
        }
    }
}
