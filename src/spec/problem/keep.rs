//! A network that is to be kept: read once, and written again without its tensors, which are kept apart as numbers.

use std::borrow::Cow;
use std::collections::HashSet;
use std::mem::{size_of, size_of_val};

use super::read::{network, parameters};
use super::{Inputs, NetworkSpec, NodeSpec, Problem, Source, WeightSpec};
use crate::config::Limits;
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::spec::tensor::Reading;
use crate::spec::write::Writer;

/// What `PUT /v1/networks` brings: a network and the values of its parameters.
#[derive(Debug)]
pub struct Kept<'a> {
    /// The same as a problem that has nothing else.
    pub problem: Problem<'a>,
    /// The network as it was written.
    pub network: Option<Json<'a>>,
}

/// Read a network to be kept. Its numbers must be finite: they serve problems of which each says for itself what it allows.
pub fn decode_kept<'a>(json: Json<'a>, limits: &Limits, faults: &mut Faults) -> Kept<'a> {
    let mut kept = Kept { problem: Problem::default(), network: None };
    let Some(mut fields) = Fields::of(json, At::ROOT, faults) else { return kept };
    match fields.require("network", faults) {
        Some(Json::Object(object)) if object.get("ref").is_some() => {
            let at = At::ROOT.name("network");
            faults.push(at.name("ref"), Code::InvalidValue, "a network that is to be kept is written out, not named");
        }
        Some(json) => {
            kept.network = Some(json.clone());
            kept.problem.network = network(json, limits, faults);
        }
        None => {}
    }
    if let Some(json) = fields.take("parameters") {
        kept.problem.parameters_given = true;
        let reading = Reading { limits, allow_non_finite: false, allow_init: false };
        parameters(json, reading, &mut kept.problem, faults);
    }
    for name in ["batch", "loss", "regularization", "options"] {
        if fields.take(name).is_some() {
            let detail = format!("\"{name}\" belongs to a problem; a network is kept with its parameters alone");
            faults.push(At::ROOT.name(name), Code::UnknownField, detail);
        }
    }
    fields.finish(faults);
    kept
}

/// Take the values of the parameters `inline` out of the layers they are written in, which then look for them in `parameters`.
/// A neuron's weights stay: they are single numbers.
pub fn hoist<'a>(network: &mut Json<'a>, inline: impl Fn(&str) -> bool) -> Vec<(String, Json<'a>)> {
    let mut values = Vec::new();
    let Json::Object(network) = network else { return values };
    for (name, list) in network.iter_mut() {
        let Json::Array(nodes) = list else { continue };
        if !["nodes", "layers"].contains(&name) {
            continue;
        }
        for (index, node) in nodes.iter_mut().enumerate() {
            let Json::Object(node) = node else { continue };
            let id = match node.get("id") {
                Some(Json::String(id)) => id.to_string(),
                _ => index.to_string(),
            };
            if matches!(node.get("op"), Some(Json::String(op)) if op == "neuron") {
                continue;
            }
            for (member, value) in node.iter_mut() {
                let tensor = matches!(value, Json::Number(_) | Json::Numbers(_) | Json::Array(_) | Json::Object(_));
                let canonical = format!("{id}.{member}");
                if tensor && inline(&canonical) {
                    values.push((canonical, std::mem::replace(value, Json::Null)));
                }
            }
        }
    }
    values
}

impl NetworkSpec<'_> {
    /// Forget the inline values of these parameters: they are looked for in `parameters`.
    pub fn forget(&mut self, names: &HashSet<&str>) {
        if names.is_empty() {
            return;
        }
        for node in &mut self.nodes {
            if let Inputs::Weighted(edges) = &mut node.inputs {
                for (source, weight) in edges {
                    if matches!(weight, WeightSpec::Number(_)) && names.contains(format!("{source}->{}", node.id).as_str()) {
                        *weight = WeightSpec::Null;
                    }
                }
            }
            for (member, value) in &mut node.attributes {
                let named = matches!(value, Json::Bool(_) | Json::String(_) | Json::Null);
                if !named && names.contains(format!("{}.{member}", node.id).as_str()) {
                    *value = Json::Null;
                }
            }
        }
    }

    /// Bytes that it takes, beside the text that its names point into.
    pub fn heap_bytes(&self) -> usize {
        let inputs = self.inputs.iter().map(|input| size_of_val(input) + size_of_val(input.shape.as_slice())).sum::<usize>();
        inputs + self.nodes.iter().map(NodeSpec::heap_bytes).sum::<usize>()
    }
}

