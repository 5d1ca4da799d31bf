//! Elementwise ops at kinks, in the tails and at infinities, judged by PyTorch and mpmath: `tests/golden/elementwise.tsv`, which
//! says what was computed by whom.

use super::attributes::{Value, Values};
use super::laws::vjp;
use super::{AnyOp, Bce, BceWithLogits, CATALOG, CrossEntropy, Elementwise, Huber, KlDiv, Of, Scalar, SmoothL1};
use crate::tensor::{Dual, Shape, Tensor};

const JUDGED: &str = include_str!("../../tests/golden/elementwise.tsv");

/// A line of the table.
struct Case<'a> {
    line: &'a str,
    op: Box<dyn AnyOp>,
    x: Vec<Tensor<f64>>,
    y_bar: f64,
    y: f64,
    x_bar: Vec<f64>,
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(' ').map(|word| word.parse().expect("a number")).collect()
}

/// The op of a line; `constants` are further inputs that it takes from its attributes.
fn build(name: &str, attributes: &str, constants: &mut Vec<f64>) -> Box<dyn AnyOp> {
    let mut words = attributes.split_terminator(',').map(|word| word.split_once('=').expect("name=value"));
    let number = |word: Option<(&str, &str)>| word.expect("an attribute").1.parse::<f64>().expect("a number");
    match name {
        "bce" => Box::new(Elementwise(Bce)),
        "bce_with_logits" => {
            constants.extend(words.next().map(|word| number(Some(word))));
            Box::new(BceWithLogits)
        }
        "kl_div" => Box::new(KlDiv { log_target: words.next().is_some() }),
        "huber" => Box::new(Huber { delta: number(words.next()) }),
        "smooth_l1" => Box::new(SmoothL1 { beta: number(words.next()) }),
        _ => {
            let entry = CATALOG.iter().find(|entry| entry.name == name).expect("an op of the catalogue");
            let mut values = Values::defaults(entry.attributes);
            for (attribute, value) in words {
                values.set(attribute, value.parse().map_or_else(|_| Value::Word(value.to_owned()), Value::Number));
            }
            (entry.build)(&values).expect("attributes that the op admits")
        }
    }
}

fn cases() -> impl Iterator<Item = Case<'static>> {
    JUDGED.lines().map(|line| {
        let [name, attributes, x, y_bar, y, x_bar] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("six fields: {line}");
        };
        let mut x = numbers(x);
        let op = build(name, attributes, &mut x);
        let x = x.into_iter().map(Tensor::scalar).collect();
        Case { line, op, x, y_bar: numbers(y_bar)[0], y: numbers(y)[0], x_bar: numbers(x_bar) }
    })
}

/// Equal to some units in the last place, subnormal numbers aside; infinities and NaN are equal to themselves.
fn near(found: f64, expected: f64, tolerance: f64) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= (tolerance * expected.abs()).max(1e-307)
}

