//! Numbers for a reader: a few significant digits.

/// `x` with `digits` significant digits: plain where that is short, else with a power of ten (`1.23e-7`).
pub fn short(x: f64, digits: usize) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    if !x.is_finite() {
        return if x.is_nan() { "NaN".to_owned() } else { (if x > 0.0 { "∞" } else { "-∞" }).to_owned() };
    }
    let scientific = format!("{:.*e}", digits.max(1) - 1, x);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        return trimmed(&format!("{x:.decimals$}")).to_owned();
    }
    format!("{}e{exponent}", trimmed(mantissa))
}

/// Without zeros at the end of a fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_short() {
        for (x, digits, expected) in [
            (0.0, 4, "0"),
            (0.337_603_744_6, 4, "0.3376"),
            (-0.5, 4, "-0.5"),
            (12.0, 4, "12"),
            (99_999.6, 4, "100000"),
            (123_456_789.0, 4, "1.235e8"),
            (0.000_012_345, 3, "1.23e-5"),
            (0.000_999_99, 3, "0.001"),
            (1e300, 4, "1e300"),
            (f64::NAN, 4, "NaN"),
            (f64::NEG_INFINITY, 4, "-∞"),
        ] {
            assert_eq!(short(x, digits), expected, "{x}");
        }
    }
}
