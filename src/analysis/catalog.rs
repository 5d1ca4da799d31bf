//! The catalogue: every op, layer, loss and optimiser with its attributes, parameters, formula and derivative. It is read off the same
//! tables that requests are read by.

use crate::losses;
use crate::lower::layers::{self, Activation, OutputDoc, ParameterDoc};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{self, Arity};
use crate::optim;
use crate::spec::write::Writer;

/// One entry of the catalogue, whatever it is of.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// The name on the wire.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its value.
    pub formula: &'static str,
    /// Its derivative.
    pub derivative: &'static str,
    /// How many inputs; a loss has none of its own.
    pub arity: Option<Arity>,
    /// Its attributes.
    pub attributes: &'static [Attribute],
    /// Its parameters.
    pub parameters: &'static [ParameterDoc],
    /// Its outputs after the first.
    pub outputs: &'static [OutputDoc],
    /// What an `activation` in a node means.
    pub takes: Activation,
    /// What targets a loss takes.
    pub targets: Option<&'static str>,
    /// Whether a neuron may have it as its activation.
    pub elementwise: bool,
}

/// The lecture's unit, which is written differently from every other node.
pub const NEURON: Item = Item {
    name: "neuron",
    summary: "the lecture's unit: a weighted sum of single numbers, with a bias and an activation; \"inputs\" maps each source to its weight, and a weight or bias is a number, the name of a parameter, or null",
    formula: "a = bias + sum_j w_j z_j, z = activation(a)",
    derivative: "dE/dz_j = w_j dE/da, dE/dw_j = sum over samples of dE/da z_j, dE/dbias = sum over samples of dE/da",
    arity: Some(Arity::AtLeast(1)),
    attributes: &[],
    parameters: &[ParameterDoc::new("<source>-><id>", "[]"), ParameterDoc::new("bias", "[]")],
    outputs: &[],
    takes: Activation::After,
    targets: None,
    elementwise: false,
};

/// The neuron and the primitives.
pub fn ops() -> impl Iterator<Item = Item> {
    std::iter::once(NEURON).chain(ops::CATALOG.iter().map(|entry| Item {
        name: entry.name,
        summary: entry.summary,
        formula: entry.formula,
        derivative: entry.derivative,
        arity: Some(entry.arity),
        attributes: entry.attributes,
        parameters: &[],
        outputs: &[],
        takes: Activation::After,
        targets: None,
        elementwise: entry.elementwise,
    }))
}

/// The layers.
pub fn layers() -> impl Iterator<Item = Item> {
    layers::CATALOG.iter().map(|layer| Item {
        name: layer.name,
        summary: layer.summary,
        formula: layer.formula,
        derivative: layer.derivative,
        arity: Some(layer.arity),
        attributes: layer.attributes,
        parameters: layer.parameters,
        outputs: layer.outputs,
        takes: layer.activation,
        targets: None,
        elementwise: false,
    })
}

/// The losses.
pub fn losses() -> impl Iterator<Item = Item> {
    losses::CATALOG.iter().map(|loss| Item {
        name: loss.name,
        summary: loss.summary,
        formula: loss.formula,
        derivative: loss.derivative,
        arity: None,
        attributes: loss.attributes,
        parameters: &[],
        outputs: &[],
        takes: Activation::Refused,
        targets: Some(loss.targets),
        elementwise: false,
    })
}

/// The body of `GET /v1/ops`.
pub fn json() -> Vec<u8> {
    let mut w = Writer::new();
    w.object(|w| {
        w.key("ops").array(|w| ops().for_each(|one| item(w, &one)));
        w.key("layers").array(|w| layers().for_each(|one| item(w, &one)));
        w.key("losses").array(|w| losses().for_each(|one| item(w, &one)));
        w.key("optimizers").array(|w| {
            for one in optim::CATALOG {
                w.object(|w| {
                    w.key("name").string(one.name);
                    w.key("summary").string(one.summary);
                    w.key("formula").string(one.formula);
                    w.key("attributes").array(|w| one.attributes.iter().for_each(|one| attribute(w, one)));
                });
            }
        });
    });
    w.into_bytes()
}

