//! The solution: values, every step for the first sample, gradients, marking scheme.

use super::Generated;
use super::exercise::{Source, Targets, Weight, tenths};
use super::sheet::{POINTS_DE_DZ, POINTS_GRADIENT, POINTS_LOSS, POINTS_Z, gradients, heading, row};
use super::units::{Units, factor, latex};
use super::wish::{Activation, LossKind, Wish};

/// Up to this many samples a gradient's sum is written out.
const SHOWN_SAMPLES: usize = 4;

/// What markers get. `paths` is the derivation of one weight by paths, in LaTeX, with its name.
pub(crate) fn solution(wish: &Wish, generated: &Generated, paths: Option<(&str, &str)>) -> String {
    let units = Units::of(wish, &generated.exercise, &generated.values);
    let mut out = String::from("# Solution\n\n");
    out.push_str(&heading(wish, generated.attempt));
    out.push_str("![Values and gradients](gradients.svg)\n\n## Forward\n\n");
    out.push_str(&table(&units, ("a", |units, k, n| units.list[k].a[n]), ("z", |units, k, n| units.list[k].z[n])));
    let losses: Vec<String> =
        generated.values.losses.iter().enumerate().map(|(n, x)| format!("E_{{{}}} = {}", n + 1, latex(*x))).collect();
    out.push_str(&format!("\n${}$; $E = {}$\n", losses.join(",\\ "), latex(generated.values.loss)));
    out.push_str("\n## Backward, step by step for sample 1\n\n");
    for k in units.downwards() {
        out.push_str(&step(&units, k));
    }
    out.push_str("## Backward, all samples\n\n");
    let columns: (Column, Column) = (
        ("\\partial E/\\partial z", |units, k, n| units.list[k].de_dz[n]),
        ("\\partial E/\\partial a", |units, k, n| units.list[k].de_da[n]),
    );
    out.push_str(&table(&units, columns.0, columns.1));
    out.push_str("\n## Gradients\n\n");
    out.push_str(&weights(&units));
    if let Some((name, latex)) = paths {
        out.push_str(&format!("\n## The same by paths: `{name}`, sample 1\n\nHere $w_{{k,j}}$ is the weight on the edge from $j$ to $k$, and a path's local derivatives stand one after another.\n\n$${latex}$$\n"));
    }
    out.push_str("\n## Marking scheme\n\n");
    out.push_str(&marks(&units));
    out
}

type Column = (&'static str, fn(&Units<'_>, usize, usize) -> f64);

/// Two values of every neuron, a pair of columns a sample.
fn table(units: &Units<'_>, first: Column, second: Column) -> String {
    let samples = units.wish.samples;
    let heads = (1..=samples).flat_map(|n| [format!("${}$, sample {n}", first.0), format!("${}$, sample {n}", second.0)]);
    let columns: Vec<String> = std::iter::once("$k$".to_owned()).chain(heads).collect();
    let mut out = row(&columns);
    out.push_str(&row(&vec!["---".to_owned(); columns.len()]));
    for k in 0..units.list.len() {
        let values = (0..samples).flat_map(|n| [(first.1)(units, k, n), (second.1)(units, k, n)]);
        let cells = std::iter::once(units.list[k].index.clone()).chain(values.map(|x| format!("${}$", latex(x))));
        out.push_str(&row(&cells.collect::<Vec<_>>()));
    }
    out
}

/// dE/dz of a neuron through those who read it, and dE/da, in the first sample.
fn step(units: &Units<'_>, k: usize) -> String {
    let index = &units.list[k].index;
    let (de_dz, de_da) = (units.list[k].de_dz[0], units.list[k].de_da[0]);
    let readers: Vec<(usize, Weight)> = units.exercise.readers(k).collect();
    let by_z = format!("\\frac{{\\partial E}}{{\\partial z_{{{index}}}}}");
    let through = if readers.is_empty() {
        of_loss(units, k)
    } else {
        let symbols = readers.iter().map(|(l, weight)| {
            let symbol = units.w(*l, Source::Neuron(k), *weight);
            format!("\\frac{{\\partial E}}{{\\partial a_{{{}}}}} {symbol}", units.list[*l].index)
        });
        let numbers = readers.iter().map(|(l, weight)| {
            format!("{} \\cdot {}", factor(units.list[*l].de_da[0]), factor(tenths(units.exercise.weight(*weight))))
        });
        format!("{} = {}", symbols.collect::<Vec<_>>().join(" + "), numbers.collect::<Vec<_>>().join(" + "))
    };
    let mut out = format!("$${by_z} = {through} = {}$$\n\n", latex(de_dz));
    let slope = match units.exercise.neurons[k].activation {
        Activation::Identity => return out,
        Activation::Tanh => format!("(1 - z_{{{index}}}^2)"),
        Activation::Sigmoid => format!("z_{{{index}}} (1 - z_{{{index}}})"),
        Activation::Relu => format!("[a_{{{index}}} > 0]"),
        Activation::LeakyRelu => format!("g'(a_{{{index}}})"),
        Activation::Softplus => format!("\\sigma(a_{{{index}}})"),
    };
    out.push_str(&format!(
        "$$\\frac{{\\partial E}}{{\\partial a_{{{index}}}}} = {by_z}\\, {slope} = {} \\cdot {} = {}$$\n\n",
        factor(de_dz),
        factor(units.slope(k, 0)),
        latex(de_da)
    ));
    out
}

