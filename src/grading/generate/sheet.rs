//! The sheet that is handed out: Markdown with LaTeX. The picture beside it is `network.svg`.

use super::exercise::{Exercise, Targets, Weight};
use super::units::{Units, decimal};
use super::values::Values;
use super::wish::{Activation, LossKind, Wish};
use super::{GENERATOR, Generated};

/// Points for one part, by kind.
pub(crate) const POINTS_LOSS: usize = 1;
pub(crate) const POINTS_Z: usize = 1;
pub(crate) const POINTS_DE_DZ: usize = 2;
pub(crate) const POINTS_GRADIENT: usize = 1;

/// What students get.
pub(crate) fn problem(wish: &Wish, generated: &Generated) -> String {
    let units = Units::of(wish, &generated.exercise, &generated.values);
    let mut out = String::from("# Backpropagation by hand\n\n");
    out.push_str(&heading(wish, generated.attempt));
    out.push_str("![The network](network.svg)\n\n## Network\n\n");
    out.push_str(
        "Neuron $k$ computes $a_k = b_k + \\sum_j w_{j \\to k}\\, z_j$ and $z_k = g_k(a_k)$; \
         $w_{j \\to k}$ stands at the edge from $j$ to $k$.\n\n| pre-activation | output |\n|---|---|\n",
    );
    for k in 0..units.list.len() {
        out.push_str(&format!("| ${}$ | ${}$ |\n", pre_activation(&units, k), output(&units, k)));
    }
    for (entry, value) in generated.exercise.shared.iter().enumerate() {
        let symbol = format!("s_{{{}}}", entry + 1);
        out.push_str(&format!("\n${symbol} = {}$ is one parameter that stands at two edges.\n", decimal(*value)));
    }
    out.push_str("\n## Minibatch\n\n");
    out.push_str(&minibatch(&units));
    out.push_str("\n## Loss\n\n");
    out.push_str(&loss(&units));
    out.push_str("\n## Tasks\n\n");
    out.push_str(&tasks(wish, &generated.exercise, &generated.values));
    out
}