#[test]
fn values_and_vjps_are_those_of_pytorch_and_mpmath() {
    let mut wrong = Vec::new();
    for case in cases() {
        let y = <f64 as Scalar>::op(case.op.as_ref()).forward(&case.x.iter().collect::<Vec<_>>());
        let moving: Vec<_> = (0..case.x.len()).map(|i| i < case.x_bar.len()).collect();
        let slots = vjp(case.op.as_ref(), &case.x, &y, &Tensor::full(y.shape(), case.y_bar), &moving);
        let x_bar: Vec<f64> = slots.iter().flatten().map(|x_bar| x_bar.data()[0]).collect();
        let found = std::iter::once(y.data()[0]).chain(x_bar.iter().copied());
        let expected = std::iter::once(case.y).chain(case.x_bar.iter().copied());
        if x_bar.len() != case.x_bar.len() || found.zip(expected).any(|(found, expected)| !near(found, expected, 2e-14)) {
            wrong.push(format!("{}: found {} and {x_bar:?}", case.line, y.data()[0]));
        }
    }
    assert!(wrong.is_empty(), "{} lines differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Forward mode takes the same side of a kink as the vjp.
#[test]
fn jvps_follow_the_same_conventions() {
    let mut wrong = Vec::new();
    // PyTorch's bce clamps its logarithms and its slope at different places, so that the two disagree at p = 0 and 1.
    for case in cases().filter(|case| case.y_bar == 1.0 && case.op.name() != "bce") {
        for (i, &slope) in case.x_bar.iter().enumerate() {
            let dual = |(j, x): (usize, &Tensor<f64>)| Tensor::scalar(Dual::new(x.data()[0], f64::from(u8::from(i == j))));
            let x: Vec<_> = case.x.iter().enumerate().map(dual).collect();
            let y = <Dual as Scalar>::op(case.op.as_ref()).forward(&x.iter().collect::<Vec<_>>());
            let finite = slope.is_finite() && case.x.iter().all(|x| x.data()[0].is_finite());
            if finite && !near(y.data()[0].tangent, slope, 2e-14) {
                wrong.push(format!("{}: jvp by input {i} is {}", case.line, y.data()[0].tangent));
            }
        }
    }
    assert!(wrong.is_empty(), "{} lines differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// What PyTorch says of a row x: softmax, `log_softmax` and their vjps of ȳ = [1, 2], and `cross_entropy` of class 1 with its slope.
struct Row {
    x: [f64; 2],
    softmax: [f64; 2],
    softmax_x_bar: [f64; 2],
    log_softmax: [f64; 2],
    log_softmax_x_bar: [f64; 2],
    loss: f64,
    loss_x_bar: [f64; 2],
}

#[test]
fn rows_that_compete_are_pytorchs() {
    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    let lost = |x| Row {
        x,
        softmax: [NAN; 2],
        softmax_x_bar: [NAN; 2],
        log_softmax: [NAN; 2],
        log_softmax_x_bar: [NAN; 2],
        loss: NAN,
        loss_x_bar: [NAN; 2],
    };
    let rows = [
        lost([-INF, -INF]),
        lost([INF, 0.0]),
        lost([-INF, INF]),
        lost([INF, INF]),
        lost([NAN, 1.0]),
        lost([1.0, NAN]),
        Row {
            x: [-INF, 1.0],
            softmax: [0.0, 1.0],
            softmax_x_bar: [0.0, 0.0],
            log_softmax: [-INF, 0.0],
            log_softmax_x_bar: [1.0, -1.0],
            loss: 0.0,
            loss_x_bar: [0.0, 0.0],
        },
        Row {
            x: [800.0, -800.0],
            softmax: [1.0, 0.0],
            softmax_x_bar: [0.0, 0.0],
            log_softmax: [0.0, -1600.0],
            log_softmax_x_bar: [-2.0, 2.0],
            loss: 1600.0,
            loss_x_bar: [1.0, -1.0],
        },
    ];
    let named = |name| {
        let entry = CATALOG.iter().find(|entry| entry.name == name).expect("an op of the catalogue");
        (entry.build)(&Values::defaults(entry.attributes)).expect("defaults are admitted")
    };
    let check = |op: &dyn AnyOp, x: [f64; 2], y_bar: &[f64], y: &[f64], x_bar: [f64; 2]| {
        let x = Tensor::new(Shape::batched(1, &[2]).expect("a small shape"), x.to_vec());
        // The loss reads coefficients too: all of class 1.
        let q = (y_bar.len() == 1).then(|| Tensor::new(x.shape(), vec![0.0, 1.0]));
        let inputs: Vec<_> = std::iter::once(x.clone()).chain(q).collect();
        let found = <f64 as Scalar>::op(op).forward(&inputs.iter().collect::<Vec<_>>());
        let wanted: Vec<_> = (0..inputs.len()).map(|i| i == 0).collect();
        let slots = vjp(op, &inputs, &found, &Tensor::new(found.shape(), y_bar.to_vec()), &wanted);
        let found_bar = slots[0].as_ref().expect("the input is wanted");
        let same = |found: &[f64], expected: &[f64]| found.iter().zip(expected).all(|(&a, &b)| near(a, b, 0.0));
        assert!(same(found.data(), y), "{} of {x:?} is {found:?}", op.name());
        assert!(same(found_bar.data(), &x_bar), "{} of {x:?} has x_bar {found_bar:?}", op.name());
    };
    for row in rows {
        check(named("softmax").as_ref(), row.x, &[1.0, 2.0], &row.softmax, row.softmax_x_bar);
        check(named("log_softmax").as_ref(), row.x, &[1.0, 2.0], &row.log_softmax, row.log_softmax_x_bar);
        let loss = CrossEntropy { of: Of::Logits };
        check(&loss, row.x, &[1.0], &[row.loss], row.loss_x_bar);
    }
}
