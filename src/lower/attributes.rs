//! Attributes from the wire, by the table of their op, layer or loss.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Context, Failed, hint};
use crate::ops::attributes::{Attribute, Default, Kind, Value, Values};
use crate::spec::fault::Code;
use crate::spec::json::Json;
use crate::spec::tensor::TensorSpec;

impl<'a> Context<'_, '_, 'a> {
    /// The values of `table`'s attributes. Members that name one of `parameters` go to [`Context::parameter`] instead, unless
    /// they are `true` or `false`; any other member is a fault.
    pub(crate) fn attributes(
        &mut self,
        table: &[Attribute],
        parameters: &[&str],
        members: Vec<(Cow<'a, str>, Json<'a>)>,
    ) -> Result<Values, Failed> {
        let mut values = Values::defaults(table);
        let mut result = Ok(());
        let mut given = Vec::new();
        for (name, json) in members {
            let parameter = parameters.iter().any(|parameter| is_named(parameter, &name));
            let attribute = table.iter().find(|attribute| attribute.name == name);
            match (parameter, attribute) {
                (true, None) => self.inline.push((name, json)),
                (true, Some(_)) if !matches!(json, Json::Bool(_)) => self.inline.push((name, json)),
                (_, Some(attribute)) => {
                    given.push(attribute.name);
                    match self.attribute(attribute, json) {
                        Ok(value) => values.set(attribute.name, value),
                        Err(failed) => result = Err(failed),
                    }
                }
                (false, None) => {
                    let known = table.iter().map(|attribute| attribute.name).chain(parameters.iter().copied());
                    let common: &[&str] = match self.pointer.rsplit('/').next() {
                        Some("loss") => &["op", "of", "reduction"],
                        Some("activation") => &["op"],
                        _ => &["id", "op", "inputs", "activation"],
                    };
                    let hint = hint(&name, known.chain(common.iter().copied()));
                    let member = super::context::escape(&name);
                    result = Err(self.fault_in(&member, Code::UnknownField, format!("unknown field \"{name}\"{hint}")));
                }
            }
        }
        for attribute in table.iter().filter(|a| a.default == Default::Required && !given.contains(&a.name)) {
            result = Err(self.fault(Code::MissingField, format!("\"{}\" is missing: {}", attribute.name, attribute.doc)));
        }
        result.map(|()| values)
    }

    fn attribute(&mut self, attribute: &Attribute, json: Json<'a>) -> Result<Value, Failed> {
        match (attribute.kind, json) {
            (_, Json::Null) if attribute.default == Default::Absent => Ok(Value::Absent),
            (Kind::MaskOrInput, Json::String(name)) => Ok(Value::Word(name.into_owned())),
            (Kind::Mask | Kind::MaskOrInput, json) => self.mask(attribute.name, json),
            (Kind::Tensor, json) => {
                let pointer = format!("{}/{}", self.pointer, attribute.name);
                match self.lowering.read(json, &pointer, false)? {
                    TensorSpec::Values { shape, data } => Ok(Value::Tensor { shape, data: Arc::unwrap_or_clone(data) }),
                    TensorSpec::Init(_) => Err(Failed),
                }
            }
            (_, json) => value(attribute, json).map_err(|(code, detail)| self.fault_in(attribute.name, code, detail)),
        }
    }
}