/// Where the sheet comes from, so that it can be printed again.
pub(super) fn heading(wish: &Wish, attempt: usize) -> String {
    // The seed is the client's own text: in code, and without what would end it.
    let seed: String = wish.seed.chars().map(|c| if c == '`' || c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("Seed `` {seed} ``, template {}, generator `{GENERATOR}`, attempt {attempt}.\n\n", wish.template.name())
}

/// `a_{6} = 0.5\,x_{1} - 0.3\,x_{2} + 0.1`.
fn pre_activation(units: &Units<'_>, k: usize) -> String {
    let neuron = &units.exercise.neurons[k];
    let mut text = format!("a_{{{}}} =", units.list[k].index);
    let signed = |value: i32, first: bool| {
        let sign = match (value < 0, first) {
            (true, true) => " -",
            (true, false) => " - ",
            (false, true) => " ",
            (false, false) => " + ",
        };
        format!("{sign}{}", decimal(value.abs()))
    };
    for (i, (source, weight)) in neuron.reads.iter().enumerate() {
        match weight {
            Weight::Own(value) => text.push_str(&signed(*value, i == 0)),
            Weight::Shared(entry) => text.push_str(&format!("{} s_{{{}}}", if i == 0 { "" } else { " +" }, entry + 1)),
        }
        text.push_str(&format!("\\,{}", units.z(*source)));
    }
    if let Some(bias) = neuron.bias {
        text.push_str(&signed(bias, false));
    }
    text
}

fn output(units: &Units<'_>, k: usize) -> String {
    let index = &units.list[k].index;
    let a = format!("a_{{{index}}}");
    let value = match units.exercise.neurons[k].activation {
        Activation::Identity => a,
        Activation::Tanh => format!("\\tanh {a}"),
        Activation::Sigmoid => format!("\\sigma({a}) = 1/(1 + e^{{-{a}}})"),
        Activation::Relu => format!("\\max(0, {a})"),
        Activation::LeakyRelu => format!("\\max(0.01\\,{a}, {a})"),
        Activation::Softplus => format!("\\ln(1 + e^{{{a}}})"),
    };
    format!("z_{{{index}}} = {value}")
}

/// A row a sample.
fn minibatch(units: &Units<'_>) -> String {
    let exercise = units.exercise;
    let targets: Vec<String> = match &exercise.targets {
        Targets::Classes(_) => vec!["class $t$".to_owned()],
        Targets::Values(_) => outputs(units).iter().map(|index| format!("$t_{{{index}}}$")).collect(),
    };
    let inputs: Vec<String> = (1..=exercise.inputs).map(|i| format!("$x_{{{i}}}$")).collect();
    let columns = [vec!["sample".to_owned()], inputs, targets].concat();
    let mut out = row(&columns);
    out.push_str(&row(&vec!["---".to_owned(); columns.len()]));
    for (n, values) in exercise.batch.iter().enumerate() {
        let targets: Vec<String> = match &exercise.targets {
            Targets::Classes(classes) => vec![classes[n].to_string()],
            Targets::Values(rows) => rows[n].iter().map(|&value| decimal(value)).collect(),
        };
        out.push_str(&row(&[vec![(n + 1).to_string()], values.iter().map(|&value| decimal(value)).collect(), targets].concat()));
    }
    out
}

/// One row of a table.
pub(super) fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// The indices of the outputs.
fn outputs(units: &Units<'_>) -> Vec<String> {
    let top = units.wish.depth;
    let all = units.list.iter().zip(&units.exercise.neurons);
    all.filter(|(_, neuron)| neuron.level == top).map(|(unit, _)| unit.index.clone()).collect()
}

/// The loss of a sample and of the minibatch.
fn loss(units: &Units<'_>) -> String {
    let wish = units.wish;
    let names: Vec<String> = outputs(units).iter().map(|index| format!("z_{{{index}}}")).collect();
    // PyTorch's own losses reduce a sample's elements as they reduce samples.
    let over = if wish.mean && wish.loss != LossKind::SquaredError && wish.outputs > 1 {
        format!("\\frac{{1}}{{{}}} \\sum_k", wish.outputs)
    } else {
        "\\sum_k".to_owned()
    };
    let of_sample = match wish.loss {
        LossKind::CrossEntropy => format!(
            "$$E_n = -\\ln p_t, \\qquad p_c = \\frac{{e^{{z_c}}}}{{\\sum_{{c'}} e^{{z_{{c'}}}}}}$$\n\nThe classes are counted from 0: ${}$ in this order. ",
            names.join(",\\ ")
        ),
        LossKind::SquaredError => "$$E_n = \\tfrac12 \\sum_k (z_k - t_k)^2$$\n\n".to_owned(),
        LossKind::Mse => format!("$$E_n = {over} (z_k - t_k)^2$$\n\n"),
        LossKind::Bce => format!("$$E_n = -{over} \\left( t_k \\ln z_k + (1 - t_k) \\ln(1 - z_k) \\right)$$\n\n"),
        LossKind::BceWithLogits => {
            format!("$$E_n = -{over} \\left( t_k \\ln \\sigma(z_k) + (1 - t_k) \\ln(1 - \\sigma(z_k)) \\right)$$\n\n")
        }
    };
    let whole = if wish.mean {
        "the mean over the samples, $E = \\frac1N \\sum_n E_n$"
    } else {
        "the sum over the samples, $E = \\sum_n E_n$"
    };
    format!("{of_sample}$E$ is {whole}, with $N = {}$.\n", wish.samples)
}

fn tasks(wish: &Wish, exercise: &Exercise, values: &Values) -> String {
    let count = exercise.neurons.len();
    let gradients = gradients(values);
    format!(
        "1. Compute $a_k$ and $z_k$ of every neuron for every sample, and $E$. ({} points)\n\
         2. Compute $\\partial E / \\partial z_k$ of every neuron for every sample, from the outputs down. ({} points)\n\
         3. Compute $\\partial E / \\partial w$ of every weight{}, over the whole minibatch. ({} points)\n\n\
         Give four significant figures, and keep two more while you compute.\n",
        POINTS_LOSS + POINTS_Z * count,
        POINTS_DE_DZ * count,
        if wish.bias { " and $\\partial E / \\partial b$ of every bias" } else { "" },
        POINTS_GRADIENT * gradients,
    )
}

/// How many numbers the gradients are.
pub(super) fn gradients(values: &Values) -> usize {
    values.gradients.iter().map(|(_, (_, data))| data.len()).sum()
}
