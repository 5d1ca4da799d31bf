//! Numbers from decimal text and to it, many at a time: the loops behind tensors in JSON.
//!
//! Both ways are exact: text is read to the nearest double, ties to even, and a number is written as the shortest text that reads
//! back the same, of these the nearest. What a loop is not made for it leaves to its caller, who has slower ways for everything.

mod lookup;
#[cfg(target_arch = "x86_64")]
mod permute;
mod print;
mod scan;
#[cfg(test)]
mod tests;

pub use print::{Decimal, Printer, ROOM, printer_pays};
pub use scan::Scanner;

/// The table of powers goes from 10^-54 to 10^54, which 128-bit integers can compute.
pub const DEEPEST: i64 = 54;

/// The leading 64 bits of `5^q` (and so of `10^q`), rounded down, from `q = -DEEPEST` on.
pub const POWERS_OF_FIVE: [u64; 2 * DEEPEST as usize + 1] = {
    let mut table = [0; 2 * DEEPEST as usize + 1];
    let mut power = 1_u128;
    let mut q = 0;
    while q <= DEEPEST as usize {
        let bits = 128 - power.leading_zeros();
        table[DEEPEST as usize + q] = if bits <= 64 { (power as u64) << (64 - bits) } else { (power >> (bits - 64)) as u64 };
        if q > 0 {
            // 2^(bits+63) / power by long division, one bit a step.
            let mut remainder = 1_u128 << (bits - 1);
            let mut quotient = 0_u64;
            let mut step = 0;
            while step < 64 {
                remainder <<= 1;
                quotient <<= 1;
                if remainder >= power {
                    remainder -= power;
                    quotient |= 1;
                }
                step += 1;
            }
            table[DEEPEST as usize - q] = quotient;
        }
        power *= 5;
        q += 1;
    }
    table
};

/// The lower half of a word.
const LOW: u64 = 0xFFFF_FFFF;
