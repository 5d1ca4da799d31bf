//! Mistakes with published numbers: the mutation table of Mazur's network, row by row.

use super::answer::{Answer, Tensor, Tolerance};
use super::catalogue::{Solved, solve};
use super::exercise::{Activation, Exercise, Loss};
use super::slip::Rounding;

/// dE/dw1 … dE/dw8 to nine decimal places, and the mistakes that may be named for them.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) mistakes: &'static [&'static str],
    pub(super) digits: [&'static str; 8],
}

const UPPER: [&str; 4] = ["0.082167041", "0.082667628", "-0.022602540", "-0.022740242"];
const LOWER: [&str; 4] = ["0.000438568", "0.000877135", "0.000497713", "0.000995425"];

const fn row(name: &'static str, mistakes: &'static [&'static str], low: [&'static str; 4], up: [&'static str; 4]) -> Row {
    Row { name, mistakes, digits: [low[0], low[1], low[2], low[3], up[0], up[1], up[2], up[3]] }
}

/// Recomputed in f64 from the definitions, by other hands.
pub(super) const TABLE: [Row; 14] = [
    row(
        "sign",
        &["sign_flipped"],
        ["-0.000438568", "-0.000877135", "-0.000497713", "-0.000995425"],
        ["-0.082167041", "-0.082667628", "0.022602540", "0.022740242"],
    ),
    row(
        "no 1/2",
        &["loss_factor"],
        ["0.000877135", "0.001754271", "0.000995425", "0.001990851"],
        ["0.164334081", "0.165335256", "-0.045205081", "-0.045480484"],
    ),
    row(
        "mean of 2 outputs",
        &["mean_over_elements"],
        ["0.000219284", "0.000438568", "0.000248856", "0.000497713"],
        ["0.041083520", "0.041333814", "-0.011301270", "-0.011370121"],
    ),
    // One and the same numbers.
    row(
        "no derivative at the outputs",
        &["activation_derivative_missing", "output_delta_shortcut"],
        ["0.002268350", "0.004536701", "0.002577270", "0.005154539"],
        ["0.439829649", "0.442509229", "-0.128782028", "-0.129566608"],
    ),
    row(
        "no derivative at hidden units",
        &["activation_derivative_missing"],
        ["0.001817515", "0.003635031", "0.002068516", "0.004137032"],
        UPPER,
    ),
    row(
        "net(1 - net)",
        &["derivative_at_pre_activation"],
        ["-0.000056742", "-0.000113485", "-0.000073685", "-0.000147370"],
        ["-0.051513746", "-0.051827584", "0.035480871", "0.035697031"],
    ),
    row(
        "sigmoid'(output)",
        &["derivative_at_output"],
        ["0.000471425", "0.000942851", "0.000536513", "0.001073026"],
        ["0.095789770", "0.096373351", "-0.027828159", "-0.027997697"],
    ),
    row(
        "net_h in dW2",
        &["pre_activation_in_weight_gradient"],
        LOWER,
        ["0.052283207", "0.054360685", "-0.014382084", "-0.014953558"],
    ),
    row("dW2 transposed", &["index_swapped"], LOWER, ["0.082167041", "-0.022602540", "0.082667628", "-0.022740242"]),
    row("W2, not its transpose", &["weight_not_transposed"], ["0.000461551", "0.000923101", "0.000581024", "0.001162049"], UPPER),
    row("stale weights", &["stale_weights"], ["0.000364723", "0.000729446", "0.000423630", "0.000847259"], UPPER),
    row("fan-out: last", &["last_path_only"], ["-0.000229828", "-0.000459657", "-0.000252091", "-0.000504182"], UPPER),
    row("fan-out: first", &["last_path_only"], ["0.000668396", "0.001336792", "0.000749804", "0.001499608"], UPPER),
    row("W2 omitted", &["weight_omitted"], ["0.001211333", "0.002422667", "0.001207883", "0.002415767"], UPPER),
];

/// The right gradients, to the same digits.
pub(super) const RIGHT: Row = row("right", &[], LOWER, UPPER);

/// The weights' names in the table's order.
pub(super) const WEIGHTS: [&str; 8] = ["i1->h1", "i2->h1", "i1->h2", "i2->h2", "h1->o1", "h2->o1", "h1->o2", "h2->o2"];

/// Matt Mazur's network of 2015.
pub(super) fn mazur() -> Exercise {
    let mut e = Exercise::empty("mazur");
    let (i1, i2) = (e.input("i1", 1), e.input("i2", 1));
    let hidden = [(i1, None), (i2, None)];
    let (h1, h2) =
        (e.neuron("h1", &hidden, Some("b1"), Activation::Sigmoid), e.neuron("h2", &hidden, Some("b1"), Activation::Sigmoid));
    let outputs = [(h1, None), (h2, None)];
    let (o1, o2) =
        (e.neuron("o1", &outputs, Some("b2"), Activation::Sigmoid), e.neuron("o2", &outputs, Some("b2"), Activation::Sigmoid));
    e.of(&[o1, o2], Loss::SquaredError(0.5), false);
    let values =
        [("b1", 0.35), ("b2", 0.6)].into_iter().chain(WEIGHTS.into_iter().zip([0.15, 0.2, 0.25, 0.3, 0.4, 0.45, 0.5, 0.55]));
    e.set(values);
    (e.inputs, e.targets) = (vec![vec![0.05, 0.1]], vec![vec![0.01, 0.99]]);
    e
}

/// The lecture's seven neurons, z7 to z1, with the example's numbers.
pub(super) fn lecture() -> Exercise {
    use Activation::{Identity, Tanh};
    let mut e = Exercise::empty("lecture");
    let (x1, x2) = (e.input("x1", 1), e.input("x2", 1));
    let two = |e: &mut Exercise, id: &str, from: [usize; 2], activation| {
        e.neuron(id, &[(from[0], None), (from[1], None)], Some(""), activation)
    };
    let (z6, z7) = (two(&mut e, "z6", [x1, x2], Tanh), two(&mut e, "z7", [x1, x2], Tanh));
    let (z4, z5) = (two(&mut e, "z4", [z6, z7], Tanh), two(&mut e, "z5", [z6, z7], Tanh));
    let outputs = ["z1", "z2", "z3"].map(|id| two(&mut e, id, [z4, z5], Identity));
    e.of(&outputs, Loss::CrossEntropy, false);
    e.set([("x1->z6", 0.5), ("x2->z6", -0.3), ("z6.bias", 0.1), ("x1->z7", -0.4), ("x2->z7", 0.8), ("z7.bias", -0.2)]);
    e.set([("z6->z4", 0.7), ("z7->z4", -0.6), ("z4.bias", 0.05), ("z6->z5", -0.9), ("z7->z5", 0.4), ("z5.bias", 0.3)]);
    e.set([("z4->z1", 1.1), ("z5->z1", -0.5), ("z1.bias", 0.2), ("z4->z2", -0.7), ("z5->z2", 0.9), ("z2.bias", -0.1)]);
    e.set([("z4->z3", 0.3), ("z5->z3", 0.6), ("z3.bias", 0.0)]);
    e.inputs = vec![vec![1.0, 0.5], vec![-0.5, 1.5], vec![0.25, -1.0]];
    e.targets = (0..3).map(|class| (0..3).map(|d| f64::from(d == class)).collect()).collect();
    e
}

/// The published digits as an answer.
fn published(row: &Row) -> Answer {
    let number = |digits: &&str| Tensor { shape: Vec::new(), data: vec![digits.parse().expect("a number")] };
    Answer(WEIGHTS.iter().zip(&row.digits).map(|(name, digits)| (format!("gradients/{name}"), number(digits))).collect())
}

/// The judge's engine is judged in turn: its mistakes have the numbers that others computed for them.
#[test]
fn the_judges_mistakes_have_the_published_numbers() {
    let solved = Solved::of(mazur());
    let digits = Tolerance { relative: 0.0, absolute: 5.1e-10 };
    let weights = |answer: &Answer| {
        let named = |weight: &&str| answer.0.iter().find(|(name, _)| *name == format!("gradients/{weight}")).cloned();
        Answer(WEIGHTS.iter().filter_map(named).collect())
    };
    assert!(weights(&solved.right).equals(&published(&RIGHT), digits), "{:?}", solved.right);
    for row in &TABLE {
        let fits = |mutant: &&super::catalogue::Mutant| weights(&mutant.answer).equals(&published(row), digits);
        for mistake in row.mistakes {
            let found = solved.mutants.iter().filter(|mutant| mutant.mistake == *mistake).find(fits);
            assert!(found.is_some(), "{} is no {mistake} of the judge's", row.name);
        }
    }
}

/// Every step rounded to k significant figures: the worst relative error of Mazur's eight gradients is of the published size.
#[test]
fn the_judges_rounding_by_hand_errs_as_published() {
    let exercise = mazur();
    let weights = |answer: &Answer| -> Vec<f64> {
        let named = |weight: &&str| answer.0.iter().find(|(name, _)| *name == format!("gradients/{weight}"));
        WEIGHTS.iter().filter_map(named).map(|(_, tensor)| tensor.data[0]).collect()
    };
    let right = weights(&solve(&exercise, Rounding::None));
    for (count, published) in [(2, 6.2e-2), (3, 1.0e-2), (4, 1.1e-4), (5, 6.5e-5)] {
        let rounded = weights(&solve(&exercise, Rounding::Figures(count)));
        let worst = right.iter().zip(&rounded).map(|(x, y)| ((y - x) / x).abs()).fold(0.0, f64::max);
        println!("{count} significant figures: {worst:e}, published {published:e}");
    }
    let single = weights(&solve(&exercise, Rounding::Single));
    let worst = right.iter().zip(&single).map(|(x, y)| ((y - x) / x).abs()).fold(0.0, f64::max);
    println!("f32: {worst:e}, published 1.3e-7");
}
