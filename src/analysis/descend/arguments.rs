//! What `descend` itself is told: how many steps, by which optimiser, over which minibatches.

use std::borrow::Cow;

use crate::lower::{attributes, hint};
use crate::ops::attributes::{Attribute, Default, Kind, Value, Values};
use crate::optim::{self, Entry};
use crate::spec::decode::{Fields, string};
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;

/// The members of `descend` beside `optimizer`.
pub const ARGUMENTS: &[Attribute] = &[
    Attribute::new("steps", Kind::Integer, Default::Required, "how many steps, at least 1"),
    Attribute::new("batch_size", Kind::Integer, Default::Absent, "samples of a minibatch, at most all; null: all"),
    Attribute::new("shuffle_seed", Kind::Seed, Default::Absent, "shuffles each epoch, 0 where left out; null keeps the order"),
    Attribute::new("report_every", Kind::Integer, Default::Integer(1), "how many steps lie between two reports, at least 1"),
];

/// The members of `descend`, right.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) steps: u64,
    pub(super) optimizer: &'static Entry,
    /// The optimiser's own arguments.
    pub(super) values: Values,
    pub(super) batch_size: Option<usize>,
    pub(super) shuffle_seed: Option<String>,
    pub(super) report_every: u64,
}

/// Read them; all that is wrong is reported.
pub(super) fn read(json: Option<Json<'_>>, samples: usize, faults: &mut Faults) -> Option<Arguments> {
    // Without a batch that could be read there are no samples to compare with.
    let samples = faults.is_empty().then_some(samples);
    let Some(json) = json else {
        let example = r#"{"steps": 100, "optimizer": {"op": "sgd", "lr": 0.5}}"#;
        faults.push(At::ROOT, Code::MissingField, format!("the problem has no \"descend\": {example}"));
        return None;
    };
    let at = At::ROOT.name("descend");
    let Json::Object(mut object) = json else {
        faults.push(at, Code::WrongType, format!("expected an object, found {}", json.describe()));
        return None;
    };
    let optimizer = match object.take("optimizer") {
        Some(json) => self::optimizer(json, at.name("optimizer"), faults),
        None => {
            faults.push(at, Code::MissingField, "\"optimizer\" is missing: {\"op\": \"sgd\", \"lr\": 0.5}");
            None
        }
    };
    let seeded = object.get("shuffle_seed").is_some();
    let values = by_table(ARGUMENTS, object.into_members(), at, &["optimizer"], faults)?;
    let mut size = |name: &'static str, least: usize| match values.size_or_absent(name, least) {
        Ok(size) => Some(size),
        Err(invalid) => {
            faults.push(at.name(name), Code::OutOfRange, format!("{name}: {}", invalid.detail));
            None
        }
    };
    let (steps, report_every, batch_size) = (size("steps", 1), size("report_every", 1), size("batch_size", 1));
    if let (Some(Some(size)), Some(samples)) = (batch_size, samples)
        && size > samples
    {
        let detail = format!("batch_size: the batch has {samples} samples, found {size}");
        faults.push(at.name("batch_size"), Code::OutOfRange, detail);
        return None;
    }
    let shuffle_seed = if seeded { values.seed("shuffle_seed").map(str::to_owned) } else { Some("0".to_owned()) };
    let (optimizer, values) = optimizer?;
    let (steps, report_every) = (steps?? as u64, report_every?? as u64);
    Some(Arguments { steps, optimizer, values, batch_size: batch_size?, shuffle_seed, report_every })
}

fn optimizer(json: Json<'_>, at: At<'_>, faults: &mut Faults) -> Option<(&'static Entry, Values)> {
    let mut fields = Fields::of(json, at, faults)?;
    let op = fields.require("op", faults).and_then(|json| string(json, at.name("op"), faults))?;
    let Some(entry) = optim::CATALOG.iter().find(|entry| entry.name == op) else {
        let hint = hint(&op, optim::CATALOG.iter().map(|entry| entry.name));
        let names: Vec<_> = optim::CATALOG.iter().map(|entry| entry.name).collect();
        let detail = format!("no optimiser is named \"{op}\"{hint}; there are {}", names.join(", "));
        faults.push(at.name("op"), Code::UnknownOp, detail);
        return None;
    };
    let values = by_table(entry.attributes, fields.rest(), at, &["op"], faults)?;
    let broken = (entry.check)(&values);
    for invalid in &broken {
        faults.push(at.name(invalid.attribute), Code::InvalidValue, format!("{}: {}", invalid.attribute, invalid.detail));
    }
    broken.is_empty().then_some((entry, values))
}

/// The values of a table's attributes; `others` are further names that might have been meant.
fn by_table(
    table: &[Attribute],
    members: Vec<(Cow<'_, str>, Json<'_>)>,
    at: At<'_>,
    others: &[&'static str],
    faults: &mut Faults,
) -> Option<Values> {
    let before = faults.count();
    let mut values = Values::defaults(table);
    let mut missing: Vec<_> = table.iter().filter(|attribute| attribute.default == Default::Required).collect();
    for (name, json) in members {
        let Some(attribute) = table.iter().find(|attribute| attribute.name == name) else {
            let hint = hint(&name, table.iter().map(|attribute| attribute.name).chain(others.iter().copied()));
            faults.push(at.name(&name), Code::UnknownField, format!("unknown field \"{name}\"{hint}"));
            continue;
        };
        missing.retain(|required| required.name != attribute.name);
        match attributes::value(attribute, json) {
            Ok(value) => values.set(attribute.name, value),
            Err((code, detail)) => faults.push(at.name(attribute.name), code, detail),
        }
    }
    for attribute in missing {
        faults.push(at, Code::MissingField, format!("\"{}\" is missing: {}", attribute.name, attribute.doc));
    }
    debug_assert!(values.iter().all(|(_, value)| !matches!(value, Value::Tensor { .. })));
    (faults.count() == before).then_some(values)
}