/// The value of an attribute that is no tensor and no mask.
///
/// # Errors
/// It is not of the attribute's kind: the fault's code and detail.
pub(crate) fn value(attribute: &Attribute, json: Json<'_>) -> Result<Value, (Code, String)> {
    let found = json.describe();
    let value = match (attribute.kind, json) {
        (_, Json::Null) if attribute.default == Default::Absent => Some(Value::Absent),
        (Kind::Number, Json::Number(number)) => Some(Value::Number(number.value)),
        (Kind::Integer, Json::Number(number)) => whole(number.value).map(Value::Integer),
        (Kind::Boolean, Json::Bool(truth)) => Some(Value::Boolean(truth)),
        (Kind::Word(words) | Kind::IntegersOrWord(words), Json::String(word)) => {
            if words.contains(&word.as_ref()) {
                Some(Value::Word(word.into_owned()))
            } else {
                let hint = hint(&word, words.iter().copied());
                let expected = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
                let detail = format!("{}: expected {expected}, found \"{word}\"{hint}", attribute.name);
                return Err((Code::InvalidValue, detail));
            }
        }
        (Kind::Numbers(count), Json::Numbers(numbers)) if numbers.shape == [count] => Some(Value::Numbers(numbers.data)),
        (Kind::Integers | Kind::IntegersOrWord(_), Json::Number(number)) => whole(number.value).map(|n| Value::Integers(vec![n])),
        (Kind::Integers | Kind::IntegersOrWord(_), Json::Numbers(numbers)) if numbers.shape.len() == 1 => {
            numbers.data.iter().map(|&x| whole(x)).collect::<Option<_>>().map(Value::Integers)
        }
        (Kind::Seed, Json::String(seed)) => Some(Value::Seed(seed.into_owned())),
        (Kind::Seed, Json::Number(number)) => number.text.parse::<u64>().ok().map(|_| Value::Seed(number.text.to_owned())),
        _ => None,
    };
    value.ok_or_else(|| {
        let detail = format!("{}: expected {}, found {found}", attribute.name, expected(attribute.kind));
        (Code::WrongType, detail)
    })
}

impl<'a> Context<'_, '_, 'a> {
    /// A mask of scores as what is added to them: booleans leave out where true, as PyTorch's do; numbers are added themselves.
    fn mask(&mut self, name: &str, json: Json<'a>) -> Result<Value, Failed> {
        if let Some((shape, left_out)) = booleans(&json) {
            let data = left_out.into_iter().map(|left_out| if left_out { f64::NEG_INFINITY } else { 0.0 }).collect();
            return Ok(Value::Tensor { shape, data });
        }
        let mut first = &json;
        while let Json::Array(row) = first
            && let Some(inner) = row.first()
        {
            first = inner;
        }
        if let Json::Bool(_) = first {
            let detail = format!("{name}: expected true and false in nested arrays of one length, and nothing else");
            return Err(self.fault_in(name, Code::RaggedArray, detail));
        }
        let pointer = format!("{}/{name}", self.pointer);
        match self.lowering.read(json, &pointer, false)? {
            TensorSpec::Values { shape, data } => Ok(Value::Tensor { shape, data: Arc::unwrap_or_clone(data) }),
            TensorSpec::Init(_) => Err(Failed),
        }
    }
}

/// A rectangular array of `true` and `false`, level by level.
fn booleans(json: &Json<'_>) -> Option<(Vec<usize>, Vec<bool>)> {
    let (mut shape, mut level) = (Vec::new(), vec![json]);
    loop {
        let truths = level.iter().map(|json| if let Json::Bool(truth) = json { Some(*truth) } else { None });
        if let Some(data) = truths.collect() {
            return Some((shape, data));
        }
        let rows = level.iter().map(|json| if let Json::Array(row) = json { Some(row) } else { None });
        let rows: Vec<_> = rows.collect::<Option<_>>()?;
        let length = rows.first()?.len();
        if rows.iter().any(|row| row.len() != length) {
            return None;
        }
        shape.push(length);
        level = rows.into_iter().flatten().collect();
    }
}

/// Whether `name` is the parameter that a table calls `known`, in which `{k}` stands for a number.
fn is_named(known: &str, name: &str) -> bool {
    let Some((before, after)) = known.split_once("{k}") else { return known == name };
    let number = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    number.is_some_and(|k| k == "0" || (!k.starts_with('0') && !k.is_empty() && k.bytes().all(|c| c.is_ascii_digit())))
}

/// A whole number that a double holds exactly.
fn whole(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() <= (1_u64 << 53) as f64).then_some(x as i64)
}

/// What a kind takes, in words.
fn expected(kind: Kind) -> String {
    match kind {
        Kind::Number => "a number",
        Kind::Numbers(count) => return format!("a list of {count} numbers"),
        Kind::Integer => "a whole number",
        Kind::Boolean => "true or false",
        Kind::Word(_) => "a string",
        Kind::Integers => "a whole number or a list of them",
        Kind::IntegersOrWord(_) => "a whole number, a list of them, or a string",
        Kind::Tensor => "a tensor",
        Kind::Mask => "true and false in nested arrays, or a tensor",
        Kind::MaskOrInput => "true and false in nested arrays, a tensor, or the name of an input",
        Kind::Seed => "a whole number from 0 to 2^64-1, or a string",
    }
    .to_owned()
}
