//! Attributes from the wire, by the table of their op, layer or loss.

use std::borrow::Cow;

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
        parameters: &[&'static str],
        members: Vec<(Cow<'a, str>, Json<'a>)>,
    ) -> Result<Values, Failed> {
        let mut values = Values::defaults(table);
        let mut result = Ok(());
        let mut given = Vec::new();
        for (name, json) in members {
            let parameter = parameters.iter().find(|&&parameter| parameter == name);
            let attribute = table.iter().find(|attribute| attribute.name == name);
            match (parameter, attribute) {
                (Some(&parameter), None) => self.inline.push((parameter, json)),
                (Some(&parameter), Some(_)) if !matches!(json, Json::Bool(_)) => self.inline.push((parameter, json)),
                (_, Some(attribute)) => {
                    given.push(attribute.name);
                    match self.attribute(attribute, json) {
                        Ok(value) => values.set(attribute.name, value),
                        Err(failed) => result = Err(failed),
                    }
                }
                (None, None) => {
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
                    return Err(self.fault_in(attribute.name, Code::InvalidValue, detail));
                }
            }
            (Kind::Integers | Kind::IntegersOrWord(_), Json::Number(number)) => {
                whole(number.value).map(|n| Value::Integers(vec![n]))
            }
            (Kind::Integers | Kind::IntegersOrWord(_), Json::Numbers(numbers)) if numbers.shape.len() == 1 => {
                numbers.data.iter().map(|&x| whole(x)).collect::<Option<_>>().map(Value::Integers)
            }
            (Kind::Seed, Json::String(seed)) => Some(Value::Seed(seed.into_owned())),
            (Kind::Seed, Json::Number(number)) => number.text.parse::<u64>().ok().map(|_| Value::Seed(number.text.to_owned())),
            (Kind::Tensor, json) => {
                let pointer = format!("{}/{}", self.pointer, attribute.name);
                return match self.lowering.read(json, &pointer, false)? {
                    TensorSpec::Values { shape, data } => Ok(Value::Tensor { shape, data }),
                    TensorSpec::Init(_) => Err(Failed),
                };
            }
            _ => None,
        };
        value.ok_or_else(|| {
            let detail = format!("{}: expected {}, found {found}", attribute.name, expected(attribute.kind));
            self.fault_in(attribute.name, Code::WrongType, detail)
        })
    }
}

/// A whole number that a double holds exactly.
fn whole(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() <= (1_u64 << 53) as f64).then_some(x as i64)
}

/// What a kind takes, in words.
fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "a number",
        Kind::Integer => "a whole number",
        Kind::Boolean => "true or false",
        Kind::Word(_) => "a string",
        Kind::Integers => "a whole number or a list of them",
        Kind::IntegersOrWord(_) => "a whole number, a list of them, or a string",
        Kind::Tensor => "a tensor",
        Kind::Seed => "a whole number from 0 to 2^64-1, or a string",
    }
}
