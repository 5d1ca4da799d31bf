//! A problem from its JSON: every member is looked at, and all that is wrong is collected.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{
    ActivationSpec, BatchSpec, Encoding, InputDtype, InputSpec, Inputs, InputsSpec, LossSpec, NetworkSpec, NodeSpec, Norm,
    Options, Precision, Problem, Reduction, RegularizerSpec, Source, Trace, WeightSpec,
};
use crate::config::Limits;
use crate::spec::decode::{Fields, string, strings};
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::spec::tensor::{self, Reading, TensorSpec};

/// Read a problem. `extra` names members that belong to the question.
pub fn decode<'a>(json: Json<'a>, limits: &Limits, extra: &[&'static str], faults: &mut Faults) -> Problem<'a> {
    let mut problem = Problem::default();
    let Some(mut fields) = Fields::of(json, At::ROOT, faults) else {
        // Of what is no object, no member is missing.
        (problem.batch_given, problem.loss_given) = (true, true);
        return problem;
    };
    if let Some(options) = fields.take("options") {
        problem.options = self::options(options, At::ROOT.name("options"), faults);
    }
    let reading = Reading { limits, allow_non_finite: problem.options.allow_non_finite, allow_init: false };
    match fields.require("network", faults) {
        Some(Json::Object(object)) if object.get("ref").is_some() => problem.reference = reference(Json::Object(object), faults),
        Some(json) => problem.network = network(json, limits, faults),
        None => {}
    }
    if let Some(json) = fields.take("parameters") {
        problem.parameters_given = true;
        parameters(json, reading, &mut problem, faults);
    }
    if let Some(json) = fields.take("batch") {
        problem.batch_given = true;
        problem.batch = batch(json, At::ROOT.name("batch"), reading, faults);
    }
    if let Some(json) = fields.take("loss") {
        problem.loss_given = true;
        problem.loss = loss(json, At::ROOT.name("loss"), faults);
    }
    if let Some(json) = fields.take("regularization") {
        problem.regularization = regularization(json, At::ROOT.name("regularization"), faults);
    }
    for &name in extra {
        problem.extra.extend(fields.take(name).map(|json| (Cow::Borrowed(name), json)));
    }
    fields.finish(faults);
    problem
}

fn options(json: Json<'_>, at: At<'_>, faults: &mut Faults) -> Options {
    let mut options = Options::default();
    let Some(mut fields) = Fields::of(json, at, faults) else { return options };
    options.dtype = fields.word("dtype", &[("f64", Precision::F64), ("f32", Precision::F32)], faults).unwrap_or_default();
    options.trace = match fields.take("trace") {
        None | Some(Json::Bool(true)) => Trace::All,
        Some(Json::Bool(false)) => Trace::None,
        Some(Json::String(id)) => Trace::Only(vec![id.into_owned()]),
        Some(list) => Trace::Only(owned(strings(list, at.name("trace"), faults).unwrap_or_default())),
    };
    if let Some((list, is_list)) = fields.strings("wrt", faults) {
        (options.wrt, options.wrt_is_list) = (Some(owned(list)), is_list);
    }
    options.per_sample = fields.boolean("per_sample", faults).unwrap_or_default();
    options.stats = fields.boolean("stats", faults).unwrap_or_default();
    options.certify = fields.boolean("certify", faults).unwrap_or_default();
    let encodings = [("nested", Encoding::Nested), ("flat", Encoding::Flat), ("base64", Encoding::Base64)];
    options.encoding = fields.word("encoding", &encodings, faults).unwrap_or_default();
    options.allow_non_finite = fields.boolean("allow_non_finite", faults).unwrap_or_default();
    fields.finish(faults);
    options
}

fn owned(list: Vec<Cow<'_, str>>) -> Vec<String> {
    list.into_iter().map(Cow::into_owned).collect()
}

/// The name of a stored network: `{"ref": "sha256:…"}`.
fn reference(json: Json<'_>, faults: &mut Faults) -> Option<String> {
    let at = At::ROOT.name("network");
    let mut fields = Fields::of(json, at, faults)?;
    let name = fields.string("ref", faults);
    fields.finish(faults);
    let name = name?.into_owned();
    let digits = name.strip_prefix("sha256:").unwrap_or_default();
    if digits.len() != 64 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        let detail = "a ref is \"sha256:\" and 64 hexadecimal digits in lower case, as PUT /v1/networks answers";
        faults.push(at.name("ref"), Code::InvalidValue, detail);
        return None;
    }
    Some(name)
}

