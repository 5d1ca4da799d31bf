//! Colours that the colour-blind tell apart: orange for positive, blue for negative (the ends of `ColorBrewer`'s `PuOr` and `RdBu`), white
//! between. Boxes carry dark text on pale paint, so that they read the same on a light and on a dark page.

/// The paint of a box for a tint from -1 to 1.
pub(super) fn fill(tint: f64) -> String {
    // The square root lets small values show.
    let strength = tint.abs().clamp(0.0, 1.0).sqrt();
    let end = if tint < 0.0 { [116.0, 173.0, 225.0] } else { [253.0, 174.0, 97.0] };
    mixed([247.0, 247.0, 247.0], end, strength)
}

/// The stroke of an edge.
pub(super) fn stroke(tint: f64) -> String {
    let strength = tint.abs().clamp(0.0, 1.0).sqrt();
    let end = if tint < 0.0 { [43.0, 111.0, 181.0] } else { [214.0, 96.0, 20.0] };
    mixed([150.0, 150.0, 150.0], end, strength)
}

/// The width of an edge.
pub(super) fn width(tint: Option<f64>) -> f64 {
    1.0 + 2.0 * tint.map_or(0.0, |tint| tint.abs().clamp(0.0, 1.0).sqrt())
}

fn mixed(from: [f64; 3], to: [f64; 3], share: f64) -> String {
    let part = |i: usize| (from[i] + (to[i] - from[i]) * share).round() as u8;
    format!("#{:02x}{:02x}{:02x}", part(0), part(1), part(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_orange_and_blue() {
        assert_eq!(fill(0.0), "#f7f7f7");
        assert_eq!(fill(1.0), "#fdae61");
        assert_eq!(fill(-7.0), "#74ade1");
        assert_eq!(stroke(0.0), "#969696");
        assert!(width(None) < width(Some(-1.0)));
    }
}
