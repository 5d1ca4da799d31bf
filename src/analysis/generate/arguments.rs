//! What a client wishes of an exercise: read, checked, with defaults for what was left out.

use std::ops::RangeInclusive;

use crate::grading::generate::VERSION;
use crate::grading::generate::wish::{Activation, Difficulty, Form, LossKind, Template, Wish};
use crate::spec::decode::{Fields, hint};
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;

/// The longest seed, in bytes.
const LONGEST_SEED: usize = 200;
/// Bounds of the sizes, as the OpenAPI document has them too.
pub(crate) const NODES: RangeInclusive<usize> = 2..=40;
pub(crate) const INPUTS: RangeInclusive<usize> = 1..=8;
pub(crate) const OUTPUTS: RangeInclusive<usize> = 1..=6;
pub(crate) const SAMPLES: RangeInclusive<usize> = 2..=8;
pub(crate) const DEPTH: RangeInclusive<usize> = 2..=8;
pub(crate) const SKIP: RangeInclusive<usize> = 0..=10;
pub(crate) const SHARED: RangeInclusive<usize> = 0..=5;
pub(crate) const MOST_PATHS: usize = 1_000;

/// Read `{"generate": {…}}`.
pub(super) fn read(json: Json<'_>, faults: &mut Faults) -> Option<Wish> {
    let mut request = Fields::of(json, At::ROOT, faults)?;
    let own = request.require("generate", faults);
    request.finish(faults);
    let at = At::ROOT.name("generate");
    let mut fields = Fields::of(own?, at, faults)?;
    let wish = Reader { at, fields: &mut fields, faults }.wish();
    fields.finish(faults);
    wish.filter(|_| faults.is_empty())
}

struct Reader<'r, 'p, 'a> {
    at: At<'p>,
    fields: &'r mut Fields<'p, 'a>,
    faults: &'r mut Faults,
}