/// Read a network; what is wrong is reported below `/network`.
pub fn network<'a>(json: Json<'a>, limits: &Limits, faults: &mut Faults) -> Option<NetworkSpec<'a>> {
    let at = At::ROOT.name("network");
    let mut fields = Fields::of(json, at, faults)?;
    let mut ids = HashMap::new();
    let inputs =
        fields.require("inputs", faults).and_then(|json| self::inputs(json, at.name("inputs"), &mut ids, limits, faults));
    let (nodes, layers) = (fields.take("nodes"), fields.take("layers"));
    fields.finish(faults);
    let (list, layered) = match (nodes, layers) {
        (Some(nodes), None) => (nodes, false),
        (None, Some(layers)) => (layers, true),
        (Some(_), Some(_)) => {
            faults.push(at, Code::InvalidValue, "a network has \"nodes\" or \"layers\", not both");
            return None;
        }
        (None, None) => {
            faults.push(at, Code::MissingField, "a network has \"nodes\" or \"layers\"");
            return None;
        }
    };
    let at = at.name(if layered { "layers" } else { "nodes" });
    let list = match list {
        Json::Array(list) => list,
        Json::Numbers(numbers) if numbers.data.is_empty() => Vec::new(),
        other => {
            faults.push(at, Code::WrongType, format!("expected a list of objects, found {}", other.describe()));
            return None;
        }
    };
    if list.is_empty() {
        faults.push(at, Code::MissingField, "the network has no nodes");
        return None;
    }
    if list.len() > limits.nodes {
        faults.push(at, Code::LimitExceeded, format!("the network has {} nodes, the limit is {}", list.len(), limits.nodes));
        return None;
    }
    let count = list.len();
    let mut nodes: Vec<NodeSpec<'a>> = Vec::with_capacity(count);
    let mut edges = 0;
    for (index, json) in list.into_iter().enumerate() {
        let at = at.index(index);
        let Some(mut node) = node(json, at, index, layered, faults) else {
            if layered {
                // The next layer reads this one, not the one before it.
                nodes.push(NodeSpec::unreadable(index));
            }
            continue;
        };
        if let Some(before) = ids.insert(node.id.to_string(), at.pointer()) {
            faults.push(at.name("id"), Code::DuplicateId, format!("the id \"{}\" is taken by {before}", node.id));
            node.ok = false;
            continue;
        }
        if layered && matches!(node.inputs, Inputs::Absent) {
            node.inputs = match (nodes.last(), inputs.as_deref()) {
                (Some(before), _) => Inputs::List(vec![Source::Name(before.id.clone())]),
                (None, None) => Inputs::List(Vec::new()),
                (None, Some([only])) => Inputs::List(vec![Source::Name(only.name.clone())]),
                (None, Some(inputs)) => {
                    let detail = format!("the first layer needs \"inputs\": the network has {} inputs", inputs.len());
                    faults.push(at, Code::MissingField, detail);
                    node.ok = false;
                    Inputs::Absent
                }
            };
        }
        edges += match &node.inputs {
            Inputs::Absent => {
                if node.ok {
                    faults.push(at, Code::MissingField, "\"inputs\" is missing: the names of the nodes or inputs that it reads");
                    node.ok = false;
                }
                0
            }
            Inputs::List(list) => list.len(),
            Inputs::Weighted(list) => list.len(),
        };
        nodes.push(node);
    }
    if edges > limits.edges {
        faults.push(at, Code::LimitExceeded, format!("the network has {edges} edges, the limit is {}", limits.edges));
        return None;
    }
    let whole = nodes.len() == count && nodes.iter().all(|node| node.ok);
    Some(NetworkSpec { inputs: inputs?, nodes, layered, whole })
}

fn inputs<'a>(
    json: Json<'a>,
    at: At<'_>,
    ids: &mut HashMap<String, String>,
    limits: &Limits,
    faults: &mut Faults,
) -> Option<Vec<InputSpec<'a>>> {
    let mut new = |name: &Cow<'a, str>, at: At<'_>, faults: &mut Faults| match ids.insert(name.to_string(), at.pointer()) {
        Some(before) => {
            faults.push(at, Code::DuplicateId, format!("the name \"{name}\" is taken by {before}"));
            false
        }
        None => true,
    };
    let mut inputs = Vec::new();
    match json {
        Json::Object(object) => {
            for (name, json) in object.into_members() {
                let at = at.name(&name);
                let mut ok = valid_id(&name, at, faults);
                ok &= new(&name, at, faults);
                let (shape, dtype) = match json {
                    Json::Object(_) => {
                        let Some(mut fields) = Fields::of(json, at, faults) else { continue };
                        let before = faults.count();
                        let shape = fields
                            .require("shape", faults)
                            .and_then(|json| tensor::shape(json, at.name("shape"), limits, faults));
                        let words = [("f64", InputDtype::Float), ("f32", InputDtype::Float), ("i64", InputDtype::Int)];
                        let dtype = fields.word("dtype", &words, faults).unwrap_or(InputDtype::Float);
                        fields.finish(faults);
                        ok &= faults.count() == before;
                        (shape, dtype)
                    }
                    json => (tensor::shape(json, at, limits, faults), InputDtype::Float),
                };
                ok &= shape.is_some();
                inputs.push(InputSpec { name: name.clone(), shape: shape.unwrap_or_default(), dtype, ok });
            }
        }
        json => {
            for (i, name) in strings(json, at, faults)?.into_iter().enumerate() {
                let at = at.index(i);
                let ok = valid_id(&name, at, faults);
                if new(&name, at, faults) {
                    inputs.push(InputSpec { name, shape: Vec::new(), dtype: InputDtype::Float, ok });
                }
            }
        }
    }
    Some(inputs)
}

