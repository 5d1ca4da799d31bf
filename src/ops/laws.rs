//! The laws that every op proves in its own file.
//!
//! 1. The shape rule says the forward's shape.
//! 2. `⟨ȳ, ẏ⟩ = ⟨x̄, ẋ⟩` to 1e-12, with ẏ from the same forward over dual numbers and x̄ from the vjp.
//! 3. The jvp agrees with central differences in double-double arithmetic.
//! 4. The vjp reads only what [`Describe::reads`] names: the rest is replaced by NaN.
//! 5. A vjp that is asked for one input alone gives what it gives when asked for all.
//! 6. The vjp over dual numbers, which makes Hessian-vector products, agrees with differences of the vjp in double-double.

use super::{AnyOp, Cotangents, Point, Scalar};
use crate::tensor::{DoubleDouble, Dual, Float, Shape, Tensor};

/// Normal deviates in a shape without sample axis.
pub(crate) fn normal(dims: &[usize], seed: u64) -> Tensor<f64> {
    filled(Shape::new(dims).expect("a small shape"), seed)
}

/// Normal deviates with a sample axis.
pub(crate) fn batch(samples: usize, dims: &[usize], seed: u64) -> Tensor<f64> {
    filled(Shape::batched(samples, dims).expect("a small shape"), seed)
}

/// Deviates between two bounds.
pub(crate) fn between(dims: &[usize], seed: u64, low: f64, high: f64) -> Tensor<f64> {
    let mut random = Random(seed);
    let shape = Shape::new(dims).expect("a small shape");
    Tensor::new(shape, (0..shape.size()).map(|_| low + (high - low) * random.unit()).collect())
}

