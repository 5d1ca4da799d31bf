//! The members that a question's own argument is made of: names with their tensors, and `wrt`.

use super::Posed;
use super::function::Variable;
use crate::config::Limits;
use crate::lower::{Lowered, hint, named};
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::spec::problem::{Options, Precision};
use crate::spec::tensor::{Reading, TensorSpec, decode};
use crate::tensor::{Dims, Shape};

/// The members of a question's own argument, which must be there.
pub(super) fn required<'a>(json: Option<Json<'a>>, name: &'static str, faults: &mut Faults) -> Option<Json<'a>> {
    if json.is_none() {
        faults.push(At::ROOT, Code::MissingField, format!("the problem has no \"{name}\""));
    }
    json
}

/// Options that mean nothing to a question are refused, so that nobody believes they were heard.
pub(super) fn refuse_options(options: &Options, name: &str, single: bool, faults: &mut Faults) {
    let at = At::ROOT.name("options");
    if options.dtype == Precision::F32 && !single {
        let detail = format!("{name} computes in f64; leave \"dtype\" out");
        faults.push(at.name("dtype"), Code::InvalidValue, detail);
    }
    let flags = [("per_sample", options.per_sample), ("stats", options.stats), ("certify", options.certify)];
    for (flag, _) in flags.into_iter().filter(|(_, set)| *set) {
        faults.push(at.name(flag), Code::InvalidValue, format!("\"{flag}\" belongs to gradients; {name} has none"));
    }
}

/// The argument of a question about what moves: its tangents, and nothing else.
pub(super) fn moving(
    json: Option<Json<'_>>,
    question: &'static str,
    limits: &Limits,
    posed: &Posed,
    faults: &mut Faults,
) -> Option<Vec<(Variable, Vec<f64>)>> {
    refuse_options(&posed.options, question, false, faults);
    let at = At::ROOT.name(question);
    let mut fields = Fields::of(required(json, question, faults)?, at, faults)?;
    let tangents = tangents(&mut fields, at, limits, posed, faults);
    fields.finish(faults);
    tangents
}

/// Read a map from names to tensors. `find` says what a name stands for and which shape its tensor has, or what is wrong.
pub(super) fn tensors<T>(
    json: Json<'_>,
    at: At<'_>,
    limits: &Limits,
    options: &Options,
    faults: &mut Faults,
    find: impl Fn(&str) -> Result<(T, Shape), Option<(Code, String)>>,
) -> Option<Vec<(T, Shape, Vec<f64>)>> {
    let Json::Object(object) = json else {
        faults.push(at, Code::WrongType, format!("expected an object from name to tensor, found {}", json.describe()));
        return None;
    };
    let reading = Reading { limits, allow_non_finite: options.allow_non_finite, allow_init: false };
    let before = faults.count();
    let mut found = Vec::with_capacity(object.len());
    for (name, json) in object.into_members() {
        let at = at.name(&name);
        let tensor = decode(json, at, reading, faults);
        match (find(&name), tensor) {
            (Err(Some((code, detail))), _) => faults.push(at, code, detail),
            (Ok((meant, shape)), Some(TensorSpec::Values { shape: written, data })) if written == shape.dims() => {
                found.push((meant, shape, data.to_vec()));
            }
            (Ok((_, shape)), Some(TensorSpec::Values { shape: written, .. })) => {
                let detail = format!("\"{name}\" has shape {shape}, found {}", Dims(&written));
                faults.push(at, Code::ShapeMismatch, detail);
            }
            // Reported: it could not be read, or what it names could not.
            (Ok(_) | Err(None), _) => {}
        }
    }
    (faults.count() == before).then_some(found)
}

/// The parameter or input of a name, with its shape.
pub(super) fn variable(lowered: &Lowered, name: &str) -> Result<(Variable, Shape), Option<(Code, String)>> {
    if let Some(parameter) = lowered.parameters.iter().find(|parameter| parameter.name == name) {
        if !parameter.trained {
            return Err(Some((Code::InvalidValue, format!("\"{name}\" is a running statistic, which has no gradient"))));
        }
        return Ok((Variable::parameter(parameter), parameter.shape));
    }
    if let Some(input) = lowered.inputs.iter().find(|input| input.name == name) {
        if !input.real {
            return Err(Some((Code::InvalidValue, format!("the input \"{name}\" holds token indices, which cannot be moved"))));
        }
        return Ok((Variable::input(input, lowered), lowered.graph.shape(input.leaf)));
    }
    if !lowered.whole {
        return Err(None);
    }
    let parameters = lowered.parameters.iter().map(|parameter| parameter.name.as_str());
    let hint = hint(name, parameters.chain(lowered.inputs.iter().map(|input| input.name.as_str())));
    Err(Some((Code::UnknownName, format!("no parameter or input is named \"{name}\"{hint}"))))
}

/// Read tangents: numbers for parameters and inputs by name. Where none is named nothing moves, which is refused.
pub(super) fn tangents(
    fields: &mut Fields<'_, '_>,
    at: At<'_>,
    limits: &Limits,
    posed: &Posed,
    faults: &mut Faults,
) -> Option<Vec<(Variable, Vec<f64>)>> {
    let json = fields.require("tangents", faults)?;
    let at = at.name("tangents");
    let find = |name: &str| variable(&posed.lowered, name);
    let tangents = tensors(json, at, limits, &posed.options, faults, find)?;
    if tangents.is_empty() {
        faults.push(at, Code::MissingField, "no parameter or input has a tangent: name at least one");
        return None;
    }
    Some(tangents.into_iter().map(|(variable, _, data)| (variable, data)).collect())
}

/// Read `wrt`: the parameters and inputs that its patterns name, in the network's order; `default` where it is left out.
pub(super) fn wrt(
    fields: &mut Fields<'_, '_>,
    at: At<'_>,
    posed: &Posed,
    default: &[&str],
    faults: &mut Faults,
) -> Option<Vec<Variable>> {
    let before = faults.count();
    let (patterns, is_list) = match fields.strings("wrt", faults) {
        Some((list, is_list)) => (list.into_iter().map(std::borrow::Cow::into_owned).collect(), is_list),
        None => (default.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>(), true),
    };
    if faults.count() > before {
        return None;
    }
    let (parameters, inputs) = named(&posed.lowered, &patterns, is_list, at.name("wrt"), faults);
    if faults.count() > before {
        return None;
    }
    if parameters.is_empty() && inputs.is_empty() && posed.lowered.whole {
        let detail = "nothing is named: the network has no parameters, or none of these; \"inputs\" stands for its inputs";
        faults.push(at.name("wrt"), Code::InvalidValue, detail);
        return None;
    }
    Some(Variable::at(&posed.lowered, &parameters, &inputs))
}