impl NodeSpec<'_> {
    /// The place of a layer that could not be read.
    fn unreadable(index: usize) -> Self {
        let id = Cow::Owned(index.to_string());
        let op = Cow::Borrowed("");
        Self { id, op, inputs: Inputs::Absent, activation: None, attributes: Vec::new(), index, ok: false }
    }
}

/// Ids match `[A-Za-z_][A-Za-z0-9_.-]{0,63}`.
fn valid_id(id: &str, at: At<'_>, faults: &mut Faults) -> bool {
    let mut bytes = id.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let ok = first && id.len() <= 64 && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if !ok {
        let shown: String = id.chars().take(80).collect();
        let detail = format!("{shown:?} is no id: a letter or _, then up to 63 letters, digits, _ . -");
        faults.push(at, Code::InvalidId, detail);
    }
    ok
}

fn node<'a>(json: Json<'a>, at: At<'_>, index: usize, layered: bool, faults: &mut Faults) -> Option<NodeSpec<'a>> {
    let before = faults.count();
    let mut fields = Fields::of(json, at, faults)?;
    let id = match fields.take("id") {
        None if layered => Some(Cow::Owned(index.to_string())),
        None => {
            faults.push(at, Code::MissingField, "\"id\" is missing");
            None
        }
        Some(json) => string(json, at.name("id"), faults).inspect(|id| {
            valid_id(id, at.name("id"), faults);
        }),
    };
    let op = fields.require("op", faults).and_then(|json| string(json, at.name("op"), faults));
    let inputs = match fields.take("inputs") {
        None => Some(Inputs::Absent),
        Some(json) => node_inputs(json, at.name("inputs"), faults),
    };
    let activation = match fields.take("activation") {
        None => None,
        Some(json) => activation(json, at.name("activation"), faults),
    };
    Some(NodeSpec {
        id: id?,
        op: op.unwrap_or_default(),
        inputs: inputs.unwrap_or(Inputs::Absent),
        activation,
        attributes: fields.rest(),
        index,
        ok: faults.count() == before,
    })
}

fn node_inputs<'a>(json: Json<'a>, at: At<'_>, faults: &mut Faults) -> Option<Inputs<'a>> {
    let source = |json: Json<'a>, at: At<'_>, faults: &mut Faults| match json {
        Json::String(name) => Some(Source::Name(name)),
        Json::Number(number) => Some(Source::Constant(number.value)),
        other => {
            faults.push(
                at,
                Code::WrongType,
                format!("expected the name of a node or input, or a number; found {}", other.describe()),
            );
            None
        }
    };
    match json {
        Json::Array(list) => {
            let sources = list.into_iter().enumerate().map(|(i, json)| source(json, at.index(i), faults));
            sources.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Inputs::List)
        }
        Json::Numbers(numbers) if numbers.shape.len() == 1 => {
            let list = numbers.into_elements();
            let sources = list.into_iter().enumerate().map(|(i, json)| source(json, at.index(i), faults));
            sources.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Inputs::List)
        }
        Json::String(name) => Some(Inputs::List(vec![Source::Name(name)])),
        Json::Object(object) => {
            let mut edges = Vec::with_capacity(object.len());
            let mut ok = true;
            for (name, json) in object.into_members() {
                let weight = match json {
                    Json::Number(number) => WeightSpec::Number(number.value),
                    Json::String(shared) => WeightSpec::Name(shared),
                    Json::Null => WeightSpec::Null,
                    other => {
                        let detail =
                            format!("a weight is a number, the name of a parameter, or null; found {}", other.describe());
                        faults.push(at.name(&name), Code::WrongType, detail);
                        ok = false;
                        continue;
                    }
                };
                edges.push((name, weight));
            }
            ok.then_some(Inputs::Weighted(edges))
        }
        other => {
            faults.push(
                at,
                Code::WrongType,
                format!("expected a list of names, or a map from name to weight; found {}", other.describe()),
            );
            None
        }
    }
}

