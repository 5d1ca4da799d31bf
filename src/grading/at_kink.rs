//! Slopes at kinks. Where a value lies on a corner, as relu's at 0 or the inputs of a tied maximum, the derivative is a convention:
//! PyTorch's is the key's, and whoever writes `z >= 0` for `z > 0` has another that is as good. What is right by one of the
//! conventions below, held to at every corner, is right.

use super::change::{Change, Step};
use super::exercise::Exercise;
use super::parts::Answer;
use crate::graph::NodeId;
use crate::ops::kinks::{has_corner, pattern};
use crate::ops::{AnyOp, Cotangents, Point, Scalar};
use crate::tensor::Tensor;

/// What is taken at a corner: of the slopes on its two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Convention {
    /// The slope below; of a maximum's inputs, the second has it all.
    Below,
    /// The slope above; the first has it all.
    Above,
    /// Their mean; a tie is shared.
    Halfway,
    /// The larger in absolute value: 1 to each input of a tied maximum, as CS231n's notes have it.
    Steeper,
    /// The smaller in absolute value.
    Flatter,
}

/// The answers by other conventions than the key's; none where no value lies on a corner.
pub(crate) fn answers(exercise: &Exercise) -> Vec<Answer> {
    use Convention::{Above, Below, Flatter, Halfway, Steeper};
    let corners = corners(exercise);
    let mut answers: Vec<Answer> = Vec::new();
    if corners.is_empty() {
        return answers;
    }
    for convention in [Above, Below, Halfway, Steeper, Flatter] {
        let answer = exercise.answer(&AtCorners { corners: &corners, convention });
        if answer != *exercise.key() && !answers.contains(&answer) {
            answers.push(answer);
        }
    }
    answers
}

/// An op of which some values lie on corners.
#[derive(Debug)]
struct Corner {
    node: NodeId,
    /// Its first input a little lower and a little higher, and what it then gives.
    sides: [(Tensor<f64>, Tensor<f64>); 2],
}

fn corners(exercise: &Exercise) -> Vec<Corner> {
    let graph = &exercise.lowered.graph;
    let cornered = graph.nodes().iter().enumerate().filter_map(|(i, node)| {
        let op = node.op.as_deref().filter(|op| has_corner(*op))?;
        let x: Vec<_> = node.inputs.iter().map(|&input| exercise.value(graph.id(input))).collect();
        let sides = [-1.0, 1.0].map(|sign| side(op, &x, sign));
        let [below, above] = sides.each_ref().map(|(first, y)| {
            let mut pieces = Vec::new();
            pattern::<f64>(op, &with_first(&x, first), y, &mut pieces);
            pieces
        });
        (below != above).then_some(Corner { node: graph.id(i), sides })
    });
    cornered.collect()
}

fn with_first<'t>(x: &[&'t Tensor<f64>], first: &'t Tensor<f64>) -> Vec<&'t Tensor<f64>> {
    let mut x = x.to_vec();
    x[0] = first;
    x
}

/// The first input moved by what rounding may have moved it, and the op's value there.
fn side(op: &dyn AnyOp, x: &[&Tensor<f64>], sign: f64) -> (Tensor<f64>, Tensor<f64>) {
    /// Of the largest input: what lies nearer to a corner lies on it.
    const NEAR: f64 = 1e-12;
    let scale = x.iter().flat_map(|x| x.data()).fold(0.0_f64, |most, x| most.max(x.abs()));
    let step = |of_scale: f64| (of_scale * scale).max(f64::MIN_POSITIVE);
    let moved: Vec<f64> = if op.name() == "max_pool2d" {
        // Windows are tied among their own elements: each is moved further than the one before it, by a few of the largest's ulps.
        let step = step(8.0 * f64::EPSILON);
        x[0].data().iter().zip(1_u32..).map(|(x, i)| x + sign * step * f64::from(i)).collect()
    } else {
        x[0].data().iter().map(|x| x + sign * step(NEAR)).collect()
    };
    let first = Tensor::new(x[0].shape(), moved);
    let y = f64::op(op).forward(&with_first(x, &first));
    (first, y)
}

/// A convention at these corners, in the order of their nodes.
#[derive(Debug)]
struct AtCorners<'c> {
    corners: &'c [Corner],
    convention: Convention,
}

impl Change for AtCorners<'_> {
    fn vjp(&self, _: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        let Ok(at) = self.corners.binary_search_by_key(&step.node, |corner| corner.node) else { return false };
        let sides = self.corners[at].sides.each_ref().map(|(first, y)| {
            let x = with_first(step.at.x, first);
            Step { at: Point { x: &x, y, ..step.at }, ..step }.right(|input| x_bar.wants(input))
        });
        let [below, above] = sides;
        for (input, sides) in below.into_iter().zip(above).enumerate() {
            let (Some(below), Some(above)) = sides else { continue };
            let mixed = |mix: fn(f64, f64) -> f64| below.zip(&above, below.shape(), mix);
            x_bar.give(
                input,
                match self.convention {
                    Convention::Below => below,
                    Convention::Above => above,
                    Convention::Halfway => mixed(|b, a| 0.5 * b + 0.5 * a),
                    Convention::Steeper => mixed(|b, a| if b.abs() > a.abs() { b } else { a }),
                    Convention::Flatter => mixed(|b, a| if b.abs() > a.abs() { a } else { b }),
                },
            );
        }
        true
    }
}