/// The loss's own derivative by an output, in the first sample.
fn of_loss(units: &Units<'_>, k: usize) -> String {
    let wish = units.wish;
    let index = &units.list[k].index;
    let place = units.place(k);
    let z = units.list[k].z[0];
    let (divisor, elements) = (wish.samples, wish.samples * wish.outputs);
    let over = |text: String, by: usize| if wish.mean { format!("\\frac{{1}}{{{by}}} {text}") } else { text };
    let target = match &units.exercise.targets {
        Targets::Classes(classes) => f64::from(u8::from(classes[0] == place)),
        Targets::Values(rows) => tenths(rows[0][place]),
    };
    let t = latex(target);
    match wish.loss {
        LossKind::CrossEntropy => {
            // What the derivative is made of: p − y, undone from it.
            let share = if wish.mean { wish.samples as f64 } else { 1.0 };
            let p = units.list[k].de_dz[0] * share + target;
            format!(
                "{} = {}",
                over(format!("(p_{{{place}}} - [t = {place}])"), divisor),
                over(format!("({} - {t})", latex(p)), divisor)
            )
        }
        LossKind::SquaredError => format!(
            "{} = {}",
            over(format!("(z_{{{index}}} - t_{{{index}}})"), divisor),
            over(format!("({} - {t})", latex(z)), divisor)
        ),
        LossKind::Mse => format!(
            "{} = {}",
            over(format!("2 (z_{{{index}}} - t_{{{index}}})"), elements),
            over(format!("2 \\cdot ({} - {t})", latex(z)), elements)
        ),
        LossKind::Bce => format!(
            "{} = {}",
            over(format!("\\frac{{z_{{{index}}} - t_{{{index}}}}}{{z_{{{index}}} (1 - z_{{{index}}})}}"), elements),
            over(format!("\\frac{{{z} - {t}}}{{{z} (1 - {z})}}", z = latex(z)), elements)
        ),
        LossKind::BceWithLogits => format!(
            "{} = {}",
            over(format!("(\\sigma(z_{{{index}}}) - t_{{{index}}})"), elements),
            over(format!("({} - {t})", latex(1.0 / (1.0 + crate::tensor::Float::exp(-z)))), elements)
        ),
    }
}

/// Every parameter's gradient, with its sum over samples.
fn weights(units: &Units<'_>) -> String {
    let mut out = String::from("| parameter | sum over samples | gradient |\n|---|---|---|\n");
    let mut shared: Vec<Vec<(usize, Source)>> = vec![Vec::new(); units.exercise.shared.len()];
    for k in units.downwards() {
        let neuron = &units.exercise.neurons[k];
        for &(source, weight) in &neuron.reads {
            match weight {
                Weight::Own(_) => out.push_str(&weight_row(units, &units.parameter(k, Some((source, weight))), &[(k, source)])),
                Weight::Shared(entry) => shared[entry].push((k, source)),
            }
        }
        if neuron.bias.is_some() {
            let unit = &units.list[k];
            let numbers: Vec<String> = unit.de_da.iter().map(|&x| factor(x)).collect();
            let symbol = format!("\\sum_n \\partial E/\\partial a_{{{}}}", unit.index);
            out.push_str(&sum_row(units, &units.parameter(k, None), symbol, numbers, unit.de_da.iter().sum()));
        }
    }
    for (entry, uses) in shared.iter().enumerate() {
        out.push_str(&weight_row(units, &format!("s{}", entry + 1), uses));
    }
    out
}

fn weight_row(units: &Units<'_>, name: &str, uses: &[(usize, Source)]) -> String {
    let symbols = uses
        .iter()
        .map(|(k, source)| format!("\\sum_n \\partial E/\\partial a_{{{}}} \\cdot {}", units.list[*k].index, units.z(*source)));
    let (mut numbers, mut value) = (Vec::new(), 0.0);
    for (k, source) in uses {
        for n in 0..units.wish.samples {
            let (outer, read) = (units.list[*k].de_da[n], units.read(*source, n));
            numbers.push(format!("{} \\cdot {}", factor(outer), factor(read)));
            value += outer * read;
        }
    }
    sum_row(units, name, symbols.collect::<Vec<_>>().join(" + "), numbers, value)
}

fn sum_row(units: &Units<'_>, name: &str, symbol: String, numbers: Vec<String>, value: f64) -> String {
    let sum = if units.wish.samples <= SHOWN_SAMPLES { format!("{symbol} = {}", numbers.join(" + ")) } else { symbol };
    row(&[format!("`{name}`"), format!("${sum}$"), format!("${}$", latex(value))])
}

fn marks(units: &Units<'_>) -> String {
    let count = units.list.len();
    let gradients = gradients(units.values);
    let rows = [
        ("$E$", 1, POINTS_LOSS, "the value"),
        ("$z_k$ of a neuron, all samples", count, POINTS_Z, "the values; right from the student's own earlier ones counts"),
        (
            "$\\partial E/\\partial z_k$ of a neuron, all samples",
            count,
            POINTS_DE_DZ,
            "every path counted, with its weight and slope; right from the student's own $\\partial E/\\partial z$ above counts, unless those are 0",
        ),
        (
            "a weight's or bias' gradient",
            gradients,
            POINTS_GRADIENT,
            "summed over the samples, from the student's own $\\partial E/\\partial a$",
        ),
    ];
    let mut out = String::from("| part | how many | points each | what they are for |\n|---|---|---|---|\n");
    for (part, many, points, what) in rows {
        out.push_str(&row(&[part.to_owned(), many.to_string(), points.to_string(), what.to_owned()]));
    }
    let total: usize = rows.iter().map(|(_, many, points, _)| many * points).sum();
    out.push_str(&format!(
        "\n{total} points in all. A number counts if it is right to four significant figures, rounding on the way allowed for.\n"
    ));
    out
}