fn activation<'a>(json: Json<'a>, at: At<'_>, faults: &mut Faults) -> Option<ActivationSpec<'a>> {
    match json {
        Json::String(op) => Some(ActivationSpec { op, attributes: Vec::new() }),
        json => {
            let mut fields = Fields::of(json, at, faults)?;
            let op = fields.require("op", faults).and_then(|json| string(json, at.name("op"), faults))?;
            Some(ActivationSpec { op, attributes: fields.rest() })
        }
    }
}

/// Read the entries of `parameters` into a problem.
pub(crate) fn parameters(json: Json<'_>, reading: Reading<'_>, problem: &mut Problem<'_>, faults: &mut Faults) {
    let at = At::ROOT.name("parameters");
    let Json::Object(object) = json else {
        faults.push(at, Code::WrongType, format!("expected an object from name to tensor, found {}", json.describe()));
        problem.parameters_unreadable = true;
        return;
    };
    let mut total = 0_usize;
    for (name, json) in object.into_members() {
        match tensor::decode(json, at.name(&name), Reading { allow_init: true, ..reading }, faults) {
            Some(spec) => {
                if let TensorSpec::Values { data, .. } = &spec {
                    total += data.len();
                }
                problem.parameters.push((name.into_owned(), spec));
            }
            None => problem.parameters_failed.push(name.into_owned()),
        }
    }
    if total > reading.limits.parameters {
        faults.push(at, Code::LimitExceeded, format!("{total} numbers, the limit is {}", reading.limits.parameters));
    }
}

/// Read a minibatch.
pub(crate) fn batch<'a>(json: Json<'a>, at: At<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<BatchSpec<'a>> {
    let mut fields = Fields::of(json, at, faults)?;
    let mut batch = BatchSpec::default();
    match fields.take("inputs") {
        None => {}
        // An object is a map from names, unless it is one of a tensor's own forms.
        Some(Json::Object(object))
            if object.get("shape").is_none() || !(object.get("data").is_some() || object.get("base64").is_some()) =>
        {
            let at = at.name("inputs");
            let named = object.into_members().into_iter().map(|(name, json)| {
                let value = tensor::decode(json, at.name(&name), reading, faults);
                (name, value)
            });
            batch.inputs = Some(InputsSpec::Named(named.collect()));
        }
        Some(json) => {
            batch.inputs = tensor::decode(json, at.name("inputs"), reading, faults).map(InputsSpec::Bare);
            batch.inputs_failed = batch.inputs.is_none();
        }
    }
    if let Some(json) = fields.take("targets") {
        batch.targets = tensor::decode(json, at.name("targets"), reading, faults);
        batch.targets_failed = batch.targets.is_none();
    }
    if let Some(json) = fields.take("weights") {
        batch.weights = tensor::decode(json, at.name("weights"), reading, faults);
    }
    fields.finish(faults);
    Some(batch)
}

fn loss<'a>(json: Json<'a>, at: At<'_>, faults: &mut Faults) -> Option<LossSpec<'a>> {
    let mut fields = Fields::of(json, at, faults)?;
    let op = fields.require("op", faults).and_then(|json| string(json, at.name("op"), faults));
    let before = faults.count();
    let of = fields.strings("of", faults);
    if of.is_none() && faults.count() == before {
        faults.push(at, Code::MissingField, "\"of\" is missing: the node that the loss reads, or a list of scalar ones");
    }
    let reduction = fields.word("reduction", &[("sum", Reduction::Sum), ("mean", Reduction::Mean)], faults);
    let (of, of_is_list) = of?;
    Some(LossSpec { op: op?, of, of_is_list, reduction: reduction.unwrap_or_default(), attributes: fields.rest() })
}

fn regularization<'a>(json: Json<'a>, at: At<'_>, faults: &mut Faults) -> Vec<RegularizerSpec<'a>> {
    let list = match json {
        Json::Array(list) => list,
        Json::Numbers(numbers) if numbers.data.is_empty() => Vec::new(),
        other => {
            faults.push(at, Code::WrongType, format!("expected a list of penalties, found {}", other.describe()));
            return Vec::new();
        }
    };
    let mut read = Vec::with_capacity(list.len());
    for (i, json) in list.into_iter().enumerate() {
        let at = at.index(i);
        let Some(mut fields) = Fields::of(json, at, faults) else { continue };
        let (l1, l2) = (fields.number("l1", faults), fields.number("l2", faults));
        let factor = fields.number("factor", faults).unwrap_or(1.0);
        let parameters = fields.strings("parameters", faults).map_or_else(|| vec![Cow::Borrowed("*")], |(list, _)| list);
        fields.finish(faults);
        match (l1, l2) {
            (Some(strength), None) => read.push(RegularizerSpec { norm: Norm::L1, strength, factor, parameters }),
            (None, Some(strength)) => read.push(RegularizerSpec { norm: Norm::L2, strength, factor, parameters }),
            _ => faults.push(at, Code::MissingField, "a penalty has \"l1\" or \"l2\", one of them"),
        }
    }
    read
}