impl Reader<'_, '_, '_> {
    fn wish(&mut self) -> Option<Wish> {
        let template = self.fields.word("template", Template::WORDS, self.faults).unwrap_or(Template::Layered);
        let form = self.fields.word("form", Form::WORDS, self.faults).unwrap_or(Form::Neurons);
        let seed = self.seed();
        self.version();
        let attempt = self.whole("attempt", 0..=super::LAST_ATTEMPT);
        let difficulty = self.fields.word("difficulty", Difficulty::WORDS, self.faults).unwrap_or(Difficulty::Medium);
        let [nodes, depth, outputs, shared, skip] = difficulty.sizes();
        let loss = self.fields.word("loss", LossKind::WORDS, self.faults).unwrap_or(LossKind::CrossEntropy);
        let nodes = self.whole("nodes", NODES).unwrap_or(nodes);
        let least_outputs = if loss == LossKind::CrossEntropy { 2 } else { 1 };
        let asked_outputs = self.whole("outputs", OUTPUTS);
        let outputs = asked_outputs.unwrap_or(outputs.min(nodes.saturating_sub(1)).max(least_outputs));
        let asked_depth = self.whole("depth", DEPTH);
        let depth = asked_depth.unwrap_or(depth.min((nodes + 1).saturating_sub(outputs)).max(2));
        let wish = Wish {
            template,
            form,
            seed: seed.unwrap_or_default(),
            attempt,
            nodes,
            inputs: self.whole("inputs", INPUTS).unwrap_or(2),
            outputs,
            samples: self.whole("samples", SAMPLES).unwrap_or(2),
            depth,
            skip: self.whole("skip", SKIP).unwrap_or(if template == Template::Dag { skip } else { 0 }),
            shared: self.whole("shared", SHARED).unwrap_or(if form == Form::Layers { 0 } else { shared }),
            bias: self.fields.boolean("bias", self.faults).unwrap_or(true),
            input_decimals: self.whole("input_decimals", 0..=1).unwrap_or(0),
            activations: self.activations(),
            output_activation: self
                .fields
                .word("output_activation", Activation::WORDS, self.faults)
                .unwrap_or_else(|| loss.output_activation()),
            loss,
            mean: self.fields.word("reduction", &[("sum", false), ("mean", true)], self.faults).unwrap_or(false),
            min_paths: self.whole("min_paths", 1..=MOST_PATHS).unwrap_or(1) as u64,
        };
        self.possible(&wish, least_outputs, asked_depth.is_some());
        Some(wish)
    }

    /// Any text, or a whole number, which is the same as its text.
    fn seed(&mut self) -> Option<String> {
        let detail = match self.fields.require("seed", self.faults)? {
            Json::String(seed) if seed.len() <= LONGEST_SEED => return Some(seed.into_owned()),
            Json::Number(number) if number.text.parse::<u64>().is_ok() => return Some(number.text.to_owned()),
            Json::String(seed) => format!("the seed is {} bytes long, the limit is {LONGEST_SEED}", seed.len()),
            other => format!("expected a whole number from 0 to 2^64-1, or a string; found {}", other.describe()),
        };
        self.faults.push(self.at.name("seed"), Code::InvalidValue, detail);
        None
    }

    fn version(&mut self) {
        if let Some(version) = self.fields.number("version", self.faults)
            && version != VERSION as f64
        {
            let detail = format!("this release has version {VERSION} of the generator, found {version}");
            self.faults.push(self.at.name("version"), Code::InvalidValue, detail);
        }
    }

    fn whole(&mut self, name: &'static str, range: RangeInclusive<usize>) -> Option<usize> {
        let number = self.fields.number(name, self.faults)?;
        if number.fract() == 0.0 && number >= *range.start() as f64 && number <= *range.end() as f64 {
            return Some(number as usize);
        }
        let detail = format!("expected a whole number from {} to {}, found {number}", range.start(), range.end());
        self.faults.push(self.at.name(name), Code::OutOfRange, detail);
        None
    }

    fn activations(&mut self) -> Vec<Activation> {
        let Some((words, is_list)) = self.fields.strings("activations", self.faults) else { return vec![Activation::Tanh] };
        let at = self.at.name("activations");
        if words.is_empty() {
            self.faults.push(at, Code::InvalidValue, "no activation is named; leave it out for tanh");
            return vec![Activation::Tanh];
        }
        let mut found = Vec::with_capacity(words.len());
        for (i, word) in words.iter().enumerate() {
            match Activation::WORDS.iter().find(|(known, _)| known == word) {
                Some((_, activation)) => found.push(*activation),
                None => {
                    let names = || Activation::WORDS.iter().map(|(known, _)| *known);
                    let hint = hint(word, names());
                    let detail = format!("expected one of {}, found \"{word}\"{hint}", names().collect::<Vec<_>>().join(", "));
                    self.faults.push(if is_list { at.index(i) } else { at }, Code::InvalidValue, detail);
                }
            }
        }
        found
    }

    /// What no draw could give.
    fn possible(&mut self, wish: &Wish, least_outputs: usize, depth_asked: bool) {
        let mut say = |name: &'static str, detail: String| self.faults.push(self.at.name(name), Code::InvalidValue, detail);
        if wish.outputs < least_outputs {
            say("outputs", format!("cross_entropy needs at least 2 outputs, found {}", wish.outputs));
        }
        if wish.outputs + wish.depth > wish.nodes + 1 {
            let name = if depth_asked { "depth" } else { "nodes" };
            say(
                name,
                format!(
                    "{} outputs on {} levels need at least {} neurons, found {}",
                    wish.outputs,
                    wish.depth,
                    wish.outputs + wish.depth - 1,
                    wish.nodes
                ),
            );
        }
        let kinds: usize = if wish.input_decimals == 0 { 5 } else { 38 };
        if kinds.saturating_pow(wish.inputs as u32) < wish.samples {
            say(
                "samples",
                format!(
                    "one whole input from -2, -1, 1, 2, 3 makes 5 different samples, {} are asked; set \"input_decimals\" to 1",
                    wish.samples
                ),
            );
        }
        if wish.form == Form::Layers {
            for (name, wrong) in
                [("template", wish.template == Template::Dag), ("skip", wish.skip > 0), ("shared", wish.shared > 0)]
            {
                if wrong {
                    say(
                        name,
                        "layers read the whole level below, each weight once; leave this out, or set \"form\" to \"neurons\""
                            .to_owned(),
                    );
                }
            }
        }
        let fits = match wish.loss {
            LossKind::CrossEntropy | LossKind::BceWithLogits => wish.output_activation == Activation::Identity,
            LossKind::Bce => wish.output_activation == Activation::Sigmoid,
            LossKind::SquaredError | LossKind::Mse => true,
        };
        if !fits {
            let expected = wish.loss.output_activation().name();
            say(
                "output_activation",
                format!("{} takes outputs with {expected}, found {}", wish.loss.name(), wish.output_activation.name()),
            );
        }
    }
}