fn item(w: &mut Writer, item: &Item) {
    w.object(|w| {
        w.key("name").string(item.name);
        w.key("summary").string(item.summary);
        w.key("formula").string(item.formula);
        w.key("derivative").string(item.derivative);
        if let Some(arity) = item.arity {
            let (least, most) = match arity {
                Arity::Exactly(n) => (n, Some(n)),
                Arity::Between(low, high) => (low, Some(high)),
                Arity::AtLeast(n) => (n, None),
            };
            w.key("inputs").object(|w| {
                w.key("min").integer(least as u64);
                if let Some(most) = most {
                    w.key("max").integer(most as u64);
                }
            });
            w.key("activation").boolean(item.elementwise);
        }
        w.key("attributes").array(|w| item.attributes.iter().for_each(|one| attribute(w, one)));
        w.key("parameters").array(|w| {
            for parameter in item.parameters {
                w.object(|w| {
                    w.key("name").string(parameter.name);
                    w.key("shape").string(parameter.shape);
                    w.key("trained").boolean(parameter.trained);
                });
            }
        });
        if !item.outputs.is_empty() {
            w.key("outputs").array(|w| {
                for output in item.outputs {
                    w.object(|w| {
                        w.key("name").string(output.name);
                        w.key("shape").string(output.shape);
                    });
                }
            });
        }
        if let Some(targets) = item.targets {
            w.key("targets").string(targets);
        }
    });
}

fn attribute(w: &mut Writer, attribute: &Attribute) {
    w.object(|w| {
        w.key("name").string(attribute.name);
        let (kind, words) = match attribute.kind {
            Kind::Number => ("number", &[][..]),
            Kind::Numbers(_) => ("list of numbers", &[][..]),
            Kind::Integer => ("integer", &[][..]),
            Kind::Boolean => ("boolean", &[][..]),
            Kind::Word(words) => ("string", words),
            Kind::Integers => ("integer or list of integers", &[][..]),
            Kind::IntegersOrWord(words) => ("integer, list of integers, or string", words),
            Kind::Tensor => ("tensor", &[][..]),
            Kind::Mask => ("tensor or nested lists of booleans", &[][..]),
            Kind::MaskOrInput => ("tensor, nested lists of booleans, or name of an input", &[][..]),
            Kind::Seed => ("integer or string", &[][..]),
        };
        w.key("type").string(kind);
        if !words.is_empty() {
            w.key("values").strings(words.iter().copied());
        }
        w.key("required").boolean(attribute.default == Default::Required);
        match attribute.default {
            Default::Required | Default::Absent => {}
            Default::Number(x) => w.key("default").number(x),
            Default::Integer(n) => w.key("default").raw(n.to_string().as_bytes()),
            Default::Boolean(truth) => w.key("default").boolean(truth),
            Default::Word(word) => w.key("default").string(word),
            Default::Integers(&[n]) => w.key("default").raw(n.to_string().as_bytes()),
            Default::Integers(list) => w.key("default").array(|w| list.iter().for_each(|n| w.raw(n.to_string().as_bytes()))),
            Default::Numbers(list) => w.key("default").array(|w| list.iter().for_each(|&x| w.number(x))),
        }
        w.key("description").string(attribute.doc);
    });
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_text_is_there() {
        let mut seen = HashSet::new();
        for item in ops().chain(layers()) {
            assert!(seen.insert(item.name), "{} is listed twice", item.name);
        }
        for item in ops().chain(layers()).chain(losses()) {
            for text in [item.name, item.summary, item.formula, item.derivative] {
                assert!(!text.is_empty(), "{item:?}");
            }
            let names: HashSet<_> = item.attributes.iter().map(|attribute| attribute.name).collect();
            assert_eq!(names.len(), item.attributes.len(), "{} has an attribute twice", item.name);
        }
        let json: serde_json::Value = serde_json::from_slice(&json()).expect("the catalogue is JSON");
        assert_eq!(json["ops"].as_array().map(Vec::len), Some(ops::CATALOG.len() + 1));
    }

    #[test]
    fn defaults_build_every_op() {
        use crate::ops::Values;
        use crate::ops::attributes::Value;
        for entry in ops::CATALOG {
            let mut values = Values::defaults(entry.attributes);
            for attribute in entry.attributes.iter().filter(|a| a.default == Default::Required) {
                let value = match attribute.kind {
                    Kind::Integer => Value::Integer(0),
                    Kind::Integers | Kind::IntegersOrWord(_) => Value::Integers(vec![0]),
                    Kind::Number => Value::Number(1.0),
                    other => panic!("{}: a required attribute of kind {other:?}", entry.name),
                };
                values.set(attribute.name, value);
            }
            assert!((entry.build)(&values).is_ok(), "{} with its defaults", entry.name);
        }
    }
}