fn filled(shape: Shape, seed: u64) -> Tensor<f64> {
    let mut random = Random(seed);
    Tensor::new(shape, (0..shape.size()).map(|_| random.normal()).collect())
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// x̄ for each input; `wanted` opens the slots, and values that `reads` does not name are poisoned.
pub(crate) fn vjp<S: Scalar>(
    op: &dyn AnyOp,
    x: &[Tensor<S>],
    y: &Tensor<S>,
    y_bar: &Tensor<S>,
    wanted: &[bool],
) -> Vec<Option<Tensor<S>>> {
    let nan = |t: &Tensor<S>| Tensor::full(t.shape(), S::from_f64(f64::NAN));
    let reads = op.reads();
    let x: Vec<_> = x.iter().map(|x| if reads.inputs { x.clone() } else { nan(x) }).collect();
    let y = if reads.output { y.clone() } else { nan(y) };
    let shapes: Vec<_> = x.iter().map(Tensor::shape).collect();
    let ids: Vec<_> = (0..x.len()).collect();
    let mut slots = vec![None; x.len()];
    let point = Point { shapes: &shapes, x: &x.iter().collect::<Vec<_>>(), y: &y };
    S::op(op).vjp(point, y_bar, &mut Cotangents::new(&mut slots, &ids, &shapes, wanted));
    slots
}

/// All laws at these inputs, differentiating by every one of them.
pub(crate) fn hold(op: &dyn AnyOp, x: &[Tensor<f64>]) {
    hold_by(op, x, &vec![true; x.len()]);
}

/// All laws at these inputs; inputs that are not `smooth` (indices, say) are held fixed.
pub(crate) fn hold_by(op: &dyn AnyOp, x: &[Tensor<f64>], smooth: &[bool]) {
    let shapes: Vec<_> = x.iter().map(Tensor::shape).collect();
    let shape = op.shape(&shapes).expect("inputs of a law fit the op");
    let y = <f64 as Scalar>::op(op).forward(&x.iter().collect::<Vec<_>>());
    assert_eq!(shape, y.shape(), "{op:?}: the shape rule says the forward's shape");

    let x_dot: Vec<_> = x
        .iter()
        .enumerate()
        .map(|(i, x)| if smooth[i] { filled(x.shape(), 100 + i as u64) } else { Tensor::zeros(x.shape()) })
        .collect();
    let y_bar = filled(shape, 200);

    // 2. The inner products.
    let x_dual: Vec<Tensor<Dual>> = x
        .iter()
        .zip(&x_dot)
        .map(|(x, t)| Tensor::new(x.shape(), x.data().iter().zip(t.data()).map(|(&x, &t)| Dual::new(x, t)).collect()))
        .collect();
    let y_dual = <Dual as Scalar>::op(op).forward(&x_dual.iter().collect::<Vec<_>>());
    let y_dot: Vec<f64> = y_dual.data().iter().map(|y| y.tangent).collect();
    for (dual, plain) in y_dual.data().iter().zip(y.data()) {
        assert!((dual.primal - plain).abs() <= 1e-13 * (1.0 + plain.abs()), "{op:?}: primal {} is not {plain}", dual.primal);
    }
    let x_bar = vjp(op, x, &y, &y_bar, smooth);
    let pulled: f64 = x_bar.iter().zip(&x_dot).map(|(x_bar, t)| x_bar.as_ref().map_or(0.0, |x| dot(x.data(), t.data()))).sum();
    let pushed = dot(y_bar.data(), &y_dot);
    let scale: f64 = y_bar.data().iter().zip(&y_dot).map(|(a, b)| (a * b).abs()).sum();
    assert!((pulled - pushed).abs() <= 1e-12 * scale.max(1e-3), "{op:?}: <y_bar, jvp> = {pushed} but <vjp, x_dot> = {pulled}");

    // 3. Central differences with a step whose error, of order h², is far below 1e-9, and whose rounding is of order 1e-32/h.
    let h = 1e-8;
    let moved = |sign: f64| -> Vec<Tensor<DoubleDouble>> {
        let step = DoubleDouble::from_f64(sign * h);
        let along = |(&x, &t): (&f64, &f64)| DoubleDouble::from_f64(x) + step * DoubleDouble::from_f64(t);
        x.iter().zip(&x_dot).map(|(x, t)| Tensor::new(x.shape(), x.data().iter().zip(t.data()).map(along).collect())).collect()
    };
    let at = [1.0, -1.0].map(|sign| {
        let x = moved(sign);
        let y = <DoubleDouble as Scalar>::op(op).forward(&x.iter().collect::<Vec<_>>());
        (x, y)
    });
    let agree = |plus: &Tensor<DoubleDouble>, minus: &Tensor<DoubleDouble>, tangents: &[f64], what: &str| {
        for ((&plus, &minus), tangent) in plus.data().iter().zip(minus.data()).zip(tangents) {
            let difference = ((plus - minus) / DoubleDouble::from_f64(2.0 * h)).to_f64();
            assert!(
                (difference - tangent).abs() <= 1e-10 * (1.0 + tangent.abs()),
                "{op:?}: {what} {tangent}, differences {difference}"
            );
        }
    };
    agree(&at[0].1, &at[1].1, &y_dot, "jvp");

    // 5. One input at a time.
    for i in (0..x.len()).filter(|&i| smooth[i]) {
        let only: Vec<_> = (0..x.len()).map(|j| i == j).collect();
        let alone = vjp(op, x, &y, &y_bar, &only);
        let (alone, all) = (alone[i].as_ref().map(Tensor::data), x_bar[i].as_ref().map(Tensor::data));
        assert_eq!(alone, all, "{op:?}: x_bar of input {i} alone and with the others");
    }

    // 6. The second order.
    let lifted = Tensor::new(shape, y_bar.data().iter().map(|&y_bar| Dual::from_f64(y_bar)).collect());
    let dual = vjp(op, &x_dual, &y_dual, &lifted, smooth);
    let widened = Tensor::new(shape, y_bar.data().iter().map(|&y_bar| DoubleDouble::from_f64(y_bar)).collect());
    let [plus, minus] = at.map(|(x, y)| vjp(op, &x, &y, &widened, smooth));
    for (dual, (plus, minus)) in dual.iter().zip(plus.iter().zip(&minus)) {
        if let (Some(dual), Some(plus), Some(minus)) = (dual, plus, minus) {
            let tangents: Vec<_> = dual.data().iter().map(|x_bar| x_bar.tangent).collect();
            agree(plus, minus, &tangents, "tangent of the vjp");
        }
    }
}

/// The shape rule refuses these inputs with words that contain `expected`.
pub(crate) fn rejects(op: &dyn AnyOp, x: &[Tensor<f64>], expected: &str) {
    let shapes: Vec<_> = x.iter().map(Tensor::shape).collect();
    let error = op.shape(&shapes).expect_err("these shapes must not fit");
    assert!(error.0.contains(expected), "{op:?} says {:?}, expected {expected:?}", error.0);
}

/// Forward, vjp and jvp at a kink are what PyTorch's are: `x` is one number, ȳ and ẋ are 1.
pub(crate) fn at_kink(op: &dyn AnyOp, x: f64, value: f64, slope: f64) {
    let moving = Tensor::scalar(Dual::new(x, 1.0));
    let x = Tensor::scalar(x);
    let y = <f64 as Scalar>::op(op).forward(&[&x]);
    assert_eq!(y.data(), [value], "{op:?} at {x:?}");
    let x_bar = vjp(op, &[x], &y, &Tensor::scalar(1.0), &[true]);
    assert_eq!(x_bar[0].as_ref().map(Tensor::data), Some(&[slope][..]), "{op:?}: slope at the kink");
    let y_dual = <Dual as Scalar>::op(op).forward(&[&moving]);
    assert_eq!(y_dual.data()[0].tangent, slope, "{op:?}: jvp at the kink");
}
