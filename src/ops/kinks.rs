//! Where an op has corners, and on which of its smooth pieces a value lies: the activation pattern. A difference quotient across a
//! corner says nothing of either slope, so whoever takes one compares patterns first (CS231n's "winners").
//!
//! To add a cornered op: a line in `CORNERED`. The test below finds elementwise ones that were forgotten.

use super::{AnyOp, Cotangents, Point, Scalar};
use crate::tensor::Tensor;

/// What tells one piece from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// The slope: the op is linear between its corners.
    Slope,
    /// The sign of the input: the corner is at 0, and a piece beside it is curved.
    Sign,
}

/// The ops whose slope jumps somewhere, by name.
const CORNERED: &[(&str, Piece)] = &[
    ("relu", Piece::Slope),
    ("leaky_relu", Piece::Slope),
    ("abs", Piece::Slope),
    ("hardtanh", Piece::Slope),
    ("maximum", Piece::Slope),
    ("minimum", Piece::Slope),
    ("max_pool2d", Piece::Slope),
    ("elu", Piece::Sign),
    ("selu", Piece::Sign),
];

/// Whether the op has a corner.
pub fn has_corner(op: &dyn AnyOp) -> bool {
    piece_of(op).is_some()
}

fn piece_of(op: &dyn AnyOp) -> Option<Piece> {
    CORNERED.iter().find(|(name, _)| *name == op.name()).map(|(_, piece)| *piece)
}

/// Append the piece on which each element of a cornered op lies, as numbers that are equal where the pieces are.
pub fn pattern<S: Scalar>(op: &dyn AnyOp, x: &[&Tensor<S>], y: &Tensor<S>, out: &mut Vec<u64>) {
    match piece_of(op) {
        None => {}
        Some(Piece::Sign) => out.extend(x[0].data().iter().map(|&x| u64::from(x > S::ZERO) + 2 * u64::from(x < S::ZERO))),
        Some(Piece::Slope) => {
            let shapes: Vec<_> = x.iter().map(|x| x.shape()).collect();
            let inputs: Vec<usize> = (0..x.len()).collect();
            let mut slopes: Vec<Option<Tensor<S>>> = vec![None; x.len()];
            let wanted = vec![true; x.len()];
            let point = Point { shapes: &shapes, x, y };
            let mut cotangents = Cotangents::new(&mut slopes, &inputs, &shapes, &wanted);
            S::op(op).vjp(point, &Tensor::full(y.shape(), S::ONE), &mut cotangents);
            for slope in slopes.iter().flatten() {
                // A negative zero is a zero.
                out.extend(slope.data().iter().map(|slope| (slope.to_f64() + 0.0).to_bits()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Arity, CATALOG, Values};
    use crate::tensor::Shape;

    /// The slope of an elementwise op at `x`.
    fn slope(op: &dyn AnyOp, x: f64) -> f64 {
        let x = Tensor::scalar(x);
        let y = <f64 as Scalar>::op(op).forward(&[&x]);
        let mut slots = [None];
        let shapes = [Shape::SCALAR];
        let point = Point { shapes: &shapes, x: &[&x], y: &y };
        <f64 as Scalar>::op(op).vjp(point, &Tensor::scalar(1.0), &mut Cotangents::new(&mut slots, &[0], &shapes, &[true]));
        slots[0].as_ref().map_or(f64::NAN, |slope| slope.data()[0])
    }

    /// Corners stand at round numbers: of every elementwise op, those where the slope jumps are known here, and no others.
    #[test]
    fn cornered_ops_are_listed() {
        let mut cornered = 0;
        for entry in CATALOG.iter().filter(|entry| entry.elementwise && matches!(entry.arity, Arity::Exactly(1))) {
            let mut values = Values::defaults(entry.attributes);
            if entry.name == "elu" {
                // With alpha 1 its slope is continuous.
                values.set("alpha", crate::ops::attributes::Value::Number(1.5));
            }
            let Ok(op) = (entry.build)(&values) else { continue };
            // A slope beyond all bounds is a pole.
            let jumps = (-28..=28).any(|quarter| {
                let x = f64::from(quarter) / 4.0;
                let (left, right) = (slope(op.as_ref(), x - 1e-9), slope(op.as_ref(), x + 1e-9));
                (left - right).abs() > 1e-3 && left.abs() < 1e6 && right.abs() < 1e6
            });
            assert_eq!(jumps, has_corner(op.as_ref()), "{} and its line in CORNERED", entry.name);
            cornered += usize::from(jumps);
        }
        assert!(cornered >= 5, "only {cornered} corners were seen");
    }

    #[test]
    fn patterns_change_at_corners_alone() {
        let relu = CATALOG.iter().find(|entry| entry.name == "relu").expect("it is there");
        let relu = (relu.build)(&Values::defaults(relu.attributes)).expect("no attribute");
        let of = |x: f64| {
            let x = Tensor::scalar(x);
            let y = <f64 as Scalar>::op(relu.as_ref()).forward(&[&x]);
            let mut out = Vec::new();
            pattern(relu.as_ref(), &[&x], &y, &mut out);
            out
        };
        assert_eq!(of(0.1), of(5.0));
        assert_ne!(of(0.1), of(-0.1));
        assert_ne!(of(0.0), of(1e-300), "the corner itself has the slope of one side");
    }
}
