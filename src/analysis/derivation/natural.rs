//! Natural numbers of any size: what counting paths takes, and no more.

use std::fmt;

/// A natural number; limbs of 64 bits, the lowest first, none of them 0 at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Natural(Vec<u64>);

impl Natural {
    /// 1.
    pub(super) fn one() -> Self {
        Self(vec![1])
    }

    /// Add another.
    pub(super) fn add(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        let mut carry = false;
        for (at, limb) in self.0.iter_mut().enumerate() {
            let term = other.0.get(at).copied().unwrap_or(0);
            if term == 0 && !carry && at >= other.0.len() {
                return;
            }
            let (sum, over) = limb.overflowing_add(term);
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = over || again;
        }
        if carry {
            self.0.push(1);
        }
    }

    /// It as a machine number, if it is small enough.
    pub(super) fn small(&self) -> Option<u64> {
        match self.0[..] {
            [] => Some(0),
            [n] => Some(n),
            _ => None,
        }
    }
}

impl fmt::Display for Natural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHUNK: u64 = 1_000_000_000_000_000_000;
        let mut limbs = self.0.clone();
        let mut chunks = Vec::new();
        while !limbs.is_empty() {
            let mut rest = 0_u128;
            for limb in limbs.iter_mut().rev() {
                let number = (rest << 64) | u128::from(*limb);
                *limb = (number / u128::from(CHUNK)) as u64;
                rest = number % u128::from(CHUNK);
            }
            chunks.push(rest as u64);
            while limbs.last() == Some(&0) {
                limbs.pop();
            }
        }
        let Some(first) = chunks.pop() else { return f.write_str("0") };
        write!(f, "{first}")?;
        chunks.iter().rev().try_for_each(|chunk| write!(f, "{chunk:018}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_those_of_python() {
        let mut n = Natural::one();
        assert_eq!(Natural::default().to_string(), "0");
        for power in 1..=200 {
            n.add(&n.clone());
            match power {
                64 => assert_eq!(n.to_string(), "18446744073709551616"),
                128 => assert_eq!(n.to_string(), "340282366920938463463374607431768211456"),
                200 => assert_eq!(n.to_string(), "1606938044258990275541962092341162602522202993782792835301376"),
                _ => {}
            }
        }
    }

    #[test]
    fn sums_of_small_numbers_are_those_of_the_machine() {
        let (mut a, mut b) = (Natural::one(), Natural::one());
        let (mut x, mut y) = (1_u128, 1_u128);
        for _ in 0..180 {
            a.add(&b);
            std::mem::swap(&mut a, &mut b);
            x += y;
            std::mem::swap(&mut x, &mut y);
            assert_eq!(b.to_string(), y.to_string());
        }
        assert_eq!(b.small(), None);
        assert_eq!(Natural::one().small(), Some(1));
    }
}