impl NodeSpec<'_> {
    fn heap_bytes(&self) -> usize {
        let inputs = match &self.inputs {
            Inputs::Absent => 0,
            Inputs::List(list) => list.len() * size_of::<Source<'_>>(),
            Inputs::Weighted(edges) => edges.len() * size_of::<(Cow<'_, str>, WeightSpec<'_>)>(),
        };
        let activation = self.activation.iter().flat_map(|activation| &activation.attributes);
        let members = self.attributes.iter().chain(activation);
        size_of::<Self>()
            + inputs
            + members.map(|(_, json)| size_of::<(Cow<'_, str>, Json<'_>)>() + json.heap_bytes()).sum::<usize>()
    }
}

impl Json<'_> {
    /// Write it again: the same values, its numbers as they were written or as the shortest decimals that read back the same.
    pub fn write(&self, w: &mut Writer) {
        match self {
            Json::Null => w.null(),
            Json::Bool(truth) => w.boolean(*truth),
            Json::Number(number) if number.text.is_empty() => w.number(number.value),
            Json::Number(number) => w.raw(number.text.as_bytes()),
            Json::String(text) => w.string(text),
            Json::Numbers(numbers) if numbers.data.is_empty() => w.array(|_| ()),
            Json::Numbers(numbers) if numbers.shape.len() == 1 => w.array(|w| numbers.data.iter().for_each(|&x| w.number(x))),
            Json::Numbers(numbers) => w.array(|w| numbers.clone().into_elements().iter().for_each(|row| row.write(w))),
            Json::Array(list) => w.array(|w| list.iter().for_each(|element| element.write(w))),
            Json::Object(object) => w.object(|w| object.iter().for_each(|(name, value)| value.write(w.key(name)))),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 0,
            Json::Numbers(numbers) => size_of_val(numbers.shape.as_slice()) + size_of_val(numbers.data.as_slice()),
            Json::Array(list) => list.iter().map(|element| size_of_val(element) + element.heap_bytes()).sum(),
            Json::Object(object) => {
                object.iter().map(|(_, value)| size_of::<(Cow<'_, str>, Json<'_>)>() + value.heap_bytes()).sum()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::json::parse;

    #[test]
    fn what_is_written_again_reads_as_the_same() {
        let limits = Limits::default();
        for text in [
            r#"{"a":null,"b":[true,false,"x\n\"\u0001é"],"c":18446744073709551615,"d":1.50,"e":[[1,2.5],[-3e-7,4]]}"#,
            r#"{"inputs":["x"],"nodes":[{"id":"f","op":"neuron","inputs":{"x":0.1},"bias":null}],"empty":[],"none":{},"ragged":[[1],[2,3]]}"#,
            r#"["NaN",1,"Infinity"]"#,
        ] {
            let json = parse(text.as_bytes(), &limits).expect("it is JSON");
            let mut w = Writer::new();
            json.write(&mut w);
            let written = w.into_bytes();
            let again = parse(&written, &limits).expect("what is written is JSON");
            assert_eq!(
                format!("{json:?}"),
                format!("{again:?}").replace("\"1.5\"", "\"1.50\""),
                "{}",
                String::from_utf8_lossy(&written)
            );
        }
    }

    #[test]
    fn tensors_of_layers_are_taken_out_and_weights_of_neurons_stay() {
        let text = r#"{"inputs":{"x":[2]},"layers":[{"op":"linear","out_features":1,"weight":[[1,2]],"bias":true},{"id":"n","op":"neuron","inputs":{"0":0.5},"bias":0.25}]}"#;
        let mut network = parse(text.as_bytes(), &Limits::default()).expect("it is JSON");
        let taken = hoist(&mut network, |name| ["0.weight", "0.bias", "0->n", "n.bias"].contains(&name));
        assert_eq!(taken.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["0.weight"]);
        let mut w = Writer::new();
        network.write(&mut w);
        // In lists a number is as it was read, not as it was written.
        let expect = text.replace("[[1,2]]", "null").replace("[2]", "[2.0]");
        assert_eq!(String::from_utf8(w.into_bytes()).expect("text"), expect);
    }
}
